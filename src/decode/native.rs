//! Objects with our own field names, for producers that have no format of their own.
//!
//! `time` and `event_name` are required; an event is of type `system` unless it says otherwise.
//! Fields that only the store can set (tenant, seq, ingest time, the record itself) are ignored, so
//! an event that was exported can be sent again.

use super::json::{self, Loose};
use crate::error::{Error, Result};
use crate::event::{Amount, Event, FIELDS, Field, FieldKind, clip};

/// The maximum number of related ids in a record.
const RELATED_MAX: usize = 1_000;

/// Fills the event from an object.
pub(super) fn decode(record: &str, event: &mut Event) -> Result<()> {
    let mut values = [Loose::default(); Field::COUNT];
    let mut seen = 0_u64;
    let mut repeated = None;
    json::each_member(record, |key, value| {
        if let Some(field) = Field::from_name(key) {
            let bit = 1 << field as u64;
            if seen & bit != 0 {
                repeated = Some(field);
            }
            seen |= bit;
            values[field as usize] = value;
        }
    })?;
    if let Some(field) = repeated {
        return Err(Error::invalid(format!("duplicate field `{field}`")));
    }
    for def in FIELDS {
        fill_field(event, def.field, values[def.field as usize])
            .map_err(|error| error.at(def.name))?;
    }
    for field in [Field::Time, Field::EventName] {
        if !values[field as usize].is_some()
            || field == Field::EventName && event.text(field).is_none()
        {
            return Err(Error::invalid("is missing").at(field));
        }
    }
    if event.text(Field::EventType).is_none() {
        event.set(Field::EventType, "system");
    }
    Ok(())
}

fn fill_field(event: &mut Event, field: Field, value: Loose<'_>) -> Result<()> {
    if !value.is_some() {
        return Ok(());
    }
    match field {
        Field::Tenant
        | Field::Seq
        | Field::IngestTime
        | Field::TimeSuspect
        | Field::Format
        | Field::Original => {}
        Field::Time => event.time = time(value)?,
        Field::RecordTime => event.record_time = Some(time(value)?),
        Field::ReadOnly => {
            event.read_only =
                Some(value.flag().ok_or_else(|| Error::invalid("is neither true nor false"))?)
        }
        Field::Amount => {
            let text = value.text("")?.ok_or_else(|| Error::invalid("is no amount"))?;
            event.amount = Some(Amount::parse(&text)?);
        }
        Field::RelatedIds => fill_related(event, value)?,
        _ => fill_text(event, field, value)?,
    }
    Ok(())
}

fn time(value: Loose<'_>) -> Result<crate::event::Timestamp> {
    let text = value.text("")?.ok_or_else(|| Error::invalid("is no time"))?;
    crate::event::Timestamp::parse(&text)
}

fn fill_text(event: &mut Event, field: Field, value: Loose<'_>) -> Result<()> {
    if value.is_composite() {
        return Err(Error::invalid("is no text"));
    }
    let Some(text) = value.text("")? else { return Ok(()) };
    match field.def().kind {
        FieldKind::Enum(allowed) if !allowed.contains(&text.as_ref()) => {
            Err(Error::invalid(format!("{:?} is none of {}", clip(&text, 60), allowed.join(", "))))
        }
        _ => {
            event.set(field, text);
            Ok(())
        }
    }
}

fn fill_related(event: &mut Event, value: Loose<'_>) -> Result<()> {
    if value.is_object() || !value.is_composite() {
        return Err(Error::invalid("is no list"));
    }
    let items = value.items();
    if items.len() > RELATED_MAX {
        return Err(Error::invalid(format!("has {} ids, more than {RELATED_MAX}", items.len())));
    }
    for item in items {
        let text = item.text("")?.unwrap_or_default();
        match text.split_once(':') {
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() => event.relate(kind, id),
            _ => {
                return Err(Error::invalid(format!(
                    "{:?} is not of the form kind:id",
                    clip(&text, 60)
                )));
            }
        }
    }
    Ok(())
}
