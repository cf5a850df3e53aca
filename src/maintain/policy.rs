//! The policy: how long events are kept, and what is kept whatever its age.
//!
//! A policy says for how many days after it happened an event of a tenant is kept; without one it
//! is kept for ever. The floor is the lowest number of days allowed, and it only ever rises. A
//! legal hold is a filter: events that match it are not deleted, neither by age nor by anyone,
//! until the hold is lifted. Every change makes a new version of the whole policy.

use crate::access::{SYSTEM_TENANT, check_producer, check_tenant};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{DAY_MS, Timestamp};
use crate::storage::admin::{AdminSnapshot, RecordChange, RecordKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The floor of a new store, in days: six months, which China's Cybersecurity Law (article 21)
/// requires for logs.
pub const FLOOR_DAYS: u32 = 180;
/// The key of the one record of its kind.
pub const POLICY_KEY: &str = "policy";
/// The most days that can be set: a hundred years.
const DAYS_MAX: u32 = 36_525;
/// The most legal holds.
const HOLDS_MAX: usize = 1_000;
/// The longest hold, in bytes of JSON, and the longest of one tenant and of all together. A record
/// in the trail, which has all of them, has 1 MiB.
const HOLD_BYTES_MAX: usize = 64 << 10;
const HOLDS_OF_TENANT_BYTES_MAX: usize = 128 << 10;
const HOLDS_BYTES_MAX: usize = 640 << 10;

/// What is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The number of the change that made it, from 1; 0 before the first.
    pub version: u64,
    /// The fewest days that any retention may have.
    pub floor_days: u32,
    /// Days for tenants that have none of their own; for ever if absent.
    pub default_days: Option<u32>,
    /// Days by tenant; `None` is for ever, whatever the default.
    pub tenants: BTreeMap<String, Option<u32>>,
    /// Legal holds by name.
    pub holds: BTreeMap<String, Hold>,
    /// Tenants that take no record without a time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub refusing_undated: BTreeSet<String>,
}

/// A legal hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The tenants it covers; `*` is all.
    pub tenants: Vec<String>,
    /// The filter, as parameters of a URL; everything if empty.
    pub filter: Vec<(String, String)>,
    /// Why it was placed.
    pub reason: String,
    /// When it was placed.
    pub placed: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: 0,
            floor_days: FLOOR_DAYS,
            default_days: None,
            tenants: BTreeMap::new(),
            holds: BTreeMap::new(),
            refusing_undated: BTreeSet::new(),
        }
    }
}

impl Hold {
    /// Returns whether it covers events of a tenant.
    pub fn covers(&self, tenant: &str) -> bool {
        self.tenants.iter().any(|name| name == "*" || name == tenant)
    }
}

impl Policy {
    /// Reads the file in which earlier versions kept the policy.
    ///
    /// # Errors
    /// If it is anything else: a policy that cannot be read must not be taken for an empty one.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .context(ErrorKind::Corrupt, || "the retention policy cannot be read".to_owned())
    }

    /// Returns the policy of an administrative state; that of a new store if there is none.
    ///
    /// # Errors
    /// A record that is no policy.
    pub fn of(state: &AdminSnapshot) -> Result<Self> {
        let Some(record) = state.get(RecordKind::Policy, POLICY_KEY) else {
            return Ok(Self::default());
        };
        serde_json::from_value(record.body.clone())
            .context(ErrorKind::Corrupt, || "the retention policy cannot be read".to_owned())
    }

    /// Returns the record of administrative state that holds the policy.
    pub fn record(&self) -> RecordChange {
        let body = serde_json::to_value(self).expect("texts and numbers are valid JSON");
        let (kind, key) = (RecordKind::Policy, POLICY_KEY.to_owned());
        RecordChange { kind, key, body: Some(body), secret: None }
    }

    /// Returns for how many days events of a tenant are kept; `None` is for ever. What the store
    /// records about itself is kept for ever.
    pub fn days_of(&self, tenant: &str) -> Option<u32> {
        if tenant == SYSTEM_TENANT {
            return None;
        }
        self.tenants.get(tenant).copied().unwrap_or(self.default_days)
    }

    /// Returns the first date whose events of this tenant are kept at `now`; `None` if all are.
    pub fn kept_from(&self, tenant: &str, now: Timestamp) -> Option<String> {
        let days = self.days_of(tenant)?;
        Some(Timestamp::from_millis(now.millis().saturating_sub(i64::from(days) * DAY_MS)).date())
    }

    /// Returns whether events of this tenant and date have expired.
    pub fn is_expired(&self, tenant: &str, date: &str, now: Timestamp) -> bool {
        self.kept_from(tenant, now).is_some_and(|from| date < from.as_str())
    }

    /// Sets the days of a tenant, or the default.
    ///
    /// # Errors
    /// If there are fewer days than the floor, or too many.
    pub fn set_days(&mut self, tenant: Option<&str>, days: Option<u32>) -> Result<()> {
        if let Some(days) = days {
            self.check_days(days)?;
        }
        match tenant {
            None => self.default_days = days,
            Some(SYSTEM_TENANT) => {
                return Err(Error::parameter(
                    "tenant",
                    format!(
                        "{SYSTEM_TENANT} records what was done to the store and is kept for ever"
                    ),
                ));
            }
            Some(tenant) => {
                self.tenants.insert(check_tenant(tenant)?.to_owned(), days);
            }
        }
        Ok(())
    }

    /// Sets whether a tenant takes records without a time.
    ///
    /// # Errors
    /// A name that is not a tenant's.
    pub fn set_undated(&mut self, tenant: &str, accepted: bool) -> Result<()> {
        let tenant = check_producer(tenant)?;
        if accepted {
            self.refusing_undated.remove(tenant);
        } else {
            self.refusing_undated.insert(tenant.to_owned());
        }
        Ok(())
    }

    fn check_days(&self, days: u32) -> Result<()> {
        if (self.floor_days..=DAYS_MAX).contains(&days) {
            return Ok(());
        }
        let what =
            format!("is {} (this store's floor) to {DAYS_MAX}; {days} is not", self.floor_days);
        Err(Error::parameter("days", what))
    }

    /// Raises the floor.
    ///
    /// # Errors
    /// If the new floor is lower, or above the days of a tenant or the default.
    pub fn raise_floor(&mut self, days: u32) -> Result<()> {
        if !(self.floor_days..=DAYS_MAX).contains(&days) {
            let what = format!("is {} to {DAYS_MAX}: the floor only rises", self.floor_days);
            return Err(Error::parameter("floor_days", what));
        }
        let below = self
            .tenants
            .iter()
            .find(|(_, own)| own.is_some_and(|own| own < days))
            .map(|(tenant, _)| tenant.as_str());
        let below = below
            .or_else(|| self.default_days.is_some_and(|own| own < days).then_some("the default"));
        if let Some(below) = below {
            return Err(Error::parameter(
                "floor_days",
                format!("{below} has fewer than {days} days: raise that first"),
            ));
        }
        self.floor_days = days;
        Ok(())
    }

    /// Places a hold under a new name. The same hold again changes nothing.
    ///
    /// # Errors
    /// If the name is taken or invalid, there is no tenant or no reason, or there are too many
    /// holds. The caller must check that the filter is valid.
    pub fn place(&mut self, name: &str, hold: Hold) -> Result<()> {
        let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if name.is_empty() || name.len() > 100 || !name.chars().all(plain) {
            return Err(Error::parameter("name", "is 1 to 100 letters, digits or any of - _ ."));
        }
        if let Some(there) = self.holds.get(name) {
            if (&there.tenants, &there.filter, &there.reason)
                == (&hold.tenants, &hold.filter, &hold.reason)
            {
                return Ok(());
            }
            return Err(Error::parameter(
                "name",
                format!(
                    "a different hold named {name} already exists: holds cannot be changed, place \
                    another one"
                ),
            ));
        }
        if self.holds.len() >= HOLDS_MAX {
            return Err(Error::parameter(
                "name",
                format!("there are already {HOLDS_MAX} holds: lift one first"),
            ));
        }
        if hold.tenants.is_empty() {
            return Err(Error::parameter(
                "tenant",
                "say whose events are held (repeat it for several, `*` for all)",
            ));
        }
        for tenant in hold.tenants.iter().filter(|tenant| *tenant != "*") {
            check_tenant(tenant)?;
        }
        check_reason(&hold.reason)?;
        self.check_room(&hold)?;
        self.holds.insert(name.to_owned(), hold);
        Ok(())
    }

    /// Fails if a hold is too long: each change of the policy records all of them, and one tenant's
    /// must not keep the others from theirs.
    fn check_room(&self, hold: &Hold) -> Result<()> {
        let length =
            |hold: &Hold| serde_json::to_string(hold).map_or(usize::MAX, |text| text.len());
        let own = length(hold);
        let of_tenant = |tenant: &String| {
            let others = self.holds.values().filter(|other| other.tenants.contains(tenant));
            others.map(length).sum::<usize>()
        };
        let most = hold.tenants.iter().map(of_tenant).max().unwrap_or_default();
        let all: usize = self.holds.values().map(length).sum();
        let (what, limit) = if own > HOLD_BYTES_MAX {
            ("the filter and the reason of a hold are", HOLD_BYTES_MAX)
        } else if own.saturating_add(most) > HOLDS_OF_TENANT_BYTES_MAX {
            ("the holds of one tenant are", HOLDS_OF_TENANT_BYTES_MAX)
        } else if own.saturating_add(all) > HOLDS_BYTES_MAX {
            ("all holds are", HOLDS_BYTES_MAX)
        } else {
            return Ok(());
        };
        let what =
            format!("{what} at most {} KiB long together: hold by fewer values", limit >> 10);
        Err(Error::parameter("filter", what))
    }

    /// Lifts a hold.
    ///
    /// # Errors
    /// If there is no such hold, or no reason is given.
    pub fn lift(&mut self, name: &str, reason: &str) -> Result<Hold> {
        check_reason(reason)?;
        self.holds
            .remove(name)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no hold with this name"))
    }
}

fn check_reason(reason: &str) -> Result<()> {
    if reason.trim().is_empty() || reason.len() > 2_000 {
        return Err(Error::parameter("reason", "say why, in 1 to 2,000 bytes: it is recorded"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_782_777_600_000); // 2026-06-30T00:00:00Z

    #[test]
    fn a_tenant_is_kept_as_long_as_it_says_or_the_default_or_for_ever() {
        let mut policy = Policy::default();
        assert!(!policy.is_expired("a", "1999-01-01", NOW));
        policy.set_days(None, Some(365)).expect("above the floor");
        policy.set_days(Some("short"), Some(180)).expect("the floor itself");
        policy.set_days(Some("ever"), None).expect("for ever");
        for (tenant, date, expired) in [
            ("a", "2025-06-29", true),
            ("a", "2025-06-30", false),
            ("short", "2025-12-31", true),
            ("short", "2026-01-01", false),
            ("ever", "2000-01-01", false),
            ("_annals", "2000-01-01", false),
        ] {
            assert_eq!(policy.is_expired(tenant, date, NOW), expired, "{tenant} {date}");
        }
        let state = AdminSnapshot::default().with(&[policy.record()]).expect("a state");
        assert_eq!(Policy::of(&state).expect("our own"), policy);
        assert_eq!(Policy::of(&AdminSnapshot::default()).expect("none"), Policy::default());
        assert!(Policy::decode(b"{}").is_err() && Policy::decode(b"").is_err());
    }

    #[test]
    fn the_holds_of_a_tenant_leave_room_for_those_of_others() {
        let mut policy = Policy::default();
        let hold = |tenant: &str, letters: usize| Hold {
            tenants: [tenant.to_owned()].into(),
            filter: vec![("operator".to_owned(), "x".repeat(letters))],
            reason: "a case".to_owned(),
            placed: NOW.to_string(),
        };
        let refused = |placed: Result<()>| {
            placed.err().map(|error| error.parameter_name().unwrap_or_default().to_owned())
        };
        let filter = Some("filter".to_owned());
        assert_eq!(refused(policy.place("long", hold("a", 70_000))), filter);
        policy.place("a1", hold("a", 60_000)).expect("a hold");
        policy.place("a2", hold("a", 60_000)).expect("a hold");
        assert_eq!(refused(policy.place("a3", hold("a", 60_000))), filter);
        let placed = (0..20).filter(|number| {
            let tenant = format!("t{number}");
            policy.place(&tenant, hold(&tenant, 60_000)).is_ok()
        });
        assert_eq!(placed.count(), 8, "as many as a record has room for");
        policy.lift("a1", "it is over").expect("a hold");
        policy.place("b", hold("b", 60_000)).expect("there is room again");
    }

    #[test]
    fn the_floor_holds_and_only_rises() {
        let mut policy = Policy::default();
        for days in [0, 1, 179, 40_000] {
            assert_eq!(
                policy.set_days(Some("a"), Some(days)).expect_err("out of bounds").parameter_name(),
                Some("days")
            );
        }
        assert!(policy.set_days(Some("_annals"), Some(400)).is_err());
        assert!(policy.raise_floor(179).is_err());
        policy.set_days(Some("a"), Some(200)).expect("above the floor");
        assert!(
            policy.raise_floor(365).expect_err("a has less").to_string().contains("a has fewer")
        );
        policy.set_days(Some("a"), Some(400)).expect("above the floor");
        policy.raise_floor(365).expect("nobody has less");
        assert!(policy.raise_floor(180).is_err() && policy.set_days(None, Some(200)).is_err());
    }

    #[test]
    fn holds_have_a_name_a_tenant_and_a_reason() {
        let hold = |tenants: &[&str], reason: &str| Hold {
            tenants: tenants.iter().map(|name| (*name).to_owned()).collect(),
            filter: Vec::new(),
            reason: reason.to_owned(),
            placed: String::new(),
        };
        let mut policy = Policy::default();
        assert!(policy.place("a/b", hold(&["t"], "x")).is_err());
        assert!(policy.place("a", hold(&[], "x")).is_err());
        assert!(policy.place("a", hold(&["t"], " ")).is_err());
        policy.place("a", hold(&["t"], "case 7")).expect("a hold");
        assert!(policy.place("a", hold(&["t"], "case 8")).is_err(), "it would lift the first one");
        assert!(
            policy.holds["a"].covers("t")
                && !policy.holds["a"].covers("u")
                && hold(&["*"], "").covers("u")
        );
        assert!(policy.lift("a", "").is_err() && policy.lift("b", "x").is_err());
        policy.lift("a", "closed").expect("there is one");
        assert!(policy.holds.is_empty());
    }
}
