//! `annals retention`, `annals hold` and `annals tenant`.

use super::filter_args::FilterArgs;
use super::output::line;
use super::{AskedPlace, OK, Session};
use crate::access::Caller;
use crate::calls::{Pairs, PolicyCall, RelationshipCall};
use crate::error::{Error, Result};
use crate::storage::AccessMode;
use clap::{Args, Subcommand};
use serde_json::Value as Json;

#[derive(Debug, Args)]
#[command(after_help = "\
Events are kept for a number of days after their date (UTC); once an hour the server deletes \
expired ones, unless a hold
keeps them. No retention may be below the floor (180 days in a new store), and the floor only \
rises. Changes and deletions
are recorded as events of the tenant _annals.

Examples:
  annals retention show --data ./audit
  annals retention set --data ./audit --tenant acme --days 365
  annals retention set --data ./audit --days forever
  annals retention floor --url http://127.0.0.1:7400 --days 365
  annals retention run --data ./audit --dry-run")]
pub(super) struct RetentionArgs {
    #[command(subcommand)]
    command: RetentionCommand,
}

#[derive(Debug, Subcommand)]
enum RetentionCommand {
    /// Show how long events are kept, and what is held
    Show {
        #[command(flatten)]
        store: AskedPlace,
    },
    /// Set how many days events are kept: of one tenant, or the default for all others
    Set {
        #[command(flatten)]
        store: AskedPlace,
        /// The tenant; without it, the default for tenants that have no setting of their own
        #[arg(long)]
        tenant: Option<String>,
        /// Number of days, or forever
        #[arg(long, value_name = "DAYS")]
        days: String,
    },
    /// Raise the minimum number of days that any tenant's events are kept
    Floor {
        #[command(flatten)]
        store: AskedPlace,
        /// Number of days
        #[arg(long, value_name = "DAYS")]
        days: u32,
    },
    /// Delete expired events now
    Run {
        #[command(flatten)]
        store: AskedPlace,
        /// Only report what would be deleted
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Tenants need no creation: they are there with their first event.

Examples:
  annals tenant list --data ./audit
  annals tenant set acme --data ./audit --undated refuse
  annals tenant set distributor --data ./audit --authoritative true --partner p1
  annals tenant set projectc7 --data ./audit --customer c7")]
pub(super) struct TenantArgs {
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// List the tenants that have events
    List {
        #[command(flatten)]
        store: AskedPlace,
    },
    /// Change the settings of a tenant
    Set {
        /// Name of the tenant
        name: String,
        #[command(flatten)]
        store: AskedPlace,
        /// What becomes of JSON objects without a time: accept files them under their arrival,
        /// flagged; refuse puts them into quarantine
        #[arg(long, value_name = "WHAT", value_parser = ["accept", "refuse"])]
        undated: Option<String>,
        #[command(flatten)]
        standing: StandingArgs,
    },
    /// Show the settings of a tenant
    Show {
        /// Name of the tenant
        name: String,
        #[command(flatten)]
        store: AskedPlace,
    },
}

/// What a tenant is to relationships.
#[derive(Debug, Args)]
struct StandingArgs {
    /// Whether its events are evidence of relationships: nobody may deliver to it then but the
    /// operator and principals that name it in --authoritative
    #[arg(long, value_name = "BOOL")]
    authoritative: Option<bool>,
    /// Partner of whose relationships it is the evidence; repeat it for several
    #[arg(long, value_name = "ID")]
    partner: Vec<String>,
    /// Customer that the tenant belongs to; repeat it for several
    #[arg(long, value_name = "ID")]
    customer: Vec<String>,
    /// Setting to remove: partners or customers
    #[arg(long, value_name = "SETTING", value_parser = ["partners", "customers"])]
    without: Vec<String>,
}

impl StandingArgs {
    fn body(&self) -> Option<Json> {
        let mut body = serde_json::Map::new();
        if let Some(authoritative) = self.authoritative {
            body.insert("authoritative".to_owned(), authoritative.into());
        }
        for setting in &self.without {
            body.insert(setting.clone(), Json::Array(Vec::new()));
        }
        for (name, parties) in [("partners", &self.partner), ("customers", &self.customer)] {
            if !parties.is_empty() {
                body.insert(name.to_owned(), parties.clone().into());
            }
        }
        (!body.is_empty()).then(|| body.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
A legal hold is a filter: what matches it is not deleted, whatever its age, until the hold is \
lifted.

Examples:
  annals hold place case-7 --data ./audit --tenant acme --operator alice --from \
  2026-01-01T00:00:00Z --reason 'court order 7'
  annals hold list --data ./audit
  annals hold lift case-7 --data ./audit --reason 'case closed'")]
pub(super) struct HoldArgs {
    #[command(subcommand)]
    command: HoldCommand,
}

#[derive(Debug, Subcommand)]
enum HoldCommand {
    /// List the holds
    List {
        #[command(flatten)]
        store: AskedPlace,
    },
    /// Place a hold
    Place {
        /// Name of the hold
        name: String,
        #[command(flatten)]
        store: AskedPlace,
        /// Tenant whose events are held; repeat it for several, * for all
        #[arg(long, required = true)]
        tenant: Vec<String>,
        /// Reason; it is recorded
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Lift a hold
    Lift {
        /// Name of the hold
        name: String,
        #[command(flatten)]
        store: AskedPlace,
        /// Reason; it is recorded
        #[arg(long)]
        reason: String,
    },
}

pub(super) fn retention(args: &RetentionArgs) -> Result<u8> {
    let (store, call, pairs) = match &args.command {
        RetentionCommand::Show { store } => (store, PolicyCall::Show, Vec::new()),
        RetentionCommand::Set { store, tenant, days } => {
            let tenant = tenant.iter().map(|tenant| ("tenant".to_owned(), tenant.clone()));
            (store, PolicyCall::Retain, tenant.chain([("days".to_owned(), days.clone())]).collect())
        }
        RetentionCommand::Floor { store, days } => {
            (store, PolicyCall::Retain, vec![("floor_days".to_owned(), days.to_string())])
        }
        RetentionCommand::Run { store, dry_run } => {
            (store, PolicyCall::Run, vec![("dry_run".to_owned(), dry_run.to_string())])
        }
    };
    run(store, &call, pairs).and_then(|answer| say(&answer))
}

pub(super) fn hold(args: &HoldArgs) -> Result<u8> {
    let (store, call, pairs) = match &args.command {
        HoldCommand::List { store } => (store, PolicyCall::Show, Vec::new()),
        HoldCommand::Place { name, store, tenant, reason, filter } => {
            let tenants = tenant.iter().map(|tenant| ("tenant".to_owned(), tenant.clone()));
            let pairs = tenants
                .chain([("reason".to_owned(), reason.clone())])
                .chain(filter.pairs.iter().cloned())
                .collect();
            (store, PolicyCall::Place(name.clone()), pairs)
        }
        HoldCommand::Lift { name, store, reason } => {
            (store, PolicyCall::Lift(name.clone()), vec![("reason".to_owned(), reason.clone())])
        }
    };
    run(store, &call, pairs).and_then(|answer| say(&answer["holds"]))
}

pub(super) fn tenant(args: &TenantArgs) -> Result<u8> {
    match &args.command {
        TenantCommand::List { store } => {
            run(store, &PolicyCall::Tenants, Vec::new()).and_then(|answer| say(&answer["tenants"]))
        }
        TenantCommand::Set { name, store, undated, standing } => {
            let body = standing.body();
            if undated.is_none() && body.is_none() {
                return Err(Error::parameter("--undated", "or another setting must be given"));
            }
            if let Some(undated) = undated {
                let pairs = vec![("undated".to_owned(), undated.clone())];
                say(&run(store, &PolicyCall::Tenant(name.clone()), pairs)?)?;
            }
            match body {
                Some(body) => say(&ask(store, &RelationshipCall::Tenant(name.clone()), &body)?),
                None => Ok(OK),
            }
        }
        TenantCommand::Show { name, store } => {
            say(&ask(store, &RelationshipCall::ShowTenant(name.clone()), &Json::Null)?)
        }
    }
}

fn ask(store: &AskedPlace, call: &RelationshipCall, body: &Json) -> Result<Json> {
    let (method, path) = call.route();
    let access = if method == "GET" { AccessMode::Read } else { AccessMode::Write };
    store.call_with(&Session::new()?, access, (method, &path), body, |engine| {
        call.answer(engine, &Caller::operator(), body.clone())
    })
}

fn run(store: &AskedPlace, call: &PolicyCall, pairs: Vec<(String, String)>) -> Result<Json> {
    let reads = matches!(call, PolicyCall::Show | PolicyCall::Tenants);
    let access = if reads { AccessMode::Read } else { AccessMode::Write };
    let (method, path) = call.route();
    let pairs = Pairs(pairs);
    store.call(&Session::new()?, access, (method, &path), &pairs, |engine| {
        call.answer(engine, &Caller::operator(), &pairs)
    })
}

fn say(answer: &Json) -> Result<u8> {
    line(&serde_json::to_string_pretty(answer).unwrap_or_default())?;
    Ok(OK)
}
