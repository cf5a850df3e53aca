//! Scan: finds the matching rows by reading the columns of every row in question, filtered by
//! DataFusion.
//!
//! The leaf is DataFusion's own Parquet source over one file, with an access plan (the tenant's
//! rows in the period) and a virtual column of row numbers; it prunes row groups and pages by their
//! statistics. The predicate is applied above it.

use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{AMOUNT_PRECISION, AMOUNT_SCALE, Columns, Field, Timestamp, event_schema};
use crate::filter::{Clause, FieldCondition, Filter, FilterSubject, Probe, Test, cost_of};
use crate::query::VerifyWork;
use crate::query::budget::{QueryBudget, VALUE_WORK};
use crate::query::rows::events::Rows;
use crate::query::rows::lookup::{ColumnRow, fields_of, verify};
use crate::storage::segment::{PositionedFile, Segment};
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field as ArrowField, Int64Type, Schema};
use bytes::Bytes;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{
    FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, col,
    lit,
};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use parquet::arrow::RowNumber;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::ParquetMetaData;
use std::ops::Range;
use std::sync::Arc;
use tokio::runtime::Handle;

const ROW: &str = "_row";
/// How many rows are verified at a time by our own reader.
const PART_ROWS: usize = 65_536;

/// Runs scans. It holds the DataFusion session and the runtime that its streams need.
#[derive(Clone)]
pub struct Scanner {
    session: SessionContext,
    runtime: Handle,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Scanner")
    }
}

impl Scanner {
    /// Creates a scanner whose streams run on `runtime`. Scans block; they must not be started on
    /// one of its own threads.
    pub fn new(runtime: Handle) -> Self {
        let config = SessionConfig::new().with_batch_size(8_192).with_target_partitions(1);
        Self { session: SessionContext::new_with_config(config), runtime }
    }

    /// Finds the first `limit` rows of `rows` that match, or all of them. Adds what was read to
    /// `work`.
    pub(in crate::query) fn rows(
        &self,
        segment: &Segment,
        filter: &Filter,
        rows: Range<u32>,
        limit: Option<usize>,
        work: &mut VerifyWork<'_>,
    ) -> Result<Rows> {
        let broken = || format!("cannot scan {}", segment.data_path().display());
        if segment.lacks(&fields_of(&filter.clauses))? {
            return by_columns(segment, filter, rows, limit, work);
        }
        let budget = work.pace.budget().clone();
        let (plan, file) =
            self.plan(segment, filter, &rows, &budget).context(ErrorKind::Internal, broken)?;
        let fields = fields_of(&filter.clauses).len().max(1);
        work.pace.step((rows.len() * fields) as u64 * VALUE_WORK)?;
        let limit = limit.unwrap_or(usize::MAX);
        let mut found: Vec<u32> = Vec::new();
        let context = self.session.task_ctx();
        self.runtime.block_on(async {
            let mut batches = plan.execute(0, context).context(ErrorKind::Internal, broken)?;
            while let Some(batch) = batches.next().await {
                // A test that was stopped ends the scan as if it had failed; the budget knows the
                // real reason.
                budget.check()?;
                let batch = batch.context(ErrorKind::Corrupt, broken)?;
                found.extend(row_numbers(&batch)?);
                if found.len() >= limit {
                    break;
                }
            }
            Ok::<(), Error>(())
        })?;
        work.examined += rows.len() as u64;
        work.bytes += file.bytes_read();
        found.truncate(limit);
        Ok(Rows::List(found))
    }

    fn plan(
        &self,
        segment: &Segment,
        filter: &Filter,
        rows: &Range<u32>,
        budget: &QueryBudget,
    ) -> datafusion::error::Result<(Arc<dyn ExecutionPlan>, PositionedFile)> {
        let metadata = segment
            .metadata()
            .map_err(|error| datafusion::error::DataFusionError::External(error.into()))?;
        let file_schema = event_schema();
        let row_number =
            ArrowField::new(ROW, DataType::Int64, false).with_extension_type(RowNumber);
        let virtual_columns: arrow::datatypes::Fields = vec![Arc::new(row_number)].into();
        let table_schema = TableSchema::builder(Arc::clone(&file_schema))
            .with_virtual_columns(virtual_columns)
            .build();

        // Only the columns that the conditions name, and the row number, are read.
        let mut indexes: Vec<usize> =
            fields_of(&filter.clauses).into_iter().map(|field| field as usize).collect();
        indexes.push(file_schema.fields().len());
        let projected = Arc::new(table_schema.table_schema().project(&indexes)?);

        let predicate =
            |schema: &Schema| -> datafusion::error::Result<Option<Arc<dyn PhysicalExpr>>> {
                let Some(expression) = filter
                    .clauses
                    .iter()
                    .map(|clause| clause_expression(clause, budget))
                    .reduce(Expr::and)
                else {
                    return Ok(None);
                };
                let schema = DFSchema::try_from(schema.clone())?;
                self.session.create_physical_expr(expression, &schema).map(Some)
            };
        let file = segment
            .file()
            .map_err(|error| datafusion::error::DataFusionError::External(error.into()))?;
        let reader = SegmentFile { file: file.clone(), metadata: Arc::clone(metadata.metadata()) };
        let mut source = ParquetSource::new(table_schema.clone()).with_enable_page_index(true);
        source = source.with_parquet_file_reader_factory(Arc::new(reader));
        if let Some(pruning) = predicate(table_schema.table_schema())? {
            source = source.with_predicate(pruning);
        }
        let groups = metadata.metadata().row_groups();
        let selection = RowSelection::from(vec![
            RowSelector::skip(rows.start as usize),
            RowSelector::select(rows.len()),
            RowSelector::skip((segment.manifest().rows - rows.end) as usize),
        ]);
        let access = ParquetAccessPlan::try_new_from_overall_row_selection(selection, groups)?;
        let path = segment.data_path();
        let part = PartitionedFile::new(path.to_string_lossy(), segment.manifest().data.bytes)
            .with_extension(access);
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
                .with_file(part)
                .with_projection_indices(Some(indexes))?
                .build();
        let leaf: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        match predicate(&projected)? {
            Some(predicate) => Ok((Arc::new(FilterExec::try_new(predicate, leaf)?), file)),
            None => Ok((leaf, file)),
        }
    }
}

/// Finds the matching rows in a file of an earlier version, which lacks a column in question: our
/// own reader makes it of the records.
fn by_columns(
    segment: &Segment,
    filter: &Filter,
    rows: Range<u32>,
    limit: Option<usize>,
    work: &mut VerifyWork<'_>,
) -> Result<Rows> {
    let clauses: Vec<&Clause> = filter.clauses.iter().collect();
    let rows: Vec<u32> = rows.collect();
    let (mut found, limit) = (Vec::new(), limit.unwrap_or(usize::MAX));
    for part in rows.chunks(PART_ROWS) {
        if found.len() >= limit {
            break;
        }
        verify(segment, &clauses, part, &mut found, work)?;
    }
    found.truncate(limit);
    Ok(Rows::List(found))
}

fn row_numbers(batch: &RecordBatch) -> Result<Vec<u32>> {
    let column =
        batch.column_by_name(ROW).ok_or_else(|| Error::internal("a scan without row numbers"))?;
    let numbers = column
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| Error::internal("row numbers of another type"))?;
    Ok(numbers.values().iter().map(|number| *number as u32).collect())
}

/// A segment's file for DataFusion: the footer is already loaded, and reads are verified by
/// checksum.
#[derive(Debug, Clone)]
struct SegmentFile {
    file: PositionedFile,
    metadata: Arc<ParquetMetaData>,
}

impl ParquetFileReaderFactory for SegmentFile {
    fn create_reader(
        &self,
        _: usize,
        _: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        Ok(Box::new(self.clone()))
    }
}

impl AsyncFileReader for SegmentFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        let bytes = self.file.bytes(range).map_err(parquet::errors::ParquetError::from);
        std::future::ready(bytes).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        std::future::ready(Ok(Arc::clone(&self.metadata))).boxed()
    }
}

/// Converts a clause into a DataFusion expression that is never null.
fn clause_expression(clause: &Clause, budget: &QueryBudget) -> Expr {
    let group = |clauses: &[Clause], join: fn(Expr, Expr) -> Expr, empty: bool| {
        // An absent value makes a test null; within a group that must be a plain false.
        let all = clauses.iter().map(|clause| clause_expression(clause, budget).is_true());
        joined(all.collect(), join).unwrap_or_else(|| lit(empty))
    };
    match clause {
        Clause::Field(condition) => expression(condition, budget),
        Clause::Record(_) => tested(Field::Original, clause.clone(), budget),
        Clause::Any(clauses) => group(clauses, Expr::or, false),
        Clause::All(clauses) => group(clauses, Expr::and, true),
        Clause::Not(clause) => clause_expression(clause, budget).is_not_true(),
    }
}

/// Joins expressions into a tree that is as flat as can be: expressions are walked by recursion,
/// and a chain of thousands of them has no end on a stack.
fn joined(mut all: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    while all.len() > 1 {
        let mut pairs = all.into_iter();
        let mut next = Vec::with_capacity(pairs.len().div_ceil(2));
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        all = next;
    }
    all.pop()
}

/// Converts a condition into a DataFusion expression. An absent value (null) must fail the test and
/// pass its negation.
fn expression(condition: &FieldCondition, budget: &QueryBudget) -> Expr {
    let column = col(condition.field.name());
    let amount = |amount: crate::event::Amount| {
        lit(ScalarValue::Decimal128(Some(amount.units()), AMOUNT_PRECISION, AMOUNT_SCALE))
    };
    let text = |value: &String| lit(value.as_str());
    let test = match &condition.test {
        Test::OneOf(_) | Test::Address(..) | Test::Prefix(_) | Test::Present
            if condition.field == Field::RelatedIds =>
        {
            tested_positive(condition, budget)
        }
        Test::OneOf(values) if condition.field.def().kind == crate::event::FieldKind::Bool => {
            column.clone().in_list(values.iter().map(|value| lit(value == "true")).collect(), false)
        }
        Test::OneOf(values) => column.clone().in_list(values.iter().map(text).collect(), false),
        Test::Prefix(prefixes) => prefixes
            .iter()
            .map(|prefix| {
                let from = column.clone().gt_eq(text(prefix));
                match after_prefix(prefix) {
                    Some(end) => from.and(column.clone().lt(lit(end))),
                    None => from,
                }
            })
            .reduce(Expr::or)
            .unwrap_or_else(|| lit(false)),
        Test::Present => column.clone().is_not_null(),
        Test::Address(..) | Test::Words(_) => tested_positive(condition, budget),
        Test::Amounts(values) => {
            column.clone().in_list(values.iter().map(|value| amount(*value)).collect(), false)
        }
        Test::Between(min, max) => {
            let min = min.map(|min| column.clone().gt_eq(amount(min)));
            let max = max.map(|max| column.clone().lt_eq(amount(max)));
            [min, max]
                .into_iter()
                .flatten()
                .reduce(Expr::and)
                .unwrap_or_else(|| column.clone().is_not_null())
        }
        Test::During(from, to) => {
            let moment = |moment: Timestamp| {
                let micros = moment.millis().saturating_mul(1_000);
                lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
            };
            let from = from.map(|from| column.clone().gt_eq(moment(from)));
            let to = to.map(|to| column.clone().lt(moment(to)));
            [from, to]
                .into_iter()
                .flatten()
                .reduce(Expr::and)
                .unwrap_or_else(|| column.clone().is_not_null())
        }
    };
    if condition.negated { column.is_null().or(Expr::Not(Box::new(test))) } else { test }
}

/// Returns the least text that is greater than every text with this prefix; `None` if there is
/// none.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        // The range skips surrogates, as UTF-8 does.
        if let Some(next) = (last..=char::MAX).nth(1) {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

/// Converts a condition that DataFusion has no expression for, without its negation.
fn tested_positive(condition: &FieldCondition, budget: &QueryBudget) -> Expr {
    tested(
        condition.field,
        Clause::Field(FieldCondition { negated: false, ..condition.clone() }),
        budget,
    )
}

/// Converts a clause that DataFusion has no expression for into a function of the one column that
/// it needs.
fn tested(field: Field, clause: Clause, budget: &QueryBudget) -> Expr {
    let name = format!("annals_test({clause:?})");
    let function = TestFunction {
        name,
        signature: Signature::any(1, Volatility::Immutable),
        field,
        clause,
        budget: budget.clone(),
    };
    ScalarUDF::from(function).call(vec![col(field.name())])
}

#[derive(Debug)]
struct TestFunction {
    name: String,
    signature: Signature,
    field: Field,
    clause: Clause,
    budget: QueryBudget,
}

impl PartialEq for TestFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TestFunction {}

impl std::hash::Hash for TestFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for TestFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::error::Result<ColumnarValue> {
        let array = args.args[0].to_array(args.number_rows)?;
        let field = ArrowField::new(self.field.name(), array.data_type().clone(), true);
        let batch =
            RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::clone(&array)])?;
        let columns = Columns::new(&batch)
            .map_err(|error| datafusion::error::DataFusionError::External(error.into()))?;
        let (mut pace, cost) = (self.budget.pace(), cost_of([&self.clause]));
        let answers = (0..array.len()).map(|row| {
            let subject = ColumnRow { columns: &columns, row };
            pace.step(cost.of(subject.record().len()))?;
            Ok(Some(Probe::new(&subject).holds(&self.clause)))
        });
        let answers: Result<BooleanArray> = answers.collect();
        let answers =
            answers.map_err(|error| datafusion::error::DataFusionError::External(error.into()))?;
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn the_end_of_a_prefix_is_after_all_that_begin_with_it() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(after_prefix("\u{10FFFF}"), None);
    }
}
