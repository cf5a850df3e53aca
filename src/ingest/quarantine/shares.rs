//! How much of quarantine each tenant uses, and may use.
//!
//! An auditor must be able to find every record that was refused, so nothing is dropped to make
//! room. A request that exceeds the bound is refused as a whole, with an error that says so. One
//! tenant must not cause that for others, so
//!
//! * one tenant may have a quarter of the bound,
//! * the last quarter of the bound is kept for tenants that have less than a 64th of it.
//!
//! Requests without records for quarantine are not affected. Only retention removes records.

use crate::error::{Error, ErrorKind, Result};
use crate::storage::quarantine::{QuarantineEntry, QuarantineFile};
use std::collections::HashMap;
use std::sync::Arc;

/// The default bound on the bytes of records in quarantine.
pub const QUARANTINE_BYTES: u64 = 1 << 30;
/// The most tenants that are counted separately; all others are counted as one.
const TENANTS_MAX: usize = 10_000;

/// The bytes that each tenant uses.
#[derive(Debug)]
pub(super) struct Shares {
    bound: u64,
    total: u64,
    tenants: HashMap<Option<Arc<str>>, u64>,
    others: u64,
}

impl Shares {
    /// Counts what is in the files. What cannot be read is charged to nobody.
    pub(super) fn of(parts: &[Arc<QuarantineFile>], bound: u64) -> Self {
        let mut shares = Self { bound, total: 0, tenants: HashMap::new(), others: 0 };
        for part in parts {
            let Ok(summary) = part.summary() else { continue };
            for count in &summary.counts {
                *shares.of_tenant(summary.text(count.tenant)) += count.bytes;
                shares.total += count.bytes;
            }
        }
        shares
    }

    /// Returns the bytes in use and the bound.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.total, self.bound)
    }

    fn of_tenant(&mut self, tenant: Option<&Arc<str>>) -> &mut u64 {
        let tenant = tenant.cloned();
        if self.tenants.len() >= TENANTS_MAX && !self.tenants.contains_key(&tenant) {
            return &mut self.others;
        }
        self.tenants.entry(tenant).or_default()
    }

    /// Charges an entry to its tenant.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn add(&mut self, entry: &QuarantineEntry) -> Result<()> {
        let (bound, more, total) = (self.bound, entry.charge(), self.total);
        let own = self.of_tenant(entry.tenant.as_ref());
        let after = *own + more;
        if after <= bound / 4 && total + more <= bound / 4 * 3
            || after <= bound / 64 && total + more <= bound
        {
            *own = after;
            self.total += more;
            return Ok(());
        }
        let own = *own;
        Err(Self::full(entry.tenant.as_deref(), own, total, bound))
    }

    /// Reverses what [`Shares::add`] counted.
    pub(super) fn remove(&mut self, entry: &QuarantineEntry) {
        let own = self.of_tenant(entry.tenant.as_ref());
        *own = own.saturating_sub(entry.charge());
        self.total = self.total.saturating_sub(entry.charge());
    }

    fn full(tenant: Option<&str>, own: u64, total: u64, bound: u64) -> Error {
        let whose = tenant.map_or_else(
            || "records without a tenant have".to_owned(),
            |tenant| format!("{tenant} has"),
        );
        let what = format!(
            "quarantine is full: {whose} {} MiB in it, all tenants {} MiB of {} MiB, of which one \
            may have a quarter. The request \
             holds records that cannot be decoded and was refused; nothing of it is lost if it is \
             sent again. Fix what \
             delivers them, shorten retention, or give quarantine more room (annals serve \
             --quarantine MIB)",
            own >> 20,
            total >> 20,
            bound >> 20
        );
        Error::new(ErrorKind::Unavailable, what)
    }
}
