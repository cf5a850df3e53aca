//! The records in one JSON document: the items of an array, of an envelope, or the document itself.

use super::scan::is_too_deep;
use crate::decode::{self, Format};
use crate::error::{Error, ErrorKind};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The most records in one array or envelope: all of them are in memory at once.
pub(super) const DOCUMENT_RECORDS_MAX: usize = 1_000_000;
/// How deep arrays may lie in arrays: exports of deliveries are lists of files, which are lists.
const LISTS_MAX: usize = 4;

/// What a text is, read as one JSON value.
#[derive(Debug)]
pub(super) enum DocumentKind<'a> {
    /// A list of records.
    List(Vec<&'a RawValue>),
    /// One record.
    Record,
    /// Not JSON.
    Broken,
}

/// The document has more records than [`DOCUMENT_RECORDS_MAX`].
#[derive(Debug)]
pub(super) struct TooMany;

impl TooMany {
    pub(super) fn at(line: u64) -> Error {
        let what = format!(
            "line {line}: a document of more than {DOCUMENT_RECORDS_MAX} records: send it in parts"
        );
        Error::new(ErrorKind::TooLarge, what)
    }
}

/// Reads a document: the items of an array or an envelope, and of arrays and envelopes in it.
pub(super) fn read(value: &[u8]) -> Result<DocumentKind<'_>, TooMany> {
    let Ok(text) = std::str::from_utf8(value) else { return Ok(DocumentKind::Broken) };
    if !may_be_list(text) || is_too_deep(value) {
        return Ok(DocumentKind::Record);
    }
    let items = match items_of(text)? {
        DocumentKind::List(items) => items,
        other => return Ok(other),
    };
    let mut records = Vec::with_capacity(items.len());
    for item in items {
        flatten(item, LISTS_MAX, &mut records)?;
    }
    Ok(DocumentKind::List(records))
}

fn flatten<'a>(
    item: &'a RawValue,
    levels: usize,
    records: &mut Vec<&'a RawValue>,
) -> Result<(), TooMany> {
    match if levels > 0 { items_of(item.get())? } else { DocumentKind::Record } {
        DocumentKind::List(items) => {
            items.into_iter().try_for_each(|item| flatten(item, levels - 1, records))
        }
        _ if records.len() == DOCUMENT_RECORDS_MAX => Err(TooMany),
        _ => {
            records.push(item);
            Ok(())
        }
    }
}

fn items_of(text: &str) -> Result<DocumentKind<'_>, TooMany> {
    if text.starts_with('[') {
        return Ok(match parse::<Items<'_>>(text)? {
            Parsed::Value(items) => DocumentKind::List(items.0),
            _ => DocumentKind::Broken,
        });
    }
    if !may_be_list(text) || decode::detect(text).is_some() {
        return Ok(DocumentKind::Record);
    }
    let envelope = match parse::<Envelope<'_>>(text)? {
        Parsed::Value(envelope) => envelope,
        Parsed::Other => return Ok(DocumentKind::Record),
        Parsed::Broken => return Ok(DocumentKind::Broken),
    };
    // An event may have a list of items; an envelope has no time of its own.
    let is_event = envelope.time.is_some();
    let lists = [
        envelope.cloudtrail,
        envelope.traces,
        envelope.records,
        envelope.items,
        envelope.entries,
        envelope.events,
        envelope.looked_up,
        envelope.log_events,
    ];
    let answer = envelope.value.or(envelope.data).filter(|_| !is_event && is_answer(text));
    let answers = answer.and_then(|answer| known_records(answer.get()));
    let mut lists = lists.into_iter().flatten().chain(answers).filter(|_| !is_event);
    // A document with two lists is not an envelope that we know.
    Ok(match (lists.next(), lists.next()) {
        (Some(items), None) if items.0.iter().all(|item| is_composite(item)) => {
            DocumentKind::List(items.0)
        }
        (None, _) if is_answer(text) => match envelope.response.map(|answer| answer.get()) {
            // What the interfaces of Tencent Cloud answer.
            Some(answer) => match parse::<TencentAnswer<'_>>(answer)? {
                Parsed::Value(TencentAnswer { events })
                    if events.0.iter().all(|item| is_composite(item)) =>
                {
                    DocumentKind::List(events.0)
                }
                _ => DocumentKind::Record,
            },
            None => DocumentKind::Record,
        },
        _ => DocumentKind::Record,
    })
}

/// Returns whether an object has nothing but a list and how to get the next one.
fn is_answer(text: &str) -> bool {
    let is_of_answer = |key: &String| {
        let key = key.as_str();
        ANSWER_KEYS.contains(&key) || key.starts_with("@odata.") || key.starts_with("opc-")
    };
    let members: Result<HashMap<String, &RawValue>, _> = serde_json::from_str(text);
    members.is_ok_and(|members| members.keys().all(is_of_answer))
}

/// Returns the items of a list whose name is too common to tell by itself: only if all of them are
/// of a known format.
fn known_records(text: &str) -> Option<Items<'_>> {
    let Ok(Parsed::Value(items)) = parse::<Items<'_>>(text) else { return None };
    let is_known =
        |item: &&RawValue| decode::detect(item.get()).is_some_and(|format| format != Format::Ecs);
    (!items.0.is_empty() && items.0.iter().all(is_known)).then_some(items)
}

fn is_composite(item: &RawValue) -> bool {
    item.get().starts_with(['{', '['])
}

/// Returns whether a text is an array, or has the key of an envelope near its beginning.
fn may_be_list(text: &str) -> bool {
    let head = &text[..text.floor_char_boundary(ENVELOPE_HEAD)];
    text.starts_with('[') || ENVELOPES.iter().any(|key| head.contains(key))
}

/// The items of an array, up to a limit: each one needs memory, however short it is.
#[derive(Debug, Default)]
struct Items<'a>(Vec<&'a RawValue>);

/// Tells this error apart from serde's others.
const TOO_MANY: &str = "too many records in one document";

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Items<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
                let mut items = Items::default();
                while let Some(item) = seq.next_element()? {
                    if items.0.len() == DOCUMENT_RECORDS_MAX {
                        return Err(serde::de::Error::custom(TOO_MANY));
                    }
                    items.0.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Bounded)
    }
}

/// What came of reading JSON as some type.
enum Parsed<T> {
    Value(T),
    /// It is JSON, but has another form.
    Other,
    /// It is not JSON.
    Broken,
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<Parsed<T>, TooMany> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(Parsed::Value(value)),
        Err(cause) if cause.is_data() && cause.to_string().starts_with(TOO_MANY) => Err(TooMany),
        Err(cause) if cause.is_data() => Ok(Parsed::Other),
        Err(_) => Ok(Parsed::Broken),
    }
}

/// The keys under which clouds deliver lists of records.
pub(super) const ENVELOPES: &[&str] = &[
    "\"Records\"",
    "\"traces\"",
    "\"records\"",
    "\"items\"",
    "\"entries\"",
    "\"events\"",
    "\"Events\"",
    "\"logEvents\"",
    // Answers of Microsoft Graph and Azure, of Oracle Cloud, and of Tencent Cloud.
    "\"value\":[",
    "\"value\": [",
    "\"data\":[",
    "\"data\": [",
    RESPONSE,
];
/// What an answer has beside its records.
const ANSWER_KEYS: &[&str] = &["value", "data", "Response", "nextLink"];
/// The key of an answer of Tencent Cloud.
const RESPONSE: &str = "\"Response\"";
/// How far into a value the key of an envelope is searched for, in bytes.
pub(super) const ENVELOPE_HEAD: usize = 4_096;

#[derive(Deserialize)]
struct TencentAnswer<'a> {
    #[serde(borrow, rename = "Events")]
    events: Items<'a>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "Records")]
    cloudtrail: Option<Items<'a>>,
    #[serde(borrow)]
    traces: Option<Items<'a>>,
    #[serde(borrow)]
    records: Option<Items<'a>>,
    #[serde(borrow)]
    items: Option<Items<'a>>,
    #[serde(borrow)]
    entries: Option<Items<'a>>,
    #[serde(borrow)]
    events: Option<Items<'a>>,
    /// What `aws cloudtrail lookup-events` prints.
    #[serde(borrow, rename = "Events")]
    looked_up: Option<Items<'a>>,
    /// What a subscription of CloudWatch Logs delivers.
    #[serde(borrow, rename = "logEvents")]
    log_events: Option<Items<'a>>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow, rename = "Response")]
    response: Option<&'a RawValue>,
    /// A time of its own, under the usual keys.
    #[serde(
        borrow,
        alias = "timestamp",
        alias = "@timestamp",
        alias = "eventTime",
        alias = "event_time",
        alias = "EventTime",
        alias = "Timestamp",
        alias = "created_at",
        alias = "datetime",
        alias = "date",
        alias = "ts"
    )]
    time: Option<&'a RawValue>,
}
