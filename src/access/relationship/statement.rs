//! Statements: what an event of an authoritative tenant says of a relationship.
//!
//! | event | says |
//! |---|---|
//! | `unbindRecallCoupon` of the partner centre | ended |
//! | `deleteCustomerBudget`, if it names the customer | ended |
//! | `unbindRetrieveAccountAmount`, `accountChangeUnbindRetrieve` | ended, or its mode changed |
//! | `applyUnbindOrSwitchCooperation` of CTS | as requested: may have ended, or its mode changed |
//! | `switchModeRecallCoupon` | its mode changed, with an end or without |
//! | `associateCustomer`, `associateReseller`, `assignManager` | began at `associated_on` |
//! | `disassociateCustomer`, `disassociateReseller`, `unassignManager` | ended at `not_before` |
//! | `switchAssociation` | its mode changed |
//!
//! The last three rows are native events of resource type `relationship`, whose `details` name the
//! `partner`, and `customer` or `reseller`, and `manager`; whoever compares lists of customers
//! writes them. Operations that failed say nothing, and neither do records that another one
//! carries, such as the line of a log.

use super::evidence::{EvidenceKind, Says};
use super::{Subject, check_party};
use crate::decode::Format;
use crate::event::{DAY_MS, Event, Field, Timestamp};
use serde::Deserialize;

/// Longer ids are nobody's: what is changed by evidence is one record, which names all of it.
const TRACE_ID_BYTES_MAX: usize = 512;
/// 2000-01-01T00:00:00Z.
const EARLIEST_MS: i64 = 946_684_800_000;
/// The resource type of native events about relationships.
const RESOURCE_TYPE: &str = "relationship";

/// What an event says of a relationship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Where it comes from.
    pub kind: EvidenceKind,
    /// What it says.
    pub says: Says,
    /// Of which moment: the earliest, if only an interval is known.
    pub at: Timestamp,
    /// The last moment it can be about, if only an interval is known.
    pub not_after: Option<Timestamp>,
    /// The partner, if the event names it.
    pub partner: Option<String>,
    /// The customer or reseller.
    pub subject: Subject,
    /// The manager, if it is about one.
    pub manager: Option<String>,
    /// The tenant of the event.
    pub tenant: String,
    /// The id of the event.
    pub trace_id: String,
    /// When the event became known, which is when it was accepted.
    pub known: Timestamp,
}

/// The part of a native event that says what it is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    partner: Option<String>,
    customer: Option<String>,
    reseller: Option<String>,
    manager: Option<String>,
    associated_on: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NativeRecord {
    details: Details,
}

impl Statement {
    /// Returns what an event says, if it says anything, and became `known` at a moment. Who may be
    /// believed is not asked here.
    pub fn of(event: &Event, known: Timestamp) -> Option<Self> {
        let name = event.text(Field::EventName)?;
        let format = event.text(Field::Format).and_then(Format::from_name)?;
        if !matches!(format, Format::Native | Format::Partner | Format::Cts) {
            return None;
        }
        // What was tried and failed has not happened.
        if event.text(Field::Level).is_some_and(|level| level != "normal") {
            return None;
        }
        if event.trace_id().len() > TRACE_ID_BYTES_MAX {
            return None;
        }
        if event.text(Field::ResourceType) == Some(RESOURCE_TYPE) {
            return native(event, name, known).filter(Self::is_plausible);
        }
        let (kind, says) = match name {
            "unbindRecallCoupon" => (EvidenceKind::CouponRecall, Says::Ended),
            "deleteCustomerBudget" => (EvidenceKind::BudgetDeletion, Says::Ended),
            "unbindRetrieveAccountAmount" | "accountChangeUnbindRetrieve" => {
                (EvidenceKind::AccountRetrieval, Says::MayHaveEnded)
            }
            "switchModeRecallCoupon" => (EvidenceKind::CouponModeSwitch, Says::MayHaveEnded),
            "applyUnbindOrSwitchCooperation" => {
                let switches = related(event, "relation").any(|relation| relation == "switch");
                let says = if switches { Says::Switched } else { Says::MayHaveEnded };
                (EvidenceKind::CooperationTrace, says)
            }
            _ => return None,
        };
        let mut customers = related(event, "customer");
        let customer = customers.next()?.to_owned();
        // Of several customers none is the one.
        if customers.next().is_some() || check_party("customer", &customer).is_err() {
            return None;
        }
        Some(Self {
            kind,
            says,
            at: event.time,
            not_after: None,
            partner: related(event, "reseller").next().map(str::to_owned),
            subject: Subject::Customer(customer),
            manager: None,
            tenant: event.tenant.to_string(),
            trace_id: event.trace_id().to_owned(),
            known,
        })
        .filter(Self::is_plausible)
    }

    /// Returns whether it is about a time that records can be about: see how events with an absurd
    /// time are accepted.
    fn is_plausible(&self) -> bool {
        (EARLIEST_MS..=self.known.millis() + DAY_MS).contains(&self.at.millis())
    }
}

fn related<'a>(event: &'a Event, kind: &str) -> impl Iterator<Item = &'a str> {
    let of_kind = move |id: &'a str| id.strip_prefix(kind)?.strip_prefix(':');
    event.related_ids.iter().map(|id| &**id).filter_map(of_kind)
}

fn native(event: &Event, name: &str, known: Timestamp) -> Option<Statement> {
    let says = match name {
        "associateCustomer" | "associateReseller" | "assignManager" => Says::Began,
        "disassociateCustomer" | "disassociateReseller" | "unassignManager" => Says::Ended,
        "switchAssociation" => Says::Switched,
        _ => return None,
    };
    let NativeRecord { details } = serde_json::from_str(&event.original).ok()?;
    let moment = |text: &Option<String>| match text {
        Some(text) => Timestamp::parse(text).map(Some),
        None => Ok(None),
    };
    let at = match says {
        // The time of the event is when it became known, and no beginning.
        Says::Began => Some(moment(&details.associated_on).ok()??),
        _ => moment(&details.not_before).ok()?,
    };
    let subject = match (details.customer, details.reseller) {
        (Some(customer), None) => Subject::Customer(customer),
        (None, Some(reseller)) => Subject::Reseller(reseller),
        _ => return None,
    };
    let (Subject::Customer(party) | Subject::Reseller(party)) = &subject;
    let named = [Some(party), details.partner.as_ref(), details.manager.as_ref()];
    if named.into_iter().flatten().any(|id| check_party("id", id).is_err()) {
        return None;
    }
    let is_of_manager = matches!(name, "assignManager" | "unassignManager");
    if is_of_manager != details.manager.is_some() {
        return None;
    }
    Some(Statement {
        kind: EvidenceKind::Snapshot,
        says,
        at: at.unwrap_or(event.time),
        not_after: moment(&details.not_after).ok()?,
        partner: details.partner,
        subject,
        manager: details.manager,
        tenant: event.tenant.to_string(),
        trace_id: event.trace_id().to_owned(),
        known,
    })
}
