//! Events as Arrow columns, and back.

use super::{
    AMOUNT_PRECISION, AMOUNT_SCALE, Amount, Event, FIELDS, Field, FieldDef, FieldKind, List,
    Timestamp, Value,
};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::field::list_item;
use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBuilder, Decimal128Array, Decimal128Builder, Int64Array,
    Int64Builder, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
    StringDictionaryBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field as ArrowField, Int32Type, Schema, SchemaRef};
use std::borrow::Borrow;
use std::sync::Arc;

/// Returns the Arrow schema of a segment: one column for each row of [`FIELDS`], in that order.
pub fn event_schema() -> SchemaRef {
    schema_of(FIELDS)
}

fn schema_of<'a>(defs: impl IntoIterator<Item = &'a FieldDef>) -> SchemaRef {
    let columns =
        defs.into_iter().map(|def| ArrowField::new(def.name, def.arrow_type(), !def.is_required()));
    Arc::new(Schema::new(columns.collect::<Vec<_>>()))
}

/// Builds one batch of columns from events, in the given order.
///
/// # Errors
/// None that input can cause; a batch whose columns disagree is a defect.
pub fn event_batch<E: Borrow<Event>>(events: &[E]) -> Result<RecordBatch> {
    batch_of(FIELDS, events)
}

/// Builds a batch of these columns only, in this order. Other fields may be missing in the events.
///
/// # Errors
/// As [`event_batch`].
pub fn event_batch_of<E: Borrow<Event>>(fields: &[Field], events: &[E]) -> Result<RecordBatch> {
    batch_of(fields.iter().map(|field| field.def()), events)
}

fn batch_of<'a, E: Borrow<Event>>(
    defs: impl IntoIterator<Item = &'a FieldDef> + Clone,
    events: &[E],
) -> Result<RecordBatch> {
    let columns = defs.clone().into_iter().map(|def| column(def, events)).collect::<Vec<_>>();
    RecordBatch::try_new(schema_of(defs), columns)
        .context(ErrorKind::Internal, || "events do not form a batch".to_owned())
}

fn column<E: Borrow<Event>>(def: &FieldDef, events: &[E]) -> ArrayRef {
    let events = || events.iter().map(Borrow::borrow);
    let rows = events().len();
    match def.kind {
        FieldKind::Text | FieldKind::Enum(_) if def.is_dictionary() => {
            let mut builder = StringDictionaryBuilder::<Int32Type>::new();
            for event in events() {
                builder.append_option(text(event, def.field));
            }
            Arc::new(builder.finish())
        }
        FieldKind::Text | FieldKind::Enum(_) => {
            let bytes =
                events().map(|event: &Event| text(event, def.field).map_or(0, str::len)).sum();
            let mut builder = StringBuilder::with_capacity(rows, bytes);
            for event in events() {
                builder.append_option(text(event, def.field));
            }
            Arc::new(builder.finish())
        }
        FieldKind::Bool => {
            let mut builder = BooleanBuilder::with_capacity(rows);
            for event in events() {
                builder.append_option(match event.value(def.field) {
                    Value::Bool(flag) => Some(flag),
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }
        FieldKind::Time => {
            let mut builder = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
            for event in events() {
                builder.append_option(match event.value(def.field) {
                    Value::Time(time) => Some(time.millis().saturating_mul(1_000)),
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }
        FieldKind::Integer => {
            let mut builder = Int64Builder::with_capacity(rows);
            for event in events() {
                builder.append_value(event.seq as i64);
            }
            Arc::new(builder.finish())
        }
        FieldKind::Decimal => {
            let mut builder = Decimal128Builder::with_capacity(rows)
                .with_precision_and_scale(AMOUNT_PRECISION, AMOUNT_SCALE)
                .expect("the constants are a valid decimal type");
            for event in events() {
                builder.append_option(event.amount.map(Amount::units));
            }
            Arc::new(builder.finish())
        }
        FieldKind::List => {
            let mut builder = ListBuilder::new(StringBuilder::new()).with_field(list_item());
            for event in events() {
                for related in &event.related_ids {
                    builder.values().append_value(related);
                }
                builder.append(true);
            }
            Arc::new(builder.finish())
        }
    }
}

fn text(event: &Event, field: Field) -> Option<&str> {
    match event.value(field) {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Reads values from a batch that holds some of the columns of [`event_schema`].
#[derive(Debug)]
pub struct Columns {
    columns: Vec<Option<Column>>,
    rows: usize,
}

#[derive(Debug)]
enum Column {
    Text(StringArray),
    Dictionary { codes: Vec<Option<u32>>, values: StringArray },
    Bool(BooleanArray),
    Time(TimestampMicrosecondArray),
    Integer(Int64Array),
    Decimal(Decimal128Array),
    List(ListArray),
}

impl Columns {
    /// Builds some columns from events.
    ///
    /// # Errors
    /// None that input can cause.
    pub fn of_events<E: Borrow<Event>>(events: &[E], fields: &[Field]) -> Result<Self> {
        let mut columns: Vec<Option<Column>> = FIELDS.iter().map(|_| None).collect();
        for (index, def) in FIELDS.iter().enumerate().filter(|(_, def)| fields.contains(&def.field))
        {
            columns[index] = Some(Column::new(def, &column(def, events))?);
        }
        Ok(Self { columns, rows: events.len() })
    }

    /// Finds the columns of `batch` by name.
    ///
    /// # Errors
    /// A column of another type than [`event_schema`] says: the file is not ours.
    pub fn new(batch: &RecordBatch) -> Result<Self> {
        let mut columns: Vec<Option<Column>> = FIELDS.iter().map(|_| None).collect();
        for (index, def) in FIELDS.iter().enumerate() {
            if let Some(array) = batch.column_by_name(def.name) {
                columns[index] = Some(Column::new(def, array)?);
            }
        }
        Ok(Self { columns, rows: batch.num_rows() })
    }

    /// Returns the number of rows in the batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the text in a row of a text column.
    pub fn text(&self, field: Field, row: usize) -> Option<&str> {
        match self.columns[field as usize].as_ref()? {
            Column::Text(array) => array.is_valid(row).then(|| array.value(row)),
            Column::Dictionary { codes, values } => {
                codes[row].map(|code| values.value(code as usize))
            }
            _ => None,
        }
    }

    /// Returns the dictionary code in a row and the texts of all codes, for a column that keeps
    /// codes.
    pub fn dictionary(&self, field: Field) -> Option<(&[Option<u32>], &StringArray)> {
        match self.columns[field as usize].as_ref()? {
            Column::Dictionary { codes, values } => Some((codes, values)),
            _ => None,
        }
    }

    /// Returns the flag in a row.
    pub fn flag(&self, field: Field, row: usize) -> Option<bool> {
        match self.columns[field as usize].as_ref()? {
            Column::Bool(array) => array.is_valid(row).then(|| array.value(row)),
            _ => None,
        }
    }

    /// Returns the timestamp in a row.
    pub fn time(&self, field: Field, row: usize) -> Option<Timestamp> {
        match self.columns[field as usize].as_ref()? {
            Column::Time(array) => array
                .is_valid(row)
                .then(|| Timestamp::from_millis(array.value(row).div_euclid(1_000))),
            _ => None,
        }
    }

    /// Returns the sequence number in a row.
    pub fn seq(&self, row: usize) -> Option<u64> {
        match self.columns[Field::Seq as usize].as_ref()? {
            Column::Integer(array) => Some(array.value(row) as u64),
            _ => None,
        }
    }

    /// Returns the amount in a row.
    pub fn amount(&self, row: usize) -> Option<Amount> {
        match self.columns[Field::Amount as usize].as_ref()? {
            Column::Decimal(array) => {
                array.is_valid(row).then(|| Amount::from_units(array.value(row)))
            }
            _ => None,
        }
    }

    /// Returns the texts in a row of the list column.
    pub fn list(&self, field: Field, row: usize) -> Vec<Box<str>> {
        let mut texts = Vec::new();
        self.each_in_list(field, row, |text| texts.push(text.into()));
        texts
    }

    /// Passes each text in a row of the list column to a callback.
    pub fn each_in_list(&self, field: Field, row: usize, take: impl FnMut(&str)) {
        self.items(field, row).iter().for_each(take);
    }

    fn items(&self, field: Field, row: usize) -> List<'_> {
        if let Some(Column::List(array)) = self.columns[field as usize].as_ref()
            && let Some(items) = array.values().as_any().downcast_ref::<StringArray>()
        {
            let ends = array.value_offsets();
            return List::Items(items, ends[row] as usize, ends[row + 1] as usize);
        }
        List::Texts(&[])
    }

    /// Returns the value of a field in a row, as far as the batch has its column.
    pub fn value(&self, field: Field, row: usize) -> Value<'_> {
        match field.def().kind {
            FieldKind::Text | FieldKind::Enum(_) => {
                self.text(field, row).map_or(Value::Absent, Value::Text)
            }
            FieldKind::Bool => self.flag(field, row).map_or(Value::Absent, Value::Bool),
            FieldKind::Time => self.time(field, row).map_or(Value::Absent, Value::Time),
            FieldKind::Integer => self.seq(row).map_or(Value::Absent, Value::Integer),
            FieldKind::Decimal => self.amount(row).map_or(Value::Absent, Value::Decimal),
            FieldKind::List => Value::List(self.items(field, row)),
        }
    }

    /// Rebuilds the event in a row, as far as the batch has its columns.
    pub fn event(&self, row: usize) -> Event {
        let mut event = Event {
            tenant: self.text(Field::Tenant, row).unwrap_or_default().into(),
            seq: self.seq(row).unwrap_or_default(),
            time: self.time(Field::Time, row).unwrap_or_default(),
            record_time: self.time(Field::RecordTime, row),
            ingest_time: self.time(Field::IngestTime, row).unwrap_or_default(),
            time_suspect: self.flag(Field::TimeSuspect, row).unwrap_or_default(),
            read_only: self.flag(Field::ReadOnly, row),
            related_ids: self.list(Field::RelatedIds, row),
            amount: self.amount(row),
            original: self.text(Field::Original, row).unwrap_or_default().into(),
            ..Event::default()
        };
        for field in Field::texts() {
            event.set_opt(field, self.text(field, row));
        }
        event
    }
}

impl Column {
    fn new(def: &FieldDef, array: &ArrayRef) -> Result<Self> {
        fn cast<T: Clone + 'static>(def: &FieldDef, array: &ArrayRef) -> Result<T> {
            array.as_any().downcast_ref::<T>().cloned().ok_or_else(|| {
                Error::corrupt(format!(
                    "column {} has type {} where {} is expected",
                    def.name,
                    array.data_type(),
                    def.arrow_type()
                ))
            })
        }
        Ok(match array.data_type() {
            DataType::Dictionary(_, _) => {
                let array = arrow::array::AsArray::as_dictionary_opt::<Int32Type>(array.as_ref())
                    .ok_or_else(|| {
                    Error::corrupt(format!(
                        "column {} has dictionary keys of another type",
                        def.name
                    ))
                })?;
                let codes = array.keys().iter().map(|key| key.map(|key| key as u32)).collect();
                Self::Dictionary { codes, values: cast(def, array.values())? }
            }
            DataType::Utf8 => Self::Text(cast(def, array)?),
            DataType::Boolean => Self::Bool(cast(def, array)?),
            DataType::Timestamp(_, _) => Self::Time(cast(def, array)?),
            DataType::Int64 => Self::Integer(cast(def, array)?),
            DataType::Decimal128(_, _) => Self::Decimal(cast(def, array)?),
            _ => Self::List(cast(def, array)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_the_way_through_columns() {
        let mut full = Event {
            tenant: "acme".into(),
            seq: 7,
            time: Timestamp::from_millis(1_700_000_000_123),
            record_time: Some(Timestamp::from_millis(1_700_000_000_456)),
            ingest_time: Timestamp::from_millis(1_700_000_001_000),
            time_suspect: false,
            read_only: Some(true),
            amount: Some(Amount::parse("-12.345").expect("an amount")),
            original: "{\"a\":\"中文\"}".into(),
            ..Event::default()
        };
        for field in Field::texts() {
            full.set(field, format!("value of {field}"));
        }
        full.relate("quota", "q1");
        full.relate("customer", "c1");
        let mut bare = Event { tenant: "b".into(), original: "{}".into(), ..Event::default() };
        bare.set(Field::TraceId, "t");
        bare.set(Field::Format, "native");
        let events = [full, bare];
        let batch = event_batch(&events).expect("a batch");
        let columns = Columns::new(&batch).expect("our own columns");
        assert_eq!([columns.event(0), columns.event(1)], events);
        for (row, event) in events.iter().enumerate() {
            for def in FIELDS {
                assert_eq!(columns.value(def.field, row), event.value(def.field), "{}", def.name);
            }
        }
    }
}
