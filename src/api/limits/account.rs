//! What a principal or a tenant has used of its limits, and the bounded table of them.

use super::meter::{Debt, RequestRate};
use super::reached::{LimitKind, LimitOf, LimitReached};
use crate::access::CallLimits;
use governor::clock::DefaultClock;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most accounts of a table, besides those that always have one. A name that finds no room
/// shares the account of another.
const ACCOUNTS_MAX: usize = 10_000;
/// How long an account is kept that nobody uses and that owes nothing: by then its rates are as
/// those of a new one.
const IDLE: Duration = Duration::from_secs(10);
/// How often a full table is searched for such accounts.
const SWEEP: Duration = Duration::from_secs(1);
/// How many questions of one account may wait for their turn.
const WAITING_MAX: usize = 256;
/// How many exports of one account run at a time: a quarter of all.
const EXPORTS_MAX: usize = 4;
/// After how long a question or an export that found no place is worth asking again.
const PLACE_WAIT: Duration = Duration::from_secs(5);

/// What a principal or a tenant has used of its limits.
#[derive(Debug)]
pub(super) struct LimitAccount {
    pub(super) of: LimitOf,
    limits: CallLimits,
    requests: Option<RequestRate>,
    /// The same rate for what is delivered: who asks takes nothing from those who deliver.
    deliveries: Option<RequestRate>,
    questions: Option<(Arc<Semaphore>, Arc<Semaphore>)>,
    bytes_in: Option<Debt>,
    rows_out: Option<Debt>,
    exports: Arc<Semaphore>,
    used: Mutex<Instant>,
}

impl LimitAccount {
    fn new(of: LimitOf, limits: CallLimits) -> Self {
        let rate = |limit: Option<u32>| limit.and_then(NonZeroU32::new);
        let debt = |limit| rate(limit).map(|rate| Debt::new(rate, DefaultClock::default()));
        let places = |places: u32| {
            let running = (places as usize).min(Semaphore::MAX_PERMITS - WAITING_MAX);
            let known = Semaphore::new(running + WAITING_MAX);
            (Arc::new(Semaphore::new(running)), Arc::new(known))
        };
        let requests = || Some(RequestRate::new(rate(limits.requests)?, DefaultClock::default()));
        Self {
            of,
            limits,
            requests: requests(),
            deliveries: requests(),
            questions: limits.questions.map(places),
            bytes_in: debt(limits.bytes_in),
            rows_out: debt(limits.rows_out),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            used: Mutex::new(Instant::now()),
        }
    }

    fn reached(&self, kind: LimitKind, wait: Duration) -> LimitReached {
        LimitReached::new(self.of, kind, wait)
    }

    /// Counts a request.
    ///
    /// # Errors
    /// There were too many in this second.
    pub(super) fn take_request(&self) -> Result<(), LimitReached> {
        let Some(requests) = &self.requests else { return Ok(()) };
        requests.take().map_err(|wait| self.reached(LimitKind::Requests, wait))
    }

    /// Counts a delivery.
    ///
    /// # Errors
    /// There were too many in this second.
    pub(super) fn take_delivery(&self) -> Result<(), LimitReached> {
        let Some(deliveries) = &self.deliveries else { return Ok(()) };
        deliveries.take().map_err(|wait| self.reached(LimitKind::Requests, wait))
    }

    /// Takes a place for a question, waiting for it if there is none; nothing if there is no limit.
    ///
    /// # Errors
    /// No place in time, or too many that wait.
    pub(super) async fn place(
        &self,
        patience: Duration,
    ) -> Result<Option<[OwnedSemaphorePermit; 2]>, LimitReached> {
        let Some((running, known)) = &self.questions else { return Ok(None) };
        let full = || self.reached(LimitKind::Questions, PLACE_WAIT);
        let known = Arc::clone(known).try_acquire_owned().map_err(|_| full())?;
        let running = tokio::time::timeout(patience, Arc::clone(running).acquire_owned()).await;
        match running {
            Ok(Ok(running)) => Ok(Some([running, known])),
            _ => Err(full()),
        }
    }

    /// Takes a place for an export.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn export_place(&self) -> Result<OwnedSemaphorePermit, LimitReached> {
        let place = Arc::clone(&self.exports).try_acquire_owned();
        place.map_err(|_| self.reached(LimitKind::Exports, PLACE_WAIT))
    }

    /// Returns whether bytes of what is delivered are limited.
    pub(super) fn limits_bytes(&self) -> bool {
        self.bytes_in.is_some()
    }

    /// Notes bytes that were delivered.
    pub(super) fn add_bytes(&self, bytes: u64) {
        if let Some(debt) = &self.bytes_in {
            debt.add(bytes);
        }
    }

    /// Waits until more bytes may be delivered.
    ///
    /// # Errors
    /// That takes longer than `bound`.
    pub(super) async fn bytes_paid(&self, bound: Duration) -> Result<(), LimitReached> {
        let Some(debt) = &self.bytes_in else { return Ok(()) };
        debt.paid(bound).await.map_err(|wait| self.reached(LimitKind::BytesIn, wait))
    }

    /// Returns whether more bytes may be delivered now.
    pub(super) fn may_deliver(&self) -> bool {
        self.bytes_in.as_ref().is_none_or(|debt| debt.check().is_ok())
    }

    /// Notes events that were answered.
    pub(super) fn add_rows(&self, rows: u64) {
        if let Some(debt) = &self.rows_out {
            debt.add(rows);
        }
    }

    /// Waits until more events may be answered.
    ///
    /// # Errors
    /// That takes longer than `bound`.
    pub(super) async fn rows_paid(&self, bound: Duration) -> Result<(), LimitReached> {
        let Some(debt) = &self.rows_out else { return Ok(()) };
        debt.paid(bound).await.map_err(|wait| self.reached(LimitKind::RowsOut, wait))
    }

    /// Returns how long it takes until more events may be answered; nothing if they may be now.
    pub(super) fn rows_wait(&self) -> Option<Duration> {
        self.rows_out.as_ref()?.check().err()
    }

    fn is_idle(&self, now: Instant) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_paid = |debt: &Option<Debt>| debt.as_ref().is_none_or(Debt::is_paid);
        now.saturating_duration_since(used) >= IDLE
            && is_paid(&self.bytes_in)
            && is_paid(&self.rows_out)
    }
}

#[derive(Debug, Default)]
struct KnownAccounts {
    by_name: HashMap<Box<str>, Arc<LimitAccount>>,
    /// When those that nobody uses were looked for.
    swept: Option<Instant>,
}

/// The accounts of all principals, or of all tenants.
#[derive(Debug)]
pub(super) struct Accounts {
    of: LimitOf,
    /// The limits of those that have none of their own.
    pub(super) limits: CallLimits,
    known: Mutex<KnownAccounts>,
    most: usize,
}

impl Accounts {
    pub(super) fn new(of: LimitOf, limits: CallLimits) -> Self {
        Self { of, limits, known: Mutex::default(), most: ACCOUNTS_MAX }
    }

    /// Returns whether a name has an account.
    pub(super) fn has(&self, name: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.by_name.contains_key(name)
    }

    /// Returns the account of a name, which has these limits. If there is no room for it, that is
    /// the account of `group`, for which there always is: groups must be few.
    pub(super) fn account(
        &self,
        (name, group): (&str, &str),
        limits: CallLimits,
    ) -> Arc<LimitAccount> {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let KnownAccounts { by_name: accounts, swept } = &mut *known;
        // Limits that were changed begin anew.
        if let Some(account) = accounts.get(name).filter(|account| account.limits == limits) {
            *account.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
            return Arc::clone(account);
        }
        let is_full = accounts.len() >= self.most && !accounts.contains_key(name);
        let is_due = swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP);
        if is_full && is_due {
            *swept = Some(now);
            retain_used(accounts, now);
        }
        if is_full && accounts.len() >= self.most && name != group {
            drop(known);
            return self.account((group, group), limits);
        }
        let account = Arc::new(LimitAccount::new(self.of, limits));
        accounts.insert(name.into(), Arc::clone(&account));
        account
    }
}

/// Forgets accounts that nobody uses and that owe nothing.
fn retain_used(accounts: &mut HashMap<Box<str>, Arc<LimitAccount>>, now: Instant) {
    accounts.retain(|_, account| Arc::strong_count(account) > 1 || !account.is_idle(now));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(questions: u32) -> CallLimits {
        CallLimits { questions: Some(questions), rows_out: Some(1_000), ..CallLimits::default() }
    }

    #[test]
    fn accounts_have_a_bound_and_those_without_room_share_one() {
        let accounts = Accounts { most: 2, ..Accounts::new(LimitOf::Tenant, limits(1)) };
        let of = |name: &str| accounts.account((name, "group"), limits(1));
        assert!(Arc::ptr_eq(&of("a"), &of("a")) && !Arc::ptr_eq(&of("a"), &of("b")));
        assert!(Arc::ptr_eq(&of("c"), &of("group")) && Arc::ptr_eq(&of("d"), &of("group")));
        let strict = accounts.account(("c", "other"), limits(3));
        assert!(strict.limits == limits(3) && !Arc::ptr_eq(&strict, &of("group")));
        assert!(accounts.has("other") && !accounts.has("c"));
        accounts.known.lock().expect("a lock").by_name.retain(|name, _| name.len() == 1);
        let other = accounts.account(("a", "group"), limits(2));
        assert!(!Arc::ptr_eq(&other, &of("b")) && other.limits == limits(2));
        let mut known = accounts.known.lock().expect("a lock");
        let later = Instant::now() + IDLE;
        retain_used(&mut known.by_name, Instant::now());
        assert_eq!(known.by_name.len(), 2, "both were used just now");
        known.by_name["b"].add_rows(100_000_000);
        retain_used(&mut known.by_name, later);
        assert!(known.by_name.contains_key("a"), "it is in use");
        drop(other);
        retain_used(&mut known.by_name, later);
        let left: Vec<&str> = known.by_name.keys().map(AsRef::as_ref).collect();
        assert_eq!(left, ["b"], "it owes something");
    }

    #[tokio::test]
    async fn so_many_questions_run_others_wait_and_no_more_than_may_wait_do() {
        let account = LimitAccount::new(LimitOf::Principal, limits(1));
        let first = account.place(Duration::ZERO).await.expect("a place");
        let refused = account.place(Duration::from_millis(1)).await.expect_err("there is one");
        assert_eq!(refused.words(), "the limit principal-questions is reached");
        let mut waiting: Vec<_> =
            (0..WAITING_MAX).map(|_| Box::pin(account.place(Duration::from_secs(60)))).collect();
        for place in &mut waiting {
            assert!(futures::poll!(place).is_pending());
        }
        account.place(Duration::from_secs(60)).await.expect_err("too many wait");
        drop(first);
        waiting.remove(0).await.expect("it was the first to wait");
    }
}
