//! `annals principal`, `annals token` and `annals access-key`: who may do what, and with which
//! credentials.

use super::limits::rate;
use super::output::{line, note};
use super::seal_key::SealKeyArgs;
use super::{AskedPlace, OK, Session};
use crate::access::Caller;
use crate::calls::PrincipalCall;
use crate::error::{Error, Result};
use crate::storage::AccessMode;
use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};

/// The limits that a principal may have of its own.
const LIMITS: [&str; 4] = ["requests", "questions", "bytes_in", "rows_out"];

#[derive(Debug, Args)]
#[command(after_help = "\
A principal is a person or a program. Its roles say what it may do, its tenants for whom:
  ingest                  deliver records
  reader                  ask about events
  auditor                 read, export, and see quarantine
  tenant_administrator    what an auditor does, and retention, holds and intake of its tenants
  system_administrator    state, metrics, backups and retention of the store; no events
  security_administrator  principals and their credentials, relationships of partners; no events
  audit_administrator     the store's own tenant, _annals: what was done, and by whom

Examples:
  annals principal create li@example.com --url https://annals:7400 --role auditor --tenant acme
  annals principal create shipper --data ./audit --role ingest --tenant acme
  annals principal create audit-firm --data ./audit --role auditor --tenant acme \
  --rows '{\"source\":[\"IAM\",\"BSS\"]}' --mask source_ip=hash --from 2026-01-01T00:00:00Z
  annals principal create auditors --data ./audit --role auditor --tenant acme \
  --identity oidc:group:auditors
  annals principal change li@example.com --data ./audit --tenant acme --tenant umbrella
  annals principal change shipper --data ./audit --limit bytes_in=20MiB/s --limit requests=50/s
  annals principal change shipper --data ./audit --disabled true
  annals principal remove shipper --data ./audit")]
pub(super) struct PrincipalArgs {
    #[command(subcommand)]
    command: PrincipalCommand,
}

#[derive(Debug, Subcommand)]
enum PrincipalCommand {
    /// List the principals
    List {
        #[command(flatten)]
        store: AskedPlace,
    },
    /// Show one
    Show {
        /// Its name
        name: String,
        #[command(flatten)]
        store: AskedPlace,
    },
    /// Create one
    Create {
        /// Its name: letters, digits or any of - _ . @
        name: String,
        #[command(flatten)]
        store: AskedPlace,
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Change what is given; the rest stays as it is
    Change {
        /// Its name
        name: String,
        #[command(flatten)]
        store: AskedPlace,
        #[command(flatten)]
        settings: SettingsArgs,
        /// Setting to remove: rows, masks, identities, certificates, partner, manager,
        /// authoritative, limits, from or to
        #[arg(
            long,
            value_name = "SETTING",
            value_parser = [
                "rows", "masks", "identities", "certificates", "partner", "manager",
                "authoritative", "limits", "from", "to",
            ]
        )]
        without: Vec<String>,
    },
    /// Remove one, with its tokens and access keys
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        store: AskedPlace,
    },
}

#[derive(Debug, Args)]
struct SettingsArgs {
    /// Role; repeat it for several
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Tenant; repeat it for several, * for all
    #[arg(long, value_name = "TENANT")]
    tenant: Vec<String>,
    /// Filter as JSON: only events that match are seen
    #[arg(long, value_name = "JSON")]
    rows: Option<String>,
    /// Field that is not seen as it is: FIELD=hide, FIELD=hash or FIELD=last4
    #[arg(long, value_name = "FIELD=HOW")]
    mask: Vec<String>,
    /// Whom it stands for at the OpenID provider: oidc:sub:…, oidc:email:… or oidc:group:…; repeat
    /// it for several
    #[arg(long, value_name = "IDENTITY")]
    identity: Vec<String>,
    /// Name in a client certificate that it calls with: cn:…, dns:…, uri:…, email:… or sha256:…;
    /// repeat it for several
    #[arg(long, value_name = "NAME")]
    certificate: Vec<String>,
    /// Partner that it belongs to: it sees what the relationships of that partner show
    #[arg(long, value_name = "ID")]
    partner: Option<String>,
    /// Manager within the partner that it is: it sees the customers of that manager
    #[arg(long, value_name = "ID")]
    manager: Option<String>,
    /// Whether its partner is a distributor, who may read records of quotas by the partner centre's
    /// API
    #[arg(long, value_name = "BOOL")]
    distributor: Option<bool>,
    /// Authoritative tenant that it may deliver records to; repeat it for several
    #[arg(long, value_name = "TENANT")]
    authoritative: Vec<String>,
    /// Only events from this moment on are seen (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only events before this moment are seen (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Limit of its own in place of the server's: requests=N/s, questions=N (at a time),
    /// bytes_in=SIZE/s or rows_out=N/s; repeat it for several. Those given are all that it has then
    #[arg(long, value_name = "LIMIT=N")]
    limit: Vec<String>,
    /// Whether nobody is let in as it, whatever credential it has; what it has stays
    #[arg(long, value_name = "BOOL")]
    disabled: Option<bool>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A token stands for its principal. It is shown once, when it is made; the store keeps only a hash
of it. Programs send it as Authorization: Bearer TOKEN, as the password of HTTP Basic, as
X-Auth-Token, or as Elasticsearch's ApiKey.

Examples:
  annals token create shipper --data ./audit > shipper.token
  annals token create li@example.com --data ./audit --expires-in 30d --note laptop
  annals token list shipper --data ./audit
  annals token rotate shipper k3v9x0q2m1ba --data ./audit > shipper.token
  annals token revoke shipper k3v9x0q2m1ba --data ./audit")]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token, and print it
    Create {
        /// The principal that it stands for
        principal: String,
        #[command(flatten)]
        store: AskedPlace,
        /// How long it is valid, such as 12h, 90d or 1y, or never
        #[arg(long, value_name = "TIME", default_value = "90d")]
        expires_in: String,
        /// What it is for
        #[arg(long, default_value = "")]
        note: String,
    },
    /// List the tokens of a principal, without their secrets
    List {
        /// The principal
        principal: String,
        #[command(flatten)]
        store: AskedPlace,
    },
    /// Make a token in the place of another, and print it; the other is accepted for a while
    Rotate {
        /// The principal
        principal: String,
        /// The id of the token that the new one takes the place of
        id: String,
        #[command(flatten)]
        store: AskedPlace,
        /// How long the new one is valid, such as 90d, or never; default: as long as the other was
        #[arg(long, value_name = "TIME")]
        expires_in: Option<String>,
        /// How long both are accepted, such as 15m; 0s ends the other at once
        #[arg(long, value_name = "TIME", default_value = "24h")]
        overlap: String,
    },
    /// Withdraw a token; it is no longer accepted
    Revoke {
        /// The principal
        principal: String,
        /// The token's id
        id: String,
        #[command(flatten)]
        store: AskedPlace,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
An access key (AK) signs requests with its secret (SK), as programs for Huawei Cloud do. The secret
is shown once, when it is made, and kept sealed with the key in --seal-key-file, which annals init
makes and annals serve needs, too.

Examples:
  annals access-key create shipper --data ./audit --seal-key-file seal.key > shipper.key
  annals access-key create shipper --url https://annals:7400 --note backup
  annals access-key list shipper --data ./audit
  annals access-key revoke shipper AK4F0Q2M1BAZ9X0Q2M1B --data ./audit")]
pub(super) struct AccessKeyArgs {
    #[command(subcommand)]
    command: AccessKeyCommand,
}

#[derive(Debug, Subcommand)]
enum AccessKeyCommand {
    /// Make an access key, and print its id and its secret
    Create {
        /// The principal that it stands for
        principal: String,
        #[command(flatten)]
        store: AskedPlace,
        #[command(flatten)]
        seal: SealKeyArgs,
        /// What it is for
        #[arg(long, default_value = "")]
        note: String,
    },
    /// List the access keys of a principal, without their secrets
    List {
        /// The principal
        principal: String,
        #[command(flatten)]
        store: AskedPlace,
    },
    /// Withdraw an access key; what it signs is no longer accepted
    Revoke {
        /// The principal
        principal: String,
        /// The access key's id
        id: String,
        #[command(flatten)]
        store: AskedPlace,
    },
}

impl SettingsArgs {
    fn body(&self) -> Result<Map<String, Json>> {
        let mut body = Map::new();
        if !self.role.is_empty() {
            body.insert("roles".to_owned(), json!(self.role));
        }
        if !self.tenant.is_empty() {
            body.insert("tenants".to_owned(), json!(self.tenant));
        }
        if let Some(rows) = &self.rows {
            let rows: Json = serde_json::from_str(rows)
                .map_err(|cause| Error::parameter("--rows", format!("is not JSON: {cause}")))?;
            body.insert("rows".to_owned(), rows);
        }
        let mut masks = Map::new();
        for mask in &self.mask {
            let (field, how) = mask.split_once('=').ok_or_else(|| {
                Error::parameter("--mask", format!("{mask:?} is not FIELD=hide, hash or last4"))
            })?;
            masks.insert(field.to_owned(), how.into());
        }
        if !masks.is_empty() {
            body.insert("masks".to_owned(), masks.into());
        }
        for (name, texts) in [
            ("identities", &self.identity),
            ("certificates", &self.certificate),
            ("authoritative", &self.authoritative),
        ] {
            if !texts.is_empty() {
                body.insert(name.to_owned(), texts.clone().into());
            }
        }
        let flags = [("distributor", self.distributor), ("disabled", self.disabled)];
        for (name, flag) in flags {
            if let Some(flag) = flag {
                body.insert(name.to_owned(), flag.into());
            }
        }
        if !self.limit.is_empty() {
            body.insert("limits".to_owned(), limits(&self.limit)?.into());
        }
        for (name, text) in [
            ("partner", &self.partner),
            ("manager", &self.manager),
            ("from", &self.from),
            ("to", &self.to),
        ] {
            if let Some(text) = text {
                body.insert(name.to_owned(), text.as_str().into());
            }
        }
        Ok(body)
    }
}

/// Reads limits, each a name and a number with or without its unit.
fn limits(given: &[String]) -> Result<Map<String, Json>> {
    let mut limits = Map::new();
    for limit in given {
        let wrong = |what: &str| Error::parameter("--limit", format!("{limit:?} {what}"));
        let (name, number) = limit
            .split_once('=')
            .filter(|(name, _)| LIMITS.contains(name))
            .ok_or_else(|| wrong(&format!("is not LIMIT=N with one of {}", LIMITS.join(", "))))?;
        let number = rate(number).map_err(|what| wrong(&what))?;
        if limits.insert(name.to_owned(), number.into()).is_some() {
            return Err(wrong("is given twice"));
        }
    }
    Ok(limits)
}

pub(super) fn principal(args: &PrincipalArgs) -> Result<u8> {
    let (store, call, body) = match &args.command {
        PrincipalCommand::List { store } => (store, PrincipalCall::List, Json::Null),
        PrincipalCommand::Show { name, store } => {
            (store, PrincipalCall::Show(name.clone()), Json::Null)
        }
        PrincipalCommand::Create { name, store, settings } => {
            let mut body = settings.body()?;
            body.insert("name".to_owned(), name.as_str().into());
            (store, PrincipalCall::Create, body.into())
        }
        PrincipalCommand::Change { name, store, settings, without } => {
            let mut body = settings.body()?;
            body.extend(without.iter().map(|setting| (setting.clone(), Json::Null)));
            (store, PrincipalCall::Change(name.clone()), body.into())
        }
        PrincipalCommand::Remove { name, store } => {
            (store, PrincipalCall::Remove(name.clone()), Json::Null)
        }
    };
    let answer = run(store, &call, &body)?;
    match &call {
        PrincipalCall::Remove(name) => note(&format!("{name} is removed")),
        PrincipalCall::List => line(&pretty(&answer["principals"]))?,
        _ => line(&pretty(&answer))?,
    }
    Ok(OK)
}

pub(super) fn token(args: &TokenArgs) -> Result<u8> {
    match &args.command {
        TokenCommand::Create { principal, store, expires_in, note: text } => {
            let body = json!({ "expires_in": expires_in, "note": text });
            let made = run(store, &PrincipalCall::CreateToken(principal.clone()), &body)?;
            show_token(principal, &made)?;
        }
        TokenCommand::Rotate { principal, id, store, expires_in, overlap } => {
            let mut body = json!({ "overlap": overlap });
            if let Some(expires_in) = expires_in {
                body["expires_in"] = expires_in.as_str().into();
            }
            let call = PrincipalCall::RotateToken(principal.clone(), id.clone());
            let made = run(store, &call, &body)?;
            let until = made["overlap_until"].as_str().unwrap_or_default();
            note(&format!("the token {id} is accepted until {until} at most"));
            show_token(principal, &made)?;
        }
        TokenCommand::List { principal, store } => {
            let answer = run(store, &PrincipalCall::Tokens(principal.clone()), &Json::Null)?;
            line(&pretty(&answer["tokens"]))?;
        }
        TokenCommand::Revoke { principal, id, store } => {
            let call = PrincipalCall::RemoveToken(principal.clone(), id.clone());
            run(store, &call, &Json::Null)?;
            note(&format!("the token {id} of {principal} is no longer accepted"));
        }
    }
    Ok(OK)
}

/// Shows a token that was made.
fn show_token(principal: &str, made: &Json) -> Result<()> {
    let until = made["expires"].as_str().map_or_else(
        || "does not expire".to_owned(),
        |expires| format!("is valid until {expires}"),
    );
    let id = made["id"].as_str().unwrap_or_default();
    note(&format!("the token {id} of {principal} {until}; it is shown only now:"));
    line(made["token"].as_str().unwrap_or_default())
}

pub(super) fn access_key(args: &AccessKeyArgs) -> Result<u8> {
    match &args.command {
        AccessKeyCommand::Create { principal, store, seal, note: text } => {
            // A server has its own.
            let seal = if store.data.is_some() { seal.read()? } else { None };
            let (session, body) = (Session::new()?.with_seal_key(seal), json!({ "note": text }));
            let call = PrincipalCall::CreateAccessKey(principal.clone());
            let made = run_in(&session, store, &call, &body)?;
            note(&format!("an access key of {principal}: its secret is shown only now"));
            let shown = |name: &str| made[name].as_str().unwrap_or_default();
            line(&format!("access key: {}", shown("id")))?;
            line(&format!("secret key: {}", shown("secret")))?;
        }
        AccessKeyCommand::List { principal, store } => {
            let answer = run(store, &PrincipalCall::AccessKeys(principal.clone()), &Json::Null)?;
            line(&pretty(&answer["access_keys"]))?;
        }
        AccessKeyCommand::Revoke { principal, id, store } => {
            let call = PrincipalCall::RemoveAccessKey(principal.clone(), id.clone());
            run(store, &call, &Json::Null)?;
            note(&format!("what the access key {id} of {principal} signs is no longer accepted"));
        }
    }
    Ok(OK)
}

fn run(store: &AskedPlace, call: &PrincipalCall, body: &Json) -> Result<Json> {
    run_in(&Session::new()?, store, call, body)
}

fn run_in(
    session: &Session,
    store: &AskedPlace,
    call: &PrincipalCall,
    body: &Json,
) -> Result<Json> {
    let (method, path) = call.route();
    let access = if method == "GET" { AccessMode::Read } else { AccessMode::Write };
    store.call_with(session, access, (method, &path), body, |engine| {
        call.answer(engine, &Caller::operator(), body.clone())
    })
}

fn pretty(answer: &Json) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}
