//! CSV: RFC 4180, safe to open in a spreadsheet unless asked to be raw.

use super::{Labels, Options, cannot_write, moment_in};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Field, Value};
use crate::query::Batch;
use csv::{Terminator, Writer, WriterBuilder};
use std::borrow::Cow;

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
    // Nearly all begin like this.
    if cell.bytes().next().is_none_or(|first| first.is_ascii_alphanumeric()) {
        return Cow::Borrowed(cell);
    }
    let first = cell.trim_start_matches([' ', '"', '\'']).chars().next().or(cell.chars().next());
    match first {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\0' | '＝' | '＋' | '－' | '＠') => Cow::Owned(format!("'{cell}")),
        _ => Cow::Borrowed(cell),
    }
}

/// What a file begins with.
pub(super) fn header(options: &Options) -> Result<Vec<u8>> {
    let label = |field: &Field| match options.labels {
        Labels::Name => field.def().header,
        Labels::En => field.def().en,
        Labels::Zh => field.def().zh,
    };
    let mut out = Vec::new();
    if options.bom {
        out.extend_from_slice("\u{feff}".as_bytes());
    }
    let mut out = writer(out);
    out.write_record(options.columns.iter().map(label)).context(ErrorKind::Internal, cannot_write)?;
    ended(out)
}

/// The lines of some events.
pub(super) fn lines(events: &Batch, options: &Options) -> Result<Vec<u8>> {
    let mut out = writer(Vec::with_capacity(events.rows() * LINE_BYTES));
    for place in 0..events.rows() {
        for field in &options.columns {
            let value = events.value(place, *field);
            // A number stays one: what is made of digits alone calls nothing.
            let number = matches!(value, Value::Decimal(_) | Value::Integer(_));
            let cell = cell(value, options);
            let cell = if options.formulas == Formulas::Safe && !number { formula_safe(&cell) } else { Cow::Borrowed(&*cell) };
            out.write_field(cell.as_bytes()).context(ErrorKind::Internal, cannot_write)?;
        }
        out.write_record(None::<&[u8]>).context(ErrorKind::Internal, cannot_write)?;
    }
    ended(out)
}

/// Bytes that a line is expected to have.
const LINE_BYTES: usize = 512;

fn writer(out: Vec<u8>) -> Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::CRLF).buffer_capacity(64 << 10).from_writer(out)
}

fn ended(out: Writer<Vec<u8>>) -> Result<Vec<u8>> {
    out.into_inner().map_err(|cause| Error::new(ErrorKind::Internal, cannot_write()).because(cause.to_string()))
}

fn cell<'a>(value: Value<'a>, options: &Options) -> Cow<'a, str> {
    match value {
        Value::Absent => Cow::Borrowed(""),
        Value::Text(text) => Cow::Borrowed(text),
        Value::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
        Value::Time(moment) => Cow::Owned(moment_in(options.time_zone, moment)),
        Value::Integer(number) => Cow::Owned(number.to_string()),
        Value::Decimal(amount) => Cow::Owned(amount.to_string()),
        Value::List(items) => Cow::Owned(items.iter().collect::<Vec<_>>().join(" ")),
    }
}
