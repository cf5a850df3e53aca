//! Every sample record goes in, none is lost, and all are found again.

use crate::support::store::TestStore;
use annals::access::Scope;
use annals::event::Field;
use annals::ingest::{TenantRule, Unpacked};
use annals::query::Filter;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Sample files: name, format, records that are taken in, and records whose trace id another record
/// of the same time took before them (vendor pages print one trace in several versions): those are
/// in quarantine.
const FILES: &[(&str, &str, u64, usize)] = &[
    ("cts_traces.jsonl.gz", "cts", 17, 8),
    ("cloudtrail_invictus.jsonl.gz", "cloudtrail", 2_900, 0),
    ("cloudtrail_stratus.jsonl.gz", "cloudtrail", 310, 0),
    ("k8s_audit_falco.jsonl.gz", "k8s", 52, 3),
    ("gcp_audit_c7n_tests.jsonl.gz", "gcp", 46, 0),
    ("partner.jsonl", "partner", 26, 0),
];

/// The lines of a sample file.
pub(crate) fn lines(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/samples").join(name);
    let input = Unpacked::detect(File::open(path).expect("the sample is there"), u64::MAX, 23)
        .expect("a stream");
    BufReader::new(input)
        .lines()
        .map(|line| line.expect("samples are text"))
        .filter(|line| !line.trim().is_empty())
        .collect()
}

#[test]
fn all_sample_records_are_taken_in_once_and_found_by_format_and_id() {
    let mut store = TestStore::new();
    let rule = TenantRule::new(Some("t"), None).expect("a tenant");
    let take = |store: &TestStore, name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/samples").join(name);
        let input = Unpacked::detect(File::open(path).expect("the sample is there"), u64::MAX, 23)
            .expect("a stream");
        let (outcome, error) =
            store.engine().ingest_stream(BufReader::new(input), None, &rule, name, |_| ());
        assert!(error.is_none(), "{name}: {error:?}");
        outcome
    };
    for (name, _, records, conflicts) in FILES {
        let outcome = take(&store, name);
        assert_eq!(
            (outcome.accepted, outcome.duplicates, outcome.quarantined.total() as usize),
            (*records, 0, *conflicts),
            "{name}"
        );
        assert!(
            outcome
                .quarantined
                .listed()
                .iter()
                .all(|refused| refused.reason.contains("was taken by another record"))
        );
    }
    for sealed in [false, true] {
        if sealed {
            store.engine().seal().expect("a commit");
        }
        store.reopen();
        for (name, _, records, conflicts) in FILES {
            let outcome = take(&store, name);
            let expected = (0, *records, *conflicts);
            assert_eq!(
                (outcome.accepted, outcome.duplicates, outcome.quarantined.total() as usize),
                expected,
                "{name} again, sealed: {sealed}"
            );
        }
    }
    let kept: usize = FILES.iter().map(|(.., conflicts)| conflicts).sum();
    assert_eq!(
        store.engine().quarantined().expect("the quarantine").len(),
        kept,
        "sent again and again, kept once"
    );
    let scope = Scope::of_operator(&["t"]).expect("a scope");
    let snapshot = store.engine().snapshot();
    let reader = store.engine().reader(&snapshot, None);
    for format in ["cts", "cloudtrail", "k8s", "gcp", "partner"] {
        let expected: u64 = FILES
            .iter()
            .filter(|(_, of, ..)| *of == format)
            .map(|(_, _, records, _)| records)
            .sum();
        let filter = Filter::default().and_equal(Field::Format, format);
        assert_eq!(reader.count(&scope, &filter).expect("a count").0, expected, "{format}");
    }
    for event in store.everything().iter().step_by(37) {
        let found = reader.get(&scope, event.trace_id(), 10).expect("a look-up");
        assert!(found.contains(event), "{}", event.trace_id());
    }
    assert!(store.engine().check(false).expect("a check").is_sound());
}
