//! `annals relation`: which partner sees the events of which customer or reseller, and when.

use super::output::line;
use super::{AskedPlace, OK, Session};
use crate::access::Caller;
use crate::calls::{Pairs, RelationshipCall};
use crate::error::Result;
use crate::storage::AccessMode;
use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};

#[derive(Debug, Args)]
#[command(after_help = "\
A relationship lets the principals of a partner see the events of some tenants that name a
customer (or, for a distributor, a reseller), if they happened within its period; also after it
ended. Events of tenants that are authoritative (annals tenant set) move relationships too; what
would show more of the past waits until it is confirmed here.

Examples:
  annals relation create --data ./audit --partner p1 --customer c7 --tenant distributor \
  --from 2026-01-01T00:00:00Z
  annals relation create --data ./audit --partner p1 --manager li --customer c7 \
  --tenant distributor --from 2026-03-01T00:00:00Z --to 2026-07-01T00:00:00Z
  annals relation list --data ./audit --customer c7 --at 2026-06-15T00:00:00Z
  annals relation list --data ./audit --state waiting
  annals relation confirm rel-000012 --data ./audit")]
pub(super) struct RelationArgs {
    #[command(subcommand)]
    command: RelationCommand,
}

#[derive(Debug, Subcommand)]
enum RelationCommand {
    /// List relationships, with their evidence
    List {
        #[command(flatten)]
        store: AskedPlace,
        /// Partner
        #[arg(long, value_name = "ID")]
        partner: Option<String>,
        /// Customer
        #[arg(long, value_name = "ID")]
        customer: Option<String>,
        /// Reseller
        #[arg(long, value_name = "ID")]
        reseller: Option<String>,
        /// Manager
        #[arg(long, value_name = "ID")]
        manager: Option<String>,
        /// Only those in force at this moment (RFC 3339)
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Only those in this state
        #[arg(long, value_parser = ["recorded", "waiting", "withdrawn", "unmatched"])]
        state: Option<String>,
    },
    /// Record one
    Create {
        #[command(flatten)]
        store: AskedPlace,
        /// Partner
        #[arg(long, value_name = "ID")]
        partner: String,
        /// Customer whose events it sees
        #[arg(long, value_name = "ID", required_unless_present = "reseller")]
        customer: Option<String>,
        /// Reseller whose events it sees
        #[arg(long, value_name = "ID", conflicts_with = "customer")]
        reseller: Option<String>,
        /// Manager within the partner to whom the customer was assigned
        #[arg(long, value_name = "ID", requires = "customer")]
        manager: Option<String>,
        /// Tenant whose events are seen if they name the customer; repeat it for several
        #[arg(long, value_name = "TENANT", required = true)]
        tenant: Vec<String>,
        /// Beginning, inclusive (RFC 3339)
        #[arg(long, value_name = "TIME")]
        from: String,
        /// End, exclusive (RFC 3339); it lasts without
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
    },
    /// Change what is given; the rest stays as it is
    Change {
        /// Its id
        id: String,
        #[command(flatten)]
        store: AskedPlace,
        /// Beginning, inclusive (RFC 3339)
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// End, exclusive (RFC 3339)
        #[arg(long, value_name = "TIME", conflicts_with = "open")]
        to: Option<String>,
        /// It has not ended
        #[arg(long)]
        open: bool,
        /// Tenants whose events are seen; repeat it for several
        #[arg(long, value_name = "TENANT")]
        tenant: Vec<String>,
    },
    /// Put in force what evidence says and waits
    Confirm {
        /// Its id
        id: String,
        #[command(flatten)]
        store: AskedPlace,
    },
    /// Take back what waits or, if nothing does, the relationship: it shows nothing any more
    Withdraw {
        /// Its id
        id: String,
        #[command(flatten)]
        store: AskedPlace,
    },
}

/// The most relationships that one call lists.
const LISTED: usize = 1_000;

pub(super) fn relation(args: &RelationArgs) -> Result<u8> {
    let (store, call, body) = match &args.command {
        RelationCommand::List { store, partner, customer, reseller, manager, at, state } => {
            let named = [
                ("partner", partner),
                ("customer", customer),
                ("reseller", reseller),
                ("manager", manager),
                ("at", at),
                ("state", state),
            ];
            let named = named
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value.as_ref()?.clone())));
            return list(store, &named.collect::<Vec<_>>());
        }
        RelationCommand::Create {
            store,
            partner,
            customer,
            reseller,
            manager,
            tenant,
            from,
            to,
        } => {
            let body = json!({ "partner": partner, "customer": customer, "reseller": reseller,
                "manager": manager, "tenants": tenant, "from": from, "to": to });
            (store, RelationshipCall::Create, body)
        }
        RelationCommand::Change { id, store, from, to, open, tenant } => {
            let mut body = Map::new();
            for (name, moment) in [("from", from), ("to", to)] {
                if let Some(moment) = moment {
                    body.insert(name.to_owned(), moment.as_str().into());
                }
            }
            if *open {
                body.insert("to".to_owned(), Json::Null);
            }
            if !tenant.is_empty() {
                body.insert("tenants".to_owned(), json!(tenant));
            }
            (store, RelationshipCall::Change(id.clone()), body.into())
        }
        RelationCommand::Confirm { id, store } => {
            (store, RelationshipCall::Confirm(id.clone()), Json::Null)
        }
        RelationCommand::Withdraw { id, store } => {
            (store, RelationshipCall::Withdraw(id.clone()), Json::Null)
        }
    };
    line(&pretty(&run(store, &call, &body)?))?;
    Ok(OK)
}

/// Lists all pages.
fn list(store: &AskedPlace, named: &[(String, String)]) -> Result<u8> {
    let mut all: Vec<Json> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut pairs = Pairs(named.to_vec());
        pairs.0.push(("limit".to_owned(), LISTED.to_string()));
        pairs.0.extend(after.map(|after| ("after".to_owned(), after)));
        let mut page = run(store, &RelationshipCall::List(pairs), &Json::Null)?;
        if let Some(some) = page["relationships"].as_array_mut() {
            all.append(some);
        }
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            line(&pretty(&all.into()))?;
            return Ok(OK);
        }
    }
}

fn run(store: &AskedPlace, call: &RelationshipCall, body: &Json) -> Result<Json> {
    let (method, path) = call.route();
    let access = if method == "GET" { AccessMode::Read } else { AccessMode::Write };
    store.call_with(&Session::new()?, access, (method, &path), body, |engine| {
        call.answer(engine, &Caller::operator(), body.clone())
    })
}

fn pretty(answer: &Json) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}
