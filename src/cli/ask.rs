//! Commands that ask for figures: count, facets, top, histogram; and what every question has.

use super::filter_args::FilterArgs;
use super::nothing;
use super::output::{OutputFormat, cell, csv_line, line, put};
use super::remote::Remote;
use super::table::table;
use super::{AskedPlace, EMPTY, OK, Session};
use crate::calls::Pairs;
use crate::calls::question::{self, QueryCall};
use crate::engine::Engine;
use crate::error::{Error, Result};
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

    /// Returns whether all events of the answer belong to one tenant, which is named.
    pub(super) fn names_one_tenant(&self) -> bool {
        self.tenant.len() == 1 && self.tenant[0] != "*"
    }

    pub(super) fn answerer<'a>(&self, session: &'a Session) -> Result<Answerer<'a>> {
        match (&self.store.data, &self.store.url) {
            (Some(data), _) => Ok(Answerer::Local(Box::new(session.open(data, AccessMode::Read)?))),
            (None, Some(url)) => Ok(Answerer::Remote(self.store.remote(session, url)?)),
            (None, None) => {
                Err(Error::parameter("--data", "name a store: --data DIR or --url URL"))
            }
        }
    }

    pub(super) fn code(&self, empty: bool) -> u8 {
        if empty && self.fail_empty { EMPTY } else { OK }
    }

    /// Ends a question: an empty answer is explained, because it may be due to a misspelt name.
    pub(super) fn end(&self, answerer: &Answerer<'_>, empty: bool) -> u8 {
        if empty {
            nothing::explain(&self.pairs(), |call, pairs| answerer.ask(call, pairs));
        }
        self.code(empty)
    }
}

pub(super) fn pair(name: &str, value: impl std::fmt::Display) -> (String, String) {
    (name.to_owned(), format!("{value}"))
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
