//! Calls about sources, the same over HTTP and from the command line.

use super::params::segment;
use super::settings::{read_settings, with_settings};
use super::source_stretches::{WantedStretch, with_backfill, with_declared};
use crate::access::{Caller, Permission, SigningSecret};
use crate::collect::{Collector, Pause, Source, stored_source, stored_sources};
use crate::engine::{CredentialChange, Engine};
use crate::error::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// A call about sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceCall {
    /// List them.
    List,
    /// Add one.
    Add,
    /// Show one.
    Show(String),
    /// Change one.
    Change(String),
    /// Remove one; what it has brought stays.
    Remove(String),
    /// Leave one unread.
    Pause(String),
    /// Read a paused one again.
    Resume(String),
    /// Read a stretch of time again, and so fill a gap.
    Backfill(String),
    /// Say that a gap stays, and why.
    Declare(String),
}

/// The body of a call that pauses a source.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedPause {
    #[serde(default)]
    reason: String,
}

/// The longest reason of a pause.
const REASON_LETTERS_MAX: usize = 200;

impl SourceCall {
    /// Returns the method and path over HTTP.
    pub fn route(&self) -> (&'static str, String) {
        const ALL: &str = "/api/v1/sources";
        match self {
            Self::List => ("GET", ALL.to_owned()),
            Self::Add => ("POST", ALL.to_owned()),
            Self::Show(name) => ("GET", format!("{ALL}/{}", segment(name))),
            Self::Change(name) => ("PATCH", format!("{ALL}/{}", segment(name))),
            Self::Remove(name) => ("DELETE", format!("{ALL}/{}", segment(name))),
            Self::Pause(name) => ("POST", format!("{ALL}/{}/pause", segment(name))),
            Self::Resume(name) => ("POST", format!("{ALL}/{}/resume", segment(name))),
            Self::Backfill(name) => ("POST", format!("{ALL}/{}/backfill", segment(name))),
            Self::Declare(name) => ("POST", format!("{ALL}/{}/gaps", segment(name))),
        }
    }

    /// Carries out the call. `body` is the JSON that came with it, null if none did.
    ///
    /// # Errors
    /// A setting that is wrong, by its name; a source that exists or does not; a disk that fails.
    pub fn answer(
        &self,
        (engine, collector): (&Engine, Option<&Collector>),
        caller: &Caller,
        body: Json,
    ) -> Result<Json> {
        engine.check_current(caller)?;
        check_sources(caller)?;
        match self {
            Self::List => {
                let all: Vec<Json> =
                    stored_sources(engine).iter().map(|source| shown(collector, source)).collect();
                Ok(json!({ "sources": all }))
            }
            Self::Show(name) => Ok(shown(collector, &stored_source(engine, name)?)),
            Self::Add => {
                let (mut source, credential) = parse(body)?;
                source.moves_relationships = check_source(engine, caller, &source)?;
                let body = stored(&source)?;
                engine.add_source(caller, &source.name, &body, credential)?;
                hurry(collector, &source.name);
                Ok(shown(collector, &source))
            }
            Self::Change(name) => {
                let Json::Object(mut changes) = body else { return Err(no_object()) };
                refuse_decided(&changes)?;
                let credential = credential_of(&mut changes)?;
                let named = ("changeSource", name.as_str());
                let change = |before: &Source| with_settings(before, changes);
                let changed = decide((engine, collector), caller, named, (credential, change));
                hurry(collector, name);
                changed
            }
            Self::Remove(name) => {
                check_source(engine, caller, &stored_source(engine, name)?)?;
                engine.remove_source(caller, name)?;
                Ok(Json::Null)
            }
            Self::Pause(name) => {
                let wanted: WantedPause =
                    if body.is_null() { WantedPause::default() } else { read_settings(body)? };
                if wanted.reason.chars().count() > REASON_LETTERS_MAX {
                    let what = format!("is at most {REASON_LETTERS_MAX} characters");
                    return Err(Error::parameter("reason", what));
                }
                let at = engine.clock().now().to_string();
                let by = caller.name().to_owned();
                let pause = Pause { at, by, reason: wanted.reason };
                set_pause((engine, collector), caller, ("pauseSource", name), Some(pause))
            }
            Self::Resume(name) => {
                let resumed = set_pause((engine, collector), caller, ("resumeSource", name), None);
                hurry(collector, name);
                resumed
            }
            Self::Backfill(name) => {
                let (wanted, now): (WantedStretch, _) =
                    (read_settings(body)?, engine.clock().now());
                let change = |source: &Source| with_backfill(source, wanted, (caller, now));
                let change = (CredentialChange::Keep, change);
                let changed = decide((engine, collector), caller, ("backfillSource", name), change);
                hurry(collector, name);
                changed
            }
            Self::Declare(name) => {
                let (wanted, now): (WantedStretch, _) =
                    (read_settings(body)?, engine.clock().now());
                let change = |source: &Source| with_declared(source, wanted, (caller, now));
                let change = (CredentialChange::Keep, change);
                decide((engine, collector), caller, ("declareGap", name), change)
            }
        }
    }
}

/// Has a source read soon, where there is somebody who reads it.
fn hurry(collector: Option<&Collector>, name: &str) {
    collector.iter().for_each(|collector| collector.hurry(name));
}

fn set_pause(
    (engine, collector): (&Engine, Option<&Collector>),
    caller: &Caller,
    named: (&str, &str),
    pause: Option<Pause>,
) -> Result<Json> {
    let change = |source: &Source| Ok(Source { paused: pause, ..source.clone() });
    decide((engine, collector), caller, named, (CredentialChange::Keep, change))
}

/// Changes a source as it is when it is changed.
fn decide(
    (engine, collector): (&Engine, Option<&Collector>),
    caller: &Caller,
    named: (&str, &str),
    (credential, change): (CredentialChange, impl FnOnce(&Source) -> Result<Source>),
) -> Result<Json> {
    let after = engine.change_source(caller, named, credential, |body| {
        let before: Source = read_settings(body.clone())?;
        let before = Source { name: named.1.to_owned(), ..before };
        check_source(engine, caller, &before)?;
        let mut after = change(&before)?;
        after.moves_relationships = check_source(engine, caller, &after)?;
        stored(&after)
    })?;
    let after: Source = read_settings(after)?;
    Ok(shown(collector, &Source { name: named.1.to_owned(), ..after }))
}

/// Fails for what is decided by calls of its own.
fn refuse_decided(body: &Map<String, Json>) -> Result<()> {
    for name in ["paused", "backfills", "declared", "moves_relationships"] {
        if body.contains_key(name) {
            let what = "is no setting: pause, resume, backfill and declare a source instead";
            return Err(Error::parameter(name, what));
        }
    }
    Ok(())
}

/// Fails unless a caller may see and change sources.
///
/// # Errors
/// No such permission.
pub fn check_sources(caller: &Caller) -> Result<()> {
    if caller.may(Permission::ManageStore) || caller.may(Permission::ManageAccess) {
        return Ok(());
    }
    caller.check_store(Permission::ManageStore)
}

/// Fails if a source is wrong, or is one that others decide about: what comes for an authoritative
/// tenant moves relationships, so only whoever grants access says where it comes from.
///
/// Returns whether it is for such a tenant.
fn check_source(engine: &Engine, caller: &Caller, source: &Source) -> Result<bool> {
    source.check()?;
    let known = engine.relationships();
    let authoritative = known.authoritative().find(|tenant| source.is_for(tenant));
    match authoritative {
        Some(tenant) if !caller.may(Permission::ManageAccess) => {
            let what = format!(
                "{tenant} is authoritative for relationships: a security administrator decides \
                about its sources"
            );
            Err(Error::new(ErrorKind::Forbidden, what).with_parameter("tenant"))
        }
        Some(_) => Ok(true),
        None => caller.check_store(Permission::ManageStore).map(|()| false),
    }
}

fn no_object() -> Error {
    Error::invalid("the body is a JSON object with the settings of a source")
}

/// Reads the settings of a new source and its credential.
fn parse(body: Json) -> Result<(Source, CredentialChange)> {
    let Json::Object(mut body) = body else { return Err(no_object()) };
    refuse_decided(&body)?;
    let credential = match credential_of(&mut body)? {
        CredentialChange::Keep => CredentialChange::Remove,
        credential => credential,
    };
    Ok((read_settings(Json::Object(body))?, credential))
}

/// Takes the credential out of a body: `secret_key` of an access key, or `token`.
fn credential_of(body: &mut Map<String, Json>) -> Result<CredentialChange> {
    let mut given = Vec::new();
    for name in ["secret_key", "token"] {
        match body.remove(name) {
            None => {}
            Some(Json::Null) => given.push(CredentialChange::Remove),
            Some(Json::String(text)) if !text.trim().is_empty() && text.len() <= 8_192 => {
                let secret = SigningSecret::of_service(text.trim().to_owned());
                given.push(CredentialChange::Set(secret));
            }
            // What was sent may be a secret, so it is not quoted.
            Some(_) => return Err(Error::parameter(name, "is a text of at most 8 KiB")),
        }
    }
    let first = given.pop().unwrap_or(CredentialChange::Keep);
    if !given.is_empty() {
        return Err(Error::parameter("token", "is given beside a secret_key: give one"));
    }
    Ok(first)
}

/// Returns a source as it is stored.
fn stored(source: &Source) -> Result<Json> {
    serde_json::to_value(source)
        .map_err(|cause| Error::internal("a source cannot be written").because(cause))
}

/// Returns a source as it is shown: with how it goes, and without its credential.
fn shown(collector: Option<&Collector>, source: &Source) -> Json {
    let mut shown = json!(source);
    shown["state"] = json!(collector.map(|collector| collector.state(&source.name)));
    shown
}
