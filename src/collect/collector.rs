//! The collector: reads the sources of a store when their time comes, and knows how that goes.

use super::client::{CloudClient, CloudCredential, ReadFailure};
use super::coverage::{SourceCoverage, covered};
use super::list::ListPlan;
use super::missing::{MissingStretch, missing};
use super::partner;
use super::round::{ListReader, RoundCounts, blocking, cursor_name};
use super::source::{Pause, Source, SourcePlan};
use super::stored::{stored_source, stored_sources};
use crate::access::Caller;
use crate::engine::{CredentialChange, Engine};
use crate::error::{Error, Result};
use crate::event::Timestamp;
use crate::ingest::{DecodedBatch, LoggedCursor};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// How many sources are read at a time.
const AT_ONCE: usize = 8;
/// How often it is looked which source's time has come.
const LOOK: Duration = Duration::from_millis(500);
/// The longest time between two rounds of a source that cannot be read.
const LATEST_MS: i64 = 300_000;
/// No source is read less often than this, in milliseconds.
const LONGEST_PAUSE_MS: i64 = 86_400_000;
/// How long rounds may go on when the server stops.
const LAST_CALL: Duration = Duration::from_secs(5);

/// How it goes with a source, since the server was started.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SourceState {
    /// Whether it is being read now.
    pub running: bool,
    /// When its last round began.
    pub begun: Option<String>,
    /// When its last round that read everything ended.
    pub done: Option<String>,
    /// Why its last round did not.
    pub error: Option<String>,
    /// What its rounds have brought.
    pub counts: RoundCounts,
    /// When it is read next, in milliseconds since the epoch.
    #[serde(skip)]
    next: i64,
    /// How many rounds in a row have failed.
    #[serde(skip)]
    failed: u32,
}

/// Reads the sources of a store.
#[derive(Debug)]
pub struct Collector {
    engine: Arc<Engine>,
    states: Mutex<BTreeMap<String, SourceState>>,
    changed: Notify,
    is_over: AtomicBool,
}

/// A round that is under way, until it ends in whatever way.
struct RunningRound<'a> {
    collector: &'a Collector,
    name: &'a str,
}

impl Drop for RunningRound<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.collector.states().get_mut(self.name) {
            state.running = false;
        }
    }
}

impl Collector {
    /// A collector of the sources of a store.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            states: Mutex::default(),
            changed: Notify::new(),
            is_over: AtomicBool::new(false),
        }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, SourceState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the store.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    /// Reads sources when their time comes, until `stop` completes.
    pub async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut rounds = JoinSet::new();
        loop {
            for name in self.due(AT_ONCE.saturating_sub(rounds.len())) {
                let collector = Arc::clone(&self);
                rounds.spawn(async move {
                    if let Err(error) = collector.round(&name).await {
                        tracing::warn!(source = name, %error, "a source cannot be read");
                    }
                });
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = rounds.join_next() => {}
                () = self.changed.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        self.is_over.store(true, Ordering::Relaxed);
        // Windows that are stored are stored with their cursors, so a round may end anywhere.
        let _ =
            tokio::time::timeout(LAST_CALL, async { while rounds.join_next().await.is_some() {} })
                .await;
    }

    /// Returns the sources whose time has come, and notes that they are read.
    fn due(&self, most: usize) -> Vec<String> {
        let (sources, now) = (self.sources(), self.now().millis());
        let mut states = self.states();
        states.retain(|name, state| state.running || sources.iter().any(|one| one.name == *name));
        let mut due = Vec::new();
        for source in sources.iter().filter(|source| source.paused.is_none()) {
            let state = states.entry(source.name.clone()).or_default();
            // A clock that went back is not waited for.
            let is_due = state.next <= now || state.next - now > LONGEST_PAUSE_MS;
            if due.len() < most && !state.running && is_due {
                state.running = true;
                due.push(source.name.clone());
            }
        }
        due
    }

    /// Returns the sources, in the order of names.
    pub fn sources(&self) -> Vec<Source> {
        stored_sources(&self.engine)
    }

    /// Returns a source.
    ///
    /// # Errors
    /// No such source; one that cannot be read by this version.
    pub fn source(&self, name: &str) -> Result<Source> {
        stored_source(&self.engine, name)
    }

    /// Returns how it goes with a source.
    pub fn state(&self, name: &str) -> SourceState {
        self.states().get(name).cloned().unwrap_or_default()
    }

    /// Has a source read as soon as possible.
    pub fn hurry(&self, name: &str) {
        if let Some(state) = self.states().get_mut(name) {
            (state.next, state.failed) = (0, 0);
        }
        self.changed.notify_one();
    }

    /// Makes one call of each list of a source.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn test(&self, name: &str) -> Result<()> {
        let source = self.source(name)?;
        let (plan, client) = self.prepared(&source)?;
        let now = self.now().millis();
        for list in &plan.lists {
            let tested = list.list.test(&client, now).await;
            tested.map_err(|failure| failure.of_list(&list.name))?;
        }
        let lists = lists_of(&source, &plan, &client).await;
        lists.map(drop).map_err(|failure| failure.of_list("resellers"))
    }

    fn prepared(&self, source: &Source) -> Result<(SourcePlan, CloudClient)> {
        let plan = source.plan()?;
        let secret = self.engine.source_credential(&source.name)?;
        let credential = secret.map(|secret| match &source.access_key {
            Some(id) => CloudCredential::AccessKey(id.clone(), secret),
            None => CloudCredential::Token(secret),
        });
        let client = CloudClient::new(credential, plan.calls_a_second, self.engine.shared_clock())?;
        Ok((plan, client))
    }

    /// Reads what is new in a source. What one list fails with does not keep the others from being
    /// read.
    ///
    /// # Errors
    /// What is not read. A credential that is refused pauses the source.
    pub async fn round(&self, name: &str) -> Result<RoundCounts> {
        let begun = self.now();
        {
            let mut states = self.states();
            let state = states.entry(name.to_owned()).or_default();
            (state.running, state.begun) = (true, Some(begun.to_string()));
        }
        // Whatever becomes of the round, the source is read again.
        let _running = RunningRound { collector: self, name };
        let mut counts = RoundCounts::default();
        let done = self.read_all(name, &mut counts).await;
        let every = self
            .source(name)
            .and_then(|source| source.plan())
            .map_or(60_000, |plan| i64::try_from(plan.every.as_millis()).unwrap_or(LATEST_MS));
        let now = self.now();
        let mut states = self.states();
        let state = states.entry(name.to_owned()).or_default();
        state.counts.add_all(counts);
        match &done {
            Ok(()) => {
                (state.error, state.failed) = (None, 0);
                state.done = Some(now.to_string());
                state.next = begun.millis().saturating_add(every);
            }
            Err(error) => {
                state.error = Some(error.to_string());
                state.failed = state.failed.saturating_add(1);
                let pause =
                    every.saturating_mul(1 << state.failed.min(10)).min(LATEST_MS.max(every));
                state.next = now.millis().saturating_add(pause);
            }
        }
        done.map(|()| counts)
    }

    async fn read_all(&self, name: &str, counts: &mut RoundCounts) -> Result<()> {
        let source = self.source(name)?;
        let (plan, client) = self.prepared(&source)?;
        let mut first = Ok(());
        let lists = match lists_of(&source, &plan, &client).await {
            Ok(lists) => lists,
            Err(ReadFailure::Refused(why)) => {
                let reason = format!("resellers: {why}");
                self.pause(&source, &reason).await?;
                return Err(Error::invalid(format!("the source is paused: {reason}")));
            }
            Err(failure) => return Err(failure.of_list("resellers")),
        };
        self.forget_others(name, &lists).await?;
        let reader = |list| ListReader {
            engine: &self.engine,
            client: &client,
            source: &source,
            plan: &plan,
            list,
            is_over: &self.is_over,
        };
        for list in &lists {
            reader(list).begin().await?;
        }
        for list in &lists {
            let Err(failure) = reader(list).read(counts).await else { continue };
            let reason = format!("{}: {failure}", list.name);
            if matches!(failure, ReadFailure::Refused(_)) {
                self.pause(&source, &reason).await?;
                return Err(Error::invalid(format!("the source is paused: {reason}")));
            }
            if first.is_ok() {
                first = Err(failure.of_list(&list.name));
            }
        }
        first
    }

    /// Removes the cursors of lists that there are no more, such as those of a reseller that has
    /// left.
    async fn forget_others(&self, name: &str, lists: &[ListPlan]) -> Result<()> {
        let prefix = cursor_name(name, "");
        let known = self.engine.cursors_of(&prefix).into_keys();
        let gone: Vec<String> =
            known.filter(|there| lists.iter().all(|list| list.name != *there)).collect();
        for list in gone {
            let (engine, source) = (Arc::clone(&self.engine), format!("source {name}"));
            let cursor = LoggedCursor { name: cursor_name(name, &list), value: Json::Null };
            blocking(move || engine.ingest_with_cursor(DecodedBatch::default(), &source, &cursor))
                .await?;
        }
        Ok(())
    }

    /// Pauses a source that is refused: asking on would only lock its key.
    /// One that was changed meanwhile may have another key.
    async fn pause(&self, source: &Source, reason: &str) -> Result<()> {
        let name = source.name.as_str();
        if self.source(name)? != *source {
            return Ok(());
        }
        tracing::error!(source = name, reason, "a source is paused");
        let pause = Pause {
            at: self.now().to_string(),
            by: "annals".to_owned(),
            reason: reason.to_owned(),
        };
        let (engine, name) = (Arc::clone(&self.engine), name.to_owned());
        blocking(move || {
            let named = ("pauseSource", name.as_str());
            engine.change_source(&Caller::operator(), named, CredentialChange::Keep, |body| {
                let mut after = body.clone();
                after["paused"] = json!(pause);
                Ok(after)
            })?;
            Ok(())
        })
        .await
    }

    /// Returns which sources are not read, in words.
    pub fn troubles(&self) -> Vec<String> {
        let trouble = |source: Source| {
            let failed = self.state(&source.name).error;
            let why = source.paused.map(|pause| format!("paused: {}", pause.reason)).or(failed)?;
            Some(format!("source {}: {why}", source.name))
        };
        self.sources().into_iter().filter_map(trouble).collect()
    }

    /// Returns what sources have not brought of a period for the tenants that `covers` says.
    ///
    /// # Errors
    /// A source or a cursor that cannot be read.
    pub fn missing(
        &self,
        covers: impl Fn(&str) -> bool,
        period: (Option<Timestamp>, Option<Timestamp>),
    ) -> Result<Vec<MissingStretch>> {
        let mut covered = self.coverage()?;
        covered.retain(|own| covers(&own.tenant));
        Ok(missing(&covered, period, self.now()))
    }

    /// Returns from when on and up to when the sources are complete, by source and tenant.
    ///
    /// # Errors
    /// A source or a cursor that cannot be read.
    pub fn coverage(&self) -> Result<Vec<SourceCoverage>> {
        let mut all = Vec::new();
        for source in self.sources() {
            let state = self.state(&source.name);
            all.extend(covered(&self.engine, &source, state.error.as_deref(), self.now())?);
        }
        Ok(all)
    }
}

/// Returns what sources have not brought of a period for the tenants that `covers` says, in a store
/// that nobody serves.
///
/// # Errors
/// A source or a cursor that cannot be read.
pub fn missing_in(
    engine: &Engine,
    covers: impl Fn(&str) -> bool,
    period: (Option<Timestamp>, Option<Timestamp>),
) -> Result<Vec<MissingStretch>> {
    let (mut all, now) = (Vec::new(), engine.clock().now());
    for source in stored_sources(engine) {
        all.extend(covered(engine, &source, None, now)?);
    }
    all.retain(|own| covers(&own.tenant));
    Ok(missing(&all, period, now))
}

/// Returns the lists of a source, with those of the resellers that there are now.
async fn lists_of(
    source: &Source,
    plan: &SourcePlan,
    client: &CloudClient,
) -> std::result::Result<Vec<ListPlan>, ReadFailure> {
    let mut lists = plan.lists.clone();
    if let Some(endpoint) = &plan.resellers {
        let resellers = partner::resellers(client, endpoint).await?;
        let more = source.lists_of_resellers(resellers.iter())?;
        lists.extend(more.into_iter().filter(|list| !plan.lists.contains(list)));
    }
    Ok(lists)
}
