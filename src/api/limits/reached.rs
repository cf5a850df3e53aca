//! A limit that is reached, as it is told and counted.

use crate::error::{Error, ErrorKind};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Whom a limit is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum LimitOf {
    /// The principal that calls.
    Principal,
    /// A tenant that is asked about or delivered for.
    Tenant,
    /// The address that a call comes from.
    Address,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum LimitKind {
    /// Requests a second.
    Requests,
    /// Questions at a time.
    Questions,
    /// Bytes a second of what is delivered.
    BytesIn,
    /// Events a second in answers.
    RowsOut,
    /// Exports at a time, of which a principal has a share.
    Exports,
    /// Sign-ins that fail.
    Failures,
}

impl LimitOf {
    const ALL: [Self; 3] = [Self::Principal, Self::Tenant, Self::Address];

    fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Tenant => "tenant",
            Self::Address => "address",
        }
    }
}

impl LimitKind {
    const ALL: [Self; 6] = [
        Self::Requests,
        Self::Questions,
        Self::BytesIn,
        Self::RowsOut,
        Self::Exports,
        Self::Failures,
    ];

    /// Returns whether there is such a limit of a principal, a tenant or an address.
    fn is_of(self, of: LimitOf) -> bool {
        match of {
            LimitOf::Principal => self != Self::Failures,
            LimitOf::Tenant => !matches!(self, Self::Exports | Self::Failures),
            LimitOf::Address => self == Self::Failures,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Questions => "questions",
            Self::BytesIn => "bytes-in",
            Self::RowsOut => "rows-out",
            Self::Exports => "exports",
            Self::Failures => "failures",
        }
    }
}

/// Why a call is refused, and when it would not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) struct LimitReached {
    of: LimitOf,
    kind: LimitKind,
    /// After how many seconds it is worth trying again.
    pub(in crate::api) seconds: u64,
}

impl LimitReached {
    /// A limit that is reached for this long.
    pub(super) fn new(of: LimitOf, kind: LimitKind, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { of, kind, seconds: seconds.max(1) }
    }

    /// Returns the error of a call that is refused for it. As a conversion it would leave the kind
    /// of other errors to be guessed.
    pub(in crate::api) fn into_error(self) -> Error {
        Error::new(ErrorKind::Unavailable, self.words()).because(self)
    }

    /// Returns what is said of it whenever it is reached.
    pub(in crate::api) fn words(&self) -> String {
        format!("the limit {}-{} is reached", self.of.name(), self.kind.name())
    }
}

impl fmt::Display for LimitReached {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "try again in {} s", self.seconds)
    }
}

impl std::error::Error for LimitReached {}

/// How often each limit was reached.
#[derive(Debug, Default)]
pub(super) struct RefusalCounts([[AtomicU64; LimitKind::ALL.len()]; LimitOf::ALL.len()]);

impl RefusalCounts {
    /// Counts a refusal, and returns it.
    pub(super) fn count(&self, reached: LimitReached) -> LimitReached {
        self.0[reached.of as usize][reached.kind as usize].fetch_add(1, Ordering::Relaxed);
        reached
    }

    /// Returns the names of whose limit it is and of the limit, and how often it was reached.
    pub(super) fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
        let mut all = Vec::new();
        for of in LimitOf::ALL {
            for kind in LimitKind::ALL {
                let count = self.0[of as usize][kind as usize].load(Ordering::Relaxed);
                if kind.is_of(of) {
                    all.push((of.name(), kind.name(), count));
                }
            }
        }
        all
    }
}
