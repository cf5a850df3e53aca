//! NDJSON: one event a line, as the native API writes it.

use super::{Options, cannot_write, moment_in};
use crate::error::{Context, ErrorKind, Result};
use crate::event::{Event, Field, Value};
use serde::Serializer;
use serde::ser::SerializeMap;
use std::io::Write;

/// Writes NDJSON.
#[derive(Debug)]
pub struct NdjsonEncoder<W> {
    out: W,
    options: Options,
    rows: u64,
}

impl<W: Write> NdjsonEncoder<W> {
    pub(super) fn new(out: W, options: Options) -> Self {
        Self { out, options, rows: 0 }
    }

    pub(super) fn write(&mut self, events: &[Event]) -> Result<()> {
        for event in events {
            line(&mut self.out, event, &self.options).context(ErrorKind::Unavailable, cannot_write)?;
            self.out.write_all(b"\n").context(ErrorKind::Unavailable, cannot_write)?;
        }
        self.rows += events.len() as u64;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<W> {
        if self.options.closing {
            writeln!(self.out, "{{\"annals_export\":{{\"complete\":true,\"rows\":{}}}}}", self.rows)
                .context(ErrorKind::Unavailable, cannot_write)?;
        }
        Ok(self.out)
    }
}

/// The columns of an event that have a value, in the order of the columns.
fn line(out: &mut impl Write, event: &Event, options: &Options) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::new(out);
    let mut map = serializer.serialize_map(None)?;
    for field in &options.columns {
        let name = Field::name(*field);
        match event.value(*field) {
            Value::Absent => {}
            Value::Text(text) => map.serialize_entry(name, text)?,
            Value::Bool(flag) => map.serialize_entry(name, &flag)?,
            Value::Time(moment) => map.serialize_entry(name, &moment_in(options.time_zone, moment))?,
            Value::Integer(number) => map.serialize_entry(name, &number)?,
            Value::Decimal(amount) => map.serialize_entry(name, &amount.to_string())?,
            Value::List(items) => map.serialize_entry(name, items)?,
        }
    }
    map.end()
}
