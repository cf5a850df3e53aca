//! Exports: events as CSV, NDJSON or Parquet, written as they come, in constant memory.
//!
//! An [`Encoder`] writes parts in order; [`Parts`] builds them from events, on all cores. Where the
//! bytes go is up to the caller. A later surface for jobs, manifests and other formats will use the
//! same encoder.

mod csv;
mod ndjson;
mod parquet;

pub use csv::{Digits, Formulas, formula_safe};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{FIELDS, Field, Timestamp};
use crate::query::EventBatch;
use arrow::array::RecordBatch;
use chrono::{SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use std::io::Write;
use std::sync::Arc;

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// RFC 4180.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

impl ExportFormat {
    /// Every format.
    pub const ALL: &[Self] = &[Self::Csv, Self::Ndjson, Self::Parquet];

    /// Returns the name of the format, which is also the extension of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
        }
    }

    /// Returns the format with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|form| form.name() == name)
    }

    /// Returns the media type of the format.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// The labels in the header of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Labels {
    /// The native names of the fields.
    #[default]
    Name,
    /// English labels.
    En,
    /// Chinese labels.
    Zh,
}

impl Labels {
    /// Parses `name`, `en` or `zh`.
    ///
    /// # Errors
    /// Any other text; the message names the parameter `labels`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "name" => Ok(Self::Name),
            "en" => Ok(Self::En),
            "zh" => Ok(Self::Zh),
            _ => Err(Error::parameter("labels", "is name, en or zh")),
        }
    }
}

/// How an export is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// The format.
    pub form: ExportFormat,
    /// The columns, in this order; if empty, the default columns of the format.
    pub columns: Vec<Field>,
    /// The header of a CSV file. The other formats keep the native names, because programs read
    /// them.
    pub labels: Labels,
    /// The time zone that times are written in; Parquet stores instants and needs none.
    pub time_zone: Tz,
    /// Whether a CSV file begins with a byte order mark, by which spreadsheets recognize UTF-8.
    pub bom: bool,
    /// How to treat CSV cells that a spreadsheet would take for formulas.
    pub formulas: Formulas,
    /// How to write CSV cells that a spreadsheet would take for numbers and change.
    pub digits: Digits,
    /// Whether an NDJSON file ends with a record of the number of events: a file without it is
    /// incomplete.
    pub closing: bool,
}

impl Options {
    /// Creates the default options of a format.
    pub fn new(form: ExportFormat) -> Self {
        let formulas = Formulas::default();
        Self {
            form,
            columns: Vec::new(),
            labels: Labels::Name,
            time_zone: Tz::UTC,
            bom: false,
            formulas,
            digits: Digits::default(),
            closing: false,
        }
    }
}

/// Returns the columns of an export that names none: all of them. CSV omits the record, which would
/// fill a cell with JSON; it has to be requested by name.
fn default_columns(form: ExportFormat) -> Vec<Field> {
    FIELDS
        .iter()
        .map(|def| def.field)
        .filter(|field| form != ExportFormat::Csv || *field != Field::Original)
        .collect()
}

/// Parses a comma-separated list of columns.
///
/// # Errors
/// An unknown name, or one that is given twice; the message names the parameter `columns`.
pub fn parse_columns(names: &[&str]) -> Result<Vec<Field>> {
    let mut columns = Vec::new();
    for name in names.iter().flat_map(|names| names.split(',')).map(str::trim) {
        let field = Field::from_name(name);
        let field = field.ok_or_else(|| {
            Error::parameter(
                "columns",
                format!("{:?} is not a field; see /api/v1/fields", crate::event::clip(name, 60)),
            )
        })?;
        if columns.contains(&field) {
            return Err(Error::parameter("columns", format!("{name} is given twice")));
        }
        columns.push(field);
    }
    Ok(columns)
}

/// A part of an export: some events in its format. Parts are built on several cores and written in
/// order.
#[derive(Debug)]
pub struct ExportChunk {
    rows: u64,
    body: ChunkBody,
}

#[derive(Debug)]
enum ChunkBody {
    Text(Vec<u8>),
    Columns(RecordBatch),
}

impl ExportChunk {
    /// Returns the number of events.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Builds the parts of an export.
#[derive(Debug, Clone)]
pub struct Parts(Arc<Options>);

impl Parts {
    /// Builds a part from events.
    ///
    /// # Errors
    /// None that input can cause.
    pub fn make(&self, events: &EventBatch) -> Result<ExportChunk> {
        let body = match self.0.form {
            ExportFormat::Csv => ChunkBody::Text(csv::lines(events, &self.0)?),
            ExportFormat::Ndjson => ChunkBody::Text(ndjson::lines(events, &self.0)?),
            ExportFormat::Parquet => ChunkBody::Columns(parquet::batch(events, &self.0)?),
        };
        Ok(ExportChunk { rows: events.rows() as u64, body })
    }
}

/// Writes an export.
pub struct Encoder<W: Write + Send> {
    parts: Parts,
    rows: u64,
    out: Out<W>,
}

enum Out<W: Write + Send> {
    Text(W),
    Parquet(Box<parquet::ParquetEncoder<W>>),
}

impl<W: Write + Send> std::fmt::Debug for Encoder<W> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Encoder")
    }
}

impl<W: Write + Send> Encoder<W> {
    /// Creates an encoder that writes to `out`, which should be buffered. The header is written at
    /// once.
    ///
    /// # Errors
    /// An `out` that cannot be written to.
    pub fn new(mut out: W, mut options: Options) -> Result<Self> {
        if options.columns.is_empty() {
            options.columns = default_columns(options.form);
        }
        let out = match options.form {
            ExportFormat::Csv => {
                out.write_all(&csv::header(&options)?)
                    .context(ErrorKind::Unavailable, cannot_write)?;
                Out::Text(out)
            }
            ExportFormat::Ndjson => Out::Text(out),
            ExportFormat::Parquet => {
                Out::Parquet(Box::new(parquet::ParquetEncoder::new(out, &options)?))
            }
        };
        Ok(Self { parts: Parts(Arc::new(options)), rows: 0, out })
    }

    /// Returns the columns.
    pub fn columns(&self) -> &[Field] {
        &self.parts.0.columns
    }

    /// Returns the number of events written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns a builder of parts for this export, which can be used on any thread.
    pub fn parts(&self) -> Parts {
        self.parts.clone()
    }

    /// Writes a part.
    ///
    /// # Errors
    /// An `out` that cannot be written to.
    pub fn write(&mut self, part: &ExportChunk) -> Result<()> {
        self.rows += part.rows;
        match (&mut self.out, &part.body) {
            (Out::Text(out), ChunkBody::Text(text)) => {
                out.write_all(text).context(ErrorKind::Unavailable, cannot_write)
            }
            (Out::Parquet(out), ChunkBody::Columns(batch)) => out.write(batch),
            _ => Err(Error::internal("a part of another export")),
        }
    }

    /// Writes what completes the export, and returns the output.
    ///
    /// # Errors
    /// An `out` that cannot be written to.
    pub fn finish(self) -> Result<W> {
        match self.out {
            Out::Text(mut out) => {
                if self.parts.0.closing {
                    out.write_all(ndjson::closing(self.rows).as_bytes())
                        .context(ErrorKind::Unavailable, cannot_write)?;
                }
                Ok(out)
            }
            Out::Parquet(out) => out.finish(),
        }
    }
}

fn cannot_write() -> String {
    "the export cannot be written".to_owned()
}

/// Formats a moment in a time zone as RFC 3339.
fn moment_in(zone: Tz, moment: Timestamp) -> String {
    if zone == Tz::UTC {
        return moment.to_string();
    }
    match Utc.timestamp_millis_opt(moment.millis()).single() {
        Some(utc) => utc.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Millis, false),
        None => moment.to_string(),
    }
}

#[cfg(test)]
mod tests;
