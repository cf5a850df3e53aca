//! Commands that ask questions: query, count, facets, top, histogram, explain.

use super::filter_args::FilterArgs;
use super::nothing;
use super::output::{OutputFormat, cell, csv_line, line, put, table};
use super::remote::Remote;
use super::{AskedPlace, EMPTY, OK, Session};
use crate::calls::Pairs;
use crate::calls::question::{self, QueryCall};
use crate::engine::Engine;
use crate::error::{Error, Result};
pub(super) use crate::query::PAGE_ROWS_MAX;
use crate::storage::AccessMode;
use clap::Args;
use serde_json::Value as Json;

/// Arguments that every question has.
#[derive(Debug, Clone, Args)]
pub(super) struct QuestionArgs {
    #[command(flatten)]
    pub(super) store: AskedPlace,
    /// The tenant (repeat for several); with --data, all tenants by default
    #[arg(long, value_name = "TENANT")]
    tenant: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORM")]
    pub(super) output: Option<OutputFormat>,
    /// Exit with 4 when nothing matches
    #[arg(long)]
    fail_empty: bool,
    /// Force an access path: lookup or scan
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    path: Option<String>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  annals query --data ./audit --tenant acme --event-type system --source ECS --resource-type ecs \\
    --filter-type resource_name --filter-value web-1 --level warning --last 30d --limit 20")]
pub(super) struct QueryArgs {
    #[command(flatten)]
    asked: QuestionArgs,
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
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  annals count --data ./audit --level warning --last 24h")]
pub(super) struct CountArgs {
    #[command(flatten)]
    asked: QuestionArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  annals facets --data ./audit --tenant acme --fields \
                 source,resource_type,level --last 90d")]
pub(super) struct FacetsArgs {
    #[command(flatten)]
    asked: QuestionArgs,
    /// Fields to count by
    #[arg(long, value_delimiter = ',', required = true)]
    fields: Vec<String>,
    /// Number of values per field
    #[arg(long, default_value_t = 10)]
    size: usize,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  annals top --data ./audit --field operator --level warning --size 20"
)]
pub(super) struct TopArgs {
    #[command(flatten)]
    asked: QuestionArgs,
    /// Field to count by
    #[arg(long)]
    field: String,
    /// Number of values
    #[arg(long, default_value_t = 20)]
    size: usize,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  annals histogram --data ./audit --source IAM --interval 1d --by level"
)]
pub(super) struct HistogramArgs {
    #[command(flatten)]
    asked: QuestionArgs,
    /// Bucket width: 5m, 1h, 1d, 1w … or auto
    #[arg(long, default_value = "auto")]
    interval: String,
    /// Count by the values of this field within each bucket
    #[arg(long)]
    by: Option<String>,
    /// Time zone whose days and hours the buckets follow, such as Asia/Shanghai
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

/// Where questions are sent.
pub(super) enum Answerer<'a> {
    Local(Box<Engine>),
    Remote(Remote<'a>),
}

impl Answerer<'_> {
    pub(super) fn ask(&self, call: QueryCall, pairs: &Pairs) -> Result<Json> {
        match self {
            Self::Local(engine) => question::answer(engine, call, pairs),
            Self::Remote(remote) => remote.get(call.path(), pairs),
        }
    }
}

impl QuestionArgs {
    /// Returns the filter, the tenants and the path.
    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = Pairs(self.filter.pairs.clone());
        let all = self.tenant.is_empty() && self.store.data.is_some();
        pairs.0.extend(self.tenant.iter().map(|tenant| ("tenant".to_owned(), tenant.clone())));
        if all {
            // Anyone who can read the directory's files is its operator.
            pairs.0.push(("tenant".to_owned(), "*".to_owned()));
        }
        pairs.0.extend(self.path.iter().map(|path| ("path".to_owned(), path.clone())));
        pairs
    }

    pub(super) fn answerer<'a>(&self, session: &'a Session) -> Result<Answerer<'a>> {
        match (&self.store.data, &self.store.url) {
            (Some(data), _) => Ok(Answerer::Local(Box::new(session.open(data, AccessMode::Read)?))),
            (None, Some(url)) => Ok(Answerer::Remote(Remote::new(&session.runtime, url)?)),
            (None, None) => {
                Err(Error::parameter("--data", "name a store: --data DIR or --url URL"))
            }
        }
    }

    pub(super) fn code(&self, empty: bool) -> u8 {
        if empty && self.fail_empty { EMPTY } else { OK }
    }

    /// Ends a question: an empty answer is explained, because it may be due to a misspelt name.
    fn end(&self, answerer: &Answerer<'_>, empty: bool) -> u8 {
        if empty {
            nothing::explain(&self.pairs(), |call, pairs| answerer.ask(call, pairs));
        }
        self.code(empty)
    }
}

pub(super) fn pair(name: &str, value: impl std::fmt::Display) -> (String, String) {
    (name.to_owned(), format!("{value}"))
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

pub(super) fn query(args: &QueryArgs) -> Result<u8> {
    let session = Session::new()?;
    let answerer = args.asked.answerer(&session)?;
    let form = OutputFormat::or_default(args.asked.output)?;
    if form == OutputFormat::Json {
        let answer = answerer
            .ask(QueryCall::Events, &args.page(args.limit, args.cursor.as_deref(), true))?;
        line(&answer.to_string())?;
        let empty = answer["events"].as_array().is_none_or(Vec::is_empty);
        return Ok(args.asked.end(&answerer, empty));
    }
    let mut left = if args.all { usize::MAX } else { args.limit };
    let mut cursor = args.cursor.clone();
    let tenants: &[&str] = if args.asked.tenant.len() == 1 { &[] } else { &["tenant"] };
    let columns = [tenants, LIST].concat();
    let mut rows = Vec::new();
    let mut count = 0_usize;
    if form == OutputFormat::Csv {
        put(&csv_line(
            &csv_columns(args.original).iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(),
        )?)?;
    }
    loop {
        let answer = answerer.ask(
            QueryCall::Events,
            &args.page(left.min(PAGE_ROWS_MAX), cursor.as_deref(), cursor.is_none()),
        )?;
        let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        count += events.len();
        left = left.saturating_sub(events.len());
        match form {
            OutputFormat::Table => rows.extend(events.iter().map(|event| {
                columns.iter().map(|name| cell(event.get(*name))).collect::<Vec<_>>()
            })),
            OutputFormat::Csv => put(&events
                .iter()
                .map(|event| csv_line(&csv_event(event, args.original)))
                .collect::<Result<String>>()?)?,
            _ => put(&events.iter().map(|event| format!("{event}\n")).collect::<String>())?,
        }
        if let Some(total) = answer["total"].as_u64() {
            super::output::note(&format!("{total} events match"));
        }
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || left == 0 {
            break;
        }
    }
    if form == OutputFormat::Table {
        table(&columns, &rows, &[])?;
        if let Some(cursor) = cursor {
            super::output::note(&format!("{count} events; more with --cursor {cursor}"));
        }
    }
    Ok(args.asked.end(&answerer, count == 0))
}

pub(super) fn csv_columns(original: bool) -> Vec<&'static str> {
    crate::event::FIELDS
        .iter()
        .filter(|def| original || def.field != crate::event::Field::Original)
        .map(|def| def.header)
        .collect()
}

pub(super) fn csv_event(event: &Json, original: bool) -> Vec<String> {
    csv_columns(original).iter().map(|name| cell(event.get(*name))).collect()
}

impl QueryArgs {
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
        pairs
    }
}

pub(super) fn count(args: &CountArgs) -> Result<u8> {
    let session = Session::new()?;
    let answerer = args.asked.answerer(&session)?;
    let answer = answerer.ask(QueryCall::Count, &args.asked.pairs())?;
    match OutputFormat::or_default(args.asked.output)? {
        OutputFormat::Table => line(&answer["count"].to_string())?,
        OutputFormat::Csv => put(&format!("count\r\n{}\r\n", answer["count"]))?,
        _ => line(&answer.to_string())?,
    }
    Ok(args.asked.end(&answerer, answer["count"] == 0))
}

pub(super) fn facets(args: &FacetsArgs) -> Result<u8> {
    let session = Session::new()?;
    let mut pairs = args.asked.pairs();
    pairs.0.extend([pair("fields", args.fields.join(",")), pair("size", args.size)]);
    let answerer = args.asked.answerer(&session)?;
    let answer = answerer.ask(QueryCall::Facets, &pairs)?;
    let form = OutputFormat::or_default(args.asked.output)?;
    if form == OutputFormat::Json {
        line(&answer.to_string())?;
    }
    let mut rows = Vec::new();
    for (field, values) in answer["facets"].as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten() {
            rows.push(vec![field.clone(), cell(value.get("value")), cell(value.get("count"))]);
        }
    }
    print(form, &["field", "value", "count"], &rows)?;
    Ok(args.asked.end(&answerer, rows.is_empty()))
}

pub(super) fn top(args: &TopArgs) -> Result<u8> {
    let session = Session::new()?;
    let mut pairs = args.asked.pairs();
    pairs.0.extend([pair("field", &args.field), pair("size", args.size)]);
    let answerer = args.asked.answerer(&session)?;
    let answer = answerer.ask(QueryCall::Top, &pairs)?;
    let form = OutputFormat::or_default(args.asked.output)?;
    if form == OutputFormat::Json {
        line(&answer.to_string())?;
    }
    let values = answer["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<Vec<String>> = values
        .iter()
        .map(|value| vec![cell(value.get("value")), cell(value.get("count"))])
        .collect();
    print(form, &[&args.field, "count"], &rows)?;
    Ok(args.asked.end(&answerer, rows.is_empty()))
}

pub(super) fn histogram(args: &HistogramArgs) -> Result<u8> {
    let session = Session::new()?;
    let mut pairs = args.asked.pairs();
    pairs.0.push(pair("interval", &args.interval));
    pairs.0.extend(args.by.as_ref().map(|by| pair("by", by)));
    pairs.0.extend(args.time_zone.as_ref().map(|zone| pair("time_zone", zone)));
    let answer = args.asked.answerer(&session)?.ask(QueryCall::Histogram, &pairs)?;
    let form = OutputFormat::or_default(args.asked.output)?;
    if form == OutputFormat::Json {
        line(&answer.to_string())?;
    }
    let buckets = answer["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
    // The buckets of a period are there without events too.
    let empty = buckets.iter().all(|bucket| bucket["count"] == 0);
    if form == OutputFormat::Ndjson {
        put(&buckets.iter().map(|bucket| format!("{bucket}\n")).collect::<String>())?;
        return Ok(args.asked.code(empty));
    }
    let most =
        buckets.iter().filter_map(|bucket| bucket["count"].as_u64()).max().unwrap_or(1).max(1);
    let by = |bucket: &Json| {
        let counts = bucket["by"].as_object().into_iter().flatten();
        counts.map(|(value, count)| format!("{value}={count}")).collect::<Vec<_>>().join(" ")
    };
    let bar = |bucket: &Json| {
        "█".repeat((bucket["count"].as_u64().unwrap_or_default() * 40).div_ceil(most) as usize)
    };
    let rows = buckets.iter().map(|bucket| {
        let last =
            if args.by.is_some() || form == OutputFormat::Csv { by(bucket) } else { bar(bucket) };
        vec![cell(bucket.get("start")), cell(bucket.get("count")), last]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    print(form, &["start", "count", args.by.as_deref().unwrap_or("")], &rows)?;
    Ok(args.asked.code(empty))
}

/// Prints rows as a table, as CSV, or as one object per line. JSON has been printed before.
pub(super) fn print(form: OutputFormat, headers: &[&str], rows: &[Vec<String>]) -> Result<()> {
    match form {
        OutputFormat::Json | OutputFormat::Parquet => Ok(()),
        OutputFormat::Table => table(
            headers,
            rows,
            &[headers.iter().position(|header| *header == "count").unwrap_or(usize::MAX)],
        ),
        OutputFormat::Csv => {
            put(&csv_line(
                &headers.iter().map(|header| (*header).to_owned()).collect::<Vec<_>>(),
            )?)?;
            rows.iter().try_for_each(|row| put(&csv_line(row)?))
        }
        OutputFormat::Ndjson => rows.iter().try_for_each(|row| {
            let value = |header: &str, text: &String| match header {
                "count" => text.parse::<u64>().map_or(Json::Null, Json::from),
                _ => Json::from(text.clone()),
            };
            let object: serde_json::Map<String, Json> = headers
                .iter()
                .zip(row)
                .map(|(header, text)| ((*header).to_owned(), value(header, text)))
                .collect();
            line(&Json::Object(object).to_string())
        }),
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
    table(&columns, &rows, &[2, 4, 5, 6, 7])?;
    line(&format!(
        "{} segments, {} untouched, {} looked at",
        explain["segments"],
        explain["untouched"],
        rows.len()
    ))?;
    Ok(OK)
}
