//! When tokens and access keys were last used, across restarts: people withdraw what nothing has
//! used for long.
//!
//! It is noted in a small file every minute and at the end of a server, so a process that is killed
//! forgets a minute at most; the trail has every use. It is neither administrative state, each
//! change of which would be an event, nor in backups.

use super::Engine;
use crate::error::Result;
use crate::event::Timestamp;
use crate::storage::paths::LAST_USED_FILE;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

impl Engine {
    /// Reads when credentials were last used before this process. A file that cannot be read is
    /// none: nothing but what people see depends on it.
    pub fn recall_last_used(&self) {
        let Ok(bytes) = self.shared.data.store().read(LAST_USED_FILE) else { return };
        let noted: Map<String, Json> = match serde_json::from_slice(&bytes) {
            Ok(noted) => noted,
            Err(error) => {
                return tracing::warn!(%error, "{LAST_USED_FILE} cannot be read: it is left out");
            }
        };
        let time = |time: &Json| Timestamp::parse(time.as_str()?).ok();
        let noted = noted.iter().filter_map(|(id, noted)| Some((id.clone(), time(noted)?)));
        self.directory().recall_last_uses(&noted.collect());
    }

    /// Notes when credentials were last used, unless that is `noted` already; returns what is noted
    /// now.
    ///
    /// # Errors
    /// A full or failing disk.
    pub fn note_last_used(
        &self,
        noted: &BTreeMap<String, Timestamp>,
    ) -> Result<BTreeMap<String, Timestamp>> {
        let uses = self.directory().last_uses();
        if uses != *noted {
            let shown = uses.iter().map(|(id, time)| (id.clone(), time.to_string().into()));
            let shown = Json::Object(shown.collect());
            self.shared.data.store().put_private(LAST_USED_FILE, shown.to_string().as_bytes())?;
        }
        Ok(uses)
    }
}
