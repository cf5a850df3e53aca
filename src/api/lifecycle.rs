//! The record of a server: its start, with what it was set up, what it found, and its end; and when
//! credentials were last used, which outlives it.
//!
//! | event | says |
//! |---|---|
//! | `startServer` | the version and all settings, without secrets |
//! | `changeConfiguration` | the settings that differ from those of the start before |
//! | `recoverStore` | the process before did not stop, or the log ended in an incomplete batch |
//! | `reloadCertificate` | other files of TLS are in use, or could not be taken over |
//! | `stopServer` | whether all requests had ended |

use crate::engine::Engine;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Records that a server starts at an address with these settings, and what is new about it.
pub(super) async fn record_start(engine: &Arc<Engine>, settings: Json, address: &str) {
    let asked = Arc::clone(engine);
    let before = tokio::task::spawn_blocking(move || asked.last_server()).await;
    let before = match before {
        Ok(Ok(before)) => before,
        Ok(Err(error)) => {
            tracing::error!(%error, "the record of the server before this cannot be read");
            None
        }
        Err(_) => None,
    };
    let torn = engine.torn_bytes();
    let has_stopped = before.as_ref().is_none_or(|before| before.has_stopped);
    if !has_stopped || torn > 0 {
        let details = json!({ "stopped": has_stopped, "torn_bytes": torn,
            "recovered_events": engine.recovered_events(),
            "started": before.as_ref().map(|before| before.started.to_string()) });
        record(engine, "recoverStore", details).await;
    }
    let changed = before.and_then(|before| differences(&before.settings, &settings));
    if let Some(changed) = changed {
        record(engine, "changeConfiguration", changed).await;
    }
    let details = json!({ "version": env!("CARGO_PKG_VERSION"), "listen": address,
        "credentials": settings["auth"] != "none", "settings": settings });
    record(engine, "startServer", details).await;
}

/// Records something about a server. A disk that is full does not keep it from answering what needs
/// no record, such as how it is.
pub(super) async fn record(engine: &Engine, event_name: &str, details: Json) {
    if let Err(error) = engine.record_event(event_name, details).await {
        tracing::error!(%error, "{event_name} cannot be recorded");
    }
}

/// How often it is noted when credentials were last used.
const NOTE_USES: Duration = Duration::from_secs(60);

/// Notes when credentials were last used, as long as the server answers and once more at its end.
pub(super) async fn note_last_used(engine: Arc<Engine>, mut stopping: watch::Receiver<bool>) {
    let mut noted = engine.directory().last_uses();
    loop {
        let is_over =
            tokio::time::timeout(NOTE_USES, stopping.wait_for(|stop| *stop)).await.is_ok();
        let (asked, before) = (Arc::clone(&engine), noted.clone());
        match tokio::task::spawn_blocking(move || asked.note_last_used(&before)).await {
            Ok(Ok(now)) => noted = now,
            Ok(Err(error)) => tracing::warn!(%error, "last uses of tokens cannot be noted"),
            Err(_) => {}
        }
        if is_over {
            return;
        }
    }
}

/// Returns the settings that differ, each as it was and as it is; `None` if none does, or what they
/// were is not known.
fn differences(before: &Json, now: &Json) -> Option<Json> {
    let (before, now) = (before.as_object()?, now.as_object()?);
    let names = before.keys().chain(now.keys().filter(|name| !before.contains_key(*name)));
    let differ = names.filter(|name| before.get(*name) != now.get(*name));
    let (mut was, mut is) = (Map::new(), Map::new());
    for name in differ {
        was.insert(name.clone(), before.get(name).cloned().unwrap_or_default());
        is.insert(name.clone(), now.get(name).cloned().unwrap_or_default());
    }
    (!was.is_empty()).then(|| json!({ "before": was, "after": is }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_are_told_with_what_they_were() {
        let before = json!({ "listen": "a", "tls": null, "gone": 1 });
        let now = json!({ "listen": "b", "tls": null, "new": true });
        let expected = json!({ "before": { "listen": "a", "gone": 1, "new": null },
            "after": { "listen": "b", "gone": null, "new": true } });
        assert_eq!(differences(&before, &now), Some(expected));
        assert_eq!(differences(&now, &now), None);
        assert_eq!(differences(&Json::Null, &now), None, "an earlier version told none");
    }
}
