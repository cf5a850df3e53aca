//! A store in a temporary directory, for tests.

use annals::access::Scope;
use annals::clock::ManualClock;
use annals::engine::{Engine, Outcome, Settings};
use annals::event::{Event, Timestamp};
use annals::ingest::{IncomingRecord, TenantRule};
use annals::query::{Filter, PageQuery, SortOrder};
use annals::storage::AccessMode;
use annals::storage::segment::SummaryRule;
use serde_json::Value as Json;

use std::sync::Arc;
use tokio::runtime::Runtime;

/// 2026-06-30T00:00:00Z: "now" in tests.
pub(crate) const NOW: i64 = 1_782_777_600_000;

/// A store, its clock and its directory.
pub(crate) struct TestStore {
    engine: Option<Arc<Engine>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) runtime: Runtime,
    folder: tempfile::TempDir,
    compact: bool,
}

impl TestStore {
    /// A store whose segments stay as they are sealed.
    pub(crate) fn new() -> Self {
        Self::with(false)
    }

    /// A store that merges segments in the background.
    pub(crate) fn compacting() -> Self {
        Self::with(true)
    }

    fn with(compact: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(NOW)));
        let mut store = Self { engine: None, clock, runtime, folder, compact };
        store.open();
        store
    }

    fn open(&mut self) {
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        // Small as they are, segments have summaries of all there is.
        let summary = SummaryRule { rows: 1, share: 1 };
        let settings = Settings { compact: self.compact, summary, ..Settings::default() };
        let engine = Engine::open_with(
            &self.path(),
            AccessMode::Write,
            clock,
            self.runtime.handle().clone(),
            settings,
        )
        .expect("a store");
        self.engine = Some(Arc::new(engine));
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(&mut self) {
        self.engine = None;
        self.open();
    }

    /// Ends without another write, as a process that dies, and opens again with other settings.
    pub(crate) fn reopen_with(&mut self, settings: Settings) {
        self.try_reopen(settings).expect("a store");
    }

    /// The same with settings that may not do.
    pub(crate) fn try_reopen(&mut self, settings: Settings) -> Result<(), annals::error::Error> {
        self.engine = None;
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        let engine = Engine::open_with(
            &self.path(),
            AccessMode::Write,
            clock,
            self.runtime.handle().clone(),
            settings,
        )?;
        self.engine = Some(Arc::new(engine));
        Ok(())
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        self.engine.as_ref().expect("the store is open")
    }

    /// Closes the store, so that a process can open it.
    pub(crate) fn close(&mut self) {
        self.engine = None;
    }

    /// Takes in records of one tenant.
    pub(crate) fn ingest(&self, tenant: &str, records: &[String]) -> Outcome {
        self.take(records.to_vec(), &TenantRule::new(Some(tenant), None).expect("a tenant"))
    }

    /// Takes in records that name their tenant.
    pub(crate) fn ingest_from(&self, records: &[Json], path: &str) -> Outcome {
        self.take(
            records.iter().map(Json::to_string).collect(),
            &TenantRule::new(None, Some(path)).expect("a path"),
        )
    }

    /// The same for records as they are written.
    pub(crate) fn buffer_lines(&self, records: &[String], path: &str) -> Outcome {
        self.take_unsealed(records.to_vec(), &TenantRule::new(None, Some(path)).expect("a path"))
    }

    /// Takes in records that name their tenant, and leaves them in the buffer.
    pub(crate) fn buffer_from(&self, records: &[Json], path: &str) -> Outcome {
        self.take_unsealed(
            records.iter().map(Json::to_string).collect(),
            &TenantRule::new(None, Some(path)).expect("a path"),
        )
    }

    fn take(&self, records: Vec<String>, rule: &TenantRule) -> Outcome {
        let outcome = self.take_unsealed(records, rule);
        self.engine().seal().expect("a commit");
        outcome
    }

    fn take_unsealed(&self, records: Vec<String>, rule: &TenantRule) -> Outcome {
        let record = |(line, text): (usize, String)| IncomingRecord::new(line as u64 + 1, text);
        let records = records.into_iter().enumerate().map(record).collect();
        self.engine().ingest(self.engine().decode(records, None, rule), "test").expect("a batch")
    }

    /// Every event, newest first.
    pub(crate) fn everything(&self) -> Vec<Event> {
        all_pages(
            self.engine(),
            &Scope::of_operator(&["*"]).expect("all"),
            &Filter::default(),
            SortOrder::Descending,
            1_000,
        )
    }
}

/// All events of a list, page by page; going back from the last page gives the same.
pub(crate) fn all_pages(
    engine: &Engine,
    scope: &Scope,
    filter: &Filter,
    order: SortOrder,
    limit: usize,
) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut cursor = None;
    let mut before = None;
    loop {
        let snapshot = engine.snapshot();
        let page = engine
            .reader(&snapshot, None)
            .list(scope, filter, &PageQuery { limit, order, cursor, around: None })
            .expect("a page");
        assert_eq!(
            page.prev.is_some(),
            !events.is_empty() && !page.events.is_empty(),
            "a page after the first has one before it"
        );
        if let Some(prev) = page.prev {
            let query = PageQuery { limit, order, cursor: Some(prev), around: None };
            let back = engine.reader(&snapshot, None).list(scope, filter, &query).expect("a page");
            assert_eq!(
                Some(back.events),
                before,
                "the page before is the one that was seen before"
            );
        }
        before = Some(page.events.clone());
        events.extend(page.events);
        cursor = page.next;
        if cursor.is_none() {
            return events;
        }
    }
}
