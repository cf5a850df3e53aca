//! Verification of candidates: the clauses that the index cannot answer, put to the columns and the record of each row.

use super::super::Work;
use super::super::filter::{Clause, Condition, Probe, Subject};
use crate::error::Result;
use crate::event::{Columns, Field, Kind, Value};
use crate::storage::segment::Segment;

/// A row of columns that clauses are put to.
#[derive(Debug)]
pub(in crate::query) struct Row<'a> {
    pub(in crate::query) columns: &'a Columns,
    pub(in crate::query) row: usize,
}

impl Subject for Row<'_> {
    fn holds(&self, condition: &Condition) -> bool {
        let Self { columns, row } = *self;
        let field = condition.field;
        match field.def().kind {
            Kind::Text | Kind::Enum(_) => condition.holds(columns.text(field, row).map_or(Value::Absent, Value::Text)),
            Kind::Bool => condition.holds(columns.flag(field, row).map_or(Value::Absent, Value::Bool)),
            Kind::Time => condition.holds(columns.time(field, row).map_or(Value::Absent, Value::Time)),
            Kind::Integer => condition.holds(columns.seq(row).map_or(Value::Absent, Value::Integer)),
            Kind::Decimal => condition.holds(columns.amount(row).map_or(Value::Absent, Value::Decimal)),
            Kind::List => condition.holds(Value::List(&columns.list(field, row))),
        }
    }

    fn record(&self) -> &str {
        self.columns.text(Field::Original, self.row).unwrap_or_default()
    }
}

/// The columns that clauses look at, each once, in the order of the table of fields.
pub(in crate::query) fn fields_of<'a>(clauses: impl IntoIterator<Item = &'a Clause>) -> Vec<Field> {
    fn gather(clause: &Clause, fields: &mut Vec<Field>) {
        match clause {
            Clause::Field(condition) => fields.push(condition.field),
            Clause::Record(_) => fields.push(Field::Original),
            Clause::Any(clauses) | Clause::All(clauses) => clauses.iter().for_each(|clause| gather(clause, fields)),
            Clause::Not(clause) => gather(clause, fields),
        }
    }
    let mut fields = Vec::new();
    clauses.into_iter().for_each(|clause| gather(clause, &mut fields));
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// Appends to `found` those of `rows` that hold the clauses.
pub(super) fn verify(segment: &Segment, clauses: &[&Clause], rows: &[u32], found: &mut Vec<u32>, work: &mut Work) -> Result<()> {
    work.examined += rows.len() as u64;
    let mut place = 0;
    for columns in segment.read(rows, &fields_of(clauses.iter().copied()), &mut work.bytes)? {
        for row in 0..columns.rows() {
            let subject = Row { columns: &columns, row };
            let probe = Probe::new(&subject);
            if clauses.iter().all(|clause| probe.holds(clause)) {
                found.push(rows[place]);
            }
            place += 1;
        }
    }
    Ok(())
}
