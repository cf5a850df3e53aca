//! CSV: RFC 4180, safe to open in a spreadsheet unless raw cells are requested.

use super::{Labels, Options, cannot_write, moment_in};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Field, Value};
use crate::query::EventBatch;
use csv::{Terminator, Writer, WriterBuilder};
use std::borrow::Cow;

/// How to treat cells that a spreadsheet would take for formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Formulas {
    /// They are prefixed with an apostrophe, also after what another reader takes for a separator
    /// (CWE-1236; OWASP ASVS 5.0, 1.2.10).
    #[default]
    Safe,
    /// They are left as they are.
    Raw,
}

impl Formulas {
    /// Parses `safe` or `raw`.
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

/// How to write texts that a spreadsheet would take for a number and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Digits {
    /// As they are: programs read them.
    #[default]
    Plain,
    /// As `="…"`, which spreadsheets show as the text: an id of 19 digits stays what it is, where
    /// it would be rounded to 15 of them.
    Text,
}

impl Digits {
    /// Parses `plain` or `text`.
    ///
    /// # Errors
    /// Any other text; the message names the parameter `digits`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "plain" => Ok(Self::Plain),
            "text" => Ok(Self::Text),
            _ => Err(Error::parameter("digits", "is plain or text")),
        }
    }
}

/// From so many digits on, spreadsheets show a number in scientific notation.
const DIGITS_SHOWN: usize = 12;

/// Returns whether a spreadsheet would change a text because it looks like a number: many digits,
/// zeros before others, or an exponent as in `1E5`.
fn is_changed_number(cell: &str) -> bool {
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match cell.split_once(['e', 'E']) {
        Some((number, exponent)) => all_digits(number) && all_digits(exponent),
        None => {
            let has_zeros = cell.len() > 1 && cell.starts_with('0');
            all_digits(cell) && (cell.len() >= DIGITS_SHOWN || has_zeros)
        }
    }
}

/// Characters after which a reader may begin another cell although the cell is quoted: a reader
/// that uses `;` or a tab as the separator sees no quote at the beginning of the cell, and then a
/// line break ends the row as well.
const SEPARATORS: [char; 4] = [';', '\t', '\n', '\r'];

/// Returns a cell that no spreadsheet takes for a formula: text that begins like one, after spaces
/// and quotes, is prefixed with an apostrophe, both at the beginning of the cell and wherever
/// another reader would begin a cell within it.
pub fn formula_safe(cell: &str) -> Cow<'_, str> {
    // Nearly all cells begin like this and contain no separator.
    let plain = cell.bytes().next().is_none_or(|first| first.is_ascii_alphanumeric());
    let single = memchr::memchr3(b';', b'\t', b'\n', cell.as_bytes()).is_none()
        && memchr::memchr(b'\r', cell.as_bytes()).is_none();
    if plain && single {
        return Cow::Borrowed(cell);
    }
    let first = cell.trim_start_matches([' ', '"', '\'']).chars().next().or(cell.chars().next());
    let mut out = String::with_capacity(cell.len() + 8);
    if first
        .is_some_and(|first| begins_formula(first) || matches!(first, '\t' | '\r' | '\n' | '\0'))
    {
        out.push('\'');
    }
    for (index, part) in cell.split_inclusive(SEPARATORS).enumerate() {
        if index > 0 && part.trim_start_matches([' ', '"', '\'']).starts_with(begins_formula) {
            out.push('\'');
        }
        out.push_str(part);
    }
    if out.len() == cell.len() { Cow::Borrowed(cell) } else { Cow::Owned(out) }
}

fn begins_formula(letter: char) -> bool {
    matches!(letter, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

/// Returns the beginning of a file.
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
    out.write_record(options.columns.iter().map(label))
        .context(ErrorKind::Internal, cannot_write)?;
    ended(out)
}

/// Formats events as lines.
pub(super) fn lines(events: &EventBatch, options: &Options) -> Result<Vec<u8>> {
    let mut out = writer(Vec::with_capacity(events.rows() * LINE_BYTES));
    for index in 0..events.rows() {
        for field in &options.columns {
            let value = events.value(index, *field);
            // A number stays a number: text that consists only of digits cannot call anything.
            let number = matches!(value, Value::Decimal(_) | Value::Integer(_));
            let cell = cell(value, options);
            let cell = if options.formulas == Formulas::Safe && !number {
                formula_safe(&cell)
            } else {
                Cow::Borrowed(&*cell)
            };
            let is_decimal = matches!(value, Value::Decimal(_));
            let cell = if options.digits == Digits::Text && !is_decimal && is_changed_number(&cell)
            {
                // Digits alone cannot call anything, so this formula is only a text.
                Cow::Owned(format!("=\"{cell}\""))
            } else {
                cell
            };
            out.write_field(cell.as_bytes()).context(ErrorKind::Internal, cannot_write)?;
        }
        out.write_record(None::<&[u8]>).context(ErrorKind::Internal, cannot_write)?;
    }
    ended(out)
}

/// The expected length of a line, in bytes.
const LINE_BYTES: usize = 512;

fn writer(out: Vec<u8>) -> Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::CRLF).buffer_capacity(64 << 10).from_writer(out)
}

fn ended(out: Writer<Vec<u8>>) -> Result<Vec<u8>> {
    out.into_inner()
        .map_err(|cause| Error::new(ErrorKind::Internal, cannot_write()).because(cause.to_string()))
}

/// Returns a list as a JSON array, so that it can be read back: ids hold blanks, commas and line
/// breaks, and whoever sends an event chooses them.
fn list_cell(items: &[&str]) -> Cow<'static, str> {
    if items.is_empty() {
        return Cow::Borrowed("");
    }
    // A semicolon is a separator to some readers, which must find no formula behind it.
    Cow::Owned(serde_json::to_string(items).unwrap_or_default().replace(';', "\\u003b"))
}

fn cell<'a>(value: Value<'a>, options: &Options) -> Cow<'a, str> {
    match value {
        Value::Absent => Cow::Borrowed(""),
        Value::Text(text) => Cow::Borrowed(text),
        Value::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
        Value::Time(moment) => Cow::Owned(moment_in(options.time_zone, moment)),
        Value::Integer(number) => Cow::Owned(number.to_string()),
        Value::Decimal(amount) => Cow::Owned(amount.to_string()),
        Value::List(items) => list_cell(&items.iter().collect::<Vec<_>>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_look_like_numbers_are_told() {
        for cell in ["1234567890123456789", "123456789012", "007", "00", "1E5", "12e3"] {
            assert!(is_changed_number(cell), "{cell}");
        }
        for cell in ["", "0", "7", "12345678901", "1.5", "1E", "E5", "a1", "-1234567890123", "١٢"]
        {
            assert!(!is_changed_number(cell), "{cell}");
        }
    }

    #[test]
    fn nothing_in_a_cell_is_a_formula_to_any_reader() {
        for (cell, safe) in [
            ("=1+1", "'=1+1"),
            (" \"@SUM(A1)", "' \"@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\r\n=1", "'\r\n'=1"),
            ("plain;=cmd|' /C calc'!A0", "plain;'=cmd|' /C calc'!A0"),
            ("a; \"+1;b;-2", "a;' \"+1;b;'-2"),
            ("a\n=1\n@x", "a\n'=1\n'@x"),
            (";；＝1;＝1", ";；＝1;'＝1"),
            ("a,=1", "a,=1"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("a=b; c-d\n e@f", "a=b; c-d\n e@f"),
            ("{\"a\":[1,-5]}", "{\"a\":[1,-5]}"),
            ("", ""),
            ("\"\"", "\"\""),
        ] {
            assert_eq!(formula_safe(cell), safe, "{cell:?}");
        }
    }

    #[test]
    fn a_list_can_be_read_back_from_its_cell() {
        for items in [
            &["user:NT AUTHORITY\\SYSTEM", "user:x quota:Q-1 customer:C-9"][..],
            &["a;=1", "b\n+2\t\"", "，"],
            &[],
        ] {
            let cell = list_cell(items);
            assert_eq!(formula_safe(&cell), cell);
            let read: Vec<String> = if cell.is_empty() {
                Vec::new()
            } else {
                serde_json::from_str(&cell).expect("JSON")
            };
            assert_eq!(read, items);
        }
    }

    /// Splits a line as readers of `;` do: quotes count where a cell begins with one.
    fn cells(text: &str) -> Vec<String> {
        let mut found = csv::ReaderBuilder::new()
            .delimiter(b';')
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        found
            .records()
            .flatten()
            .flat_map(|record| record.iter().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn readers_of_another_separator_find_no_formula() {
        let mut out = writer(Vec::new());
        let hostile = ["x", "a;=1", "a\n=2", "\";=3", "a\r\n; +4", "=5;=6\t=7"];
        out.write_record(hostile.map(|cell| formula_safe(cell).into_owned()))
            .expect("memory takes it");
        let text = String::from_utf8(ended(out).expect("a file")).expect("text");
        assert!(cells(&text).len() > hostile.len(), "the other reader splits differently: {text}");
        for cell in cells(&text) {
            assert!(
                !cell.trim_start_matches([' ', '"']).starts_with(begins_formula),
                "{cell:?} of {text:?}"
            );
        }
    }
}
