//! The trace list of Cloud Trace Service (CTS), v3: `GET /v3/{project_id}/traces`.
//!
//! A list has one project and one kind of trace: management traces, or the data traces of a
//! tracker. It gives the newest first, `from` and `to` exclusive, and goes on from a marker, the id
//! of the last trace. A page that is empty after a full one is asked for again. Where a marker
//! leads nowhere, because two traces share an id, the list goes on from the time of the last one.

use super::client::{CloudCall, CloudClient, ReadFailure};
use super::passes::key_of;
use super::window::Window;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use url::Url;

/// The most traces of a page.
const PAGE: usize = 200;
/// How often an empty page after a full one is asked for again, and after which pause.
const EMPTY_MAX: usize = 3;
const EMPTY_PAUSE: Duration = Duration::from_millis(300);
/// How many traces are handed on at a time.
const HANDED: usize = 4_000;
const HANDED_BYTES: usize = 8 << 20;
/// The most traces of a window; one with more is read in shorter ones.
const WINDOW_TRACES_MAX: usize = 200_000;
/// How long the list keeps a trace, in milliseconds: seven days. A little less, because time goes
/// on while it is read.
pub(super) const KEPT_MS: i64 = 7 * 86_400_000 - 600_000;

/// Which traces are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TraceList {
    pub(super) endpoint: Url,
    pub(super) project: String,
    /// The tracker of data traces; management traces if there is none.
    pub(super) tracker: Option<String>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    traces: Vec<&'a RawValue>,
    #[serde(default)]
    meta_data: PageEnd,
}

#[derive(Default, Deserialize)]
struct PageEnd {
    #[serde(default)]
    marker: Option<String>,
}

/// What the paging needs of a trace. Its fields come in several types.
#[derive(Deserialize)]
struct PagedTrace {
    #[serde(default)]
    time: Json,
}

impl PagedTrace {
    /// Its time, if that is in milliseconds.
    fn millis(&self) -> Option<i64> {
        match &self.time {
            Json::Number(number) => number.as_i64(),
            Json::String(text) => text.parse().ok(),
            _ => None,
        }
        .filter(|millis| *millis > 100_000_000_000)
    }
}

impl TraceList {
    /// Returns which traces these are.
    pub(super) fn what(&self) -> String {
        format!("{}/{}", self.project, self.tracker.as_deref().unwrap_or_default())
    }

    /// Returns the call for a page.
    fn call(&self, window: (i64, i64), limit: usize, marker: Option<&str>) -> CloudCall<'_> {
        let kind = if self.tracker.is_some() { "data" } else { "system" };
        let mut query = vec![
            ("trace_type", kind.to_owned()),
            ("limit", limit.to_string()),
            // Both ends are exclusive.
            ("from", (window.0 - 1).to_string()),
            ("to", window.1.to_string()),
        ];
        query.extend(self.tracker.as_ref().map(|name| ("tracker_name", name.clone())));
        query.extend(marker.map(|marker| ("next", marker.to_owned())));
        CloudCall {
            endpoint: &self.endpoint,
            method: "GET",
            path: format!("/v3/{}/traces", self.project),
            query,
            body: None,
            headers: vec![("x-project-id", self.project.clone())],
        }
    }

    /// Makes one call, to see whether it is permitted.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) async fn test(&self, client: &CloudClient, now: i64) -> Result<(), ReadFailure> {
        client.call(&self.call((now - 60_000, now), 1, None)).await.map(drop)
    }

    /// Reads a window, and hands its records on, a few thousand at a time.
    ///
    /// # Errors
    /// A call that fails; nobody who takes the records.
    pub(super) async fn read(
        &self,
        client: &CloudClient,
        window: &Window,
        records: Sender<Vec<String>>,
    ) -> Result<(), ReadFailure> {
        let unwanted = |_| ReadFailure::Unavailable("its records are not stored".to_owned());
        let (from, mut to) = (window.from.millis(), window.to.millis());
        let mut marker: Option<String> = None;
        let mut seen: HashSet<[u8; 16]> = HashSet::new();
        let mut waiting: Vec<String> = Vec::new();
        let (mut was_full, mut empty, mut bytes) = (false, 0, 0);
        loop {
            let body = client.call(&self.call((from, to), PAGE, marker.as_deref())).await?;
            let page: Page<'_> = serde_json::from_slice(&body).map_err(|_| {
                let what = "the answer is no list of traces: is this CTS?";
                ReadFailure::Unavailable(what.to_owned())
            })?;
            if page.traces.is_empty() {
                if !was_full {
                    break;
                }
                if empty == EMPTY_MAX {
                    let what = "a page after a full one is empty again and again";
                    return Err(ReadFailure::Unavailable(what.to_owned()));
                }
                empty += 1;
                tokio::time::sleep(EMPTY_PAUSE).await;
                continue;
            }
            (was_full, empty) = (page.traces.len() >= PAGE, 0);
            let last = page.traces.last().and_then(|last| paged(last));
            let before = waiting.len();
            for trace in &page.traces {
                if seen.insert(key_of(trace.get())) {
                    bytes += trace.get().len();
                    waiting.push(trace.get().to_owned());
                }
            }
            let has_new = waiting.len() > before;
            if seen.len() > WINDOW_TRACES_MAX {
                return Err(ReadFailure::TooMany);
            }
            if waiting.len() >= HANDED || bytes >= HANDED_BYTES {
                bytes = 0;
                records.send(std::mem::take(&mut waiting)).await.map_err(unwanted)?;
            }
            match (page.meta_data.marker, last.as_ref().and_then(PagedTrace::millis)) {
                (Some(next), _) if has_new && marker.as_ref() != Some(&next) => marker = Some(next),
                // The marker leads to what was seen, or a full page has none: go on from the time
                // of the last one, which is among what is asked for then.
                (next, Some(millis))
                    if (next.is_some() || was_full) && (from..to - 1).contains(&millis) =>
                {
                    (to, marker) = (millis + 1, None);
                }
                (Some(_), _) if was_full => {
                    let what = "a full page leads to itself: too many traces of one moment";
                    return Err(ReadFailure::Unavailable(what.to_owned()));
                }
                _ => break,
            }
        }
        if waiting.is_empty() { Ok(()) } else { records.send(waiting).await.map_err(unwanted) }
    }
}

fn paged(trace: &RawValue) -> Option<PagedTrace> {
    serde_json::from_str(trace.get()).ok()
}
