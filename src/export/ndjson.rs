//! NDJSON: one event per line, as the native API writes it.

use super::{Options, cannot_write, moment_in};
use crate::error::{Context, ErrorKind, Result};
use crate::event::{Field, Value};
use crate::query::EventBatch;
use serde::Serializer;
use serde::ser::SerializeMap;
use std::io::Write;

/// Formats events as lines.
pub(super) fn lines(events: &EventBatch, options: &Options) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for index in 0..events.rows() {
        line(&mut out, events, index, options).context(ErrorKind::Internal, cannot_write)?;
        out.push(b'\n');
    }
    Ok(out)
}

/// Returns the last line of a complete file, if it was requested.
pub(super) fn closing(rows: u64) -> String {
    format!("{{\"annals_export\":{{\"complete\":true,\"rows\":{rows}}}}}\n")
}

/// Returns the columns of an event that have a value, in the order of the columns.
fn line(
    out: &mut impl Write,
    events: &EventBatch,
    index: usize,
    options: &Options,
) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::new(out);
    let mut map = serializer.serialize_map(None)?;
    for field in &options.columns {
        let name = Field::name(*field);
        match events.value(index, *field) {
            Value::Absent => {}
            Value::Text(text) => map.serialize_entry(name, text)?,
            Value::Bool(flag) => map.serialize_entry(name, &flag)?,
            Value::Time(moment) => {
                map.serialize_entry(name, &moment_in(options.time_zone, moment))?
            }
            Value::Integer(number) => map.serialize_entry(name, &number)?,
            Value::Decimal(amount) => map.serialize_entry(name, &amount.to_string())?,
            Value::List(items) => map.serialize_entry(name, &items)?,
        }
    }
    map.end()
}
