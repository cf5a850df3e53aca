//! Commands about lists of events: query and explain.

use super::ask::{Answerer, QuestionArgs, pair};
use super::output::{OutputFormat, cell, csv_line, line, note, put};
use super::table::{LongCells, TableShape};
use super::{OK, Session, pager};
use crate::calls::Pairs;
use crate::calls::question::{self, QueryCall};
use crate::error::Result;
use crate::event::{FIELDS, Field};
use crate::query::PAGE_ROWS_MAX;
use clap::Args;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  annals query --data ./audit --tenant acme --event-type system --source ECS --resource-type ecs \\
    --filter-type resource_name --filter-value web-1 --level warning --last 30d --limit 20
  annals query --data ./audit --level incident --last 1y --all -o csv \\
    --fields time,operator,event_name

A table leaves out columns that the terminal has no room for, and a long one is shown by \
$ANNALS_PAGER, $PAGER or less.")]
pub(super) struct QueryArgs {
    #[command(flatten)]
    asked: QuestionArgs,
    /// Fields to show of each event, separated by commas, in this order
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', value_parser = field_name)]
    fields: Vec<String>,
    /// Maximum number of events to list
    #[arg(long, value_name = "N", default_value_t = question::PAGE_ROWS_DEFAULT)]
    limit: usize,
    /// List all matching events
    #[arg(long, conflicts_with_all = ["limit", "cursor"])]
    all: bool,
    /// desc (newest first) or asc
    #[arg(long, default_value = "desc")]
    order: String,
    /// Continue after the page that gave this cursor
    #[arg(long)]
    cursor: Option<String>,
    /// Start at this time
    #[arg(long, value_name = "TIME", conflicts_with = "cursor")]
    around: Option<String>,
    /// Also print how many events match in total
    #[arg(long)]
    total: bool,
    /// Include the record of each event (not in tables)
    #[arg(long)]
    original: bool,
    /// Print a table that is longer than the terminal without a pager
    #[arg(long)]
    no_pager: bool,
}

/// The columns of a list on a terminal.
pub(super) const LIST: &[&str] = &[
    "time",
    "level",
    "source",
    "resource_type",
    "event_name",
    "resource_name",
    "resource_id",
    "operator",
    "code",
    "trace_id",
];

/// Who did what to what: shown on the narrowest terminals. The most important columns come first.
const LIST_CORE: &[&str] = &["time", "event_name", "operator", "resource_name", "level"];
/// What else a list shows if there is room, the most important first.
const LIST_SPARE: &[&str] =
    &["tenant", "trace_id", "source", "resource_type", "code", "resource_id"];

/// Returns the shape of a list with these columns, of which those may be left out that nobody asked
/// for by name.
pub(super) fn list_shape<'a>(columns: &'a [&'a str]) -> TableShape<'a> {
    TableShape {
        headers: columns,
        numbers: &[],
        core: LIST_CORE,
        spare: LIST_SPARE,
        long: LongCells::Cut,
    }
}

/// Checks that a word is the name of a field.
pub(super) fn field_name(word: &str) -> Result<String, String> {
    let known = || FIELDS.iter().map(|def| def.name).collect::<Vec<_>>().join(", ");
    match Field::from_name(word.trim()) {
        Some(field) => Ok(field.name().to_owned()),
        None => Err(format!("the fields are {}", known())),
    }
}

/// An event whose fields are written in the order in which they were asked for; if none were, in
/// that of their names.
struct OrderedEvent<'a> {
    fields: &'a [&'a str],
    event: &'a Json,
}

impl Serialize for OrderedEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.fields.is_empty() {
            return self.event.serialize(serializer);
        }
        let present = self.fields.iter().filter_map(|name| Some((name, self.event.get(*name)?)));
        serializer.collect_map(present)
    }
}

/// An answer with events whose fields are in order.
struct OrderedAnswer<'a> {
    fields: &'a [&'a str],
    answer: &'a Json,
}

impl Serialize for OrderedAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.answer.as_object().into_iter().flatten() {
            match value.as_array().filter(|_| name == "events") {
                Some(events) => {
                    let ordered = |event| OrderedEvent { fields: self.fields, event };
                    map.serialize_entry(name, &events.iter().map(ordered).collect::<Vec<_>>())?;
                }
                None => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

/// Prints pages of events, or gathers them for a table.
struct EventPrinter<'a> {
    form: OutputFormat,
    /// The fields that were asked for by name.
    fields: &'a [&'a str],
    columns: Vec<&'a str>,
    rows: Vec<Vec<String>>,
}

impl<'a> EventPrinter<'a> {
    fn new(args: &QueryArgs, form: OutputFormat, fields: &'a [&'a str]) -> Self {
        let columns = match (fields, form) {
            ([], OutputFormat::Csv) => csv_columns(args.original),
            ([], _) if args.asked.names_one_tenant() => LIST.to_vec(),
            ([], _) => [&["tenant"], LIST].concat(),
            (fields, _) => fields.to_vec(),
        };
        Self { form, fields, columns, rows: Vec::new() }
    }

    fn cells(&self, event: &Json) -> Vec<String> {
        self.columns.iter().map(|name| cell(event.get(*name))).collect()
    }

    fn header(&self) -> Result<()> {
        if self.form != OutputFormat::Csv {
            return Ok(());
        }
        put(&csv_line(&self.columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?)
    }

    fn page(&mut self, events: &[Json]) -> Result<()> {
        match self.form {
            OutputFormat::Table => {
                let rows: Vec<_> = events.iter().map(|event| self.cells(event)).collect();
                self.rows.extend(rows);
                Ok(())
            }
            OutputFormat::Csv => {
                let lines = events.iter().map(|event| csv_line(&self.cells(event)));
                put(&lines.collect::<Result<String>>()?)
            }
            _ => {
                let json = |event| json(&OrderedEvent { fields: self.fields, event });
                put(&events.iter().map(|event| json(event) + "\n").collect::<String>())
            }
        }
    }

    /// Shows the table, if it is one.
    fn end(&self, session: &Session, no_pager: bool) -> Result<()> {
        if self.form != OutputFormat::Table {
            return Ok(());
        }
        // Columns that were asked for by name stay.
        let mut shape = list_shape(&self.columns);
        if !self.fields.is_empty() {
            (shape.core, shape.spare) = (&[], &[]);
        }
        let fitted = shape.fit(&self.rows);
        if no_pager {
            put(&fitted.text)?;
        } else {
            pager::show(&session.runtime, &fitted.text)?;
        }
        fitted.say_what_is_missing("--fields chooses the columns, -o ndjson shows all");
        Ok(())
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn query(args: &QueryArgs) -> Result<u8> {
    let session = Session::new()?;
    let answerer = args.asked.answerer(&session)?;
    let form = OutputFormat::or_default(args.asked.output)?;
    let fields = args.fields();
    if form == OutputFormat::Json {
        let answer = answerer
            .ask(QueryCall::Events, &args.page(args.limit, args.cursor.as_deref(), true))?;
        line(&json(&OrderedAnswer { fields: &fields, answer: &answer }))?;
        let empty = answer["events"].as_array().is_none_or(Vec::is_empty);
        return Ok(args.end(&answerer, empty));
    }
    let mut printer = EventPrinter::new(args, form, &fields);
    printer.header()?;
    let (cursor, count) = pages(args, &answerer, &mut printer)?;
    printer.end(&session, args.no_pager)?;
    if let Some(cursor) = cursor.filter(|_| form == OutputFormat::Table) {
        note(&format!("{count} events; more with --cursor {cursor}"));
    }
    Ok(args.end(&answerer, count == 0))
}

/// Asks for pages until there are enough events. Returns the cursor of what follows, and how many
/// events there were.
fn pages(
    args: &QueryArgs,
    answerer: &Answerer<'_>,
    printer: &mut EventPrinter<'_>,
) -> Result<(Option<String>, usize)> {
    let mut left = if args.all { usize::MAX } else { args.limit };
    let mut cursor = args.cursor.clone();
    let mut count = 0_usize;
    loop {
        let answer = answerer.ask(
            QueryCall::Events,
            &args.page(left.min(PAGE_ROWS_MAX), cursor.as_deref(), cursor.is_none()),
        )?;
        let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        count += events.len();
        left = left.saturating_sub(events.len());
        printer.page(events)?;
        if let Some(total) = answer["total"].as_u64() {
            note(&format!("{total} events match"));
        }
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || left == 0 {
            return Ok((cursor, count));
        }
    }
}

pub(super) fn csv_columns(original: bool) -> Vec<&'static str> {
    FIELDS
        .iter()
        .filter(|def| original || def.field != Field::Original)
        .map(|def| def.header)
        .collect()
}

pub(super) fn csv_event(event: &Json, original: bool) -> Vec<String> {
    csv_columns(original).iter().map(|name| cell(event.get(*name))).collect()
}

impl QueryArgs {
    /// Ends a list. Behind a cursor, or from a moment on, it may be empty and others match.
    fn end(&self, answerer: &Answerer<'_>, empty: bool) -> u8 {
        if self.cursor.is_none() && self.around.is_none() {
            return self.asked.end(answerer, empty);
        }
        if empty {
            note("annals: the list has no more events here");
        }
        self.asked.code(empty)
    }

    /// Returns the fields that were asked for, each once, and the record if that was, too.
    fn fields(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        let record = (self.original && !self.fields.is_empty()).then_some("original");
        for name in self.fields.iter().map(String::as_str).chain(record) {
            if !fields.contains(&name) {
                fields.push(name);
            }
        }
        fields
    }

    fn page(&self, limit: usize, cursor: Option<&str>, first: bool) -> Pairs {
        let mut pairs = self.asked.pairs();
        pairs.0.extend([pair("limit", limit), pair("order", &self.order)]);
        pairs.0.extend(cursor.map(|cursor| pair("cursor", cursor)));
        if first {
            pairs.0.extend(self.around.as_ref().map(|around| pair("around", around)));
        }
        if self.total && first {
            pairs.0.push(pair("total", true));
        }
        if self.original {
            pairs.0.push(pair("original", true));
        }
        if !self.fields.is_empty() {
            pairs.0.push(pair("fields", self.fields.join(",")));
        }
        pairs
    }
}

pub(super) fn explain(args: &QueryArgs) -> Result<u8> {
    let session = Session::new()?;
    let mut pairs = args.page(args.limit, args.cursor.as_deref(), true);
    pairs.0.push(pair("explain", true));
    let answer = args.asked.answerer(&session)?.ask(QueryCall::Events, &pairs)?;
    let explain = &answer["explain"];
    if OutputFormat::or_default(args.asked.output)? != OutputFormat::Table {
        line(&explain.to_string())?;
        return Ok(OK);
    }
    let columns =
        ["segment", "tenant", "rows", "path", "examined", "matched", "bytes", "micros", "why"];
    let steps = explain["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| columns.iter().map(|column| cell(step.get(*column))).collect())
        .collect();
    let shape = TableShape {
        headers: &columns,
        numbers: &[2, 4, 5, 6, 7],
        core: &["path", "why", "examined", "matched", "micros", "segment"],
        spare: &["rows", "bytes", "tenant"],
        long: LongCells::Wrap,
    };
    let fitted = shape.fit(&rows);
    put(&fitted.text)?;
    line(&format!(
        "{} segments, {} untouched, {} looked at",
        explain["segments"],
        explain["untouched"],
        rows.len()
    ))?;
    fitted.say_what_is_missing("-o ndjson shows all");
    Ok(OK)
}
