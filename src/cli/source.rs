//! `annals source` and `annals collect`: what is fetched from elsewhere.

use super::output::{line, note};
use super::seal_key::SealKeyArgs;
use super::{AskedPlace, OK, Session, remote};
use crate::access::Caller;
use crate::calls::SourceCall;
use crate::collect::{Collector, stored_sources};
use crate::error::{Error, Result};
use crate::storage::AccessMode;
use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The code that says that a source could not be read.
const FAILED: u8 = 1;
/// How far back a source begins if nothing is said: as far as the trace list of CTS goes.
const SINCE_DAYS: i64 = 7;

#[derive(Debug, Args)]
#[command(after_help = "\
A source is read again and again by annals serve, or once by annals collect. Its credential is kept
sealed with the key in --seal-key-file, and shown to nobody. Where it is reached is one of https, or
of http on this machine; {region} in it, and {project} in the tenant, stand for what is read.

Examples:
  annals source add cloud --data ./audit --seal-key-file seal.key --kind cts \
  --endpoint 'https://cts.{region}.myhuaweicloud.com' --tenant acme --region cn-north-4 \
  --project 5a3314075bfa49b9ae360f4ecd333695 --access-key AK --secret-key-file sk.txt
  annals source test cloud --url https://annals:7400
  annals source list --data ./audit
  annals source pause cloud --data ./audit --reason 'key is being rotated'
  annals collect --once --data ./audit --seal-key-file seal.key")]
pub(super) struct SourceArgs {
    #[command(subcommand)]
    command: SourceCommand,
}

#[derive(Debug, Subcommand)]
enum SourceCommand {
    /// Add one
    Add(Box<AddArgs>),
    /// List the sources, and how it goes with them
    List {
        #[command(flatten)]
        store: AskedPlace,
    },
    /// Show one
    Show(NamedArgs),
    /// Make one signed call of each of its lists, and say what is wrong
    Test {
        #[command(flatten)]
        named: NamedArgs,
        #[command(flatten)]
        seal: SealKeyArgs,
    },
    /// Leave one unread
    Pause {
        #[command(flatten)]
        named: NamedArgs,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Read a paused one again
    Resume(NamedArgs),
    /// Have a server read one as soon as possible
    Run(NamedArgs),
    /// Read a stretch of time again, and so fill a gap
    Backfill {
        #[command(flatten)]
        named: NamedArgs,
        #[command(flatten)]
        stretch: StretchArgs,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Say that a gap stays, and why
    Declare {
        #[command(flatten)]
        named: NamedArgs,
        #[command(flatten)]
        stretch: StretchArgs,
        /// Why it is not there
        #[arg(long)]
        reason: String,
    },
    /// Remove one, with its credential; what it has brought stays
    Remove(NamedArgs),
}

#[derive(Debug, Args)]
struct NamedArgs {
    /// Its name
    name: String,
    #[command(flatten)]
    store: AskedPlace,
}

#[derive(Debug, Args)]
struct StretchArgs {
    /// The first moment, as a date or in RFC 3339
    #[arg(long, value_name = "TIME")]
    from: String,
    /// The first moment after it
    #[arg(long, value_name = "TIME")]
    to: String,
}

impl StretchArgs {
    fn body(&self, reason: &str) -> Json {
        json!({ "from": self.from, "to": self.to, "reason": reason })
    }
}

#[derive(Args)]
struct AddArgs {
    /// Its name: letters, digits or any of - _ . @
    name: String,
    /// The data directory
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA", conflicts_with = "url")]
    data: Option<PathBuf>,
    /// The server's address
    #[arg(long, value_name = "URL", env = "ANNALS_URL")]
    url: Option<String>,
    /// Trust a server's certificate if one of these authorities has signed it (PEM)
    #[arg(long, value_name = "FILE", env = "ANNALS_CA", hide_short_help = true)]
    ca: Option<PathBuf>,
    /// Token for the server; better given as $ANNALS_TOKEN, which other users do not see
    #[arg(long, value_name = "TOKEN", env = "ANNALS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    seal: SealKeyArgs,
    /// What it is: cts, the trace list of Huawei Cloud Trace Service; partner, the records of
    /// Huawei Cloud's partner centre
    #[arg(long, value_parser = ["cts", "partner"])]
    kind: String,
    /// Where it is
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// Whose the records are
    #[arg(long)]
    tenant: String,
    /// Region of the projects
    #[arg(long)]
    region: Option<String>,
    /// Project to read, or REGION/PROJECT; repeat it for several
    #[arg(long)]
    project: Vec<String>,
    /// Tracker whose data traces are read too; repeat it for several
    #[arg(long)]
    tracker: Vec<String>,
    /// List of the partner centre to read; repeat it for several; default: those of a partner
    #[arg(long, value_name = "NAME")]
    list: Vec<String>,
    /// Reseller whose records a distributor reads too; repeat it for several, * for all
    #[arg(long, value_name = "ID")]
    reseller: Vec<String>,
    /// Id of the access key that signs its calls
    #[arg(long, value_name = "AK", requires = "secret_key_file")]
    access_key: Option<String>,
    /// File with the secret of the access key
    #[arg(long, value_name = "FILE", requires = "access_key")]
    secret_key_file: Option<PathBuf>,
    /// File with a token of IAM, in place of an access key
    #[arg(long, value_name = "FILE", conflicts_with = "access_key")]
    token_file: Option<PathBuf>,
    /// From when on, as a date or in RFC 3339; default: seven days ago
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// How often; default: 60s
    #[arg(long, value_name = "TIME")]
    every: Option<String>,
    /// How long records may appear late; default: 1h
    #[arg(long, value_name = "TIME")]
    overlap: Option<String>,
    /// How long the cloud takes to show what has happened; default: 60s
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    settle: Option<String>,
    /// How many calls a second it makes; default: 10, 0 is as many as it can
    #[arg(long, value_name = "N")]
    calls_per_second: Option<u32>,
}

impl std::fmt::Debug for AddArgs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is not shown.
        out.debug_struct("AddArgs").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Args)]
pub(super) struct CollectArgs {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "ANNALS_DATA")]
    data: PathBuf,
    /// Read what there is now, and end
    #[arg(long, required = true)]
    once: bool,
    /// The source to read; default: all that are not paused
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    #[command(flatten)]
    seal: SealKeyArgs,
}

impl AddArgs {
    fn body(&self, now: i64) -> Result<Json> {
        let project = |project: &String| match &self.region {
            Some(region) if !project.contains('/') => format!("{region}/{project}"),
            _ => project.clone(),
        };
        let projects: Vec<String> = self.project.iter().map(project).collect();
        let since = now - SINCE_DAYS * crate::event::DAY_MS;
        let since = crate::event::Timestamp::from_millis(since).to_string();
        let mut body = Map::new();
        for (name, value) in [
            ("name", json!(self.name)),
            ("kind", json!(self.kind)),
            ("endpoint", json!(self.endpoint)),
            ("tenant", json!(self.tenant)),
            ("projects", json!(projects)),
            ("trackers", json!(self.tracker)),
            ("lists", json!(self.list)),
            ("resellers", json!(self.reseller)),
            ("access_key", json!(self.access_key)),
            ("since", json!(self.since.clone().unwrap_or(since))),
            ("every", json!(self.every)),
            ("overlap", json!(self.overlap)),
            ("settle", json!(self.settle)),
            ("calls_per_second", json!(self.calls_per_second)),
        ] {
            if !value.is_null() {
                body.insert(name.to_owned(), value);
            }
        }
        for (name, file) in [("secret_key", &self.secret_key_file), ("token", &self.token_file)] {
            if let Some(file) = file {
                body.insert(name.to_owned(), text_of(file)?.trim().into());
            }
        }
        Ok(body.into())
    }
}

fn text_of(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|cause| Error::io(file.display(), cause))
}

pub(super) fn source(args: &SourceArgs) -> Result<u8> {
    let (named, call, body) = match &args.command {
        SourceCommand::Add(args) => return add(args),
        SourceCommand::List { store } => {
            let answer = run(store, &SourceCall::List, &Json::Null)?;
            line(&pretty(&answer["sources"]))?;
            return Ok(OK);
        }
        SourceCommand::Test { named, seal } => return test(named, seal),
        SourceCommand::Run(named) => return run_now(named),
        SourceCommand::Show(named) => (named, SourceCall::Show(named.name.clone()), Json::Null),
        SourceCommand::Remove(named) => (named, SourceCall::Remove(named.name.clone()), Json::Null),
        SourceCommand::Resume(named) => (named, SourceCall::Resume(named.name.clone()), Json::Null),
        SourceCommand::Backfill { named, stretch, reason } => {
            (named, SourceCall::Backfill(named.name.clone()), stretch.body(reason))
        }
        SourceCommand::Declare { named, stretch, reason } => {
            (named, SourceCall::Declare(named.name.clone()), stretch.body(reason))
        }
        SourceCommand::Pause { named, reason } => {
            (named, SourceCall::Pause(named.name.clone()), json!({ "reason": reason }))
        }
    };
    let answer = run(&named.store, &call, &body)?;
    match call {
        SourceCall::Remove(name) => note(&format!("{name} is removed")),
        _ => line(&pretty(&answer))?,
    }
    Ok(OK)
}

fn add(args: &AddArgs) -> Result<u8> {
    use crate::clock::{Clock, SystemClock};
    // A server has its own seal key.
    let seal = if args.data.is_some() { args.seal.read()? } else { None };
    let session = Session::new()?.with_seal_key(seal);
    let body = args.body(SystemClock.now().millis())?;
    let answer = match (&args.data, &args.url) {
        (Some(data), _) => {
            let engine = session.open(data, AccessMode::Write)?;
            SourceCall::Add.answer((&engine, None), &Caller::operator(), body)?
        }
        (None, Some(url)) => {
            let (ca, token) = (args.ca.as_deref(), args.token.as_deref());
            let remote = remote::Remote::new(&session.runtime, url, ca, token)?;
            let (method, path) = SourceCall::Add.route();
            remote.call_with(method, &path, &body)?
        }
        (None, None) => {
            return Err(Error::parameter("--data", "name a store: --data DIR or --url URL"));
        }
    };
    line(&pretty(&answer))?;
    Ok(OK)
}

fn test(named: &NamedArgs, seal: &SealKeyArgs) -> Result<u8> {
    let (store, name) = (&named.store, &named.name);
    let seal = if store.data.is_some() { seal.read()? } else { None };
    let session = Session::new()?.with_seal_key(seal);
    match (&store.data, &store.url) {
        (Some(data), _) => {
            let engine = Arc::new(session.open(data, AccessMode::Read)?);
            session.runtime.block_on(Collector::new(engine).test(name))?;
        }
        (None, Some(url)) => {
            let path = format!("{}/test", SourceCall::Show(name.clone()).route().1);
            store.remote(&session, url)?.call_with("POST", &path, &Json::Null)?;
        }
        (None, None) => {
            return Err(Error::parameter("--data", "name a store: --data DIR or --url URL"));
        }
    }
    note(&format!("{name} can be read"));
    Ok(OK)
}

fn run_now(named: &NamedArgs) -> Result<u8> {
    let url = named.store.url.as_ref().filter(|_| named.store.data.is_none()).ok_or_else(|| {
        let what = "a server reads it as soon as possible; without one, annals collect does";
        Error::parameter("--url", what)
    })?;
    let session = Session::new()?;
    let path = format!("{}/run", SourceCall::Show(named.name.clone()).route().1);
    named.store.remote(&session, url)?.call_with("POST", &path, &Json::Null)?;
    note(&format!("{} is read as soon as possible", named.name));
    Ok(OK)
}

pub(super) fn collect(args: &CollectArgs) -> Result<u8> {
    let session = Session::new()?.with_seal_key(args.seal.read()?);
    let engine = Arc::new(session.open(&args.data, AccessMode::Write)?);
    let collector = Collector::new(Arc::clone(&engine));
    let mut names = args.source.clone();
    if names.is_empty() {
        let sources = stored_sources(&engine);
        let read = sources.iter().filter(|source| source.paused.is_none());
        names = read.map(|source| source.name.clone()).collect();
    }
    if names.is_empty() {
        note("there are no sources to read: annals source add makes one");
    }
    let mut code = OK;
    for name in names {
        match session.runtime.block_on(collector.round(&name)) {
            Ok(counts) => line(&json!({ "source": name, "counts": counts }).to_string())?,
            Err(error) => {
                note(&format!("annals: the source {name}: {error}"));
                code = FAILED;
            }
        }
    }
    Ok(code)
}

fn run(store: &AskedPlace, call: &SourceCall, body: &Json) -> Result<Json> {
    let session = Session::new()?;
    let (method, path) = call.route();
    let access = if method == "GET" { AccessMode::Read } else { AccessMode::Write };
    store.call_with(&session, access, (method, &path), body, |engine| {
        call.answer((engine, None), &Caller::operator(), body.clone())
    })
}

fn pretty(answer: &Json) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}
