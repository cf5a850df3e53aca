//! What the trail knows of the server before this one, and what this process found when it opened
//! the store.

use super::Engine;
use crate::access::{SYSTEM_TENANT, Scope};
use crate::error::Result;
use crate::event::{Event, Field, Timestamp};
use crate::filter::Filter;
use crate::query::PageQuery;
use serde_json::{Value as Json, json};

/// A server that was started on the store before.
#[derive(Debug, Clone)]
pub struct EarlierServer {
    /// When it started.
    pub started: Timestamp,
    /// Its settings; null if an earlier version wrote the record.
    pub settings: Json,
    /// Whether its end was recorded as well.
    pub has_stopped: bool,
}

impl Engine {
    /// Returns the server that was started last, if one was.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn last_server(&self) -> Result<Option<EarlierServer>> {
        let snapshot = self.snapshot();
        let scope = Scope::of_operator(&[SYSTEM_TENANT])?;
        let reader = self.reader(&snapshot, None);
        let last = |names: &[&str]| -> Result<Option<Event>> {
            let names = names.iter().map(|name| (*name).to_owned());
            let filter = Filter::default().and_one_of(Field::EventName, names);
            let query = PageQuery { limit: 1, ..PageQuery::default() };
            Ok(reader.list(&scope, &filter, &query)?.events.pop())
        };
        let Some(started) = last(&["startServer"])? else { return Ok(None) };
        let newest = last(&["startServer", "stopServer"])?;
        let record: Json = serde_json::from_str(&started.original).unwrap_or_default();
        Ok(Some(EarlierServer {
            started: started.time,
            settings: record["details"]["settings"].clone(),
            has_stopped: newest.is_some_and(|newest| newest.seq != started.seq),
        }))
    }

    /// Returns how many events were recovered from the write-ahead log when the store was opened.
    pub fn recovered_events(&self) -> usize {
        self.shared.recovered.0
    }

    /// Returns how many bytes at the end of the write-ahead log were an incomplete batch, which was
    /// never acknowledged and was cut off.
    pub fn torn_bytes(&self) -> u64 {
        self.shared.recovered.1
    }

    /// Returns the bounds that this process works with, as they are recorded.
    pub fn shown_settings(&self) -> Json {
        let settings = &self.shared.settings;
        json!({
            "seal_events": settings.seal_events, "seal_bytes": settings.seal_bytes,
            "seal_after_seconds": settings.seal_after.as_secs(),
            "buffer_bytes": settings.buffer_bytes, "open_bytes": settings.open_bytes,
            "free_bytes": settings.free_bytes, "quarantine_bytes": settings.quarantine_bytes,
            "question_seconds": settings.question_time.as_secs(),
            "keep_replaced_seconds": settings.replaced_kept.as_secs(),
            "compact": settings.compact, "seal_key": settings.seal_key.is_some(),
            "backups": settings.backups.as_ref().map(|folder| folder.display().to_string()),
        })
    }
}
