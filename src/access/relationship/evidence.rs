//! Evidence: what has been said of a relationship, by whom, and what came of it.

use super::moment;
use crate::event::Timestamp;
use serde::{Deserialize, Serialize};

/// Where evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// An administrator has said it.
    Administrator,
    /// Two readings of the list of customers or resellers differ.
    Snapshot,
    /// A trace of the request to end or change the cooperation.
    CooperationTrace,
    /// A coupon was recalled because the association ended.
    CouponRecall,
    /// A coupon was recalled because its mode changed.
    CouponModeSwitch,
    /// An amount was taken back because the association ended or its mode changed.
    AccountRetrieval,
    /// The budget of the customer was deleted, which an end of the association does.
    BudgetDeletion,
}

/// The kinds of evidence that one end of an association leaves behind.
pub(super) const OF_AN_END: &[EvidenceKind] = &[
    EvidenceKind::CooperationTrace,
    EvidenceKind::CouponRecall,
    EvidenceKind::AccountRetrieval,
    EvidenceKind::BudgetDeletion,
];

/// What evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// The relationship began then.
    Began,
    /// It ended then.
    Ended,
    /// It ended then, or only its mode changed.
    MayHaveEnded,
    /// Its mode changed then.
    Switched,
}

/// What came of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceEffect {
    /// The period is what it says.
    Moved,
    /// It says what is recorded already.
    Agrees,
    /// It would show more of the past, and waits for an administrator.
    Waits,
    /// It says something else, and changes nothing or only narrows.
    Contradicts,
    /// It counts only together with other evidence, of which there is none.
    Alone,
    /// It is an end of which no period is known yet.
    Unmatched,
}

/// Something that was said of a relationship.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationshipEvidence {
    /// Where it comes from.
    pub kind: EvidenceKind,
    /// What it says.
    pub says: Says,
    /// Of which moment.
    #[serde(with = "moment")]
    pub at: Timestamp,
    /// The last moment it can be about, if only an interval is known.
    #[serde(default, with = "moment::optional", skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// The tenant of the event that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The id of that event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The administrator who says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it became known.
    #[serde(with = "moment")]
    pub known: Timestamp,
    /// What came of it.
    pub effect: EvidenceEffect,
}

impl RelationshipEvidence {
    /// Returns what an administrator says.
    pub fn of_administrator(name: &str, says: Says, at: Timestamp, known: Timestamp) -> Self {
        Self {
            kind: EvidenceKind::Administrator,
            says,
            at,
            not_after: None,
            tenant: None,
            trace_id: None,
            by: Some(name.to_owned()),
            known,
            effect: EvidenceEffect::Moved,
        }
    }
}
