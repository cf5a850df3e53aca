//! Two servers that must answer the same on every path: that of a principal, and that of a store
//! that holds only what the principal may see.

use super::event_routes::Asked;
use super::server::{Answer, Guarded};
use annals::event::FIELDS;
use arrow::record_batch::RecordBatch;
use axum::http::Request;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value as Json};

/// What differs between stores that hold the same events.
const OF_THE_STORE: &[&str] = &["seq", "ingest_time", "original"];
/// Questions that find nothing, or little; for which fields they are open.
const HINTED: &[(&str, &str)] = &[
    ("source", "source=nothing"),
    ("source", "source=E"),
    ("event_name", "event_name=creat&source=VPC"),
    ("event_name", "event_name=create&source=ECS&level=warning&trace_id=nothing"),
    ("level", "level=warning&to=2020-01-01T00:00:00Z"),
    ("level", "from=2026-06-29T20:00:00Z"),
    ("operator", "operator=zhan"),
    ("resource_id", "resource_id=r&source=ECS"),
    ("original", "text=zhan"),
    ("original", "text=li-wei"),
];
/// How often an answer with hints is asked for: hints end after a time.
const HINT_TRIES: usize = 10;

/// The two servers, and what is masked for the principal.
pub(super) struct Pair<'a> {
    pub(super) server: &'a Guarded,
    pub(super) token: &'a str,
    pub(super) reference: &'a Guarded,
    pub(super) masks: &'a Map<String, Json>,
    /// Whether the principal exports.
    pub(super) exports: bool,
}

/// All events of a list, page by page.
pub(super) fn list(server: &Guarded, token: &str, query: &str) -> Vec<Json> {
    pages(server, token, query).into_iter().flat_map(|page| events_of(&page)).collect()
}

fn events_of(page: &Json) -> Vec<Json> {
    page["events"].as_array().expect("events").clone()
}

/// All pages of a list.
fn pages(server: &Guarded, token: &str, query: &str) -> Vec<Json> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.json(token, &format!("/api/v1/events?{query}&hints=false{cursor}"));
        let next = page["next_cursor"].as_str().map(str::to_owned);
        pages.push(page);
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

/// The same without what differs between stores and what is masked.
pub(super) fn comparable(mut events: Vec<Json>, masks: &Map<String, Json>) -> Vec<Json> {
    for event in &mut events {
        let event = event.as_object_mut().expect("an event");
        let masked = masks.keys().map(String::as_str);
        for name in OF_THE_STORE.iter().copied().chain(masked) {
            event.remove(name);
        }
    }
    events
}

impl Pair<'_> {
    /// Asks both for a path that both must answer.
    fn both(&self, path: &str) -> (Json, Json) {
        (self.server.json(self.token, path), self.reference.json("", path))
    }

    fn comparable(&self, page: &Json) -> Vec<Json> {
        comparable(events_of(page), self.masks)
    }

    /// Compares what a filter finds on all further paths.
    pub(super) fn check_filter(&self, query: &str, calls: &[String]) {
        self.check_walked_back(query);
        self.check_around(query);
        self.check_posted(query, calls);
        self.check_tags(calls);
        if self.exports {
            self.check_exports(query);
        }
    }

    /// Walks a list to its end, and back from there by the cursors of the pages before.
    fn check_walked_back(&self, query: &str) {
        let query = format!("{query}&limit=3");
        let there = pages(self.server, self.token, &query);
        let expected = pages(self.reference, "", &query);
        let shown = |pages: &[Json]| pages.iter().map(|page| self.comparable(page)).collect();
        let (there_shown, expected): (Vec<_>, Vec<Vec<Json>>) = (shown(&there), shown(&expected));
        assert_eq!(there_shown, expected, "{query}");
        let mut back = vec![there.last().expect("a page").clone()];
        while let Some(cursor) = back.last().expect("a page")["prev_cursor"].as_str() {
            let path = format!("/api/v1/events?{query}&hints=false&cursor={cursor}");
            back.push(self.server.json(self.token, &path));
        }
        back.reverse();
        let back: Vec<Json> = back.iter().flat_map(|page| self.comparable(page)).collect();
        assert_eq!(back, expected.concat(), "{query} walked back");
    }

    /// Compares the page at a moment, and the pages beside it.
    fn check_around(&self, query: &str) {
        for moment in ["2026-06-26T23:59:59Z", "2026-06-27T09:00:00Z", "2026-07-01T00:00:00Z"] {
            for order in ["asc", "desc"] {
                let query = format!("{query}&limit=2&order={order}&hints=false");
                let path = format!("/api/v1/events?{query}&around={moment}");
                let (seen, there) = self.both(&path);
                assert_eq!(self.comparable(&seen), self.comparable(&there), "{path}");
                for beside in ["next_cursor", "prev_cursor"] {
                    let cursors = (seen[beside].as_str(), there[beside].as_str());
                    let (Some(seen), Some(there)) = cursors else {
                        assert_eq!(cursors, (None, None), "{path}: {beside}");
                        continue;
                    };
                    let page = |server: &Guarded, token: &str, cursor: &str| {
                        let path = format!("/api/v1/events?{query}&cursor={cursor}");
                        self.comparable(&server.json(token, &path))
                    };
                    let seen = page(self.server, self.token, seen);
                    assert_eq!(seen, page(self.reference, "", there), "{path}: {beside}");
                }
            }
        }
    }

    /// Compares the same questions, sent as JSON.
    fn check_posted(&self, query: &str, calls: &[String]) {
        let post = |server: &Guarded, token: &str, path: &str| -> Answer {
            let route = path.split('?').next().expect("a path");
            let route =
                if route.contains("/events.") { route.into() } else { format!("{route}/query") };
            let asked = Asked::of(("POST", &route), path, None).expect("a question");
            let answer = asked.answer(server, token);
            assert_eq!(answer.status, 200, "POST {path} {}: {}", asked.body, answer.text());
            answer
        };
        for call in calls {
            let seen = post(self.server, self.token, call).json();
            assert_eq!(seen, post(self.reference, "", call).json(), "POST {call}");
            assert_eq!(seen, self.server.json(self.token, call), "POST {call}");
        }
        let path = format!("/api/v1/events?{query}&limit=1000&hints=false");
        let seen = self.comparable(&post(self.server, self.token, &path).json());
        assert_eq!(seen, self.comparable(&post(self.reference, "", &path).json()), "POST {path}");
        if self.exports {
            let path = format!("/api/v1/events.ndjson?{query}&columns=trace_id,tenant,time,source");
            let seen = post(self.server, self.token, &path).text();
            assert_eq!(seen, post(self.reference, "", &path).text(), "POST {path}");
        }
    }

    /// A tag answers the same question of its own caller, and nobody else's.
    fn check_tags(&self, calls: &[String]) {
        for call in calls {
            let answer = self.server.get(self.token, call);
            let Some(tag) = answer.headers.get("etag") else { continue };
            let tag = tag.to_str().expect("text");
            assert_eq!(if_none_match(self.server, self.token, call, tag).status, 304, "{call}");
            let other = &self.reference.get("", call).headers["etag"];
            let other = other.to_str().expect("text");
            assert_ne!(tag, other, "{call}");
            assert_eq!(if_none_match(self.server, self.token, call, other).status, 200, "{call}");
        }
    }

    /// Compares CSV and Parquet with all columns that are not masked or the store's.
    fn check_exports(&self, query: &str) {
        let is_shown =
            |name: &&str| !OF_THE_STORE.contains(name) && !self.masks.contains_key(*name);
        let mut columns: Vec<&str> = FIELDS.iter().map(|def| def.name).filter(is_shown).collect();
        if self.masks.is_empty() {
            columns.push("original");
        }
        let columns = columns.join(",");
        for order in ["asc", "desc"] {
            let path = format!("/api/v1/events.csv?{query}&order={order}&columns={columns}");
            let seen = self.server.get(self.token, &path);
            assert_eq!(seen.text(), self.reference.get("", &path).text(), "{path}");
            let path = format!("/api/v1/events.parquet?{query}&order={order}&columns={columns}");
            let seen = batches(&self.server.get(self.token, &path));
            assert_eq!(seen, batches(&self.reference.get("", &path)), "{path}");
        }
    }

    /// Compares what is said where nothing is found.
    pub(super) fn check_hints(&self) {
        for (field, query) in HINTED {
            let is_open = !self.masks.contains_key(*field);
            if !is_open || (*field == "original" && !self.masks.is_empty()) {
                continue;
            }
            let path = format!("/api/v1/events?tenant=*&{query}&hints=true");
            let ask = || {
                let (seen, there) = self.both(&path);
                assert_eq!(self.comparable(&seen), self.comparable(&there), "{path}");
                (seen["hints"].clone(), there["hints"].clone())
            };
            let mut tries = std::iter::repeat_with(ask).take(HINT_TRIES);
            let is_equal = tries.any(|(seen, there)| seen == there);
            assert!(is_equal, "{path}: {:?}", ask());
        }
    }

    /// Compares what an id finds, other events with the same id included.
    pub(super) fn check_id(&self, id: &str) {
        let path = format!("/api/v1/events/{id}?tenant=*");
        let (seen, there) = (self.server.get(self.token, &path), self.reference.get("", &path));
        assert_eq!(seen.status, there.status, "{path}");
        if seen.status != 200 {
            assert_eq!(seen.text(), there.text(), "{path}");
            return;
        }
        let all = |answer: &Answer| {
            let mut event = answer.json();
            let others = event.as_object_mut().expect("an event").remove("others");
            let mut all = vec![event];
            all.extend(others.iter().flat_map(|others| others.as_array().expect("a list").clone()));
            all
        };
        let (seen, there) = (all(&seen), all(&there));
        for (seen, there) in seen.iter().zip(&there) {
            let original = seen["original"].as_str().unwrap_or_default();
            let expected = if self.masks.is_empty() { &there["original"] } else { &"".into() };
            assert_eq!(original, expected.as_str().unwrap_or_default(), "{path}");
        }
        assert_eq!(comparable(seen, self.masks), comparable(there, self.masks), "{path}");
    }

    /// Compares the façade of CTS.
    pub(super) fn check_cts(&self, tenant: &str) {
        let filters = [
            (None, ""),
            (None, "&service_type=ECS&trace_rating=warning"),
            (Some("operator"), "&user=zhang"),
            (Some("resource_id"), "&resource_id=r1"),
        ];
        for (_, filter) in filters
            .iter()
            .filter(|(field, _)| field.is_none_or(|field| !self.masks.contains_key(field)))
        {
            let query = format!("/v3/{tenant}/traces?from=1000000000000{filter}");
            let there = self.traces(self.reference, "", &format!("{query}&limit=200"));
            if self.server.get(self.token, &query).status == 403 {
                assert_eq!(there, Vec::<Json>::new(), "{query} is refused");
                return;
            }
            for limit in [2, 200] {
                let seen = self.traces(self.server, self.token, &format!("{query}&limit={limit}"));
                assert_eq!(seen, there, "{query} by {limit}");
            }
        }
        for (field, path) in [("", "resources"), ("", "operations"), ("operator", "user-resources")]
        {
            let path = format!("/v3/{tenant}/{path}");
            if self.masks.contains_key(field) {
                assert_eq!(self.server.get(self.token, &path).status, 403, "{path}");
            } else {
                let (seen, there) = self.both(&path);
                assert_eq!(seen, there, "{path}");
            }
        }
    }

    /// All traces of a list of CTS, without what is masked.
    fn traces(&self, server: &Guarded, token: &str, path: &str) -> Vec<Json> {
        let (mut traces, mut next) = (Vec::new(), String::new());
        loop {
            let page = server.json(token, &format!("{path}{next}"));
            traces.extend(page["traces"].as_array().expect("traces").iter().cloned());
            match page["meta_data"]["marker"].as_str() {
                Some(marker) => next = format!("&next={marker}"),
                None => break,
            }
        }
        for trace in &mut traces {
            for (field, name) in
                [("operator", "user"), ("source_ip", "source_ip"), ("resource_id", "resource_id")]
            {
                if self.masks.contains_key(field) {
                    trace.as_object_mut().expect("a trace").remove(name);
                }
            }
        }
        traces
    }
}

/// Asks again with a tag that is known.
pub(super) fn if_none_match(server: &Guarded, token: &str, path: &str, tag: &str) -> Answer {
    let request = Request::get(path)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {token}"))
        .header("if-none-match", tag);
    server.send(request.body(axum::body::Body::empty()).expect("a request"))
}

fn batches(answer: &Answer) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(answer.body.clone());
    let reader = reader.expect("a Parquet file").build().expect("a reader");
    reader.map(|batch| batch.expect("rows")).collect()
}
