//! Calls about relationships: which partner sees the events of which customer or reseller, when,
//! and on what evidence.

use super::params::{Pairs, segment};
use super::policy::undated;
use crate::access::{
    Caller, Permission, Relationship, RelationshipState, Scope, TenantStanding, WaitingChange,
    check_producer,
};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Field, Timestamp};
use crate::query::QueryBudget;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many relationships a page has unless it is said otherwise, and at most.
const PAGE: usize = 200;
const PAGE_MAX: usize = 1_000;
/// The work of looking whether a relationship is wanted and visible.
const LOOK_WORK: u64 = 500;
/// The parameters of a list.
const PARAMETERS: &[&str] =
    &["partner", "customer", "reseller", "manager", "at", "state", "limit", "after"];

/// A call about relationships.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelationshipCall {
    /// List those that the parameters name.
    List(Pairs),
    /// Record one.
    Create,
    /// Change the period or the tenants of one.
    Change(String),
    /// Put in force what waits.
    Confirm(String),
    /// Take back what waits or, if nothing does, the relationship.
    Withdraw(String),
    /// Show the settings of a tenant.
    ShowTenant(String),
    /// Set what a tenant is to relationships.
    Tenant(String),
}

/// The body of a call that records a relationship.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRelationship {
    partner: String,
    #[serde(default)]
    customer: Option<String>,
    #[serde(default)]
    reseller: Option<String>,
    #[serde(default)]
    manager: Option<String>,
    tenants: BTreeSet<String>,
    from: String,
    #[serde(default)]
    to: Option<String>,
}

impl RelationshipCall {
    /// Returns the method and path over HTTP.
    pub fn route(&self) -> (&'static str, String) {
        const ALL: &str = "/api/v1/relationships";
        match self {
            Self::List(pairs) if pairs.0.is_empty() => ("GET", ALL.to_owned()),
            Self::List(pairs) => ("GET", format!("{ALL}?{}", pairs.to_query())),
            Self::Create => ("POST", ALL.to_owned()),
            Self::Change(id) => ("PATCH", format!("{ALL}/{}", segment(id))),
            Self::Confirm(id) => ("POST", format!("{ALL}/{}/confirm", segment(id))),
            Self::Withdraw(id) => ("POST", format!("{ALL}/{}/withdraw", segment(id))),
            Self::ShowTenant(name) => ("GET", format!("/api/v1/tenants/{}", segment(name))),
            Self::Tenant(name) => ("PATCH", format!("/api/v1/tenants/{}", segment(name))),
        }
    }

    /// Carries out the call. `body` is the JSON that came with it, null if none did.
    ///
    /// # Errors
    /// A setting that is wrong, by its name; no such relationship; a disk that fails.
    pub fn answer(&self, engine: &Engine, caller: &Caller, body: Json) -> Result<Json> {
        engine.check_current(caller)?;
        if let Self::List(pairs) = self {
            return list_relationships(engine, caller, pairs, &QueryBudget::default());
        }
        caller.check_store(Permission::ManageAccess)?;
        match self {
            Self::List(_) => Ok(Json::Null),
            Self::Create => create(engine, caller, parse(body)?).map(|made| shown(&made)),
            Self::Change(id) => {
                let changes: Map<String, Json> = parse(body)?;
                let change = |known: &mut Relationship| apply(known, changes);
                let changed =
                    engine.change_relationship(caller, id, "changeRelationship", change)?;
                Ok(shown(&changed))
            }
            Self::Confirm(id) => {
                no_body(&body)?;
                let done =
                    engine.change_relationship(caller, id, "confirmRelationship", confirm)?;
                Ok(shown(&done))
            }
            Self::Withdraw(id) => {
                no_body(&body)?;
                let done =
                    engine.change_relationship(caller, id, "withdrawRelationship", withdraw)?;
                Ok(shown(&done))
            }
            Self::ShowTenant(name) => {
                no_body(&body)?;
                check_producer(name)?;
                let standing = engine.relationships().tenant(name).cloned().unwrap_or_default();
                Ok(shown_tenant(engine, name, &standing))
            }
            Self::Tenant(name) => set_tenant(engine, caller, name, parse(body)?),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: Json) -> Result<T> {
    serde_json::from_value(body)
        .map_err(|cause| Error::invalid(format!("the body is not what this call takes: {cause}")))
}

fn no_body(body: &Json) -> Result<()> {
    if body.is_null() || body.as_object().is_some_and(Map::is_empty) {
        return Ok(());
    }
    Err(Error::invalid("this call takes no body"))
}

fn moment(name: &str, text: &str) -> Result<Timestamp> {
    Timestamp::parse(text).map_err(|error| error.with_parameter(name))
}

fn create(engine: &Engine, caller: &Caller, new: NewRelationship) -> Result<Relationship> {
    let stated = Relationship {
        id: String::new(),
        partner: new.partner,
        customer: new.customer,
        reseller: new.reseller,
        manager: new.manager,
        tenants: new.tenants,
        from: moment("from", &new.from)?,
        to: new.to.as_deref().map(|to| moment("to", to)).transpose()?,
        state: RelationshipState::Recorded,
        waiting: None,
        evidence: Vec::new(),
    };
    engine.record_relationship(caller, stated)
}

/// Changes what the body names; null opens the end.
fn apply(known: &mut Relationship, changes: Map<String, Json>) -> Result<()> {
    let before = (known.from, known.to);
    let text = |name: &str, value: &Json| match value.as_str() {
        Some(text) => moment(name, text),
        None => Err(Error::parameter(name, "is a time in RFC 3339")),
    };
    for (name, value) in changes {
        match name.as_str() {
            "from" => known.from = text("from", &value)?,
            "to" if value.is_null() => known.to = None,
            "to" => known.to = Some(text("to", &value)?),
            "tenants" => known.tenants = parse(value)?,
            _ => {
                let what = "cannot be changed; from, to and tenants can";
                return Err(Error::parameter(&name, what));
            }
        }
    }
    if before != (known.from, known.to) {
        // What waited was about the period as it was.
        known.waiting = None;
    }
    known.check()
}

fn confirm(known: &mut Relationship) -> Result<()> {
    match (known.state, known.waiting.take()) {
        (_, Some(change)) => (known.from, known.to) = (change.from, change.to),
        (RelationshipState::Waiting, None) => {}
        _ => {
            let what = "nothing waits to be confirmed";
            return Err(Error::new(ErrorKind::Exists, what));
        }
    }
    known.state = RelationshipState::Recorded;
    known.check()
}

fn withdraw(known: &mut Relationship) -> Result<()> {
    if known.waiting.take().is_none() {
        if known.state == RelationshipState::Withdrawn {
            return Err(Error::new(ErrorKind::Exists, "it is withdrawn already"));
        }
        known.state = RelationshipState::Withdrawn;
    }
    Ok(())
}

/// Which relationships a list is about.
struct Wanted<'a> {
    parties: [(&'static str, Option<&'a str>); 4],
    at: Option<Timestamp>,
    state: Option<RelationshipState>,
}

impl Wanted<'_> {
    fn has(&self, known: &Relationship) -> bool {
        let is_named = |(name, wanted): &(&str, Option<&str>)| {
            let own = match *name {
                "partner" => Some(&known.partner),
                "customer" => known.customer.as_ref(),
                "reseller" => known.reseller.as_ref(),
                _ => known.manager.as_ref(),
            };
            wanted.is_none_or(|wanted| own.is_some_and(|own| own == wanted))
        };
        self.parties.iter().all(is_named)
            && self.state.is_none_or(|state| known.state == state)
            && self.at.is_none_or(|at| known.holds_at(at))
    }
}

/// Answers [`RelationshipCall::List`] within a budget: whatever is wanted, all that are recorded
/// may have to be looked at.
///
/// # Errors
/// A parameter that is wrong, by its name; a caller for whom related ids, which name the parties,
/// are masked; more work than the budget allows.
pub fn list_relationships(
    engine: &Engine,
    caller: &Caller,
    pairs: &Pairs,
    budget: &QueryBudget,
) -> Result<Json> {
    engine.check_current(caller)?;
    pairs.only(PARAMETERS)?;
    let state = pairs.one("state")?.map(|state| {
        serde_json::from_value(state.into())
            .map_err(|_| Error::parameter("state", "is recorded, waiting, withdrawn or unmatched"))
    });
    let mut parties = ["partner", "customer", "reseller", "manager"].map(|name| (name, None));
    for (name, wanted) in &mut parties {
        *wanted = pairs.one(name)?;
    }
    let wanted = Wanted {
        parties,
        at: pairs.one("at")?.map(|at| moment("at", at)).transpose()?,
        state: state.transpose()?,
    };
    let limit = pairs.number("limit")?.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Error::parameter("limit", format!("is 1 to {PAGE_MAX}")));
    }
    let after = pairs.one("after")?.unwrap_or_default();
    let of_events = caller.grant().filter(|_| !caller.may(Permission::ManageAccess));
    let scope = of_events.map(|_| caller.scope(&["*"])).transpose()?;
    scope.as_ref().map_or(Ok(()), |scope| scope.check_field(Field::RelatedIds))?;
    let known = engine.relationships();
    let mut whole: BTreeMap<&str, bool> = BTreeMap::new();
    let (mut page, mut next): (Vec<Json>, _) = (Vec::new(), None);
    for known in known.all().filter(|known| known.id.as_str() > after) {
        budget.spend(LOOK_WORK)?;
        if !wanted.has(known) || !is_visible(caller, known, &mut whole) {
            continue;
        }
        if page.len() == limit {
            next = page.last().map(|last| last["id"].clone());
            break;
        }
        page.push(match &scope {
            Some(scope) if scope.is_restricted() => shown(&as_seen(caller, scope, known)),
            _ => shown(known),
        });
    }
    Ok(json!({ "relationships": page, "next": next }))
}

/// Returns whether a caller may see a relationship: who grants access, its partner, and who sees
/// all of its tenants. `whole` says of which tenants that is known already.
fn is_visible<'a>(
    caller: &Caller,
    known: &'a Relationship,
    whole: &mut BTreeMap<&'a str, bool>,
) -> bool {
    let Some(grant) = caller.grant() else { return true };
    if caller.may(Permission::ManageAccess) {
        return true;
    }
    if !known.tenants.iter().all(|tenant| caller.is_for(tenant)) {
        return false;
    }
    if let Some(partner) = grant.partner() {
        let manager = grant.principal().manager.as_ref();
        let is_own = known.partner == partner || known.reseller.as_deref() == Some(partner);
        return is_own
            && manager.is_none_or(|manager| known.manager.as_ref() == Some(manager))
            && grant.sees_of(known.from, known.to);
    }
    let sees_all = |tenant: &str| {
        caller.check(Permission::Read, tenant).is_ok()
            && caller.scope(&[tenant]).is_ok_and(|scope| !scope.is_restricted())
    };
    known.tenants.iter().all(|tenant| *whole.entry(tenant).or_insert_with(|| sees_all(tenant)))
}

/// Returns a relationship as far as it is of the time of a caller, with the ids that the events of
/// its evidence have in a scope.
fn as_seen(caller: &Caller, scope: &Scope, known: &Relationship) -> Relationship {
    let mut seen = known.clone();
    if let Some(grant) = caller.grant() {
        let sees = |at: Timestamp| grant.sees_of(at, Some(Timestamp::from_millis(at.millis() + 1)));
        seen.to = seen.to.filter(|to| sees(*to));
        seen.evidence.retain(|evidence| sees(evidence.at));
        let is_seen = |change: &WaitingChange| sees(change.from) && change.to.is_none_or(sees);
        seen.waiting = seen.waiting.filter(is_seen);
    }
    for evidence in &mut seen.evidence {
        evidence.trace_id = evidence.trace_id.as_deref().map(|id| scope.shown_id(id).into_owned());
    }
    seen
}

/// Returns a relationship as the API shows it: with what is missing of the evidence of its end, and
/// what contradicts it.
fn shown(known: &Relationship) -> Json {
    let mut shown = json!(known);
    shown["missing"] = json!(known.missing());
    shown["contradicts"] = json!(known.contradicting().collect::<Vec<_>>());
    shown
}

/// The settings of a tenant that this call changes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StandingChange {
    #[serde(default)]
    authoritative: Option<bool>,
    #[serde(default)]
    partners: Option<Vec<String>>,
    #[serde(default)]
    customers: Option<BTreeSet<String>>,
}

/// Returns whether the body of a change of a tenant is about relationships.
pub fn is_about_relationships(body: &Json) -> bool {
    let names = ["authoritative", "partners", "customers"];
    body.as_object().is_some_and(|body| names.iter().any(|name| body.contains_key(*name)))
}

fn set_tenant(
    engine: &Engine,
    caller: &Caller,
    name: &str,
    change: StandingChange,
) -> Result<Json> {
    check_producer(name)?;
    let standing = engine.set_standing(caller, name, |standing: &mut TenantStanding| {
        standing.authoritative = change.authoritative.unwrap_or(standing.authoritative);
        if let Some(partners) = change.partners {
            standing.partners = partners;
        }
        if let Some(customers) = change.customers {
            standing.customers = customers;
        }
    })?;
    Ok(shown_tenant(engine, name, &standing))
}

fn shown_tenant(engine: &Engine, name: &str, standing: &TenantStanding) -> Json {
    json!({ "tenant": name, "undated": undated(&engine.policy(), name),
        "authoritative": standing.authoritative, "partners": standing.partners,
        "customers": standing.customers })
}
