//! What evidence changes.
//!
//! * The first beginning that is stated of a pair counts from its own moment, and so does one after
//!   the end of the period before: that is a second period.
//! * An end counts at once, from the earliest moment that is stated of it.
//! * What would show more of the past (an earlier beginning, a later end, an end taken back, a pair
//!   that an administrator has withdrawn) waits for an administrator.
//! * What may be an end or a change of mode counts only together with evidence of an end.
//! * An end that is stated before its beginning is kept, and counts when the period begins.
//! * What an administrator has decided outlives further evidence of the same end.
//!
//! **Invariant:** apart from first and second periods, no evidence adds a moment to what a partner
//! sees.

use super::evidence::{EvidenceEffect, EvidenceKind, OF_AN_END, RelationshipEvidence, Says};
use super::statement::Statement;
use super::{Relationship, RelationshipState, Subject, WaitingChange};
use crate::event::{DAY_MS, Timestamp};
use std::collections::BTreeSet;

/// Evidence this close together can be of one end: the vendor recalls coupons, amounts and budgets
/// within days of it.
const SAME_END_MS: i64 = 3 * DAY_MS;
/// How much evidence of one kind and effect is kept: an end recalls each coupon by itself.
const KEPT_OF_A_KIND: usize = 4;
/// How many ends are kept that no period has yet, and how far they are apart: those of one hour are
/// one.
const KEPT_ENDS: usize = 64;
const SAME_HOUR_MS: i64 = 3_600_000;

/// Weighs a statement about a partner against the relationships of its pair. Returns those that
/// change, and a new one, without an id, if one begins; nothing if the statement changes nothing.
pub fn weigh(pair: &[&Relationship], partner: &str, said: &Statement) -> Vec<Relationship> {
    if pair.iter().any(|known| known.has_weighed(said)) {
        return Vec::new();
    }
    let weighing = Weighing { pair, partner, said };
    let changed = match said.says {
        Says::Began => weighing.began(),
        Says::Ended => weighing.ended(),
        Says::MayHaveEnded => weighing.may_have_ended(),
        Says::Switched => weighing.noted(EvidenceEffect::Agrees),
    };
    changed.into_iter().flatten().collect()
}

struct Weighing<'a> {
    pair: &'a [&'a Relationship],
    partner: &'a str,
    said: &'a Statement,
}

/// What changes; `None` where evidence is enough already.
type Changed = Vec<Option<Relationship>>;

impl<'a> Weighing<'a> {
    fn evidence(&self, effect: EvidenceEffect) -> RelationshipEvidence {
        RelationshipEvidence {
            kind: self.said.kind,
            says: self.said.says,
            at: self.said.at,
            not_after: self.said.not_after,
            tenant: Some(self.said.tenant.clone()),
            trace_id: Some(self.said.trace_id.clone()),
            by: None,
            known: self.said.known,
            effect,
        }
    }

    fn recorded(&self) -> impl Iterator<Item = &'a Relationship> {
        let is_recorded = |known: &&Relationship| known.state == RelationshipState::Recorded;
        self.pair.iter().copied().filter(is_recorded)
    }

    /// Returns the relationship that had begun at the moment in question, last of all.
    fn at_the_time(&self) -> Option<&'a Relationship> {
        self.recorded().filter(|known| known.from <= self.said.at).max_by_key(|known| known.from)
    }

    /// Returns a relationship with the evidence, and as changed; `None` if there is nothing new.
    fn with(
        &self,
        known: &Relationship,
        effect: EvidenceEffect,
        change: impl FnOnce(&mut Relationship),
    ) -> Option<Relationship> {
        let mut changed = known.clone();
        change(&mut changed);
        let same = |evidence: &RelationshipEvidence| {
            evidence.kind == self.said.kind && evidence.effect == effect
        };
        if known.evidence.iter().filter(|evidence| same(evidence)).count() >= KEPT_OF_A_KIND {
            // What waits for evidence of an end is of use only while it is new.
            if changed == *known && effect != EvidenceEffect::Alone {
                return None;
            }
            if let Some(oldest) = changed.evidence.iter().position(same) {
                changed.evidence.remove(oldest);
            }
        }
        changed.evidence.push(self.evidence(effect));
        Some(changed)
    }

    fn new_period(&self, state: RelationshipState) -> Relationship {
        let (customer, reseller) = match &self.said.subject {
            Subject::Customer(id) => (Some(id.clone()), None),
            Subject::Reseller(id) => (None, Some(id.clone())),
        };
        let effect = match state {
            RelationshipState::Recorded => EvidenceEffect::Moved,
            RelationshipState::Unmatched => EvidenceEffect::Unmatched,
            RelationshipState::Waiting | RelationshipState::Withdrawn => EvidenceEffect::Waits,
        };
        Relationship {
            id: String::new(),
            partner: self.partner.to_owned(),
            customer,
            reseller,
            manager: self.said.manager.clone(),
            tenants: BTreeSet::from([self.said.tenant.clone()]),
            from: self.said.at,
            to: None,
            state,
            waiting: None,
            evidence: vec![self.evidence(effect)],
        }
    }

    /// Returns a period that begins now. If its end was stated before, it has it; a change that
    /// waited because of that end is explained by it.
    fn begun(&self) -> Changed {
        let last = self.recorded().max_by_key(|known| known.from);
        let mut begun = self.new_period(RelationshipState::Recorded);
        if let Some(last) = last {
            begun.tenants = last.tenants.clone();
        }
        let ends = self.pair.iter().flat_map(|known| known.stated_ends());
        begun.to = ends.filter(|at| *at > begun.from).min();
        let explained = |known: &&&Relationship| {
            begun.to.is_some()
                && known.waiting.as_ref().is_some_and(|waiting| waiting.to == begun.to)
        };
        let explained = self.pair.iter().filter(explained).map(|known| {
            let mut known = (*known).clone();
            known.waiting = None;
            Some(known)
        });
        let explained: Vec<_> = explained.collect();
        explained.into_iter().chain([Some(begun)]).collect()
    }

    /// Keeps an end that no period has yet.
    fn unmatched(&self) -> Changed {
        let kept = |known: &&&Relationship| known.state == RelationshipState::Unmatched;
        let Some(kept) = self.pair.iter().find(kept) else {
            let mut kept = self.new_period(RelationshipState::Unmatched);
            kept.to = Some(kept.from);
            return vec![Some(kept)];
        };
        let is_same = |evidence: &RelationshipEvidence| {
            let apart = self.said.at.millis() - evidence.at.millis();
            evidence.kind == self.said.kind && (0..SAME_HOUR_MS).contains(&apart)
        };
        if kept.evidence.len() >= KEPT_ENDS || kept.evidence.iter().any(is_same) {
            return Vec::new();
        }
        let mut kept = (*kept).clone();
        kept.evidence.push(self.evidence(EvidenceEffect::Unmatched));
        vec![Some(kept)]
    }

    /// Returns whether an administrator has decided about a relationship after it was known of the
    /// end that is stated: the store had its event, or there was other evidence of the same end.
    fn is_overruled(&self, known: &Relationship) -> bool {
        let Some(decided) = known.decided_end() else { return false };
        if self.said.known < known.evidence[decided].known {
            return true;
        }
        known.evidence[..decided].iter().any(|evidence| {
            let apart = evidence.at.millis() - self.said.at.millis();
            matches!(evidence.says, Says::Ended | Says::MayHaveEnded)
                && evidence.kind != EvidenceKind::Administrator
                && apart.abs() <= SAME_END_MS
        })
    }

    fn began(&self) -> Changed {
        let at = self.said.at;
        let is_in = |known: &&Relationship| known.from <= at && known.to.is_none_or(|to| at < to);
        let there = self.recorded().filter(is_in).max_by_key(|known| known.from);
        // Else it is about the next one, of which it is an earlier beginning.
        let next =
            || self.recorded().filter(|known| at < known.from).min_by_key(|known| known.from);
        let Some(known) = there.or_else(next) else { return self.begun_unless_decided() };
        match known.to {
            None if known.from == at => vec![self.with(known, EvidenceEffect::Agrees, |_| {})],
            // It must have ended in between; when, is not known. Nothing more is seen than before.
            None if known.from < at => {
                let ended = self.with(known, EvidenceEffect::Contradicts, |known| known.end_at(at));
                [ended].into_iter().chain(self.begun_unless_decided()).collect()
            }
            to => {
                // An earlier beginning says nothing of the end; the same one takes it back.
                let to = if at < known.from { to } else { None };
                let waiting = WaitingChange { from: known.from.min(at), to };
                vec![self.with(known, EvidenceEffect::Waits, |known| known.waiting = Some(waiting))]
            }
        }
    }

    /// Returns a period that begins now; one that waits, if an administrator has taken back what
    /// there was of that time, or has not confirmed it yet.
    fn begun_unless_decided(&self) -> Changed {
        let at = self.said.at;
        let is_later = |known: &Relationship| known.to.is_none_or(|to| at < to);
        let waits =
            |known: &&&Relationship| known.state == RelationshipState::Waiting && is_later(known);
        if let Some(known) = self.pair.iter().find(waits) {
            // Of what is stated differently, the later counts: it shows less.
            return vec![self.with(known, EvidenceEffect::Agrees, |known| {
                known.from = known.from.max(at);
            })];
        }
        let is_alone = self.recorded().next().is_none();
        let is_taken_back = |known: &&Relationship| {
            known.state == RelationshipState::Withdrawn && (is_alone || is_later(known))
        };
        let mut begun = self.begun();
        if self.pair.iter().any(is_taken_back)
            && let Some(Some(new)) = begun.last_mut()
        {
            new.state = RelationshipState::Waiting;
            new.evidence.iter_mut().for_each(|known| known.effect = EvidenceEffect::Waits);
        }
        begun
    }

    fn ended(&self) -> Changed {
        let at = self.said.at;
        let waits = |known: &&&Relationship| {
            known.state == RelationshipState::Waiting
                && known.from <= at
                && known.to.is_none_or(|to| at < to)
        };
        let waiting = self.pair.iter().find(waits);
        let is_near = |known: &&Relationship| {
            known.to.is_none_or(|to| at.millis() - to.millis() <= SAME_END_MS)
        };
        let there = self.at_the_time();
        let Some(known) = there.filter(|known| waiting.is_none() || is_near(known)) else {
            // A period that waits is to be confirmed with its end.
            let end = |known: &&Relationship| {
                vec![self.with(known, EvidenceEffect::Moved, |known| known.end_at(at))]
            };
            return waiting.map_or_else(|| self.unmatched(), end);
        };
        if self.is_overruled(known) {
            return vec![self.with(known, EvidenceEffect::Contradicts, |_| {})];
        }
        match known.to {
            None => {
                let end = self.earliest_end(known);
                vec![self.with(known, EvidenceEffect::Moved, |known| known.end_at(end))]
            }
            Some(end) if at < end => {
                let effect = match end.millis() - at.millis() <= SAME_END_MS {
                    true => EvidenceEffect::Moved,
                    false => EvidenceEffect::Contradicts,
                };
                vec![self.with(known, effect, |known| known.end_at(at))]
            }
            Some(end) if at.millis() - end.millis() <= SAME_END_MS => {
                vec![self.with(known, EvidenceEffect::Agrees, |_| {})]
            }
            Some(_) => {
                let waiting = WaitingChange { from: known.from, to: Some(at) };
                vec![self.with(known, EvidenceEffect::Waits, |known| known.waiting = Some(waiting))]
            }
        }
    }

    /// Returns the earliest moment of the end that is stated now, by what was known before of what
    /// may have been it.
    fn earliest_end(&self, known: &Relationship) -> Timestamp {
        let at = self.said.at;
        let is_of_it = |evidence: &&RelationshipEvidence| {
            evidence.says == Says::MayHaveEnded
                && evidence.at >= known.from
                && (evidence.at.millis() - at.millis()).abs() <= SAME_END_MS
        };
        let perhaps = known.evidence.iter().filter(is_of_it).map(|evidence| evidence.at);
        perhaps.chain([at]).min().unwrap_or(at)
    }

    fn may_have_ended(&self) -> Changed {
        let at = self.said.at;
        let Some(known) = self.at_the_time() else {
            return self.noted(EvidenceEffect::Contradicts);
        };
        let is_of_it = |end: Timestamp| (end.millis() - at.millis()).abs() <= SAME_END_MS;
        match known.to {
            Some(end) if is_of_it(end) && known.has_sure_end() && !self.is_overruled(known) => {
                match at < end {
                    true => vec![self.with(known, EvidenceEffect::Moved, |known| known.end_at(at))],
                    false => vec![self.with(known, EvidenceEffect::Agrees, |_| {})],
                }
            }
            _ => vec![self.with(known, EvidenceEffect::Alone, |_| {})],
        }
    }

    /// Notes evidence that changes nothing, at the relationship that it can best be about.
    fn noted(&self, effect: EvidenceEffect) -> Changed {
        let known = self.at_the_time().or_else(|| self.recorded().min_by_key(|known| known.from));
        known.map(|known| self.with(known, effect, |_| {})).into_iter().collect()
    }
}

impl Relationship {
    /// Returns whether a statement is among its evidence.
    pub fn has_weighed(&self, said: &Statement) -> bool {
        self.evidence.iter().any(|evidence| {
            evidence.tenant.as_deref() == Some(&said.tenant)
                && evidence.trace_id.as_deref() == Some(&said.trace_id)
                && (evidence.says, evidence.at) == (said.says, said.at)
        })
    }

    /// Returns where among the evidence an administrator has last decided about the end. Whoever
    /// only records the relationship, or changes something else of it, has not.
    fn decided_end(&self) -> Option<usize> {
        let decides = |(position, evidence): (usize, &RelationshipEvidence)| {
            evidence.kind == EvidenceKind::Administrator
                && evidence.effect == EvidenceEffect::Moved
                && (position > 0 || evidence.says == Says::Ended)
        };
        let count = self.evidence.len();
        (0..count).rev().find(|position| decides((*position, &self.evidence[*position])))
    }

    /// Returns the ends that were stated of the pair by others than administrators, and since one
    /// has decided about it.
    pub fn stated_ends(&self) -> impl Iterator<Item = Timestamp> {
        let since = self.decided_end().map_or(0, |decided| decided + 1);
        let stated = self.evidence[since..].iter().filter(|evidence| {
            evidence.says == Says::Ended && evidence.kind != EvidenceKind::Administrator
        });
        stated.map(|evidence| evidence.at)
    }

    /// Keeps the last words of administrators; the trail has all of them.
    pub fn forget_administrators(&mut self, kept: usize) {
        let by_administrator =
            |evidence: &&RelationshipEvidence| evidence.kind == EvidenceKind::Administrator;
        let mut surplus =
            self.evidence.iter().filter(by_administrator).count().saturating_sub(kept);
        self.evidence.retain(|evidence| {
            let goes = surplus > 0 && evidence.kind == EvidenceKind::Administrator;
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// Ends it at a moment. What ends before it has begun shows nothing.
    fn end_at(&mut self, end: Timestamp) {
        self.to = Some(end.max(self.from));
        // A change that waited was about what was known before.
        self.waiting = None;
    }

    fn has_sure_end(&self) -> bool {
        self.evidence.iter().any(|evidence| evidence.says == Says::Ended)
    }

    /// Returns the kinds of evidence that an end leaves behind and that are not there.
    pub fn missing(&self) -> Vec<EvidenceKind> {
        if self.to.is_none() || self.manager.is_some() || self.customer.is_none() {
            return Vec::new();
        }
        let is_there = |kind: &EvidenceKind| {
            self.evidence
                .iter()
                .any(|evidence| evidence.kind == *kind && evidence.says != Says::Switched)
        };
        OF_AN_END.iter().copied().filter(|kind| !is_there(kind)).collect()
    }

    /// Returns the evidence that says something else than what is recorded: what contradicts, and a
    /// change of mode at the time of the end.
    pub fn contradicting(&self) -> impl Iterator<Item = &RelationshipEvidence> {
        let at_the_end = |evidence: &RelationshipEvidence| {
            let apart = |to: Timestamp| (to.millis() - evidence.at.millis()).abs();
            self.to.is_some_and(|to| apart(to) <= SAME_END_MS)
        };
        self.evidence.iter().filter(move |evidence| {
            let is_switch =
                evidence.says == Says::Switched || evidence.kind == EvidenceKind::CouponModeSwitch;
            evidence.effect == EvidenceEffect::Contradicts || (is_switch && at_the_end(evidence))
        })
    }
}
