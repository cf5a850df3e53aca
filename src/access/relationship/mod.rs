//! Relationships: for how long a partner sees the events that name a customer or a reseller.
//!
//! A relationship is one period of one pair, as an administrator or an authoritative tenant states
//! it; a pair that parts and comes together again has two. What is seen follows from the period
//! alone, never from what partners, resellers or customers deliver themselves: only a [`Statement`]
//! of an authoritative tenant is weighed, and what it may change says `rules`.

mod evidence;
mod moment;
mod rules;
mod shares;
mod statement;

#[cfg(test)]
mod tests;

pub use evidence::{EvidenceEffect, EvidenceKind, RelationshipEvidence, Says};
pub use rules::weigh;
pub use shares::Related;
pub use statement::Statement;

use super::tenant::{SYSTEM_TENANT, check_tenant};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The most characters of the id of a partner, customer, reseller or manager.
const PARTY_LETTERS_MAX: usize = 128;
/// The most tenants of one relationship.
const TENANTS_MAX: usize = 100;

/// Who a relationship is about, besides the partner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A customer.
    Customer(String),
    /// A reseller of a distributor.
    Reseller(String),
}

impl Subject {
    /// Returns the id by which events name it among their `related_ids`.
    pub fn related_id(&self) -> String {
        match self {
            Self::Customer(id) => format!("customer:{id}"),
            Self::Reseller(id) => format!("reseller:{id}"),
        }
    }
}

/// Whether a relationship is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationshipState {
    /// It is: its period is what the partner sees.
    Recorded,
    /// It was stated against what is recorded, and shows nothing until it is confirmed.
    Waiting,
    /// An administrator has taken it back: it shows nothing.
    Withdrawn,
    /// Ends that were stated of a pair before any beginning: it shows nothing.
    Unmatched,
}

/// A change that would show more of the past, and waits for an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingChange {
    /// The beginning that the relationship would have.
    #[serde(with = "moment")]
    pub from: Timestamp,
    /// Its end; none if it would be open.
    #[serde(default, with = "moment::optional", skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// One period of one pair, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relationship {
    /// Its name in the API.
    pub id: String,
    /// The partner: principals with this partner see what the relationship shows.
    pub partner: String,
    /// The customer, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The reseller, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reseller: Option<String>,
    /// The manager within the partner to whom the customer was assigned; none for the partner
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// The tenants whose events are seen, if they name the customer or reseller.
    pub tenants: BTreeSet<String>,
    /// The beginning of the period, inclusive.
    #[serde(with = "moment")]
    pub from: Timestamp,
    /// Its end, exclusive; none while it lasts.
    #[serde(default, with = "moment::optional", skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Whether it is in force.
    pub state: RelationshipState,
    /// What waits for an administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingChange>,
    /// What it stands on.
    #[serde(default)]
    pub evidence: Vec<RelationshipEvidence>,
}

impl Relationship {
    /// Returns who it is about; none if it says neither or both, which [`Relationship::check`]
    /// refuses.
    pub fn subject(&self) -> Option<Subject> {
        match (&self.customer, &self.reseller) {
            (Some(customer), None) => Some(Subject::Customer(customer.clone())),
            (None, Some(reseller)) => Some(Subject::Reseller(reseller.clone())),
            _ => None,
        }
    }

    /// Returns whether it is about the same pair as another one.
    pub fn is_same_pair(&self, other: &Self) -> bool {
        self.partner == other.partner
            && self.customer == other.customer
            && self.reseller == other.reseller
            && self.manager == other.manager
    }

    /// Returns whether it is in force at a moment.
    pub fn holds_at(&self, moment: Timestamp) -> bool {
        self.state == RelationshipState::Recorded
            && self.from <= moment
            && self.to.is_none_or(|to| moment < to)
    }

    /// Returns whether events of a tenant have begun it.
    fn was_begun_by(&self, tenant: &str) -> bool {
        let mut begun = self.evidence.iter().filter(|known| known.says == Says::Began);
        begun.any(|known| known.tenant.as_deref() == Some(tenant))
    }

    /// Returns whether its period has a moment in common with another's.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.to.is_none_or(|to| other.from < to) && other.to.is_none_or(|to| self.from < to)
    }

    /// Fails unless all of it is sound.
    ///
    /// # Errors
    /// What is wrong, by its name.
    pub fn check(&self) -> Result<()> {
        check_party("partner", &self.partner)?;
        for (name, party) in
            [("customer", &self.customer), ("reseller", &self.reseller), ("manager", &self.manager)]
        {
            party.as_ref().map_or(Ok(()), |party| check_party(name, party))?;
        }
        if self.subject().is_none() {
            return Err(Error::parameter("customer", "name a customer, or else a reseller"));
        }
        if self.manager.is_some() && self.customer.is_none() {
            return Err(Error::parameter("manager", "manages a customer: name it"));
        }
        if self.tenants.is_empty() || self.tenants.len() > TENANTS_MAX {
            let what = format!("name 1 to {TENANTS_MAX} tenants whose events are seen");
            return Err(Error::parameter("tenants", what));
        }
        for tenant in &self.tenants {
            if tenant == "*" || tenant == SYSTEM_TENANT {
                return Err(Error::parameter("tenants", "name each of the tenants by itself"));
            }
            check_tenant(tenant).map_err(|error| error.with_parameter("tenants"))?;
        }
        // What ends as it begins shows nothing.
        if self.to.is_some_and(|to| to < self.from) {
            return Err(Error::parameter("to", "must be later than from"));
        }
        Ok(())
    }
}

/// Checks the id of a partner, customer, reseller or manager.
///
/// # Errors
/// An id that is empty, too long, or has blanks or control characters.
pub fn check_party(name: &str, id: &str) -> Result<()> {
    let is_plain = !id.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    if is_plain && (1..=PARTY_LETTERS_MAX).contains(&id.chars().count()) {
        return Ok(());
    }
    let what = format!("is an id of 1 to {PARTY_LETTERS_MAX} characters, without blanks");
    Err(Error::parameter(name, what))
}

/// What an administrator has said of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantStanding {
    /// Whether its events are evidence of relationships.
    #[serde(default)]
    pub authoritative: bool,
    /// The partners of whose relationships they are; all, if empty. Evidence that names no partner
    /// is about the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partners: Vec<String>,
    /// The customers that the tenant belongs to: who is related to one sees all of its events.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub customers: BTreeSet<String>,
}

/// The partner that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpokenOf {
    /// The partner.
    pub partner: String,
    /// Whether the statement's tenant is authoritative for the partner itself, and not only for the
    /// one that it is a reseller of.
    pub is_own: bool,
}

/// All relationships, and what tenants are to them.
#[derive(Debug, Default)]
pub struct Relationships {
    /// Each with the version of the administrative state that made it what it is.
    all: BTreeMap<String, (u64, Arc<Relationship>)>,
    of_subject: HashMap<Subject, Vec<Arc<Relationship>>>,
    /// By the partner, and by the reseller that one is about.
    of_partner: HashMap<String, Vec<Arc<Relationship>>>,
    tenants: Arc<BTreeMap<String, TenantStanding>>,
    tenants_of_customers: HashMap<String, BTreeSet<String>>,
}

impl Relationships {
    /// Gathers them, each with the version that made it what it is.
    pub fn of(
        all: impl IntoIterator<Item = (u64, Arc<Relationship>)>,
        tenants: Arc<BTreeMap<String, TenantStanding>>,
    ) -> Self {
        let mut gathered = Self { tenants, ..Self::default() };
        for (version, relationship) in all {
            let of_partner = gathered.of_partner.entry(relationship.partner.clone()).or_default();
            of_partner.push(Arc::clone(&relationship));
            if let Some(subject) = relationship.subject() {
                if let Subject::Reseller(reseller) = &subject
                    && *reseller != relationship.partner
                {
                    let own = gathered.of_partner.entry(reseller.clone()).or_default();
                    own.push(Arc::clone(&relationship));
                }
                let same = gathered.of_subject.entry(subject).or_default();
                same.push(Arc::clone(&relationship));
            }
            gathered.all.insert(relationship.id.clone(), (version, relationship));
        }
        for (tenant, standing) in &*gathered.tenants {
            for customer in &standing.customers {
                let own = gathered.tenants_of_customers.entry(customer.clone()).or_default();
                own.insert(tenant.clone());
            }
        }
        gathered
    }

    /// Returns a relationship by its id.
    pub fn get(&self, id: &str) -> Option<&Arc<Relationship>> {
        self.all.get(id).map(|(_, known)| known)
    }

    /// Returns a relationship as a version has made it, if it is still so.
    pub fn get_at(&self, id: &str, version: u64) -> Option<&Arc<Relationship>> {
        self.all.get(id).filter(|(made, _)| *made == version).map(|(_, known)| known)
    }

    /// Returns all of them, in the order of ids.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Relationship>> {
        self.all.values().map(|(_, known)| known)
    }

    /// Returns those of a partner, in the order of ids, and those about it as a reseller.
    pub fn of_partner(&self, partner: &str) -> &[Arc<Relationship>] {
        self.of_partner.get(partner).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns whether a partner surely sees the same as by earlier ones.
    pub fn is_same_for(&self, partner: &str, earlier: &Self) -> bool {
        let (own, before) = (self.of_partner(partner), earlier.of_partner(partner));
        Arc::ptr_eq(&self.tenants, &earlier.tenants)
            && own.len() == before.len()
            && own.iter().zip(before).all(|(own, before)| Arc::ptr_eq(own, before))
    }

    /// Returns what an administrator has said of tenants.
    pub fn tenants(&self) -> &Arc<BTreeMap<String, TenantStanding>> {
        &self.tenants
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns those about a customer or reseller.
    pub fn about(&self, subject: &Subject) -> &[Arc<Relationship>] {
        self.of_subject.get(subject).map(Vec::as_slice).unwrap_or_default()
    }

    /// Ends an open period that an administrator puts in force as it was stated before: that end
    /// has waited for its beginning.
    pub fn end_as_stated(&self, known: &mut Relationship) {
        let Some(subject) = known.subject().filter(|_| known.to.is_none()) else { return };
        let kept = self.about(&subject).iter().filter(|other| {
            other.state == RelationshipState::Unmatched && other.is_same_pair(known)
        });
        let ends = kept.flat_map(|kept| &kept.evidence);
        let end = ends.filter(|end| end.at > known.from).min_by_key(|end| end.at).cloned();
        if let Some(end) = end {
            known.to = Some(end.at);
            known.evidence.push(RelationshipEvidence { effect: EvidenceEffect::Moved, ..end });
        }
    }

    /// Returns whether a statement is among the evidence that is kept.
    pub fn has_weighed(&self, said: &Statement) -> bool {
        self.about(&said.subject).iter().any(|known| known.has_weighed(said))
    }

    /// Returns what an administrator has said of a tenant.
    pub fn tenant(&self, tenant: &str) -> Option<&TenantStanding> {
        self.tenants.get(tenant)
    }

    /// Returns the tenants whose events are evidence.
    pub fn authoritative(&self) -> impl Iterator<Item = &str> {
        let all = self.tenants.iter().filter(|(_, standing)| standing.authoritative);
        all.map(|(name, _)| name.as_str())
    }

    /// Returns the partner that a statement is about: the one that it names or, if it names none,
    /// the one of its tenant, or the only one that has the customer or reseller. `None` if there is
    /// none for which its tenant is authoritative.
    pub fn partner_of(&self, said: &Statement) -> Option<SpokenOf> {
        let standing = self.tenants.get(&said.tenant).filter(|standing| standing.authoritative)?;
        if let Some(named) = &said.partner {
            if standing.partners.is_empty() || standing.partners.contains(named) {
                return Some(SpokenOf { partner: named.clone(), is_own: true });
            }
            // A distributor knows the customers of its resellers, while they are that. What its own
            // events began, they end whenever it is: less is seen then.
            let mut resold = self.about(&Subject::Reseller(named.clone())).iter();
            let is_resold = resold
                .any(|known| standing.partners.contains(&known.partner) && known.holds_at(said.at));
            let ends_own = || {
                let mut about = self.about(&said.subject).iter();
                matches!(said.says, Says::Ended | Says::MayHaveEnded)
                    && about
                        .any(|known| known.partner == *named && known.was_begun_by(&said.tenant))
            };
            let is_resold = is_resold || ends_own();
            return is_resold.then(|| SpokenOf { partner: named.clone(), is_own: false });
        }
        let own = |partner: &String| SpokenOf { partner: partner.clone(), is_own: true };
        if let Some(first) = standing.partners.first() {
            return Some(own(first));
        }
        let mut partners = self
            .about(&said.subject)
            .iter()
            .filter(|known| known.state == RelationshipState::Recorded)
            .map(|known| &known.partner);
        let first = partners.next()?;
        partners.all(|other| other == first).then(|| own(first))
    }

    /// Returns the tenants that belong to a customer.
    fn tenants_of(&self, customer: &str) -> Option<&BTreeSet<String>> {
        self.tenants_of_customers.get(customer)
    }
}
