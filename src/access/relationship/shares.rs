//! What the principals of a partner see by its relationships, as a clause of their scopes.

use super::{Relationship, RelationshipState, Relationships, Subject};
use crate::event::{Field, Timestamp, hex};
use crate::filter::{Clause, FieldCondition, Test};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// What a principal sees by relationships.
#[derive(Debug, Clone)]
pub struct Related {
    /// The tenants that it sees some events of.
    tenants: Arc<BTreeSet<String>>,
    /// What it sees: everything of its own tenants, or one of the periods.
    clause: Arc<Clause>,
    /// A text that differs for different clauses.
    digest: Arc<str>,
    shares: Arc<SharedPeriods>,
    /// Of the last other one that was asked about: whether it shows all of this.
    covered: Arc<Mutex<Option<Covering>>>,
}

/// The digest of another one, and whether it shows the same at least.
type Covering = (Arc<str>, bool);

/// A period, and the tenants that are seen in it.
type SharedPeriod = (Option<Timestamp>, Option<Timestamp>, BTreeSet<String>);

/// What is seen in which periods.
#[derive(Debug, Default)]
struct SharedPeriods {
    /// The events that name an id.
    named: BTreeMap<SharedPeriod, Vec<String>>,
    /// All events of the tenants.
    whole: BTreeSet<SharedPeriod>,
}

impl SharedPeriods {
    /// Returns whether each event that others show is one of these.
    fn cover(&self, others: &Self) -> bool {
        let mut by_id: HashMap<&str, Vec<&SharedPeriod>> = HashMap::new();
        for (period, ids) in &self.named {
            ids.iter().for_each(|id| by_id.entry(id).or_default().push(period));
        }
        let names = |period: &SharedPeriod, id: &String| {
            let own = by_id.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
            own.iter().any(|own| covers(own, period))
        };
        let mut named = others.named.iter();
        let mut whole = others.whole.iter();
        named.all(|(period, ids)| ids.iter().all(|id| names(period, id)))
            && whole.all(|period| {
                self.whole.contains(period) || self.whole.iter().any(|own| covers(own, period))
            })
    }
}

/// Returns whether a period has each moment and tenant of another.
fn covers(own: &SharedPeriod, other: &SharedPeriod) -> bool {
    let ends_later = match (own.1, other.1) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(other)) => own >= other,
    };
    // None begins before all others.
    own.0 <= other.0 && ends_later && own.2.is_superset(&other.2)
}

/// Equal digests are those of equal clauses, which may be long.
impl PartialEq for Related {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Related {
    /// Gathers what the principals of a partner see or, if one is named, those of a manager within
    /// it, besides the tenants that are their own.
    pub fn of(
        (partner, manager): (&str, Option<&str>),
        own: &BTreeSet<String>,
        known: &Relationships,
    ) -> Self {
        // Those with the same period and tenants are asked for at once.
        let SharedPeriods { mut named, mut whole } = SharedPeriods::default();
        // A reseller sees what names itself while it is one.
        for relationship in known.of_partner(partner) {
            if relationship.state != RelationshipState::Recorded {
                continue;
            }
            let Some(subject) = relationship.subject() else { continue };
            for (from, to) in periods(relationship, manager, known) {
                let frame = (Some(from), to, relationship.tenants.clone());
                named.entry(frame).or_default().push(subject.related_id());
                if let Subject::Customer(customer) = &subject
                    && let Some(own) = known.tenants_of(customer)
                {
                    whole.insert((Some(from), to, own.clone()));
                }
            }
        }
        let tenants = named.keys().chain(&whole).flat_map(|frame| frame.2.iter().cloned());
        let tenants = tenants.collect();
        let own = (!own.is_empty())
            .then(|| condition(Field::Tenant, Test::OneOf(own.iter().cloned().collect())));
        let of_ids = |(frame, ids): (&SharedPeriod, &Vec<String>)| {
            share(frame, Some(condition(Field::RelatedIds, Test::OneOf(ids.clone().into()))))
        };
        let of_tenants = whole.iter().map(|frame| share(frame, None));
        let clauses = named.iter().map(of_ids).chain(of_tenants);
        let clause = Clause::Any(own.into_iter().chain(clauses).collect());
        let digest = hex(&Sha256::digest(format!("{clause:?}"))).into();
        let shares = Arc::new(SharedPeriods { named, whole });
        let covered = Arc::default();
        Self { tenants: Arc::new(tenants), clause: Arc::new(clause), digest, shares, covered }
    }

    /// Returns whether all that is seen by another one is seen by this, too. Both are of principals
    /// with the same tenants of their own.
    pub(in crate::access) fn covers(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        // It is asked for each piece of a body, and of an export.
        let mut covered = other.covered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((digest, covers)) = &*covered
            && *digest == self.digest
        {
            return *covers;
        }
        let covers = self.shares.cover(&other.shares);
        *covered = Some((Arc::clone(&self.digest), covers));
        covers
    }

    /// Returns the tenants that some events are seen of.
    pub fn tenants(&self) -> &BTreeSet<String> {
        &self.tenants
    }

    /// Returns the clause of what is seen.
    pub(in crate::access) fn clause(&self) -> &Arc<Clause> {
        &self.clause
    }

    /// Returns a text that differs for different clauses.
    pub(in crate::access) fn digest(&self) -> &Arc<str> {
        &self.digest
    }
}

/// Returns the clause of a period: the events of its tenants, or those of them that satisfy another
/// one.
fn share((from, to, tenants): &SharedPeriod, of_rows: Option<Clause>) -> Clause {
    let tenants = condition(Field::Tenant, Test::OneOf(tenants.iter().cloned().collect()));
    let period = condition(Field::Time, Test::During(*from, *to));
    Clause::All([Some(tenants), Some(period), of_rows].into_iter().flatten().collect())
}

fn condition(field: Field, test: Test) -> Clause {
    Clause::Field(FieldCondition { field, negated: false, test })
}

type Period = (Timestamp, Option<Timestamp>);

/// Returns when a relationship shows its events to the partner, or to a manager: of its own
/// assignments what lies within the periods of the partner.
fn periods(
    relationship: &Relationship,
    manager: Option<&str>,
    known: &Relationships,
) -> Vec<Period> {
    let own = (relationship.from, relationship.to);
    if relationship.manager.as_deref() != manager {
        return Vec::new();
    }
    if manager.is_none() {
        return vec![own];
    }
    let Some(subject) = relationship.subject() else { return Vec::new() };
    let of_partner = known.about(&subject).iter().filter(|other| {
        other.partner == relationship.partner
            && other.manager.is_none()
            && other.state == RelationshipState::Recorded
    });
    of_partner.filter_map(|other| common(own, (other.from, other.to))).collect()
}

fn common(left: Period, right: Period) -> Option<Period> {
    let from = left.0.max(right.0);
    let to = match (left.1, right.1) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    };
    to.is_none_or(|to| from < to).then_some((from, to))
}
