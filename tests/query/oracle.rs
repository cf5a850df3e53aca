//! One meaning, several paths: on random events and random filters, lookup, scan, the path that is
//! chosen, and `Filter::matches` give the same lists, counts, facets and histograms, in segments
//! and in the buffer. Records are written with every escape that JSON has, JSON in strings within
//! JSON included; half of the questions are cut out of the records.

use crate::support::store::{TestStore, all_pages};
use annals::access::Scope;
use annals::event::{Event, Field, Timestamp};
use annals::filter::{Clause, FieldCondition, Pattern, RecordTest, Test, ValueMatch, ValueTest};
use annals::query::rows::plan::AnswerPath;
use annals::query::{
    EventBatch, Filter, HistogramQuery, Interval, SnapshotReader, SortOrder, StreamQuery,
};
use annals::text::{Glob, RecordTextKind, RecordTexts, fold};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Stores that each of the four tests builds, each over several commits; `ANNALS_ORACLE_STORES`
/// sets another number.
const STORES: u32 = 25;
/// Questions asked of each store, each in every path; with those below 51,000 in all.
const QUESTIONS: usize = 310;
/// Questions of each store that are cut out of its records.
const CUTS: usize = 200;
/// Every so many questions are asked in all shapes.
const DEEP: usize = 5;
/// Every so many questions are answered by scan too: planning one for each small segment costs more
/// than all the rest.
const SCANNED: usize = 3;

/// Midnight of 2026-03-01 and moments around it: two partitions, many equal times.
const START: i64 = 1_772_323_200_000;

const TENANTS: &[&str] = &["a", "b", "ab"];
const WORDS: &[&str] =
    &["ECS", "VPC", "E", "ECS2", "日志", "日", "x/y", "\u{10ffff}", "grantQuota", "Straße Quota"];
const ADDRESSES: &[&str] =
    &["10.0.0.1", "10.0.1.1", "192.168.0.7", "fe80::1", "example.com", "::ffff:10.0.0.1"];
const AMOUNTS: &[&str] = &["0", "1.00", "1.01", "-5", "100000000000.12345678"];
/// What payloads say: Chinese, full-width and composed letters, emoji, ids, numbers, escapes.
const PHRASES: &[&str] = &[
    "grant quota",
    "操作日志",
    "日志 ECS",
    "ＥＣＳ日",
    "go🚀go 🚀",
    "5000",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "quota-7dec",
    "C:\\Temp \"x\"",
    "か\u{3099}く e\u{301}",
    "a\nbc\td\re \u{8}f\u{c}g",
    "a\\nbc \\u65e5 \\\\x",
    "x/y \u{1}z null",
    "ﬁ K ｶﾞ 각가\u{11a8} ≮",
    "日\u{e000}志 x\u{e001}y\u{e000}\u{e001}",
    "{\"a\":",
    "recallCouponQuota EC2Instance34567",
    "ΟΔΟΣ Straße ısparta",
    "",
];
/// What is looked for in them: whole, in part, in other forms.
const NEEDLES: &[&str] = &[
    "quota",
    "QUOTA",
    "coupon",
    "instance34567",
    "coupon quota",
    "οδος",
    "STRASSE",
    "strasse quota",
    "isparta",
    "uot",
    "grant quota",
    "操作",
    "作日",
    "志",
    "日",
    "日志 ecs",
    "ecs",
    "ＥＣＳ",
    "🚀",
    "go",
    "5000",
    "500",
    "7dec",
    "7de",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "F81D4FAE",
    "Temp",
    "\\",
    "\"",
    "か",
    "が",
    "e",
    "é",
    "note",
    "a",
    "-",
    "true",
    "nothing",
    "},null]",
    "\"note\":\"",
    "null",
];
/// Paths to them, and some that lead nowhere.
const PATHS_IN: &[&str] = &[
    "request.note",
    "Request.Note",
    "request",
    "request.inner.note",
    "tags",
    "tags.k",
    "tags.n",
    "tags.1.k",
    "tags.0",
    "tags.0.1.k",
    "source",
    "nowhere",
];
const NETWORKS: &[&str] = &["10.0.0.0/8", "10.0.0.0/24", "fe80::/10", "0.0.0.0/0"];

fn maybe<T: Clone + std::fmt::Debug + 'static>(
    values: &'static [T],
) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(0.8, proptest::sample::select(values))
}

/// An object with this key stands for its value written as JSON in a string; with the other one,
/// the last bytes are missing.
const TEXT: &str = "$text";
const CUT: &str = "$cut";

/// JSON as others write it: what needs no escape may have one, and what has several forms is in any
/// of them. Two private characters stand for halves of surrogate pairs.
fn written(value: &Json, choices: &mut dyn Iterator<Item = u8>) -> String {
    match value {
        Json::String(text) => string(text, choices),
        Json::Array(items) => format!(
            "[{}]",
            items.iter().map(|item| written(item, choices)).collect::<Vec<_>>().join(", ")
        ),
        Json::Object(members) => match (members.get(TEXT), members.get(CUT)) {
            (Some(inner), _) => string(&written(inner, choices), choices),
            (_, Some(inner)) => {
                let mut inner = written(inner, choices);
                inner.pop();
                string(&inner, choices)
            }
            _ => object(
                members.iter().map(|(key, value)| (string(key, choices), written(value, choices))),
            ),
        },
        other => other.to_string(),
    }
}

fn object(members: impl Iterator<Item = (String, String)>) -> String {
    format!(
        "{{{}}}",
        members.map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(",")
    )
}

fn string(text: &str, choices: &mut dyn Iterator<Item = u8>) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        let choice = choices.next().unwrap_or(9);
        let short = match letter {
            '"' | '\\' => Some(letter),
            '/' if choice == 1 => Some('/'),
            '\n' => Some('n'),
            '\t' => Some('t'),
            '\r' => Some('r'),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            _ => None,
        };
        match (letter, short) {
            ('\u{e000}', _) => out.push_str("\\ud800"),
            ('\u{e001}', _) => out.push_str("\\uDC00"),
            (letter, short) if choice == 0 || letter < ' ' && short.is_none() => {
                letter
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            (_, Some(short)) => out.extend(['\\', short]),
            (letter, None) => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// A record as it is sent. The names of its fields are plain: which they are is for decoders to
/// tell.
fn sent() -> impl Strategy<Value = String> {
    (record(), proptest::collection::vec(0_u8..10, 1..40)).prop_map(|(record, choices)| {
        let mut choices = choices.into_iter().cycle();
        let members = record.as_object().into_iter().flatten();
        object(members.map(|(key, value)| match key.as_str() {
            "request" | "tags" => (format!("\"{key}\""), written(value, &mut choices)),
            _ => (format!("\"{key}\""), value.to_string()),
        }))
    })
}

/// A question that is cut out of a record: which record, which of its texts, from where, how much,
/// and how it is asked.
type Cut = (Index, Index, Index, usize, u8);

/// What is found somewhere: a text of a record or a piece of one, as it is written or as it is
/// read.
fn cut_out(events: &[Event], (event, text, start, length, how): &Cut) -> Option<Filter> {
    let event = events.get(event.index(events.len().max(1)))?;
    let texts = RecordTexts::of(&event.original);
    let texts: Vec<_> =
        texts.iter().filter(|text| text.kind != RecordTextKind::Container).collect();
    let (path, whole) = match text.index(texts.len() + 1).checked_sub(1) {
        Some(place) => (texts[place].path, texts[place].raw),
        None => ("", &*event.original),
    };
    let letters: Vec<char> = whole.chars().collect();
    let piece = |letters: &[char]| -> String {
        let start = start.index(letters.len() + 1);
        letters[start..letters.len().min(start + length)].iter().collect()
    };
    // One path is tested in another way than several.
    let others = ["nowhere", "tags.k", "request.note"].into_iter().take(usize::from(how / 8 % 4));
    let at_paths = match how & 1 == 1 && !path.is_empty() {
        true => others.chain([&*fold(path)]).map(str::to_owned).collect(),
        false => Vec::new(),
    };
    let value = |glob: Glob, cased: bool| {
        let any = vec![ValueMatch::Glob(if cased { glob } else { glob.folded() })];
        RecordTest::Value(ValueTest { paths: at_paths.clone(), any, cased })
    };
    let (cut, cased) = (piece(&letters), how & 2 == 2);
    let test = match how / 4 % 6 {
        0 | 1 => RecordTest::Substring(cut),
        2 => RecordTest::Words(fold(cut.trim()).split_whitespace().collect::<Vec<_>>().join(" ")),
        3 => value(Glob::literal(whole), cased),
        4 => value(Glob::literal(&cut).anything_before().anything_after(), cased),
        _ if how & 4 == 4 => value(
            Glob::literal(&letters[..letters.len().min(*length)].iter().collect::<String>())
                .anything_after(),
            cased,
        ),
        _ => value(
            Glob::literal(
                &letters[letters.len().saturating_sub(*length)..].iter().collect::<String>(),
            )
            .anything_before(),
            cased,
        ),
    };
    let clause = match test {
        RecordTest::Words(words) if how & 1 == 1 => Clause::words(&words),
        test => Clause::Record(test),
    };
    let clause = if how / 24 % 4 == 0 { Clause::Not(Box::new(clause)) } else { clause };
    Some(Filter { clauses: vec![clause], ..Filter::default() })
}

/// Adds what the sender's own fields say, in one of several shapes.
fn add_payload(
    record: &mut Json,
    id: u32,
    (note, inner, tag, number): (&'static str, &'static str, &'static str, u32),
) {
    match id % 6 {
        0 => record["request"] = json!({ "note": note, "inner": { "note": inner } }),
        // As cloud services write it: JSON within a string, and within that again.
        1 => {
            record["request"] = json!({ TEXT: { "note": note,
                "inner": { TEXT: { "note": inner } } } })
        }
        2 => record["tags"] = json!([tag, { "k": note, "n": number }, null]),
        3 => {
            let innermost = json!({ TEXT: [note, tag, null, true, "1.50", { "note": inner }] });
            record["request"] = json!({ TEXT: { "日\n\"k": { TEXT: { "inner": innermost,
                    "note": tag } }, "none": null } });
        }
        // Numbers that are keys, and items of lists within lists.
        5 => {
            record["tags"] = json!([[[{ "k": note }], { "1": { "k": inner } }],
                { "0": [tag, { "1": [{ "k": tag, "n": number }] }] }])
        }
        4 => {
            record["tags"] = json!({ "k": { CUT: { "note": note, "n": number } },
                "a\tb/": tag })
        }
        _ => {}
    }
}

/// A record in our own field names.
fn record() -> impl Strategy<Value = Json> {
    let texts = (
        maybe(WORDS),
        maybe(WORDS),
        maybe(WORDS),
        maybe(WORDS),
        maybe(WORDS),
        maybe(WORDS),
        maybe(ADDRESSES),
    );
    let kinds = (
        maybe(&["normal", "warning", "incident"]),
        maybe(&["system", "data"]),
        proptest::option::of(any::<bool>()),
        maybe(AMOUNTS),
        proptest::collection::vec(
            proptest::sample::select(&["quota:1", "quota:2", "customer:1"][..]),
            0..3,
        ),
    );
    let phrase = || proptest::sample::select(PHRASES);
    let payload = (phrase(), phrase(), phrase(), 0_u32..6000);
    (proptest::sample::select(TENANTS), -20_i64..20, texts, kinds, 0_u32..1_000_000, payload)
        .prop_map(|(tenant, tick, texts, kinds, id, payload)| {
            let mut record = json!({
                // Ticks of an hour: equal times are frequent, and the partition's edge lies in the
                // middle.
                "tenant_of": tenant, "time": START + tick * 3_600_000,
                "event_name": texts.0.unwrap_or("none"), "trace_id": format!("t{id}"),
                "related_ids": kinds.4,
            });
            add_payload(&mut record, id, payload);
            let fields = [
                ("source", texts.1),
                ("resource_type", texts.2),
                ("resource_id", texts.3),
                ("resource_name", texts.4),
                ("operator", texts.5),
                ("source_ip", texts.6),
                ("level", kinds.0),
                ("event_type", kinds.1),
                ("amount", kinds.3),
            ];
            for (name, value) in fields {
                if let Some(value) = value {
                    record[name] = value.into();
                }
            }
            if let Some(flag) = kinds.2 {
                record["read_only"] = flag.into();
            }
            record
        })
}

fn some(values: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(proptest::sample::select(values).prop_map(str::to_owned), 1..3)
}

fn condition() -> impl Strategy<Value = FieldCondition> {
    use Field::{
        Amount, EventName, EventType, Level, Operator, ReadOnly, RelatedIds, ResourceId,
        ResourceName, ResourceType, Source, SourceIp, TraceId,
    };
    let words = &[Source, ResourceType, EventName, ResourceId, ResourceName, Operator][..];
    let any_field = &[
        Source,
        ResourceId,
        SourceIp,
        Level,
        ReadOnly,
        RelatedIds,
        Amount,
        ResourceName,
        Operator,
        Field::Currency,
    ][..];
    let amount = || {
        proptest::option::of(
            proptest::sample::select(AMOUNTS)
                .prop_map(|text| annals::event::Amount::parse(text).expect("an amount")),
        )
    };
    let plain = |field: Field, negated: bool, test: Test| FieldCondition { field, negated, test };
    // Scopes have these, of relationships; filters that are sent do not.
    let bound = || {
        let moment =
            (-44_i64..44).prop_map(|tick| Timestamp::from_millis(START + tick * 1_800_000));
        proptest::option::weighted(0.8, moment)
    };
    prop_oneof![
        2 => (any::<bool>(), proptest::sample::subsequence(TENANTS, 1..3)).prop_map(move |(not, names)| {
            plain(Field::Tenant, not, Test::OneOf(names.into_iter().map(str::to_owned).collect()))
        }),
        2 => (any::<bool>(), bound(), bound()).prop_map(move |(not, from, to)| plain(Field::Time, not, Test::During(from, to))),
        4 => (proptest::sample::select(words), any::<bool>(), some(WORDS)).prop_map(move |(field, not, values)| plain(field, not, Test::OneOf(values.into()))),
        2 => (proptest::sample::select(words), some(&["E", "日", "EC", "x", "\u{10ffff}", "zzz"])).prop_map(move |(field, values)| plain(field, false, Test::Prefix(values))),
        2 => (proptest::sample::select(any_field), any::<bool>()).prop_map(move |(field, not)| plain(field, not, Test::Present)),
        1 => (any::<bool>(), some(&["normal", "warning"])).prop_map(move |(not, values)| plain(Level, not, Test::OneOf(values.into()))),
        1 => (any::<bool>(), some(&["system", "data"])).prop_map(move |(not, values)| plain(EventType, not, Test::OneOf(values.into()))),
        1 => (any::<bool>(), some(&["true", "false"])).prop_map(move |(not, values)| plain(ReadOnly, not, Test::OneOf(values.into()))),
        1 => (any::<bool>(), some(&["quota:1", "customer:1", "nothing:1"])).prop_map(move |(not, values)| plain(RelatedIds, not, Test::OneOf(values.into()))),
        1 => (any::<bool>(), proptest::sample::select(&[RelatedIds, Source, ResourceId][..]), some(&["quota:1", "ECS", "r1"])).prop_map(move |(not, field, values)| {
            // As many as a scope may have.
            let many = values.into_iter().chain((0..40).map(|number| format!("nothing:{number}")));
            plain(field, not, Test::OneOf(many.collect()))
        }),
        1 => (0_u32..1_000_000).prop_map(move |id| plain(TraceId, false, Test::OneOf(vec![format!("t{id}")].into()))),
        2 => (any::<bool>(), proptest::sample::subsequence(ADDRESSES, 0..3), proptest::sample::subsequence(NETWORKS, 0..2)).prop_map(move |(not, values, networks)| {
            let networks = networks.into_iter().map(|text| text.parse().expect("a \
                network")).collect();
            plain(SourceIp, not, Test::Address(values.into_iter().map(str::to_owned).collect(), networks))
        }),
        1 => (amount(), amount()).prop_map(move |(min, max)| plain(Amount, false, Test::Between(min, max))),
        1 => (any::<bool>(), amount()).prop_map(move |(not, amount)| plain(Amount, not, Test::Amounts(amount.into_iter().collect()))),
    ]
}

fn record_test() -> impl Strategy<Value = Clause> {
    let needle = || prop_oneof![3 => proptest::sample::select(NEEDLES), 1 => proptest::sample::select(PHRASES).prop_filter("not empty", |text| !text.is_empty())];
    let value = (needle(), 0_u8..8, any::<bool>()).prop_map(|(text, kind, cased)| {
        let literal = Glob::literal(text);
        let glob = |glob: Glob| ValueMatch::Glob(if cased { glob } else { glob.folded() });
        let wanted = match kind {
            0 => ValueMatch::Exists,
            1 => glob(literal),
            2 => glob(literal.anything_after()),
            3 => glob(literal.anything_before()),
            4 => glob(Glob::parse("*o?q*")),
            7 => ValueMatch::SameAs("tags.k".to_owned()),
            5 => ValueMatch::Pattern(Pattern::parse("(?i)[qg]o|日.$").expect("a pattern")),
            _ => glob(literal.anything_before().anything_after()),
        };
        (wanted, cased)
    });
    let paths = prop_oneof![
        1 => Just(Vec::new()),
        3 => proptest::sample::select(PATHS_IN).prop_map(|path| vec![path]),
        2 => proptest::sample::subsequence(PATHS_IN, 2..=4),
    ]
    .prop_map(|paths| paths.iter().map(|path| fold(path).into_owned()).collect());
    prop_oneof![
        3 => needle().prop_map(Clause::words),
        2 => needle().prop_map(|text| Clause::Record(RecordTest::Substring(text.to_owned()))),
        3 => (paths, proptest::collection::vec(value, 1..3)).prop_map(|(paths, values)| {
            let cased = values[0].1;
            let any = values.into_iter().map(|(wanted, _)| wanted).collect();
            Clause::Record(RecordTest::Value(ValueTest { paths, any, cased }))
        }),
    ]
}

fn clause() -> impl Strategy<Value = Clause> {
    let leaf = || prop_oneof![3 => condition().prop_map(Clause::Field), 2 => record_test()];
    let group = leaf().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Clause::Any),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Clause::All),
            inner.prop_map(|clause| Clause::Not(Box::new(clause))),
        ]
    });
    prop_oneof![3 => leaf(), 1 => group]
}

/// Conditions that the summary of a segment may answer.
fn summarized() -> impl Strategy<Value = Vec<Clause>> {
    use Field::{EventName, EventType, Level, ResourceType, Source};
    let plain = |field: Field, negated: bool, test: Test| {
        Clause::Field(FieldCondition { field, negated, test })
    };
    let words = &[Source, ResourceType, EventName][..];
    let one = prop_oneof![
        3 => (proptest::sample::select(words), any::<bool>(), some(WORDS)).prop_map(move |(field, not, values)| plain(field, not, Test::OneOf(values.into()))),
        1 => (proptest::sample::select(words), some(&["E", "日", "zzz"])).prop_map(move |(field, values)| plain(field, false, Test::Prefix(values))),
        1 => (proptest::sample::select(&[Source, Level, EventType][..]), any::<bool>()).prop_map(move |(field, not)| plain(field, not, Test::Present)),
        2 => (any::<bool>(), some(&["normal", "warning"])).prop_map(move |(not, values)| plain(Level, not, Test::OneOf(values.into()))),
        1 => (any::<bool>(), some(&["system", "data"])).prop_map(move |(not, values)| plain(EventType, not, Test::OneOf(values.into()))),
    ];
    proptest::collection::vec(one, 0..4)
}

fn filter() -> impl Strategy<Value = Filter> {
    let moment = || {
        proptest::option::weighted(
            0.3,
            (-22_i64..22).prop_map(|tick| Timestamp::from_millis(START + tick * 3_600_000)),
        )
    };
    (
        prop_oneof![4 => proptest::collection::vec(clause(), 0..4), 1 => summarized()],
        moment(),
        moment(),
    )
        .prop_map(|(clauses, from, to)| Filter { clauses, from, to, last: None })
        .prop_filter("a period has a length", |filter| {
            filter.from.zip(filter.to).is_none_or(|(from, to)| from < to)
        })
}

fn scope() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![3 => proptest::sample::select(TENANTS).prop_map(|tenant| vec![tenant]), 1 => Just(vec!["a", "ab"]), 1 => Just(vec!["*"]), 1 => Just(vec!["nobody"])]
}

fn ask_random_questions() {
    let stores = std::env::var("ANNALS_ORACLE_STORES")
        .map_or(STORES, |number| number.parse().expect("a number of stores"));
    let mut runner = TestRunner::new(Config {
        cases: stores,
        failure_persistence: None,
        max_shrink_iters: 40,
        ..Config::default()
    });
    let batches = proptest::collection::vec(proptest::collection::vec(sent(), 1..60), 1..5);
    let questions = proptest::collection::vec((filter(), scope(), 1_usize..30), QUESTIONS);
    let cuts = proptest::collection::vec(
        (any::<Index>(), any::<Index>(), any::<Index>(), 1_usize..24, any::<u8>()),
        CUTS,
    );
    // How many batches lie in segments; the others lie in the buffer, in several parts.
    let input = (batches, 0_usize..6, questions, cuts);
    let outcome = runner.run(&input, |(batches, sealed, questions, cuts)| {
        let store = TestStore::new();
        for (place, batch) in batches.iter().enumerate() {
            let outcome = store.buffer_lines(batch, "tenant_of");
            prop_assert!(
                outcome.quarantined.listed().iter().all(|refused| refused.conflict),
                "{:?}",
                outcome.quarantined
            );
            if place < sealed.min(batches.len()) {
                store.engine().seal().expect("a commit");
            }
        }
        let everything = store.everything();
        for (number, cut) in cuts.iter().enumerate() {
            if let Some(filter) = cut_out(&everything, cut) {
                check(&store, &everything, &filter, &["*"], 10, number % SCANNED == 0)?;
            }
        }
        questions.iter().enumerate().try_for_each(|(number, (filter, scope, limit))| {
            let expected =
                check(&store, &everything, filter, scope, *limit, number % SCANNED == 0)?;
            // Depth, facets and histograms cost more, and rest on the same rows.
            if number % DEEP == 0 {
                check_shapes(&store, &expected, filter, scope, *limit)
            } else {
                Ok(())
            }
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

// Four tests, so that several cores share the work.
#[test]
fn every_path_agrees_with_the_oracle_on_the_first_quarter() {
    ask_random_questions();
}

#[test]
fn every_path_agrees_with_the_oracle_on_the_second_quarter() {
    ask_random_questions();
}

#[test]
fn every_path_agrees_with_the_oracle_on_the_third_quarter() {
    ask_random_questions();
}

#[test]
fn every_path_agrees_with_the_oracle_on_the_last_quarter() {
    ask_random_questions();
}

/// The paths, `None` for the one that is chosen.
const PATHS: &[Option<AnswerPath>] = &[None, Some(AnswerPath::Lookup), Some(AnswerPath::Scan)];

fn check<'a>(
    store: &TestStore,
    everything: &'a [Event],
    filter: &Filter,
    tenants: &[&str],
    limit: usize,
    scanned: bool,
) -> Result<Vec<&'a Event>, TestCaseError> {
    let scope = Scope::of_operator(tenants).expect("a scope");
    let mut expected: Vec<&Event> = everything
        .iter()
        .filter(|event| scope.covers(&event.tenant) && filter.matches(event))
        .collect();
    expected.sort_by_key(|event| std::cmp::Reverse(event.key()));
    let snapshot = store.engine().snapshot();
    for path in PATHS {
        if *path == Some(AnswerPath::Scan) && !scanned {
            continue;
        }
        let reader = store.engine().reader(&snapshot, *path);
        let (count, explain) = reader.count(&scope, filter).expect("a count");
        prop_assert_eq!(
            count as usize,
            expected.len(),
            "count by {:?} of {:?}: {:?}",
            path,
            filter,
            explain.steps
        );
        let first = reader
            .list(&scope, filter, &annals::query::PageQuery { limit, ..Default::default() })
            .expect("a page");
        let wanted: Vec<&Event> = expected.iter().copied().take(limit).collect();
        prop_assert_eq!(
            first.events.iter().collect::<Vec<_>>(),
            wanted,
            "page by {:?} of {:?}",
            path,
            filter
        );
        prop_assert_eq!(
            first.next.is_some(),
            expected.len() > limit,
            "next by {:?} of {:?}",
            path,
            filter
        );
    }
    Ok(expected)
}

/// Every event that matches, whole and in part.
fn check_streams(
    reader: &SnapshotReader<'_>,
    expected: &[&Event],
    filter: &Filter,
    scope: &Scope,
) -> Result<(), TestCaseError> {
    for order in [SortOrder::Descending, SortOrder::Ascending] {
        let mut streamed = Vec::new();
        let count = reader.stream(
            scope,
            filter,
            &StreamQuery { order, fields: Vec::new() },
            Ok,
            |batch: EventBatch| {
                streamed.extend(batch.events().into_iter().map(Cow::into_owned));
                Ok(())
            },
        );
        if order == SortOrder::Ascending {
            streamed.reverse();
        }
        prop_assert_eq!(count.expect("a stream") as usize, expected.len());
        prop_assert_eq!(
            streamed.iter().collect::<Vec<_>>(),
            expected.to_vec(),
            "stream of {:?}",
            filter
        );
    }
    // Of some fields, which large parts read from their columns.
    let fields = vec![Field::Time, Field::RelatedIds, Field::Operator, Field::Amount];
    let mut streamed = 0;
    let query = StreamQuery { order: SortOrder::Descending, fields: fields.clone() };
    let count = reader.stream(scope, filter, &query, Ok, |batch: EventBatch| {
        for (place, event) in (0..batch.rows()).zip(&expected[streamed..]) {
            for field in &fields {
                assert_eq!(
                    batch.value(place, *field),
                    event.value(*field),
                    "{field} in a stream of {filter:?}"
                );
            }
        }
        streamed += batch.rows();
        Ok(())
    });
    prop_assert_eq!(
        (count.expect("a stream") as usize, streamed),
        (expected.len(), expected.len())
    );
    Ok(())
}

fn check_shapes(
    store: &TestStore,
    expected: &[&Event],
    filter: &Filter,
    tenants: &[&str],
    limit: usize,
) -> Result<(), TestCaseError> {
    let scope = Scope::of_operator(tenants).expect("a scope");
    let snapshot = store.engine().snapshot();
    if expected.len() > limit && limit > 3 {
        for order in [SortOrder::Descending, SortOrder::Ascending] {
            let mut wanted: Vec<Event> = expected.iter().map(|event| (*event).clone()).collect();
            if order == SortOrder::Ascending {
                wanted.reverse();
            }
            prop_assert_eq!(
                &all_pages(store.engine(), &scope, filter, order, limit),
                &wanted,
                "{:?} {:?}",
                order,
                filter
            );
        }
    }
    let reader = store.engine().reader(&snapshot, None);
    check_streams(&reader, expected, filter, &scope)?;
    let fields = [Field::Source, Field::ReadOnly, Field::ResourceId];
    let (facets, _) = reader.facets(&scope, filter, &fields, 100).expect("facets");
    for (field, facet) in fields.iter().zip(facets) {
        let found: BTreeMap<String, u64> =
            facet.values.into_iter().map(|value| (value.value, value.count)).collect();
        prop_assert_eq!(
            found,
            counted(expected, |event| text(event, *field)),
            "{} of {:?}",
            field,
            filter
        );
    }
    check_kinds(&reader, expected, filter, &scope)?;
    check_histograms(&reader, expected, filter, &scope)?;
    check_statistics(&reader, expected, filter, &scope)
}

fn check_histograms(
    reader: &SnapshotReader<'_>,
    expected: &[&Event],
    filter: &Filter,
    scope: &Scope,
) -> Result<(), TestCaseError> {
    let query = HistogramQuery {
        interval: Some(Interval::parse("3h").expect("an interval")),
        ..HistogramQuery::default()
    };
    let (histogram, _) = reader.histogram(scope, filter, &query).expect("a histogram");
    let found: BTreeMap<i64, u64> = histogram
        .buckets
        .iter()
        .filter(|bucket| bucket.count > 0)
        .map(|bucket| (bucket.start.millis(), bucket.count))
        .collect();
    let wanted = counted(expected, |event| {
        Some(event.time.millis().div_euclid(3 * 3_600_000) * 3 * 3_600_000)
    });
    prop_assert_eq!(&found, &wanted, "histogram of {:?}", filter);
    let query = HistogramQuery { by: Some(Field::Level), ..query };
    let (by_level, _) = reader.histogram(scope, filter, &query).expect("a histogram");
    let levels_in: BTreeMap<(i64, String), u64> = by_level
        .buckets
        .iter()
        .flat_map(|bucket| {
            bucket.by.iter().map(|(level, count)| ((bucket.start.millis(), level.clone()), *count))
        })
        .collect();
    let bucket_of = |event: &Event| event.time.millis().div_euclid(3 * 3_600_000) * 3 * 3_600_000;
    let wanted_in = counted(expected, |event| {
        event.text(Field::Level).map(|level| (bucket_of(event), level.to_owned()))
    });
    prop_assert_eq!(levels_in, wanted_in, "levels of {:?}", filter);
    let levels: u64 = by_level.buckets.iter().flat_map(|bucket| bucket.by.values()).sum();
    prop_assert_eq!(
        levels as usize,
        expected.iter().filter(|event| event.text(Field::Level).is_some()).count()
    );
    prop_assert_eq!(
        by_level.buckets.iter().map(|bucket| bucket.count).sum::<u64>() as usize,
        expected.len()
    );
    Ok(())
}

fn check_statistics(
    reader: &SnapshotReader<'_>,
    expected: &[&Event],
    filter: &Filter,
    scope: &Scope,
) -> Result<(), TestCaseError> {
    let (groups, _) = reader.stats(scope, filter, Some(Field::Source)).expect("statistics");
    let summed: BTreeMap<Option<String>, (u64, String)> = groups
        .into_iter()
        .map(|group| (group.value, (group.count, group.sum.to_string())))
        .collect();
    let mut wanted: BTreeMap<Option<String>, (u64, i128)> = BTreeMap::new();
    for event in expected {
        if let Some(amount) = event.amount {
            let entry = wanted.entry(text(event, Field::Source)).or_default();
            *entry = (entry.0 + 1, entry.1 + amount.units());
        }
    }
    let wanted: BTreeMap<_, _> = wanted
        .into_iter()
        .map(|(value, (count, units))| {
            (value, (count, annals::event::Amount::from_units(units).to_string()))
        })
        .collect();
    prop_assert_eq!(summed, wanted, "statistics of {:?}", filter);
    Ok(())
}

/// What summaries may answer, each field alone and all together.
fn check_kinds(
    reader: &SnapshotReader<'_>,
    expected: &[&Event],
    filter: &Filter,
    scope: &Scope,
) -> Result<(), TestCaseError> {
    let kinds =
        [Field::Source, Field::ResourceType, Field::EventName, Field::Level, Field::EventType];
    let (together, _) = reader.facets(scope, filter, &kinds, 100).expect("facets");
    for (field, facet) in kinds.iter().zip(together) {
        let alone = reader.facets(scope, filter, &[*field], 100).expect("facets").0.remove(0);
        prop_assert_eq!(&facet, &alone, "{} of {:?}", field, filter);
        let found: BTreeMap<String, u64> =
            facet.values.into_iter().map(|value| (value.value, value.count)).collect();
        prop_assert_eq!(
            found,
            counted(expected, |event| text(event, *field)),
            "{} of {:?}",
            field,
            filter
        );
    }
    Ok(())
}

fn text(event: &Event, field: Field) -> Option<String> {
    match field {
        Field::ReadOnly => event.read_only.map(|flag| flag.to_string()),
        _ => event.text(field).map(str::to_owned),
    }
}

fn counted<K: Ord>(events: &[&Event], key: impl Fn(&Event) -> Option<K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    events
        .iter()
        .filter_map(|event| key(event))
        .for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}
