//! Records in our own field names: what a producer sends that has no format of its own.
//!
//! `time` and `event_name` are required; every text field, `record_time`, `read_only`, `related_ids`, `amount` and `currency`
//! are read; any other key stays in the record.

use super::json::{flag, scalar};
use crate::error::{Error, Result};
use crate::event::{Amount, Event, Field, Kind, Timestamp, clip};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The keys of a record that are fields of ours, with their values.
struct Fields<'a>(Vec<(Field, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Fields<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Vec<(Field, &'de RawValue)> = Vec::new();
                while let Some(key) = map.next_key::<super::json::Text<'de>>()? {
                    let value = map.next_value::<&'de RawValue>()?;
                    if let Some(field) = Field::from_name(&key.0) {
                        if fields.iter().any(|(seen, _)| *seen == field) {
                            return Err(serde::de::Error::custom(format!("duplicate field `{field}`")));
                        }
                        fields.push((field, value));
                    }
                }
                Ok(Fields(fields))
            }
        }
        input.deserialize_map(Keys)
    }
}

pub(super) fn decode(record: &str) -> Result<Event> {
    let fields: Fields<'_> = super::json::shape("native", record)?;
    let mut event = Event::default();
    let mut time = None;
    for (field, raw) in fields.0 {
        let refuse = |why: String| Error::invalid(format!("native: {field}: {why}"));
        let moment = || scalar(Some(raw)).map(|text| Timestamp::parse(&text).map_err(|error| refuse(error.to_string()))).transpose();
        match field {
            Field::Time => time = moment()?,
            Field::RecordTime => event.record_time = moment()?,
            Field::ReadOnly => event.read_only = flag(Some(raw)),
            Field::Amount => {
                event.amount = scalar(Some(raw)).map(|text| Amount::parse(&text).map_err(|error| refuse(error.to_string()))).transpose()?;
            }
            Field::RelatedIds => relate(&mut event, raw).map_err(|why| refuse(why.to_owned()))?,
            _ if field.def().is_text() && field != Field::Format => {
                let text = scalar(Some(raw)).unwrap_or_default();
                if let Kind::Enum(known) = field.def().kind
                    && !text.is_empty()
                    && !known.contains(&text.as_ref())
                {
                    return Err(refuse(format!("{:?} is none of {}", clip(&text, 60), known.join(", "))));
                }
                event.set(field, text);
            }
            // What only we decide: tenant, seq, ingest time and the like.
            _ => {}
        }
    }
    event.time = time.ok_or_else(|| Error::invalid("native: the record has no time"))?;
    if event.text(Field::EventName).is_none() {
        return Err(Error::invalid("native: the record has no event_name"));
    }
    if event.text(Field::EventType).is_none() {
        event.set(Field::EventType, "system");
    }
    Ok(event)
}

fn relate(event: &mut Event, raw: &RawValue) -> Result<(), &'static str> {
    let items: Vec<String> = serde_json::from_str(raw.get()).map_err(|_| "is no list of texts")?;
    for item in items {
        let (kind, id) = item.split_once(':').filter(|(kind, id)| !kind.is_empty() && !id.is_empty()).ok_or("an item is not kind:id")?;
        event.relate(kind, id);
    }
    Ok(())
}
