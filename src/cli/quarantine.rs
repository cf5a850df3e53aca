//! `annals quarantine`.

use super::ask::print;
use super::output::{OutputFormat, cell, line, note, put};
use super::{AskedPlace, OK, Session};
use crate::access::Caller;
use crate::calls::{Pairs, QuarantineCall};
use crate::error::Result;
use crate::storage::AccessMode;
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

/// What decoding again counts; several calls are added up.
const COUNTED: &[&str] =
    &["records", "accepted", "duplicates", "refused", "cut", "without_tenant", "removed", "held"];

#[derive(Debug, Args)]
#[command(after_help = "\
A record that cannot be decoded is kept with the reason, its source and its line; of a large one \
the first 64 KiB. What decodes
later, after an upgrade or with --format, becomes events and leaves quarantine, unless a hold \
keeps it.

Examples:
  annals quarantine reasons --data ./audit --tenant acme
  annals quarantine list --data ./audit --tenant acme --substring i-0f3a
  annals quarantine decode --url http://127.0.0.1:7400 --tenant acme --format document --dry-run")]
pub(super) struct QuarantineArgs {
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// List records, newest first
    List {
        #[command(flatten)]
        chosen: ChosenRecords,
        /// Only records with this text in what is kept of them
        #[arg(long, value_name = "TEXT")]
        substring: Option<String>,
        /// Maximum number of records
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        /// Continue after the `next` of the page before
        #[arg(long, value_name = "NEXT")]
        after: Option<String>,
        /// Format of the answer; a table on a terminal, NDJSON in a pipe
        #[arg(short, long, value_enum)]
        output: Option<OutputFormat>,
    },
    /// Count records by kind of reason
    Reasons {
        #[command(flatten)]
        chosen: ChosenRecords,
        /// Format of the answer; a table on a terminal, NDJSON in a pipe
        #[arg(short, long, value_enum)]
        output: Option<OutputFormat>,
    },
    /// Decode records again; what decodes becomes events and leaves quarantine
    Decode {
        #[command(flatten)]
        chosen: ChosenRecords,
        /// Only records with this text in what is kept of them
        #[arg(long, value_name = "TEXT")]
        substring: Option<String>,
        /// Format of the records, as `annals ingest --format` takes it
        #[arg(long, default_value = "auto")]
        format: String,
        /// The tenant of records whose tenant is unknown
        #[arg(long, value_name = "TENANT", conflicts_with = "tenant_from")]
        unknown_tenant: Option<String>,
        /// Path that names the tenant in records whose tenant is unknown
        #[arg(long, value_name = "PATH")]
        tenant_from: Option<String>,
        /// Only report what would happen
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which records.
#[derive(Debug, Args)]
struct ChosenRecords {
    #[command(flatten)]
    store: AskedPlace,
    /// Only records of this tenant; repeat it for several. Without it all, also those whose tenant
    /// is unknown
    #[arg(long)]
    tenant: Vec<String>,
    /// Only records that arrived at or after this time
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only records that arrived before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only records refused for this kind of reason, as `reasons` prints it
    #[arg(long)]
    reason: Option<String>,
    /// Only records from this file or door
    #[arg(long)]
    source: Option<String>,
}

impl ChosenRecords {
    fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> =
            self.tenant.iter().map(|tenant| ("tenant".to_owned(), tenant.clone())).collect();
        if pairs.is_empty() {
            pairs.push(("tenant".to_owned(), "*".to_owned()));
        }
        pairs.extend(given(&[
            ("from", &self.from),
            ("to", &self.to),
            ("reason", &self.reason),
            ("source", &self.source),
        ]));
        pairs
    }

    fn call(&self, call: QuarantineCall, pairs: Vec<(String, String)>) -> Result<Json> {
        let access =
            if call == QuarantineCall::Decode { AccessMode::Write } else { AccessMode::Read };
        let pairs = Pairs(pairs);
        self.store.call(&Session::new()?, access, call.route(), &pairs, |engine| {
            call.answer(engine, &Caller::operator(), &pairs)
        })
    }
}

fn given(flags: &[(&str, &Option<String>)]) -> Vec<(String, String)> {
    let set = |(name, value): &(&str, &Option<String>)| {
        value.as_ref().map(|value| ((*name).to_owned(), value.clone()))
    };
    flags.iter().filter_map(set).collect()
}

pub(super) fn run(args: &QuarantineArgs) -> Result<u8> {
    match &args.command {
        QuarantineCommand::List { chosen, substring, limit, after, output } => {
            let mut pairs = chosen.pairs();
            pairs.extend(given(&[("substring", substring), ("after", after)]));
            pairs.push(("limit".to_owned(), limit.to_string()));
            let answer = chosen.call(QuarantineCall::List, pairs)?;
            report_damage(&answer);
            list(&answer, OutputFormat::or_default(*output)?)
        }
        QuarantineCommand::Reasons { chosen, output } => {
            let answer = chosen.call(QuarantineCall::Reasons, chosen.pairs())?;
            report_damage(&answer);
            reasons(&answer, OutputFormat::or_default(*output)?)
        }
        QuarantineCommand::Decode {
            chosen,
            substring,
            format,
            unknown_tenant,
            tenant_from,
            dry_run,
        } => {
            let mut pairs = chosen.pairs();
            pairs.extend(given(&[
                ("substring", substring),
                ("unknown_tenant", unknown_tenant),
                ("tenant_from", tenant_from),
            ]));
            pairs.push(("format".to_owned(), format.clone()));
            pairs.push(("dry_run".to_owned(), dry_run.to_string()));
            decode(chosen, &pairs)
        }
    }
}

fn report_damage(answer: &Json) {
    for damaged in answer["damaged"].as_array().into_iter().flatten() {
        note(&format!("annals: quarantine is damaged: {}", cell(Some(damaged))));
    }
}

fn list(answer: &Json, form: OutputFormat) -> Result<u8> {
    let records = answer["records"].as_array().map(Vec::as_slice).unwrap_or_default();
    match form {
        OutputFormat::Json => line(&answer.to_string())?,
        OutputFormat::Ndjson => {
            put(&records.iter().map(|record| format!("{record}\n")).collect::<String>())?;
        }
        form => {
            let shown = ["time", "tenant", "source", "line", "reason"];
            let row = |record: &Json| shown.iter().map(|name| cell(record.get(name))).collect();
            print(form, &shown, &records.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    if let Some(next) = answer["next"].as_str().filter(|_| form != OutputFormat::Json) {
        note(&format!("annals: there are more: --after {next}"));
    }
    Ok(OK)
}

fn reasons(answer: &Json, form: OutputFormat) -> Result<u8> {
    let reasons = answer["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    match form {
        OutputFormat::Json => line(&answer.to_string())?,
        OutputFormat::Ndjson => {
            put(&reasons.iter().map(|reason| format!("{reason}\n")).collect::<String>())?;
        }
        form => {
            let row = |reason: &Json| vec![cell(reason.get("reason")), cell(reason.get("count"))];
            print(form, &["reason", "count"], &reasons.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    Ok(OK)
}

/// Decodes all chosen records, in as many calls as that takes.
fn decode(chosen: &ChosenRecords, pairs: &[(String, String)]) -> Result<u8> {
    let mut total = json!({});
    let mut after = None;
    loop {
        let mut pairs = pairs.to_vec();
        pairs.extend(given(&[("after", &after)]));
        let answer = chosen.call(QuarantineCall::Decode, pairs)?;
        report_damage(&answer);
        total["dry_run"] = answer["dry_run"].clone();
        for counted in COUNTED {
            let sum = |json: &Json| json[*counted].as_u64().unwrap_or_default();
            total[*counted] = (sum(&total) + sum(&answer)).into();
        }
        after = answer["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
        note(&format!("annals: {} records decoded again so far", total["records"]));
    }
    line(&total.to_string())?;
    Ok(OK)
}
