//! Merges several batches of events into one list in row order, column by column, without building
//! events on the way.

use super::columns::event_schema;
use super::{FIELDS, Field, FieldDef};
use crate::error::{Context, Error, ErrorKind, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray,
};
use arrow::compute::interleave;
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use hashbrown::HashMap;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::sync::Arc;

/// Where a row comes from: the batch, and the row in it.
type RowPosition = (usize, usize);

/// A column of codes over all batches. The values ascend, and the code of a row is the index of its
/// value.
struct CodedColumn {
    values: ArrayRef,
    codes: Vec<Option<i32>>,
}

/// Sorts the rows of these batches, which must have all columns, into row order
/// ([`super::row_order`]) and returns them in batches of `size` rows.
///
/// # Errors
/// Batches that are not of [`event_schema`].
pub fn sorted_batches(batches: &[RecordBatch], size: usize) -> Result<Vec<RecordBatch>> {
    let schema = event_schema();
    if batches.iter().any(|batch| batch.num_columns() != FIELDS.len()) {
        return Err(Error::internal("batches without some of the columns cannot be sorted"));
    }
    let coded: Vec<Option<CodedColumn>> = FIELDS
        .par_iter()
        .map(|def| def.is_dictionary().then(|| CodedColumn::of(batches, def)).transpose())
        .collect::<Result<_>>()?;
    let order = order(batches, coded[Field::Tenant as usize].as_ref())?;
    // The first row of each batch, numbered across all batches.
    let starts: Vec<usize> = batches
        .iter()
        .scan(0, |next, batch| {
            *next += batch.num_rows();
            Some(*next - batch.num_rows())
        })
        .collect();
    let column = |(index, coded): (usize, &Option<CodedColumn>), rows: &[RowPosition]| match coded {
        Some(coded) => coded.take(rows.iter().map(|(batch, row)| starts[*batch] + row)),
        None => {
            let arrays: Vec<&dyn Array> =
                batches.iter().map(|batch| batch.column(index).as_ref()).collect();
            interleave(&arrays, rows).context(ErrorKind::Internal, || {
                format!("cannot put rows of {} together", FIELDS[index].name)
            })
        }
    };
    let chunk = |rows: &[RowPosition]| {
        let columns =
            coded.iter().enumerate().map(|coded| column(coded, rows)).collect::<Result<_>>()?;
        RecordBatch::try_new(Arc::clone(&schema), columns)
            .context(ErrorKind::Internal, || "sorted rows do not form a batch".to_owned())
    };
    order.par_chunks(size.max(1)).map(chunk).collect()
}

/// Returns the rows of all batches in row order.
fn order(batches: &[RecordBatch], tenants: Option<&CodedColumn>) -> Result<Vec<RowPosition>> {
    let tenants = tenants.ok_or_else(|| Error::internal("tenants have no codes"))?;
    let mut keys = Vec::with_capacity(tenants.codes.len());
    let mut codes = tenants.codes.iter();
    for (number, batch) in batches.iter().enumerate() {
        let times =
            batch.column(Field::Time as usize).as_primitive_opt::<TimestampMicrosecondType>();
        let seqs = batch.column(Field::Seq as usize).as_primitive_opt::<Int64Type>();
        let (Some(times), Some(seqs)) = (times, seqs) else {
            return Err(Error::corrupt("times or numbers are of another type"));
        };
        let rows = times.values().iter().zip(seqs.values());
        keys.extend(rows.zip(&mut codes).enumerate().map(|(row, ((time, seq), code))| {
            (
                *code,
                Reverse(time.div_euclid(1_000)),
                Reverse(*seq as u64),
                number as u32,
                row as u32,
            )
        }));
    }
    keys.par_sort_unstable();
    Ok(keys.into_iter().map(|(_, _, _, batch, row)| (batch as usize, row as usize)).collect())
}

impl CodedColumn {
    fn of(batches: &[RecordBatch], def: &FieldDef) -> Result<Self> {
        let mut numbers: HashMap<&str, i32> = HashMap::new();
        let mut found: Vec<&str> = Vec::new();
        let mut codes: Vec<Option<i32>> =
            Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
        for batch in batches {
            let array = batch.column(def.field as usize).as_dictionary_opt::<Int32Type>();
            let typed = array
                .and_then(|array| Some((array.keys(), array.values().as_string_opt::<i32>()?)));
            let (keys, values) = typed
                .ok_or_else(|| Error::corrupt(format!("column {} has no dictionary", def.name)))?;
            // A dictionary may hold values that no row of the batch uses: they get no number.
            let mut known: Vec<Option<i32>> = vec![None; values.len()];
            for key in keys {
                codes.push(key.map(|key| {
                    *known[key as usize].get_or_insert_with(|| {
                        let value = values.value(key as usize);
                        *numbers.entry(value).or_insert_with(|| {
                            found.push(value);
                            found.len() as i32 - 1
                        })
                    })
                }));
            }
        }
        let mut ascending: Vec<usize> = (0..found.len()).collect();
        ascending.sort_unstable_by_key(|number| found[*number].as_bytes());
        let mut indexes = vec![0; found.len()];
        (0..).zip(&ascending).for_each(|(index, number)| indexes[*number] = index);
        codes.par_iter_mut().for_each(|code| *code = code.map(|number| indexes[number as usize]));
        let values =
            StringArray::from_iter_values(ascending.into_iter().map(|number| found[number]));
        Ok(Self { values: Arc::new(values), codes })
    }

    fn take(&self, rows: impl Iterator<Item = usize>) -> Result<ArrayRef> {
        let keys: Int32Array = rows.map(|row| self.codes[row]).collect();
        let array = DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(&self.values));
        Ok(Arc::new(
            array.context(ErrorKind::Internal, || "codes are beyond their values".to_owned())?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Columns, Event, Timestamp, event_batch, row_order};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_of_several_batches_come_in_the_order_of_rows(
            rows in proptest::collection::vec(("[abc中]{1,2}", 0_i64..20, proptest::option::of("[xyz]"), proptest::collection::vec("[pq]{1,3}", 0..3)), 0..80),
            cuts in proptest::collection::vec(0_usize..80, 0..6),
            size in 1_usize..40,
        ) {
            let event = |(seq, (tenant, time, name, related)): (
                u64,
                (String, i64, Option<String>, Vec<String>),
            )| {
                let time = Timestamp::from_millis(time * 1_000 - 7_000);
                let related_ids = related.iter().map(|id| id.as_str().into()).collect();
                let mut event = Event {
                    tenant: tenant.into(),
                    seq,
                    time,
                    related_ids,
                    original: format!("{{\"n\":{seq}}}").into(),
                    ..Event::default()
                };
                event.set_opt(Field::EventName, name.as_deref());
                event.set(Field::Format, "native");
                event.set(Field::TraceId, format!("t{seq}"));
                event
            };
            let mut events: Vec<Event> = (0..).zip(rows).map(event).collect();
            let mut ends: Vec<usize> = cuts
                .into_iter()
                .map(|cut| cut.min(events.len()))
                .chain([0, events.len()])
                .collect();
            ends.sort_unstable();
            let batches: Vec<RecordBatch> = ends
                .windows(2)
                .map(|pair| event_batch(&events[pair[0]..pair[1]]).expect("a batch"))
                .collect();
            let sorted = sorted_batches(&batches, size).expect("our own batches");
            let found: Vec<Event> = sorted
                .iter()
                .flat_map(|batch| {
                    let columns = Columns::new(batch).expect("our own columns");
                    (0..columns.rows()).map(|row| columns.event(row)).collect::<Vec<_>>()
                })
                .collect();
            events.sort_unstable_by(row_order);
            prop_assert!(sorted.iter().all(|batch| batch.num_rows() <= size));
            prop_assert_eq!(found, events);
            for batch in &sorted {
                let names = batch
                    .column(Field::EventName as usize)
                    .as_dictionary::<Int32Type>()
                    .values()
                    .as_string::<i32>();
                prop_assert!(names.iter().is_sorted() && names.iter().all(|name| name.is_some()));
            }
        }
    }
}
