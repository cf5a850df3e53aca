//! `annals stats`: sums and other figures of the amounts of events.

use super::Session;
use super::ask::{QuestionArgs, pair, print};
use super::output::{OutputFormat, cell, line, put};
use crate::calls::question::QueryCall;
use crate::error::Result;
use clap::Args;

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  annals stats --data ./audit --event-name grantQuota --by currency \
                 --last 90d"
)]
pub(super) struct StatsArgs {
    #[command(flatten)]
    asked: QuestionArgs,
    /// Group by this field
    #[arg(long)]
    by: Option<String>,
    /// Number of groups, the largest first
    #[arg(long, default_value_t = 100)]
    size: usize,
}

pub(super) fn run(args: &StatsArgs) -> Result<u8> {
    let session = Session::new()?;
    let mut pairs = args.asked.pairs();
    pairs.0.push(pair("size", args.size));
    pairs.0.extend(args.by.as_ref().map(|by| pair("by", by)));
    let answer = args.asked.answerer(&session)?.ask(QueryCall::Stats, &pairs)?;
    let form = OutputFormat::or_default(args.asked.output)?;
    let groups = answer["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    match form {
        OutputFormat::Json | OutputFormat::Parquet => line(&answer.to_string())?,
        OutputFormat::Ndjson => {
            put(&groups.iter().map(|group| format!("{group}\n")).collect::<String>())?
        }
        OutputFormat::Table | OutputFormat::Csv => {
            let columns = ["value", "count", "sum", "min", "max", "avg"];
            let rows: Vec<Vec<String>> = groups
                .iter()
                .map(|group| columns.iter().map(|column| cell(group.get(*column))).collect())
                .collect();
            print(form, &columns, &rows)?;
        }
    }
    Ok(args.asked.code(groups.is_empty()))
}
