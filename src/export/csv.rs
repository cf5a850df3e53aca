//! CSV: RFC 4180, safe to open in a spreadsheet unless asked to be raw.

use super::{Labels, Options, cannot_write, moment_in};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Event, Field, Value};
use csv::{Terminator, Writer, WriterBuilder};
use std::borrow::Cow;
use std::io::Write;

/// What becomes of cells that a spreadsheet would take for formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Formulas {
    /// They get an apostrophe in front (CWE-1236; OWASP ASVS 5.0, 1.2.10).
    #[default]
    Safe,
    /// They are left as they are.
    Raw,
}

impl Formulas {
    /// Reads `safe` or `raw`.
    ///
    /// # Errors
    /// Any other text; the message names the parameter `formulas`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "safe" => Ok(Self::Safe),
            "raw" => Ok(Self::Raw),
            _ => Err(Error::parameter("formulas", "is safe or raw")),
        }
    }
}

/// A cell that no spreadsheet takes for a formula: one that begins like a formula, after spaces and quotes, gets an
/// apostrophe in front.
pub fn formula_safe(cell: &str) -> Cow<'_, str> {
    let first = cell.trim_start_matches([' ', '"', '\'']).chars().next().or(cell.chars().next());
    match first {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\0' | '＝' | '＋' | '－' | '＠') => Cow::Owned(format!("'{cell}")),
        _ => Cow::Borrowed(cell),
    }
}

/// Writes CSV.
pub struct CsvEncoder<W: Write> {
    out: Writer<W>,
    options: Options,
}

impl<W: Write> std::fmt::Debug for CsvEncoder<W> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("CsvEncoder")
    }
}

impl<W: Write> CsvEncoder<W> {
    pub(super) fn new(mut out: W, options: Options) -> Result<Self> {
        if options.bom {
            out.write_all("\u{feff}".as_bytes()).context(ErrorKind::Unavailable, cannot_write)?;
        }
        let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
        let label = |field: &Field| match options.labels {
            Labels::Name => field.def().header,
            Labels::En => field.def().en,
            Labels::Zh => field.def().zh,
        };
        out.write_record(options.columns.iter().map(label)).context(ErrorKind::Unavailable, cannot_write)?;
        Ok(Self { out, options })
    }

    pub(super) fn write(&mut self, events: &[Event]) -> Result<()> {
        for event in events {
            for field in &self.options.columns {
                let cell = cell(event, *field, &self.options);
                // A number stays one: what is made of digits alone calls nothing.
                let number = matches!(event.value(*field), Value::Decimal(_) | Value::Integer(_));
                let cell = if self.options.formulas == Formulas::Safe && !number { formula_safe(&cell) } else { Cow::Borrowed(&*cell) };
                self.out.write_field(cell.as_bytes()).context(ErrorKind::Unavailable, cannot_write)?;
            }
            self.out.write_record(None::<&[u8]>).context(ErrorKind::Unavailable, cannot_write)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<W> {
        self.out.into_inner().map_err(|cause| Error::new(ErrorKind::Unavailable, cannot_write()).because(cause.to_string()))
    }
}

fn cell<'a>(event: &'a Event, field: Field, options: &Options) -> Cow<'a, str> {
    match event.value(field) {
        Value::Absent => Cow::Borrowed(""),
        Value::Text(text) => Cow::Borrowed(text),
        Value::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
        Value::Time(moment) => Cow::Owned(moment_in(options.time_zone, moment)),
        Value::Integer(number) => Cow::Owned(number.to_string()),
        Value::Decimal(amount) => Cow::Owned(amount.to_string()),
        Value::List(items) => Cow::Owned(items.join(" ")),
    }
}
