//! The event: typed columns that people filter by, and the record as it was received.
//!
//! An [`Event`] is what a decoder makes of one record. What makes two events different is their
//! tenant, their trace id and the bytes of their record; what orders them is [`EventKey`]: newest
//! first, and among equal times the one accepted last first.

mod amount;
mod columns;
mod field;
mod sorted;
mod time;

pub use amount::{AMOUNT_PRECISION, AMOUNT_SCALE, Amount};
pub use columns::{Columns, event_batch, event_batch_of, event_schema};
pub use field::{
    EVENT_TYPES, FIELDS, FORMATS, Field, FieldDef, FieldKind, FilterOperator, IndexKind, LEVELS,
    TRACE_TYPES,
};
pub use sorted::sorted_batches;
pub use time::{AHEAD_MAX_MS, DAY_MS, EARLIEST_PLAUSIBLE, Timestamp};

use arrow::array::StringArray;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};
use std::cmp::Ordering;
use std::collections::HashSet;

/// One audit event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event {
    /// The owner.
    pub tenant: Box<str>,
    /// The place in the order of acceptance, gap-free within a store; 0 until accepted.
    pub seq: u64,
    /// When it happened; the ingest time if the record claims an absurd one.
    pub time: Timestamp,
    /// When the producer recorded it.
    pub record_time: Option<Timestamp>,
    /// When we accepted it.
    pub ingest_time: Timestamp,
    /// The record claims an absurd time, so it is filed under its ingest time.
    pub time_suspect: bool,
    /// Whether the operation only read.
    pub read_only: Option<bool>,
    /// Every id the record names, as `kind:id`, in the order met, without repeats.
    pub related_ids: Vec<Box<str>>,
    /// The amount of money the operation moved.
    pub amount: Option<Amount>,
    /// The record as received, byte for byte.
    pub original: Box<str>,
    texts: [Option<Box<str>>; Field::COUNT],
}

/// What an allocation costs beside its bytes, about.
const ALLOCATION_BYTES: usize = 8;
/// What an accepted event costs beside itself until it is in a segment: its place in the buffer,
/// and among the known ids.
const HELD_BYTES: usize = 200;

/// A borrowed value of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// The record has none.
    Absent,
    /// Text.
    Text(&'a str),
    /// True or false.
    Bool(bool),
    /// A moment.
    Time(Timestamp),
    /// A whole number.
    Integer(u64),
    /// An exact decimal.
    Decimal(Amount),
    /// Several texts.
    List(List<'a>),
}

/// Several texts, wherever they are kept.
#[derive(Debug, Clone, Copy)]
pub enum List<'a> {
    /// Of an event.
    Texts(&'a [Box<str>]),
    /// The items of a column from one place up to another.
    Items(&'a StringArray, usize, usize),
}

impl<'a> List<'a> {
    /// The texts, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let (texts, items) = match self {
            Self::Texts(texts) => (texts, None),
            Self::Items(items, start, end) => {
                (&[][..], Some((start..end).map(|item| items.value(item))))
            }
        };
        texts.iter().map(AsRef::as_ref).chain(items.into_iter().flatten())
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        match self {
            Self::Texts(texts) => texts.is_empty(),
            Self::Items(_, start, end) => start == end,
        }
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// The place of an event in every list of its tenant: time, then seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Event time.
    pub time: Timestamp,
    /// Accept order.
    pub seq: u64,
}

impl Event {
    /// The text of a text field.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.texts[field as usize].as_deref()
    }

    /// Sets a text field. An empty text is no value: real records write `""` where they mean
    /// nothing.
    pub fn set(&mut self, field: Field, text: impl AsRef<str>) {
        debug_assert!(field.def().is_text(), "{field} is not a text field");
        let text = text.as_ref();
        self.texts[field as usize] = (!text.is_empty()).then(|| text.into());
    }

    /// Sets a text field that a record may lack.
    pub fn set_opt(&mut self, field: Field, text: Option<impl AsRef<str>>) {
        if let Some(text) = text {
            self.set(field, text);
        }
    }

    /// Adds a related id, once.
    pub fn relate(&mut self, kind: &str, id: impl AsRef<str>) {
        let id = id.as_ref();
        if id.is_empty() {
            return;
        }
        let related: Box<str> = format!("{kind}:{id}").into();
        if !self.related_ids.contains(&related) {
            self.related_ids.push(related);
        }
    }

    /// Adds many related ids of one kind, each once: a record can have a hundred thousand.
    pub fn relate_all(&mut self, kind: &str, ids: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut known: HashSet<Box<str>> = self.related_ids.iter().cloned().collect();
        for id in ids {
            let id = id.as_ref();
            let related: Box<str> = format!("{kind}:{id}").into();
            if !id.is_empty() && known.insert(related.clone()) {
                self.related_ids.push(related);
            }
        }
    }

    /// The trace id; every accepted event has one.
    pub fn trace_id(&self) -> &str {
        self.text(Field::TraceId).unwrap_or_default()
    }

    /// The place in the list.
    pub fn key(&self) -> EventKey {
        EventKey { time: self.time, seq: self.seq }
    }

    /// Bytes of memory that the event takes, about: a record of a few bytes takes as much as its
    /// fields do.
    pub fn memory(&self) -> usize {
        let allocated = |text: &str| text.len() + ALLOCATION_BYTES;
        let texts: usize = self.texts.iter().flatten().map(|text| allocated(text)).sum();
        let related: usize =
            self.related_ids.iter().map(|id| allocated(id) + size_of::<Box<str>>()).sum();
        size_of::<Self>()
            + allocated(&self.original)
            + allocated(&self.tenant)
            + texts
            + related
            + HELD_BYTES
    }

    /// Files the event as accepted at `now` under `seq`: an absurd time gives way to the ingest
    /// time, and is flagged.
    pub fn accept(&mut self, seq: u64, now: Timestamp) {
        self.seq = seq;
        self.ingest_time = now;
        self.time_suspect = self.time.is_suspect(now);
        if self.time_suspect {
            self.time = now;
        }
    }

    /// The value of any field.
    pub fn value(&self, field: Field) -> Value<'_> {
        match field {
            Field::Tenant => Value::Text(&self.tenant),
            Field::Seq => Value::Integer(self.seq),
            Field::Time => Value::Time(self.time),
            Field::RecordTime => self.record_time.map_or(Value::Absent, Value::Time),
            Field::IngestTime => Value::Time(self.ingest_time),
            Field::TimeSuspect => Value::Bool(self.time_suspect),
            Field::ReadOnly => self.read_only.map_or(Value::Absent, Value::Bool),
            Field::RelatedIds => Value::List(List::Texts(&self.related_ids)),
            Field::Amount => self.amount.map_or(Value::Absent, Value::Decimal),
            Field::Original => Value::Text(&self.original),
            _ => self.text(field).map_or(Value::Absent, Value::Text),
        }
    }

    /// The event as the native API writes it: every field that has a value, times in RFC 3339, the
    /// amount as text.
    pub fn to_json(&self, with_original: bool) -> Json {
        let mut object = Map::new();
        for def in FIELDS {
            if def.field == Field::Original && !with_original {
                continue;
            }
            if let Some(value) = self.field_json(def.field) {
                object.insert(def.name.to_owned(), value);
            }
        }
        Json::Object(object)
    }

    /// One field as the native API writes it, if it has a value.
    pub fn field_json(&self, field: Field) -> Option<Json> {
        match self.value(field) {
            Value::Absent => None,
            Value::Text(text) => Some(Json::from(text)),
            Value::Bool(flag) => Some(Json::from(flag)),
            Value::Time(time) => Some(Json::from(time.to_string())),
            Value::Integer(number) => Some(Json::from(number)),
            Value::Decimal(amount) => Some(Json::from(amount.to_string())),
            Value::List(items) => Some(items.iter().map(Json::from).collect()),
        }
    }
}

/// The order of rows in a segment: tenant, then newest first, then accepted last first.
pub fn row_order(left: &Event, right: &Event) -> Ordering {
    left.tenant.cmp(&right.tenant).then_with(|| right.key().cmp(&left.key()))
}

/// The first `limit` characters of a text, for messages.
pub fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a text does not fail");
        text
    })
}
