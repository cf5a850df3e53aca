//! The event: typed columns that people filter by, and the record as it was received.
//!
//! A decoder turns one record into an [`Event`]. Two events are different if their tenant, their
//! trace id or the bytes of their record differ. [`EventKey`] orders them: newest first, and among
//! equal times the one accepted last first.

mod address;
mod amount;
mod columns;
mod field;
mod sorted;
mod time;

pub use address::{parse_address, parse_network};
pub use amount::{AMOUNT_PRECISION, AMOUNT_SCALE, Amount};
pub use columns::{Columns, event_batch, event_batch_of, event_schema};
pub use field::{
    EVENT_TYPES, FIELDS, FORMATS, Field, FieldDef, FieldKind, FilterOperator, IndexKind, LEVELS,
    TRACE_TYPES, WORD_FIELDS,
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
    /// The tenant that owns the event.
    pub tenant: Box<str>,
    /// The sequence number of acceptance, gap-free within a store; 0 until accepted.
    pub seq: u64,
    /// When the event happened; the ingest time if the record claims an absurd one.
    pub time: Timestamp,
    /// When the producer recorded it.
    pub record_time: Option<Timestamp>,
    /// When this store accepted it.
    pub ingest_time: Timestamp,
    /// Whether the record claims an absurd time, so that the event is filed under its ingest time.
    pub time_suspect: bool,
    /// Whether the operation only read.
    pub read_only: Option<bool>,
    /// Every id that the record names, as `kind:id`, in order of appearance, without repeats.
    pub related_ids: Vec<Box<str>>,
    /// The amount of money the operation moved.
    pub amount: Option<Amount>,
    /// The record as received, byte for byte.
    pub original: Box<str>,
    /// Ids that stand beside the record, each as `kind:id`, one a line: whoever fetched it knows
    /// them, and it does not say them. Kept until the event is in a segment, whose columns have
    /// them among the related ids.
    pub placed: Option<Box<str>>,
    texts: [Option<Box<str>>; Field::COUNT],
}

/// Roughly what an allocation costs in addition to its bytes.
const ALLOCATION_BYTES: usize = 8;
/// What an accepted event costs in addition to itself until it is in a segment: its entry in the
/// buffer and its entry among the known ids.
const HELD_BYTES: usize = 200;

/// A borrowed value of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// The record has no value.
    Absent,
    /// Text.
    Text(&'a str),
    /// True or false.
    Bool(bool),
    /// A point in time.
    Time(Timestamp),
    /// A whole number.
    Integer(u64),
    /// An exact decimal.
    Decimal(Amount),
    /// Several texts.
    List(List<'a>),
}

/// Several texts, borrowed from an event or from a column.
#[derive(Debug, Clone, Copy)]
pub enum List<'a> {
    /// The list of an event.
    Texts(&'a [Box<str>]),
    /// The items of a column from one index up to another.
    Items(&'a StringArray, usize, usize),
}

impl<'a> List<'a> {
    /// Returns the texts, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let (texts, items) = match self {
            Self::Texts(texts) => (texts, None),
            Self::Items(items, start, end) => {
                (&[][..], Some((start..end).map(|item| items.value(item))))
            }
        };
        texts.iter().map(AsRef::as_ref).chain(items.into_iter().flatten())
    }

    /// Returns whether there are none.
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

/// Where an event sorts in every list of its tenant: by time, then by seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Event time.
    pub time: Timestamp,
    /// The sequence number of acceptance.
    pub seq: u64,
}

impl Event {
    /// Returns the text of a text field.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.texts[field as usize].as_deref()
    }

    /// Sets a text field. An empty text counts as absent, because real records write `""` where
    /// they mean nothing.
    pub fn set(&mut self, field: Field, text: impl AsRef<str>) {
        debug_assert!(field.def().is_text(), "{field} is not a text field");
        let text = text.as_ref();
        // An address is one value, however it is written; the record keeps its notation.
        let address = if field == Field::SourceIp { parse_address(text) } else { None };
        self.texts[field as usize] = match address {
            Some(address) => Some(address.to_string().into()),
            None => (!text.is_empty()).then(|| text.into()),
        };
    }

    /// Sets a text field that a record may lack.
    pub fn set_opt(&mut self, field: Field, text: Option<impl AsRef<str>>) {
        if let Some(text) = text {
            self.set(field, text);
        }
    }

    /// Adds a related id unless it is already there.
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

    /// Adds the ids that stand beside the record, each as `kind:id`, one a line.
    pub fn place(&mut self, ids: &str) {
        for id in ids.lines() {
            if let Some((kind, id)) = id.split_once(':') {
                self.relate(kind, id);
            }
        }
        self.placed = Some(ids.into());
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

    /// Returns the trace id; every accepted event has one.
    pub fn trace_id(&self) -> &str {
        self.text(Field::TraceId).unwrap_or_default()
    }

    /// Returns the key that orders the event in lists.
    pub fn key(&self) -> EventKey {
        EventKey { time: self.time, seq: self.seq }
    }

    /// Estimates the bytes of memory that the event takes. A record of a few bytes still takes as
    /// much as its fields do.
    pub fn memory(&self) -> usize {
        let allocated = |text: &str| text.len() + ALLOCATION_BYTES;
        let texts: usize = self.texts.iter().flatten().map(|text| allocated(text)).sum();
        let related: usize =
            self.related_ids.iter().map(|id| allocated(id) + size_of::<Box<str>>()).sum();
        size_of::<Self>()
            + allocated(&self.original)
            + allocated(&self.tenant)
            + self.placed.as_deref().map_or(0, allocated)
            + texts
            + related
            + HELD_BYTES
    }

    /// Files the event as accepted at `now` under `seq`. An absurd time is replaced by the ingest
    /// time and flagged.
    pub fn accept(&mut self, seq: u64, now: Timestamp) {
        self.seq = seq;
        self.ingest_time = now;
        self.time_suspect = self.time.is_suspect(now);
        if self.time_suspect {
            self.time = now;
        }
    }

    /// Returns the value of any field.
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
            // Withheld from who may not see it; no record is empty.
            Field::Original if self.original.is_empty() => Value::Absent,
            Field::Original => Value::Text(&self.original),
            _ => self.text(field).map_or(Value::Absent, Value::Text),
        }
    }

    /// Returns the event as the native API writes it: every field that has a value, times in RFC
    /// 3339, the amount as text.
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

    /// Returns one field as the native API writes it, if it has a value.
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

/// Compares rows in segment order: by tenant, then newest first, then accepted last first.
pub fn row_order(left: &Event, right: &Event) -> Ordering {
    left.tenant.cmp(&right.tenant).then_with(|| right.key().cmp(&left.key()))
}

/// Returns the first `limit` characters of a text, for messages.
pub fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Encodes bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a text does not fail");
        text
    })
}
