//! Filters of any text, as pairs and as groups in JSON: what is refused is named, the order of
//! pairs does not matter, and groups of one group mean what it means.

#![no_main]

use annals::decode::decode;
use annals::event::{Event, Timestamp};
use annals::query::Filter;
use annals::filter::parse_filter;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_millis(1_782_777_600_000);

/// One event of each of several formats, and one without anything.
static EVENTS: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let records = [
        include_str!("../../fixtures/fuzz/decode/cts.json"),
        include_str!("../../fixtures/fuzz/decode/partner.json"),
        include_str!("../../fixtures/fuzz/decode/cloudtrail.json"),
        include_str!("../../fixtures/fuzz/decode/k8s.json"),
        include_str!("../../fixtures/fuzz/decode/native.json"),
        include_str!("../../fixtures/fuzz/decode/ecs.json"),
    ];
    let events = records.map(|record| decode(record.trim_end(), None).expect("the seeds decode"));
    events.into_iter().chain([Event::default()]).collect()
});

fuzz_target!(|text: &str| {
    let pairs = text.split('\n').filter_map(|line| line.split_once('='));
    let mut pairs: Vec<(String, String)> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let given = parse_filter(&pairs, &[], NOW);
    pairs.reverse();
    match (given, parse_filter(&pairs, &[], NOW)) {
        (Ok(given), Ok(reversed)) => {
            assert_eq!(answers(&given), answers(&reversed), "{given:?}");
            // What shows filters to people takes any.
            let _ = (
                given.canonical(),
                given.clauses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            );
        }
        (Err(given), Err(reversed)) => {
            assert!(given.parameter_name().is_some(), "{given}");
            assert!(reversed.parameter_name().is_some(), "{reversed}");
        }
        (given, reversed) => panic!("accepted in one order only: {given:?}, {reversed:?}"),
    }
    check_group(text);
});

fn answers(filter: &Filter) -> Vec<bool> {
    EVENTS.iter().map(|event| filter.matches(event)).collect()
}

/// What a group in JSON answers; nothing if it is refused.
fn answers_of_group(group: &str) -> Option<Vec<bool>> {
    parse_filter(&[("filter".to_owned(), group.to_owned())], &[], NOW)
        .ok()
        .map(|filter| answers(&filter))
}

/// A group by itself, in lists of one, and negated. Deeper ones may be refused.
fn check_group(group: &str) {
    let Some(alone) = answers_of_group(group) else { return };
    for within in [
        format!(r#"{{"all":[{group}]}}"#),
        format!(r#"{{"any":[{group}]}}"#),
        format!(r#"{{"not":{{"not":{group}}}}}"#),
    ] {
        if let Some(found) = answers_of_group(&within) {
            assert_eq!(found, alone, "{within}");
        }
    }
    if let Some(negated) = answers_of_group(&format!(r#"{{"not":{group}}}"#)) {
        assert!(negated.iter().zip(&alone).all(|(negated, alone)| negated != alone), "{group}");
    }
}
