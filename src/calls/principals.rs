//! Calls about principals and their credentials: who may do what, and with which credentials.

use super::params::segment;
use super::settings::{read_settings, with_settings};
use crate::access::{
    AccessKeyRecord, ApiToken, Caller, OPERATOR, Permission, Principal, Role, TokenRecord,
};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Timestamp;
use crate::filter::parse_duration;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// How long a token is valid unless it is said otherwise.
const EXPIRES_IN: &str = "90d";
/// How long a token is still accepted that another takes the place of, unless it is said otherwise.
const OVERLAP: &str = "24h";
/// The value of `overlap` for one that ends at once.
const NO_OVERLAP: &str = "0s";
/// The value of `expires_in` for a token that does not expire.
const NEVER: &str = "never";
/// The last moment of the year 9999, in milliseconds.
const LATEST_MS: i64 = 253_402_300_799_999;
/// The most characters of a note.
const NOTE_LETTERS_MAX: usize = 200;

/// A call about principals and their credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalCall {
    /// List the principals.
    List,
    /// Show one.
    Show(String),
    /// Create one.
    Create,
    /// Change some settings of one; a setting that is null is removed.
    Change(String),
    /// Remove one, with its credentials.
    Remove(String),
    /// List the tokens of one.
    Tokens(String),
    /// Make a token for one, which is shown once.
    CreateToken(String),
    /// Withdraw a token of one.
    RemoveToken(String, String),
    /// Make a token in the place of one that ends soon after; the new one is shown once.
    RotateToken(String, String),
    /// List the access keys of one.
    AccessKeys(String),
    /// Make an access key for one, whose secret is shown once.
    CreateAccessKey(String),
    /// Withdraw an access key of one.
    RemoveAccessKey(String, String),
}

/// The body of a call that makes a token.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedToken {
    #[serde(default)]
    expires_in: Option<String>,
    #[serde(default)]
    note: String,
}

/// The body of a call that makes a token in the place of another.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedRotation {
    /// As long as the other was made for, if it is not said.
    #[serde(default)]
    expires_in: Option<String>,
    /// How long both are accepted.
    #[serde(default)]
    overlap: Option<String>,
}

/// The body of a call that makes an access key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedKey {
    #[serde(default)]
    note: String,
}

impl PrincipalCall {
    /// Returns the method and path over HTTP.
    pub fn route(&self) -> (&'static str, String) {
        const ALL: &str = "/api/v1/principals";
        match self {
            Self::List => ("GET", ALL.to_owned()),
            Self::Create => ("POST", ALL.to_owned()),
            Self::Show(name) => ("GET", format!("{ALL}/{}", segment(name))),
            Self::Change(name) => ("PATCH", format!("{ALL}/{}", segment(name))),
            Self::Remove(name) => ("DELETE", format!("{ALL}/{}", segment(name))),
            Self::Tokens(name) => ("GET", format!("{ALL}/{}/tokens", segment(name))),
            Self::CreateToken(name) => ("POST", format!("{ALL}/{}/tokens", segment(name))),
            Self::RemoveToken(name, id) => {
                ("DELETE", format!("{ALL}/{}/tokens/{}", segment(name), segment(id)))
            }
            Self::RotateToken(name, id) => {
                ("POST", format!("{ALL}/{}/tokens/{}/rotate", segment(name), segment(id)))
            }
            Self::AccessKeys(name) => ("GET", format!("{ALL}/{}/access-keys", segment(name))),
            Self::CreateAccessKey(name) => ("POST", format!("{ALL}/{}/access-keys", segment(name))),
            Self::RemoveAccessKey(name, id) => {
                ("DELETE", format!("{ALL}/{}/access-keys/{}", segment(name), segment(id)))
            }
        }
    }

    /// Carries out the call. `body` is the JSON that came with it, null if none did.
    ///
    /// # Errors
    /// A setting that is wrong, by its name; a principal that exists or does not; a disk that
    /// fails.
    pub fn answer(&self, engine: &Engine, caller: &Caller, body: Json) -> Result<Json> {
        engine.check_current(caller)?;
        caller.check_store(Permission::ManageAccess)?;
        match self {
            Self::List => {
                let directory = engine.directory();
                let principals: Vec<Json> =
                    directory.principals().map(|principal| json!(principal)).collect();
                Ok(json!({ "principals": principals }))
            }
            Self::Show(name) => principal(engine, name).map(|principal| json!(principal)),
            Self::Create => {
                let principal: Principal = read_settings(body)?;
                // A store with principals asks for credentials, and somebody must make them.
                if !principal.roles.contains(&Role::SecurityAdministrator)
                    && !engine.directory().has_security_administrator()
                {
                    return Err(Error::invalid(
                        "nobody may grant access yet: `annals init` makes the first administrator",
                    ));
                }
                Ok(json!(engine.create_principal(caller, &principal)?))
            }
            Self::Change(name) => {
                let changes: Map<String, Json> = read_settings(body)?;
                let changed = engine
                    .change_principal(caller, name, |principal| with_settings(principal, changes));
                Ok(json!(changed?))
            }
            Self::Remove(name) => {
                engine.remove_principal(caller, name)?;
                Ok(Json::Null)
            }
            Self::Tokens(name) => {
                principal(engine, name)?;
                Ok(json!({ "tokens": tokens(engine, name)? }))
            }
            Self::CreateToken(name) => {
                let wanted =
                    if body.is_null() { WantedToken::default() } else { read_settings(body)? };
                create_token(engine, caller, name, wanted)
            }
            Self::RemoveToken(name, id) => {
                engine.remove_token(caller, name, id)?;
                Ok(Json::Null)
            }
            Self::RotateToken(name, id) => {
                let wanted =
                    if body.is_null() { WantedRotation::default() } else { read_settings(body)? };
                rotate_token(engine, caller, (name, id), &wanted)
            }
            Self::AccessKeys(name) => {
                principal(engine, name)?;
                Ok(json!({ "access_keys": access_keys(engine, name)? }))
            }
            Self::CreateAccessKey(name) => {
                let wanted =
                    if body.is_null() { WantedKey::default() } else { read_settings(body)? };
                create_access_key(engine, caller, name, wanted)
            }
            Self::RemoveAccessKey(name, id) => {
                engine.remove_access_key(caller, name, id)?;
                Ok(Json::Null)
            }
        }
    }
}

fn principal(engine: &Engine, name: &str) -> Result<Principal> {
    let missing = || Error::new(ErrorKind::NotFound, "there is no such principal");
    engine.directory().get(name).cloned().ok_or_else(missing)
}

fn check_note(note: &str) -> Result<()> {
    if note.chars().count() <= NOTE_LETTERS_MAX && !note.chars().any(char::is_control) {
        return Ok(());
    }
    let what = format!("is at most {NOTE_LETTERS_MAX} characters, without control characters");
    Err(Error::parameter("note", what))
}

/// Returns when something ends that lasts so long, as a text; nothing if it does not end.
fn expiry(expires_in: &str, now: Timestamp) -> Result<Option<String>> {
    if expires_in == NEVER {
        return Ok(None);
    }
    let length = parse_duration(expires_in).filter(|length| *length > 0).ok_or_else(|| {
        Error::parameter("expires_in", format!("is a time such as 90d or 12h, or {NEVER}"))
    })?;
    moment_after(now, length, "expires_in").map(|end| Some(end.to_string()))
}

/// Returns the moment so many milliseconds from now, which must be one that can be written.
fn moment_after(now: Timestamp, length: i64, parameter: &'static str) -> Result<Timestamp> {
    let end = now.millis().saturating_add(length);
    if end > LATEST_MS {
        return Err(Error::parameter(parameter, "ends after the year 9999"));
    }
    Ok(Timestamp::from_millis(end))
}

fn create_token(engine: &Engine, caller: &Caller, name: &str, wanted: WantedToken) -> Result<Json> {
    check_note(&wanted.note)?;
    let now = engine.clock().now();
    let expires = expiry(wanted.expires_in.as_deref().unwrap_or(EXPIRES_IN), now)?;
    let token = ApiToken::new()?;
    let record = TokenRecord {
        principal: name.to_owned(),
        created: now.to_string(),
        created_by: caller.name().to_owned(),
        expires: expires.clone(),
        note: wanted.note,
    };
    engine.add_token(caller, &token, &record)?;
    Ok(json!({ "id": token.id(), "token": token.reveal(), "expires": expires }))
}

fn rotate_token(
    engine: &Engine,
    caller: &Caller,
    (name, id): (&str, &str),
    wanted: &WantedRotation,
) -> Result<Json> {
    let now = engine.clock().now();
    let overlap = match wanted.overlap.as_deref().unwrap_or(OVERLAP) {
        NO_OVERLAP => 0,
        text => parse_duration(text).filter(|length| *length > 0).ok_or_else(|| {
            Error::parameter("overlap", format!("is a time such as 24h or 15m, or {NO_OVERLAP}"))
        })?,
    };
    let until = moment_after(now, overlap, "overlap")?;
    let chosen = wanted.expires_in.as_deref().map(|text| expiry(text, now)).transpose()?;
    let token = ApiToken::new()?;
    let record = engine.rotate_token(caller, (name, id), &token, until, |old| {
        let same_length = || {
            let millis = |text: &str| Some(Timestamp::parse(text).ok()?.millis());
            let length = millis(old.expires.as_deref()?)? - millis(&old.created)?;
            let end = now.millis().saturating_add(length).min(LATEST_MS);
            Some(Timestamp::from_millis(end).to_string())
        };
        let expires = chosen.clone().unwrap_or_else(same_length);
        let created_by = caller.name().to_owned();
        TokenRecord { created: now.to_string(), created_by, expires, ..old }
    })?;
    Ok(json!({ "id": token.id(), "token": token.reveal(), "expires": record.expires,
        "in_place_of": id, "overlap_until": until.to_string() }))
}

fn tokens(engine: &Engine, name: &str) -> Result<Vec<Json>> {
    let directory = engine.directory();
    let mut shown = Vec::new();
    for (id, record) in engine.tokens_of(name)? {
        let mut token = json!(record);
        token["id"] = id.as_str().into();
        token["last_used"] = directory.last_used(&id).map(|time| time.to_string()).into();
        shown.push(token);
    }
    Ok(shown)
}

fn create_access_key(
    engine: &Engine,
    caller: &Caller,
    name: &str,
    wanted: WantedKey,
) -> Result<Json> {
    check_note(&wanted.note)?;
    let created = engine.clock().now().to_string();
    let record = AccessKeyRecord {
        principal: name.to_owned(),
        created: created.clone(),
        created_by: caller.name().to_owned(),
        note: wanted.note,
    };
    let key = engine.create_access_key(caller, &record)?;
    Ok(json!({ "id": key.id, "secret": key.secret.reveal(), "created": created }))
}

fn access_keys(engine: &Engine, name: &str) -> Result<Vec<Json>> {
    let directory = engine.directory();
    let mut shown = Vec::new();
    for (id, record) in engine.access_keys_of(name)? {
        let mut key = json!(record);
        key["id"] = id.as_str().into();
        key["last_used"] = directory.last_used(&id).map(|time| time.to_string()).into();
        shown.push(key);
    }
    Ok(shown)
}

/// Returns who a caller is, and what it may do and see.
pub fn me(caller: &Caller) -> Json {
    let Some(grant) = caller.grant() else {
        return json!({ "name": OPERATOR, "roles": Role::ALL, "tenants": ["*"],
            "credentials": false });
    };
    let mut me = json!(grant.principal());
    if caller.name() != grant.principal().name {
        me["principal"] = grant.principal().name.as_str().into();
        me["name"] = caller.name().into();
    }
    me["credentials"] = true.into();
    me
}
