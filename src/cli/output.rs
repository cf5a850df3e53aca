//! Output formats: tables, NDJSON, CSV, or the JSON that HTTP returns.

use crate::error::{Context, Error, ErrorKind, Result};
use crate::export::formula_safe;
use serde_json::Value as Json;
use std::io::{IsTerminal, Write};

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OutputFormat {
    /// Columns for people
    Table,
    /// One JSON object per line
    Ndjson,
    /// RFC 4180, safe to open in a spreadsheet
    Csv,
    /// The JSON that HTTP returns
    Json,
    /// Apache Parquet (exports only)
    Parquet,
}

impl OutputFormat {
    /// Returns the requested format; by default a table on a terminal and NDJSON in a pipe.
    ///
    /// # Errors
    /// Parquet, which only exports support.
    pub(super) fn or_default(form: Option<Self>) -> Result<Self> {
        match form {
            Some(Self::Parquet) => {
                Err(Error::parameter("--output", "only annals export writes parquet"))
            }
            form => Ok(form.unwrap_or(if std::io::stdout().is_terminal() {
                Self::Table
            } else {
                Self::Ndjson
            })),
        }
    }
}

/// Writes to standard output.
pub(super) fn put(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context(ErrorKind::Unavailable, || "cannot write to standard output".to_owned())
}

/// Writes a line to standard output.
pub(super) fn line(text: &str) -> Result<()> {
    put(&format!("{text}\n"))
}

/// Writes a note to standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable(text));
}

/// Makes control characters in a text visible, so that a record cannot send escape sequences to a
/// terminal.
pub(super) fn printable(text: &str) -> String {
    let unsafe_letter = |letter: char| {
        letter.is_control()
            || matches!(
                letter,
                '\u{61c}' | '\u{200e}' | '\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            )
    };
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if unsafe_letter(letter) && (letter as u32) < 0x100 => {
                shown.push_str(&format!("\\x{:02x}", letter as u32))
            }
            letter if unsafe_letter(letter) => {
                shown.push_str(&format!("\\u{{{:x}}}", letter as u32))
            }
            letter => shown.push(letter),
        }
    }
    shown
}

/// Returns the columns and lines of the terminal that standard output is. `COLUMNS` and `LINES`
/// replace what it says of itself.
pub(super) fn terminal_size() -> Option<(usize, usize)> {
    let out = console::Term::stdout();
    if !out.is_term() {
        return None;
    }
    // A terminal that does not know its size is taken for the usual one.
    let (height, width) = out.size_checked().unwrap_or((24, 80));
    let set = |name: &str, measured: u16| {
        let set = std::env::var(name).ok().and_then(|set| set.parse::<usize>().ok());
        set.filter(|set| *set > 0).unwrap_or_else(|| usize::from(measured))
    };
    Some((set("COLUMNS", width), set("LINES", height)))
}

/// Formats a value for a cell.
pub(super) fn cell(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        // A list stays JSON, so that it can be read back; see `export::csv`.
        Some(other) => other.to_string().replace(';', "\\u003b"),
    }
}

/// Formats a line of CSV. A cell that a spreadsheet would take for a formula gets an apostrophe in
/// front.
pub(super) fn csv_line(cells: &[String]) -> Result<String> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let broken = || "cannot write CSV".to_owned();
    writer
        .write_record(cells.iter().map(|cell| formula_safe(cell).into_owned()))
        .context(ErrorKind::Internal, broken)?;
    let bytes = writer
        .into_inner()
        .map_err(|cause| Error::internal(broken()).because(cause.to_string()))?;
    String::from_utf8(bytes).context(ErrorKind::Internal, broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_steers_a_terminal() {
        assert_eq!(printable("a\u{1b}[2J\r\nb\u{202e}中"), "a\\x1b[2J\\x0d\\x0ab\\u{202e}中");
    }

    #[test]
    fn formulas_are_disarmed_and_quotes_doubled() {
        let line =
            csv_line(&["=1+1".into(), " @x".into(), "a\"b,c".into(), "plain".into(), "＝x".into()])
                .expect("a line");
        assert_eq!(line, "'=1+1,' @x,\"a\"\"b,c\",plain,'＝x\r\n");
    }
}
