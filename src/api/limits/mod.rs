//! Limits of principals and tenants: requests, questions at a time, bytes in and events out.
//!
//! They keep a caller from taking the share of others, on top of the bounds that the server has for
//! all of them together. What is over a limit waits where waiting helps, and is refused otherwise,
//! with 503 and the time after which it is not refused. The operator has no limits of a principal.
//!
//! A tenant's limits count for whoever asks about it by its name or delivers for it. A question
//! about `*` is its caller's alone, unless the caller has one tenant: nobody takes by one question
//! what others may ask about each of thousands. Names of tenants that there are not count nothing,
//! so nobody makes up so many that those of others find no room.

mod account;
mod body;
mod failures;
mod meter;
mod reached;

pub(super) use reached::LimitReached;

use crate::access::{CallLimits, Caller, is_generated};
use crate::engine::Engine;
use crate::error::Result;
use account::{Accounts, LimitAccount};
use axum::body::Body;
use body::PacedBody;
use failures::FailedSignIns;
use reached::{LimitOf, RefusalCounts};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// How long a question or a delivery waits for what was answered or delivered before.
const DEBT_WAIT: Duration = Duration::from_secs(10);
/// How long an export sleeps before it looks whether anybody still wants it.
const PAUSE: Duration = Duration::from_millis(50);
/// The account that tenants share which find no room for their own; no tenant has such a name.
const OTHER_TENANTS: &str = "*";

/// The limits of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Those of each principal that has none of its own in its record.
    pub principal: CallLimits,
    /// Those of each tenant.
    pub tenant: CallLimits,
}

impl Default for ServerLimits {
    /// 32 questions of a principal at a time, so that the others have half of the threads for light
    /// questions; no other limit, because what is much for one store is little for another.
    fn default() -> Self {
        let principal = CallLimits { questions: Some(32), ..CallLimits::default() };
        Self { principal, tenant: CallLimits::default() }
    }
}

/// What principals and tenants have used of their limits.
#[derive(Debug)]
pub(super) struct UsedLimits {
    /// Knows which tenants there are.
    engine: Arc<Engine>,
    principals: Accounts,
    tenants: Accounts,
    failures: FailedSignIns,
    refusals: RefusalCounts,
    /// How long a question waits for its place.
    patience: Duration,
}

/// What a question takes while it is answered: places, and an account of each whose limits count.
#[derive(Debug, Default)]
pub(in crate::api) struct AskingPlace {
    accounts: Vec<Arc<LimitAccount>>,
    _places: Vec<[OwnedSemaphorePermit; 2]>,
    _export: Option<OwnedSemaphorePermit>,
}

impl UsedLimits {
    pub(super) fn new(engine: Arc<Engine>, limits: &ServerLimits) -> Self {
        let patience = engine.settings().question_wait;
        Self {
            engine,
            principals: Accounts::new(LimitOf::Principal, limits.principal),
            tenants: Accounts::new(LimitOf::Tenant, limits.tenant),
            failures: FailedSignIns::default(),
            refusals: RefusalCounts::default(),
            patience,
        }
    }

    /// Returns the account of a caller; none for the operator. Members of a group are counted each
    /// for itself as long as there is room, and together beyond that.
    fn principal(&self, caller: &Caller) -> Option<Arc<LimitAccount>> {
        let principal = caller.grant()?.principal();
        let limits = principal.limits.or(self.principals.limits);
        Some(self.principals.account((caller.name(), &principal.name), limits))
    }

    /// Returns the account of a tenant, if there is that tenant.
    fn tenant(&self, name: &str) -> Option<Arc<LimitAccount>> {
        let known = self.tenants.has(name) || self.engine.has_tenant(name);
        known.then(|| self.tenants.account((name, OTHER_TENANTS), self.tenants.limits))
    }

    /// Counts a request of a caller.
    ///
    /// # Errors
    /// There were too many.
    pub(super) fn take_request(&self, caller: &Caller) -> Result<(), LimitReached> {
        let Some(account) = self.principal(caller) else { return Ok(()) };
        account.take_request().map_err(|reached| self.refusals.count(reached))
    }

    /// Makes a caller's body one that is read no faster than the caller may send. What is returned
    /// with it says later whether it was refused.
    pub(super) fn pace(
        &self,
        caller: &Caller,
        body: Body,
    ) -> (Body, Option<Arc<OnceLock<LimitReached>>>) {
        match self.principal(caller).filter(|account| account.limits_bytes()) {
            Some(account) => {
                let (body, reached) = PacedBody::wrap(body, account);
                (body, Some(reached))
            }
            None => (body, None),
        }
    }

    /// Counts a body that was refused, and returns why.
    pub(super) fn refused(&self, reached: &OnceLock<LimitReached>) -> Option<LimitReached> {
        reached.get().map(|reached| self.refusals.count(*reached))
    }

    /// Takes a place for a caller's question about tenants, as they are named in it.
    ///
    /// # Errors
    /// A limit that is reached, with the time after which to ask again.
    pub(super) async fn place(&self, caller: &Caller, names: &[&str]) -> Result<AskingPlace> {
        let taken = self.take_place(caller, names).await;
        taken.map_err(|reached| self.refusals.count(reached).into_error())
    }

    /// The same for an export, of which a principal has a share.
    ///
    /// # Errors
    /// As [`UsedLimits::place`].
    pub(super) async fn export_place(
        &self,
        caller: &Caller,
        names: &[&str],
    ) -> Result<AskingPlace> {
        let own = self.principal(caller);
        let export = own.map(|account| account.export_place()).transpose();
        let export = export.map_err(|reached| self.refusals.count(reached).into_error())?;
        let place = self.place(caller, names).await?;
        Ok(AskingPlace { _export: export, ..place })
    }

    async fn take_place(
        &self,
        caller: &Caller,
        names: &[&str],
    ) -> Result<AskingPlace, LimitReached> {
        let tenants = self.asked(caller, names);
        let tenants: Vec<Arc<LimitAccount>> =
            tenants.iter().filter_map(|tenant| self.tenant(tenant)).collect();
        for tenant in &tenants {
            tenant.take_request()?;
        }
        // The principal first, and tenants in the order of their names: so none waits for another
        // in a circle.
        let accounts: Vec<Arc<LimitAccount>> =
            self.principal(caller).into_iter().chain(tenants).collect();
        let mut places = Vec::new();
        for account in &accounts {
            account.rows_paid(DEBT_WAIT).await?;
            places.extend(account.place(self.patience).await?);
        }
        Ok(AskingPlace { accounts, _places: places, _export: None })
    }

    /// Returns the tenants that a question is about. A question that its caller may not ask is
    /// about none: nobody uses up what others may ask.
    fn asked(&self, caller: &Caller, names: &[&str]) -> BTreeSet<String> {
        if self.tenants.limits.is_empty() {
            return BTreeSet::new();
        }
        let scope = caller.scope(names).ok();
        let tenants = scope.and_then(|scope| scope.named().cloned()).unwrap_or_default();
        if names.contains(&"*") && tenants.len() > 1 { BTreeSet::new() } else { tenants }
    }

    /// Returns whether deliveries for tenants are limited.
    pub(super) fn has_deliveries(&self) -> bool {
        self.tenants.limits.requests.is_some() || self.tenants.limits.bytes_in.is_some()
    }

    /// Counts a delivery, given the bytes for each tenant, and waits until it may go on. The first
    /// one for a tenant is counted [when it is stored](Self::delivered).
    ///
    /// # Errors
    /// A limit of a tenant that is reached.
    pub(super) async fn deliver(&self, bytes: &BTreeMap<Box<str>, u64>) -> Result<()> {
        let delivered: Result<(), LimitReached> = async {
            let accounts = bytes.iter().map(|(name, bytes)| Some((self.tenant(name)?, *bytes)));
            let accounts: Vec<(Arc<LimitAccount>, u64)> = accounts.flatten().collect();
            for (account, _) in &accounts {
                account.take_delivery()?;
            }
            for (account, _) in &accounts {
                account.bytes_paid(DEBT_WAIT).await?;
            }
            accounts.iter().for_each(|(account, bytes)| account.add_bytes(*bytes));
            Ok(())
        }
        .await;
        delivered.map_err(|reached| self.refusals.count(reached).into_error())
    }

    /// Counts a delivery that was stored for tenants that had no account before. One of which all
    /// is in quarantine makes no tenant.
    pub(super) fn delivered(&self, bytes: &BTreeMap<Box<str>, u64>) {
        for (name, bytes) in bytes.iter().filter(|(name, _)| !self.tenants.has(name)) {
            let Some(account) = self.tenant(name) else { continue };
            // It is stored, whatever the limit.
            let _ = account.take_delivery();
            account.add_bytes(*bytes);
        }
    }

    /// Fails if too many sign-ins from an address have failed lately, unless nobody could guess the
    /// token that is shown: those that this server makes are random, so they cannot be tried out,
    /// and whoever has one is not kept out by others behind the same address.
    ///
    /// # Errors
    /// How long that is so.
    pub(super) fn check_failures(
        &self,
        address: Option<IpAddr>,
        token: &str,
    ) -> Result<(), LimitReached> {
        if is_generated(token) {
            return Ok(());
        }
        let checked = address.map_or(Ok(()), |address| self.failures.check(address));
        checked.map_err(|reached| self.refusals.count(reached))
    }

    /// Notes that a sign-in from an address failed. What nobody can guess is no guess: a program
    /// with a token that was withdrawn is told so for as long as it tries.
    ///
    /// # Errors
    /// There were too many before this one: it is said in its place.
    pub(super) fn note_failure(
        &self,
        address: Option<IpAddr>,
        token: &str,
    ) -> Result<(), LimitReached> {
        let Some(address) = address.filter(|_| !is_generated(token)) else { return Ok(()) };
        // What is held back does not count: it would be held back for ever.
        self.failures.check(address).map_err(|reached| self.refusals.count(reached))?;
        self.failures.note(address);
        Ok(())
    }

    /// Returns whose limit was reached how often, by the names of both.
    pub(super) fn refusals(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.refusals.all()
    }
}

impl AskingPlace {
    /// Notes how many events were answered.
    pub(super) fn gave(&self, rows: u64) {
        self.accounts.iter().for_each(|account| account.add_rows(rows));
    }

    /// Notes how many events more were written, and sleeps until more may be, or nobody wants them.
    /// For threads that may block.
    pub(super) fn pace(&self, rows: u64, is_wanted: impl Fn() -> bool) {
        self.gave(rows);
        while let Some(wait) = self.accounts.iter().filter_map(|own| own.rows_wait()).max() {
            if !is_wanted() {
                return;
            }
            std::thread::sleep(wait.min(PAUSE));
        }
    }
}
