//! `annals demo`: the main workflow on sample data, from scratch.

use super::output::{line, note, put};
use super::query::list_shape;
use super::serve::{run_server, screen_at};
use super::table::table;
use super::{FAILED, OK, Session, stop};
use crate::access::{Caller, Principal, Role};
use crate::api::ServeOptions;
use crate::calls::question::{QueryCall, answer};
use crate::calls::{Pairs, PrincipalCall};
use crate::clock::{Clock, SystemClock};
use crate::engine::Engine;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::DAY_MS;
use crate::generate::{Generator, Plan};
use crate::ingest::TenantRule;
use crate::storage::AccessMode;
use clap::Args;
use serde_json::{Value as Json, json};
use std::io::{BufReader, Read};
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::watch;

/// A filter by event type, event source, resource type and event name.
const FOUR_DIMENSIONS: &str =
    "event_type=system&source=ECS&resource_type=ecs&event_name=createServer";

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  annals demo --events 1000000")]
pub(super) struct DemoArgs {
    /// Number of records to generate
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    events: u64,
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
    /// Ask the questions and exit without serving
    #[arg(long)]
    no_serve: bool,
}

pub(super) fn run(args: &DemoArgs) -> Result<u8> {
    let session = Session::new()?;
    // From here on, whatever ends this also removes the folder.
    let stop = stop::listen(&session.runtime)?;
    let folder = tempfile::Builder::new()
        .prefix("annals-demo-")
        .tempdir()
        .context(ErrorKind::Unavailable, || "cannot make a temporary directory".to_owned())?;
    let data = folder.path().join("audit");
    let engine = session.open(&data, AccessMode::Write)?;
    // The period ends now, so that questions about the last few days find something.
    let days = Plan::default().days;
    let plan = Plan {
        events: args.events,
        start_ms: SystemClock.now().millis() - i64::from(days) * DAY_MS,
        ..Plan::default()
    };
    let started = Instant::now();
    let rule = TenantRule::new(None, Some("project_id"))?;
    let (outcome, error) = engine.ingest_stream(
        BufReader::with_capacity(1 << 18, DemoRecords::new(&plan, stop.clone())),
        None,
        &rule,
        "demo",
        |_| (),
    );
    if let Some(error) = error {
        return Err(error);
    }
    if *stop.borrow() {
        return stopped();
    }
    engine.seal()?;
    let stats = engine.stats();
    line(&format!(
        "ingested {} records in {:.1} s: {} events of {days} days in {} segments, {} MB in {}\n",
        outcome.accepted,
        started.elapsed().as_secs_f64(),
        stats.events,
        stats.segments,
        (stats.data_bytes + stats.index_bytes) / 1_000_000,
        data.display(),
    ))?;
    let tenant = show(&engine)?;
    if *stop.borrow() {
        return stopped();
    }
    if args.no_serve {
        return Ok(OK);
    }
    // A busy port is no reason for a demo to fail.
    let listen = if std::net::TcpListener::bind(args.listen).is_ok() {
        args.listen
    } else {
        SocketAddr::new(args.listen.ip(), 0)
    };
    let token = add_auditor(&engine)?;
    let options = ServeOptions { stop: Some(stop), credentials: true, ..ServeOptions::at(listen) };
    // The folder is removed afterwards: nothing may write there any longer.
    run_server(session, engine, options, Duration::MAX, |address| {
        say_what_to_ask(address, &tenant, &token, plan.start_ms);
    })
}

/// Adds an auditor of all tenants, who sees the state of the store too, and returns its token.
fn add_auditor(engine: &Engine) -> Result<String> {
    let operator = Caller::operator();
    let auditor = Principal {
        name: "demo".to_owned(),
        roles: [Role::Auditor, Role::SystemAdministrator].into(),
        tenants: ["*".to_owned()].into(),
        ..Principal::default()
    };
    engine.create_principal(&operator, &auditor)?;
    let call = PrincipalCall::CreateToken(auditor.name);
    let made = call.answer(engine, &operator, json!({ "expires_in": "30d" }))?;
    Ok(made["token"].as_str().unwrap_or_default().to_owned())
}

/// Says where the demo is served and what may be asked there about a tenant.
fn say_what_to_ask(address: SocketAddr, tenant: &str, token: &str, start_ms: i64) {
    note(&format!("serving at http://{address} until Ctrl-C; then the data is deleted"));
    note(&screen_at(&format!("http://{address}/?tenant={tenant}#token={token}")));
    note("in another terminal:");
    note(&format!("  export ANNALS_TOKEN={token}"));
    let header = "-H \"Authorization: Bearer $ANNALS_TOKEN\"";
    let base = format!("http://{address}/api/v1");
    for question in [
        format!("events?tenant={tenant}&{FOUR_DIMENSIONS}&limit=3"),
        format!("facets?tenant={tenant}&fields=source,level&last=30d"),
        format!("histogram?tenant={tenant}&interval=1d&by=level&last=7d"),
        "count?tenant=*&related_ids=relation:unbind".to_owned(),
    ] {
        note(&format!("  curl {header} '{base}/{question}'"));
    }
    let period = format!("from={start_ms}&to={}", SystemClock.now().millis());
    let traces = format!("http://{address}/v3/{tenant}/traces?trace_type=system&limit=3");
    note(&format!("  curl {header} '{traces}&{period}'"));
}

/// Ends a demo that was asked to stop before it served; the folder goes with it.
fn stopped() -> Result<u8> {
    note("annals: stopped; the data is deleted");
    Ok(FAILED)
}

/// Asks a few questions about the largest tenant and shows the answers. Returns the tenant.
fn show(engine: &Engine) -> Result<String> {
    let snapshot = engine.snapshot();
    let mut rows = std::collections::BTreeMap::<&str, u64>::new();
    for tenant in snapshot.segments.iter().flat_map(|segment| &segment.manifest().tenants) {
        *rows.entry(&tenant.tenant).or_default() += u64::from(tenant.rows);
    }
    let tenant = rows.iter().max_by_key(|(_, rows)| **rows).map(|(tenant, _)| (*tenant).to_owned());
    let tenant = tenant.ok_or_else(|| Error::internal("the demo has no tenant"))?;
    ask(
        engine,
        QueryCall::Events,
        &format!("tenant={tenant}&{FOUR_DIMENSIONS}&limit=5"),
        |answer| {
            let columns = ["time", "level", "event_name", "resource_name", "operator", "trace_id"];
            let row = |event: &Json| {
                columns
                    .iter()
                    .map(|column| super::output::cell(event.get(*column)))
                    .collect::<Vec<_>>()
            };
            let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
            put(&list_shape(&columns).fit(&events.iter().map(row).collect::<Vec<_>>()).text)
        },
    )?;
    ask(engine, QueryCall::Count, &format!("tenant={tenant}&level=warning&last=30d"), |answer| {
        line(&answer.to_string())
    })?;
    ask(
        engine,
        QueryCall::Top,
        &format!(
            "tenant={tenant}&field=event_name&related_ids.exists=true&source=PartnerCenter&size=5"
        ),
        |answer| {
            let row = |value: &Json| {
                vec![
                    super::output::cell(value.get("value")),
                    super::output::cell(value.get("count")),
                ]
            };
            table(
                &["event_name", "count"],
                &answer["values"]
                    .as_array()
                    .map(|values| values.iter().map(row).collect::<Vec<_>>())
                    .unwrap_or_default(),
                &[1],
            )
        },
    )?;
    Ok(tenant)
}

fn ask(
    engine: &Engine,
    call: QueryCall,
    query: &str,
    show: impl FnOnce(&Json) -> Result<()>,
) -> Result<()> {
    let pairs = Pairs::from_query(query);
    // The first question opens files; the second one shows what a user waits for afterwards.
    answer(engine, call, &pairs)?;
    let started = Instant::now();
    let answer = answer(engine, call, &pairs)?;
    line(&format!(
        "{} {query}   ({:.1} ms)",
        call.path(),
        started.elapsed().as_secs_f64() * 1_000.0
    ))?;
    show(&answer)?;
    line("")
}

/// A stream of generated records, one per line. It ends early when the demo is asked to stop.
struct DemoRecords {
    generator: Generator,
    stop: watch::Receiver<bool>,
    line: String,
    read: usize,
}

impl DemoRecords {
    fn new(plan: &Plan, stop: watch::Receiver<bool>) -> Self {
        Self { generator: Generator::new(plan), stop, line: String::new(), read: 0 }
    }
}

impl Read for DemoRecords {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.line.len() {
            self.line.clear();
            self.read = 0;
            if *self.stop.borrow() {
                return Ok(0);
            }
            while self.line.len() < buffer.len() && self.generator.next_record(&mut self.line) {
                self.line.push('\n');
            }
        }
        let count = (self.line.len() - self.read).min(buffer.len());
        buffer[..count].copy_from_slice(&self.line.as_bytes()[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}
