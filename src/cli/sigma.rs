//! `annals sigma`: runs Sigma detection rules over a store and lists the events that match.

use super::ask::{Answerer, QuestionArgs, pair};
use super::output::{OutputFormat, cell, csv_line, line, note, put};
use super::query::{LIST, csv_columns, csv_event, list_shape};
use super::{FAILED, OK, Session};
use crate::calls::Pairs;
use crate::calls::question::QueryCall;
use crate::clock::{Clock, SystemClock};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::filter::parse_filter;
use crate::query::PAGE_ROWS_MAX;
use crate::sigma::{RULE_BYTES_MAX, SigmaRule, read_rules};
use clap::Args;
use serde_json::{Value as Json, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// How many fields of a rule that finds nothing are looked for.
const EXPLAINED_MAX: usize = 10;

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  annals sigma data/sigma --data ./audit --tenant acme --last 30d
  annals sigma trail_stopped.yml --show-filter

Rules that use something a filter cannot express are refused by name; the other rules run, and the \
exit code is 1.")]
pub(super) struct SigmaArgs {
    /// Rule files, or folders of them (.yml, .yaml); - for standard input
    #[arg(required = true, value_name = "RULES")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    asked: QuestionArgs,
    /// Maximum number of events to list per rule
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// List all events that a rule matches
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Include the record of each event (not in tables)
    #[arg(long)]
    original: bool,
    /// Print each rule as a filter instead of running it
    #[arg(long)]
    show_filter: bool,
}

/// A rule from a file, and its filter.
struct Translated {
    rule: SigmaRule,
    filter: Json,
}

pub(super) fn run(args: &SigmaArgs) -> Result<u8> {
    let (rules, refused) = translated(args)?;
    let form = OutputFormat::or_default(args.asked.output)?;
    let mut matched = 0;
    if args.show_filter {
        for Translated { rule, filter } in &rules {
            line(
                &json!({ "title": rule.title, "id": rule.id, "level": rule.level,
                "filter": filter })
                .to_string(),
            )?;
        }
    } else if !rules.is_empty() {
        let session = Session::new()?;
        let answerer = args.asked.answerer(&session)?;
        if form == OutputFormat::Csv {
            let header =
                ["rule", "rule_id", "rule_level"].into_iter().chain(csv_columns(args.original));
            put(&csv_line(&header.map(str::to_owned).collect::<Vec<_>>())?)?;
        }
        for rule in &rules {
            let found = list(args, &answerer, rule, form)?;
            if found == 0 {
                explain_nothing(args, &answerer, rule)?;
            }
            matched += found;
        }
    }
    if refused > 0 {
        note(&format!("{refused} of {} rules were not run", rules.len() + refused));
        return Ok(FAILED);
    }
    Ok(if args.show_filter { OK } else { args.asked.code(matched == 0) })
}

/// Translates rules into filters; reports and counts those that cannot be translated.
fn translated(args: &SigmaArgs) -> Result<(Vec<Translated>, usize)> {
    let mut rules = Vec::new();
    let mut refused = 0;
    let mut refuse = |path: &Path, what: &str| {
        note(&format!("{}: {what}", path.display()));
        refused += 1;
    };
    for path in files(&args.rules)? {
        let read = match read_rules(&text(&path)?) {
            Ok(read) => read,
            Err(error) => {
                refuse(&path, &error.to_string());
                continue;
            }
        };
        for rule in read {
            let rule = match rule {
                Ok(rule) => rule,
                Err(error) => {
                    refuse(&path, &error.to_string());
                    continue;
                }
            };
            match rule.filter().and_then(understood) {
                Ok((filter, about)) => {
                    if let Some(about) = about {
                        note(&format!("{}: {about}", path.display()));
                    }
                    rules.push(Translated { rule, filter });
                }
                Err(error) => {
                    refuse(&path, &format!("{:?} cannot be translated: {error}", rule.title))
                }
            }
        }
    }
    Ok((rules, refused))
}

/// Returns the filter if the filter language accepts it: expressions, networks and limits are
/// checked there.
fn understood((filter, about): (Json, Option<String>)) -> Result<(Json, Option<String>)> {
    parse_filter(&[pair("filter", &filter)], &[], SystemClock.now())?;
    Ok((filter, about))
}

/// Returns the files to read: folders are searched recursively, in name order.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let inside = walk(path)?;
            if inside.is_empty() {
                return Err(Error::invalid(format!(
                    "{} has no .yml or .yaml file",
                    path.display()
                )));
            }
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let broken = || format!("cannot read {}", folder.display());
    let entries = std::fs::read_dir(folder).context(ErrorKind::Unavailable, broken)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>();
    if let Ok(paths) = &mut paths {
        paths.sort();
    }
    let mut files = Vec::new();
    for path in paths.context(ErrorKind::Unavailable, broken)? {
        // A link may lead back to its own folder.
        if path.is_dir() && !path.is_symlink() {
            files.extend(walk(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml") {
            files.push(path);
        }
    }
    Ok(files)
}

fn text(path: &Path) -> Result<String> {
    let broken = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    // Reads one byte more than allowed, so that a file that is too long is noticed.
    let most = RULE_BYTES_MAX as u64 + 1;
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(most)
            .read_to_end(&mut bytes)
            .context(ErrorKind::Unavailable, broken)?;
    } else {
        let file = std::fs::File::open(path).context(ErrorKind::NotFound, broken)?;
        file.take(most).read_to_end(&mut bytes).context(ErrorKind::Unavailable, broken)?;
    }
    String::from_utf8(bytes)
        .context(ErrorKind::Invalid, || format!("{} is not UTF-8 text", path.display()))
}

/// Lists the events that a rule matches and returns how many there were.
fn list(
    args: &SigmaArgs,
    answerer: &Answerer<'_>,
    translated: &Translated,
    form: OutputFormat,
) -> Result<usize> {
    let rule = &translated.rule;
    let mut left = if args.all { usize::MAX } else { args.limit };
    let mut cursor: Option<String> = None;
    let mut events: Vec<Json> = Vec::new();
    let mut count = 0;
    loop {
        let answer = answerer.ask(
            QueryCall::Events,
            &page(args, translated, left.min(PAGE_ROWS_MAX), cursor.as_deref()),
        )?;
        let page = answer["events"].as_array().cloned().unwrap_or_default();
        count += page.len();
        left = left.saturating_sub(page.len());
        match form {
            OutputFormat::Csv => {
                let named = [Some(&rule.title), rule.id.as_ref(), rule.level.as_ref()]
                    .map(|cell| cell.cloned().unwrap_or_default());
                let lines = page.iter().map(|event| {
                    csv_line(&[named.to_vec(), csv_event(event, args.original)].concat())
                });
                put(&lines.collect::<Result<String>>()?)?;
            }
            OutputFormat::Ndjson => {
                let found =
                    |event: &Json| format!("{}\n", json!({ "rule": named(rule), "event": event }));
                put(&page.iter().map(found).collect::<String>())?;
            }
            _ => events.extend(page),
        }
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || left == 0 {
            break;
        }
    }
    match form {
        OutputFormat::Table => {
            let level =
                rule.level.as_deref().map(|level| format!(" ({level})")).unwrap_or_default();
            let more = if cursor.is_some() { ", and more" } else { "" };
            line(&super::output::printable(&format!(
                "{}{level}: {count} events{more}",
                rule.title
            )))?;
            if count > 0 {
                let columns = [&["tenant"], LIST].concat();
                let rows: Vec<Vec<String>> = events
                    .iter()
                    .map(|event| columns.iter().map(|name| cell(event.get(*name))).collect())
                    .collect();
                let fitted = list_shape(&columns).fit(&rows);
                put(&fitted.text)?;
                fitted.say_what_is_missing("-o ndjson shows all");
            }
            line("")?;
        }
        OutputFormat::Json => line(
            &json!({ "rule": named(rule), "events": events, "more": cursor.is_some() }).to_string(),
        )?,
        _ if cursor.is_some() => {
            note(&format!("{}: more than {count} events; --all lists them", rule.title))
        }
        _ => {}
    }
    Ok(count)
}

/// Notes the fields of a rule that found nothing which no record has: that is rarely meant.
fn explain_nothing(
    args: &SigmaArgs,
    answerer: &Answerer<'_>,
    translated: &Translated,
) -> Result<()> {
    let mut paths = Vec::new();
    gather_paths(&translated.filter, &mut paths);
    let format = translated.filter.get("format");
    for path in paths.iter().take(EXPLAINED_MAX) {
        let any_record = |test: Json| -> Result<bool> {
            let mut filter = json!({ "record": test });
            if let Some(format) = format {
                filter["format"] = format.clone();
            }
            let mut pairs = args.asked.pairs();
            pairs.0.push(pair("filter", &filter));
            Ok(answerer.ask(QueryCall::Count, &pairs)?["count"].as_u64() > Some(0))
        };
        let title = &translated.rule.title;
        if !any_record(json!({ "path": path, "exists": true }))? {
            let named = path.get(0).unwrap_or(path).as_str().unwrap_or_default();
            note(&format!("{title}: no record here has the field {named}"));
        }
    }
    Ok(())
}

/// Collects the paths whose values a filter compares, as its tests have them, each once. Of
/// several, the first is the one that the rule names.
fn gather_paths(filter: &Json, paths: &mut Vec<Json>) {
    match filter {
        Json::Object(members) => {
            let path = members.get("path").filter(|path| path.is_string() || path.is_array());
            let is_compared = members.get("exists") != Some(&Json::Bool(false));
            if let Some(path) = path.filter(|path| is_compared && !paths.contains(path)) {
                paths.push(path.clone());
            }
            let inner = members.iter().filter(|(key, _)| *key != "not").map(|(_, value)| value);
            inner.for_each(|value| gather_paths(value, paths));
        }
        Json::Array(items) => items.iter().for_each(|item| gather_paths(item, paths)),
        _ => {}
    }
}

fn named(rule: &SigmaRule) -> Json {
    json!({ "title": rule.title, "id": rule.id, "level": rule.level })
}

fn page(args: &SigmaArgs, translated: &Translated, limit: usize, cursor: Option<&str>) -> Pairs {
    let mut pairs = args.asked.pairs();
    pairs.0.extend([pair("filter", &translated.filter), pair("limit", limit)]);
    pairs.0.extend(cursor.map(|cursor| pair("cursor", cursor)));
    if args.original {
        pairs.0.push(pair("original", true));
    }
    pairs
}
