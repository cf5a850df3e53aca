//! Cursors: up to where what is fetched from elsewhere has been read.
//!
//! A cursor moves in the same append to the log as the events that it covers, so it is never ahead
//! of them, whenever the process dies. Each new file of the log begins with all of them, as with
//! the answers to requests, so a backup has them, too.

use super::ingest::STREAM_ROOM_WAIT;
use crate::access::SYSTEM_TENANT;
use crate::engine::{Engine, Outcome};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ingest::{DecodedBatch, LoggedCursor};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most cursors, and the longest in bytes of JSON, with its name: all of them are rewritten
/// with each file of the log.
const CURSORS_MAX: usize = 10_000;
const CURSOR_BYTES_MAX: usize = 2 << 10;

/// Some cursors, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine) struct Cursors(BTreeMap<String, Json>);

impl Cursors {
    /// Moves a cursor; null removes it.
    pub(in crate::engine) fn set(&mut self, cursor: &LoggedCursor) {
        if cursor.value.is_null() {
            self.0.remove(&cursor.name);
        } else {
            self.0.insert(cursor.name.clone(), cursor.value.clone());
        }
    }

    /// Returns all of them as the log has them.
    pub(in crate::engine) fn all(&self) -> Vec<LoggedCursor> {
        let logged = |(name, value): (&String, &Json)| LoggedCursor {
            name: name.clone(),
            value: value.clone(),
        };
        self.0.iter().map(logged).collect()
    }

    /// Fails if a cursor is too long, or there are too many others.
    fn check_room(&self, cursor: &LoggedCursor) -> Result<()> {
        let length = cursor.name.len() + cursor.value.to_string().len();
        if length > CURSOR_BYTES_MAX {
            let what = format!("the cursor {} has {length} bytes of JSON", cursor.name);
            return Err(Error::internal(what));
        }
        if self.0.len() >= CURSORS_MAX && !self.0.contains_key(&cursor.name) {
            let what = format!("there are already {CURSORS_MAX} lists that are read");
            return Err(Error::invalid(what));
        }
        Ok(())
    }
}

/// The cursors that are durable, for those who read on, and those who ask how far it is complete.
#[derive(Debug, Default)]
pub(in crate::engine) struct DurableCursors(Mutex<Cursors>);

impl DurableCursors {
    /// Those that the log has.
    pub(in crate::engine) fn new(cursors: Cursors) -> Self {
        Self(Mutex::new(cursors))
    }

    fn lock(&self) -> MutexGuard<'_, Cursors> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a cursor has moved durably.
    pub(in crate::engine) fn note(&self, cursor: &LoggedCursor) {
        self.lock().set(cursor);
    }

    /// Returns whether a cursor is where it was moved to.
    pub(in crate::engine) fn has(&self, cursor: &LoggedCursor) -> bool {
        self.lock().0.get(&cursor.name).unwrap_or(&Json::Null) == &cursor.value
    }

    /// Returns all of them.
    pub(in crate::engine) fn get(&self) -> Cursors {
        self.lock().clone()
    }

    /// Returns those whose names begin like this, without that.
    pub(in crate::engine) fn of(&self, prefix: &str) -> BTreeMap<String, Json> {
        let cursors = self.lock();
        let own = cursors.0.range(prefix.to_owned()..);
        let own = own.map_while(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
        own.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }

    /// Fails if a cursor has no room.
    pub(in crate::engine) fn check_room(&self, cursor: &LoggedCursor) -> Result<()> {
        self.lock().check_room(cursor)
    }
}

impl Engine {
    /// Accepts a batch together with a cursor, which moves in the same append: when this returns,
    /// both are durable, and if it fails, the cursor is where it was.
    ///
    /// # Errors
    /// As [`Engine::ingest`]; a cursor that has no room.
    pub fn ingest_with_cursor(
        &self,
        batch: DecodedBatch,
        source: &str,
        cursor: &LoggedCursor,
    ) -> Result<Outcome> {
        let writer = self.writer()?;
        let is_own = |event: &Event| *event.tenant == *SYSTEM_TENANT;
        if batch.events.iter().any(is_own) {
            return Err(Error::internal("what is fetched is for the store's own tenant"));
        }
        self.shared.cursors.check_room(cursor)?;
        let wait = STREAM_ROOM_WAIT;
        let outcome = writer.ingest_marked(batch, source, (None, Some(cursor.clone())), wait)?;
        if self.shared.cursors.has(cursor) {
            return Ok(outcome);
        }
        // A record of the batch was set aside because another one has its id, which is durable only
        // now: the cursor follows.
        let rest = (None, Some(cursor.clone()));
        writer.ingest_marked(DecodedBatch::default(), source, rest, wait)?;
        Ok(outcome)
    }

    /// Returns the cursors whose names begin like this, without that.
    pub fn cursors_of(&self, prefix: &str) -> BTreeMap<String, serde_json::Value> {
        self.shared.cursors.of(prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cursor(name: &str, value: Json) -> LoggedCursor {
        LoggedCursor { name: name.to_owned(), value }
    }

    #[test]
    fn cursors_are_found_by_their_source_and_go_with_it() {
        let mut logged = Cursors::default();
        for name in ["cloud/a", "cloud/b", "cloudy/a", "cl/a"] {
            logged.set(&cursor(name, json!({ "to": 1 })));
        }
        let durable = DurableCursors::new(logged.clone());
        assert_eq!(durable.of("cloud/").keys().collect::<Vec<_>>(), ["a", "b"]);
        durable.note(&cursor("cloud/a", json!({ "to": 2 })));
        assert_eq!(durable.of("cloud/")["a"], json!({ "to": 2 }));
        durable.note(&cursor("cloud/b", Json::Null));
        assert_eq!(durable.of("cloud/").len(), 1);
        assert_eq!(durable.get().all().len(), 3);
    }

    #[test]
    fn cursors_have_a_bound() {
        let durable = DurableCursors::default();
        let long = cursor("cloud/a", "x".repeat(CURSOR_BYTES_MAX).into());
        assert!(durable.check_room(&long).is_err());
        for number in 0..CURSORS_MAX {
            let one = cursor(&format!("cloud/{number}"), json!(1));
            durable.check_room(&one).expect("room");
            durable.note(&one);
        }
        assert!(durable.check_room(&cursor("cloud/more", json!(1))).is_err());
        durable.check_room(&cursor("cloud/7", json!(2))).expect("it is there already");
    }
}
