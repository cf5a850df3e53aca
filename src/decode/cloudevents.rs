//! CloudEvents 1.0 in their JSON form. (The binary form is converted to it at the door.)
//!
//! Source and id together identify an event, so an event's id is `id@source`; `event:id` is
//! related. If the data are a record of a known format, its decoder produces the event, and the
//! CloudEvent is only an envelope.

use super::json::{self, fill, loose_object};
use super::severity;
use crate::error::{Error, Result};
use crate::event::{Event, Field};

loose_object!(Envelope {
    id, source, kind = "type", subject, time, data, traceparent, authid, authtype, correlationid,
    severitytext, severitynumber,
});

/// Fills the event from a CloudEvent.
pub(super) fn decode(record: &str, event: &mut Event) -> Result<()> {
    let envelope: Envelope<'_> = json::parse(record)?;
    let id = envelope.id.text("id")?.unwrap_or_default();
    if super::decode_carried(envelope.data, event)? {
        event.relate("event", id);
        return Ok(());
    }
    for (name, value) in [("id", envelope.id), ("source", envelope.source), ("type", envelope.kind)]
    {
        if value.text(name)?.is_none() {
            return Err(Error::invalid("is missing").at(name));
        }
    }
    fill(
        event,
        [
            (Field::Source, "source", envelope.source),
            (Field::EventName, "type", envelope.kind),
            (Field::ResourceId, "subject", envelope.subject),
            (Field::Operator, "authid", envelope.authid),
            (Field::RequestId, "correlationid", envelope.correlationid),
        ],
    )?;
    let name = event.text(Field::Source).map(|source| format!("{id}@{source}"));
    event.set_opt(Field::TraceId, name);
    event.relate("event", &id);
    // 00-<trace id>-<span id>-<flags> (W3C Trace Context).
    let parent = envelope.traceparent.text_lossy();
    event.relate(
        "trace",
        parent.as_deref().and_then(|parent| parent.split('-').nth(1)).unwrap_or_default(),
    );
    event.time = envelope.time.time("time")?.unwrap_or_default();
    event.set(Field::EventType, "system");
    let kind = envelope.authtype.text_lossy();
    event.set(
        Field::TraceType,
        if kind.as_deref() == Some("system") { "SystemAction" } else { "Others" },
    );
    let number = envelope.severitynumber.text_lossy().and_then(|number| severity::of_otel(&number));
    let word = envelope.severitytext.text_lossy().and_then(|word| severity::of_word(&word));
    event.set(Field::Level, number.or(word).unwrap_or("normal"));
    Ok(())
}
