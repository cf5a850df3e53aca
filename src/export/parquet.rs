//! Parquet: the columns of the table, in row groups that fit in memory. A file without its footer
//! does not open, so a truncated one is noticed.

use super::{Options, cannot_write};
use crate::error::{Context, ErrorKind, Result};
use crate::event::{event_batch_of, event_schema};
use crate::query::EventBatch;
use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::Write;

/// Maximum number of rows in a row group, and number of bytes after which one is closed early: this
/// bounds what an export holds in memory.
const GROUP: (usize, usize) = (65_536, 32 << 20);

/// Converts events into columns.
pub(super) fn batch(events: &EventBatch, options: &Options) -> Result<RecordBatch> {
    event_batch_of(&options.columns, &events.events())
}

/// Writes Parquet.
pub(super) struct ParquetEncoder<W: Write + Send> {
    out: ArrowWriter<W>,
}

impl<W: Write + Send> std::fmt::Debug for ParquetEncoder<W> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ParquetEncoder")
    }
}

impl<W: Write + Send> ParquetEncoder<W> {
    pub(super) fn new(out: W, options: &Options) -> Result<Self> {
        let indexes: Vec<usize> = options.columns.iter().map(|field| *field as usize).collect();
        let schema = event_schema().project(&indexes).context(ErrorKind::Internal, cannot_write)?;
        let level = ZstdLevel::try_new(3).context(ErrorKind::Internal, cannot_write)?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("annals ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP.0))
            .build();
        let out = ArrowWriter::try_new(out, schema.into(), Some(properties))
            .context(ErrorKind::Unavailable, cannot_write)?;
        Ok(Self { out })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.out.write(batch).context(ErrorKind::Unavailable, cannot_write)?;
        if self.out.in_progress_size() > GROUP.1 {
            self.out.flush().context(ErrorKind::Unavailable, cannot_write)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<W> {
        self.out.into_inner().context(ErrorKind::Unavailable, cannot_write)
    }
}
