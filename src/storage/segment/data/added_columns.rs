//! Columns that files of earlier versions lack, because their field was added later. They are made
//! of the records while a file is read, so that an old event has what a new one has.

use crate::decode::{self, Format};
use crate::error::{Context, ErrorKind, Result};
use crate::event::{Columns, Field};
use arrow::array::{ArrayRef, RecordBatch, StringDictionaryBuilder};
use arrow::datatypes::{Field as ArrowField, Int32Type, Schema};
use parquet::arrow::ProjectionMask;
use parquet::schema::types::SchemaDescriptor;
use std::sync::Arc;

/// The fields that were added after the first version; all are texts of few values.
const ADDED: &[Field] = &[Field::Region];

/// What a derived column is made of.
const MADE_OF: &[Field] = &[Field::Format, Field::Original];

/// Returns those of the fields whose columns a file with this schema lacks.
pub(in crate::storage::segment) fn lacking(
    file: &SchemaDescriptor,
    fields: &[Field],
) -> Vec<Field> {
    let columns = file.root_schema().get_fields().len();
    let is_lacking = |field: &Field| ADDED.contains(field) && *field as usize >= columns;
    fields.iter().copied().filter(is_lacking).collect()
}

/// The columns to read from a file, and those to add to what is read.
#[derive(Debug)]
pub(in crate::storage::segment) struct ColumnPlan {
    pub(in crate::storage::segment) mask: ProjectionMask,
    added: Vec<Field>,
}

impl ColumnPlan {
    /// Plans how to read these fields from a file with this schema.
    pub(in crate::storage::segment) fn new(file: &SchemaDescriptor, fields: &[Field]) -> Self {
        let added = lacking(file, fields);
        let made_of: &[Field] = if added.is_empty() { &[] } else { MADE_OF };
        let there = fields.iter().filter(|field| !added.contains(field));
        let read = there.chain(made_of).map(|field| *field as usize);
        Self { mask: ProjectionMask::roots(file, read), added }
    }

    /// Returns the batch with the columns that its file lacks.
    pub(in crate::storage::segment) fn complete(&self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.added.is_empty() {
            return Ok(batch);
        }
        let columns = Columns::new(&batch)?;
        let mut texts: Vec<StringDictionaryBuilder<Int32Type>> =
            self.added.iter().map(|_| StringDictionaryBuilder::new()).collect();
        for row in 0..columns.rows() {
            let format = columns.text(Field::Format, row).and_then(Format::from_name);
            let record = columns.text(Field::Original, row).unwrap_or_default();
            // A record that no longer decodes has no such value; its columns still stand for it.
            let event = decode::decode(record, format).ok();
            for (field, text) in self.added.iter().zip(&mut texts) {
                text.append_option(event.as_ref().and_then(|event| event.text(*field)));
            }
        }
        let mut fields = batch.schema().fields().to_vec();
        let mut arrays = batch.columns().to_vec();
        for (field, mut text) in self.added.iter().zip(texts) {
            let def = field.def();
            fields.push(Arc::new(ArrowField::new(def.name, def.arrow_type(), true)));
            arrays.push(Arc::new(text.finish()) as ArrayRef);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .context(ErrorKind::Internal, || "added columns do not form a batch".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::event_batch;
    use parquet::arrow::ArrowSchemaConverter;

    #[test]
    fn a_file_without_regions_gives_them_from_its_records() {
        let records = [
            r#"{"time":1,"event_name":"a","region":"cn-north-4"}"#,
            r#"{"time":1,"event_name":"b"}"#,
            "no record",
        ];
        let events: Vec<_> = records
            .iter()
            .map(|record| {
                let mut event = decode::decode(record, Some(Format::Native)).unwrap_or_default();
                event.set(Field::Format, "native");
                event.set(Field::TraceId, "id");
                event.original = (*record).into();
                event
            })
            .collect();
        let today = event_batch(&events).expect("a batch");
        let without: Vec<usize> = (0..today.num_columns() - ADDED.len()).collect();
        let before = today.project(&without).expect("fewer columns");
        let file = |batch: &RecordBatch| {
            ArrowSchemaConverter::new().convert(&batch.schema()).expect("a Parquet schema")
        };
        let plan = ColumnPlan::new(&file(&before), &[Field::Region]);
        assert_eq!(plan.added, [Field::Region]);
        let columns = Columns::new(&plan.complete(before).expect("a batch")).expect("columns");
        let regions: Vec<_> = (0..3).map(|row| columns.text(Field::Region, row)).collect();
        assert_eq!(regions, [Some("cn-north-4"), None, None]);
        assert!(ColumnPlan::new(&file(&today), &[Field::Region]).added.is_empty());
    }
}
