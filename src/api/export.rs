//! `GET /api/v1/events.csv`, `.ndjson`, `.parquet`: all matching events, streamed as they are
//! found.
//!
//! A truncated answer is always detectable. A complete one ends with the trailers `X-Annals-Rows`
//! and `X-Annals-Complete` (sent to clients that send `TE: trailers`). If a stream fails half-way,
//! the connection is closed without the last chunk, which every HTTP client reports; in addition a
//! Parquet file lacks its footer, and an NDJSON file its closing record if one was requested.

use super::App;
use super::error::ApiError;
use super::limits::AskingPlace;
use super::params::read_json_pairs;
use super::trail::WrittenRows;
use crate::access::Caller;
use crate::calls::{Export, Pairs};
use crate::collect::MissingStretch;
use crate::engine::Engine;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::export::ExportFormat;
use crate::query::{Limits, QueryBudget, StopOnDrop};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::Stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, error::TrySendError};

/// How many exports run at a time; each holds two threads and some twenty megabytes.
pub(super) const EXPORTS_MAX: usize = 16;
/// How many bytes are sent at a time, and how many such chunks may wait for a slow client.
const PIECE_BYTES: usize = 64 << 10;
const PIECES_WAITING: usize = 4;
/// A client that reads nothing for this long is dropped: other clients may be waiting to export.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest that an export sleeps before it checks again whether there is room.
const PAUSE_MAX: Duration = Duration::from_millis(20);

pub(super) fn routes() -> Router<App> {
    let mut routes = Router::new();
    for form in ExportFormat::ALL {
        let respond =
            move |app: App, caller: Caller, pairs: Pairs| respond(app, caller, *form, pairs);
        let by_url = async move |State(app): State<App>, caller: Caller, pairs: Pairs| {
            respond(app, caller, pairs).await
        };
        let by_body =
            async move |State(app): State<App>, caller: Caller, url: Pairs, body: Body| {
                let pairs = read_json_pairs(&app, url, body).await?;
                respond(app, caller, pairs).await
            };
        routes =
            routes.route(&format!("/api/v1/events.{}", form.name()), get(by_url).post(by_body));
    }
    routes
}

/// The most stretches that the header tells: servers in between take a few KiB.
const TOLD_MAX: usize = 16;
/// Says what sources have not brought of the period.
const MISSING: &str = "x-annals-missing";

type BodyPiece = Result<Frame<Bytes>, io::Error>;

async fn respond(
    app: App,
    caller: Caller,
    form: ExportFormat,
    pairs: Pairs,
) -> Result<Response, ApiError> {
    let place = app.limits.export_place(&caller, &pairs.all("tenant")).await?;
    let permit = app.exports.clone().try_acquire_owned();
    let permit = permit.map_err(|_| {
        Error::new(
            ErrorKind::Unavailable,
            format!("{EXPORTS_MAX} exports are running: try again later"),
        )
    })?;
    let name = file_name(&pairs, form);
    let asking = caller.clone();
    let export = app.ask(&place, move |engine, _| Export::read(engine, &asking, form, &pairs));
    let export = export.await?;
    let missing = missing_of(&app, &export);
    let (sender, receiver) = mpsc::channel::<BodyPiece>(PIECES_WAITING);
    let engine = app.engine.clone();
    let budget = QueryBudget::new(Limits::heavy(None));
    let stop = budget.stop_on_drop();
    let written = WrittenRows::default();
    let counted = written.clone();
    tokio::task::spawn_blocking(move || {
        let out = Pieces {
            sender: sender.clone(),
            buffer: Vec::with_capacity(PIECE_BYTES),
            patience: PATIENCE,
            engine: Arc::clone(&engine),
            caller,
        };
        run(&engine, (&budget, &place, &counted), export, out);
        drop((permit, place));
    });
    let mut response = Body::new(StreamBody::new(stream(receiver, stop))).into_response();
    response.extensions_mut().insert(written);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
            .unwrap_or(HeaderValue::from_static("attachment")),
    );
    headers.insert(header::TRAILER, HeaderValue::from_static("X-Annals-Rows, X-Annals-Complete"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(missing) = missing {
        headers.insert(MISSING, missing);
    }
    Ok(response)
}

/// Returns what sources have not brought of the period, as a list of structured fields (RFC 9651):
/// `gap;source="cloud";tenant="acme";from="…";to="…", uncollected;…`.
fn missing_of(app: &App, export: &Export) -> Option<HeaderValue> {
    let (scope, period) = export.asked();
    let Ok(missing) = app.collector.missing(|tenant| scope.covers(tenant), period) else {
        return Some(HeaderValue::from_static("unknown"));
    };
    let more = missing.len().saturating_sub(TOLD_MAX);
    let told = missing.iter().take(TOLD_MAX).map(|one| {
        let from = one.from.iter().map(|from| format!(";from=\"{from}\"")).collect::<String>();
        let MissingStretch { source, tenant, to, .. } = one;
        format!("{};source=\"{source}\";tenant=\"{tenant}\"{from};to=\"{to}\"", one.kind.name())
    });
    let mut told = told.collect::<Vec<_>>();
    if more > 0 {
        told.push(format!("more;count={more}"));
    }
    let told = told.join(", ");
    // Names of sources and tenants are letters, digits and a few signs.
    HeaderValue::try_from(told).ok().filter(|told| !told.is_empty())
}

/// The chunks up to the trailers. A writer that is gone without having sent trailers has failed,
/// whatever the reason: the end of the channel must not look like the end of the export. Dropping
/// this with the connection stops the export.
fn stream(receiver: mpsc::Receiver<BodyPiece>, stop: StopOnDrop) -> impl Stream<Item = BodyPiece> {
    futures::stream::unfold(Some((receiver, stop)), async |pieces| {
        let (mut receiver, stop) = pieces?;
        match receiver.recv().await {
            Some(Ok(frame)) if frame.is_data() => Some((Ok(frame), Some((receiver, stop)))),
            Some(last) => Some((last, None)),
            None => Some((Err(io::Error::other("the export ended before it was complete")), None)),
        }
    })
}

fn file_name(pairs: &Pairs, form: ExportFormat) -> String {
    let tenant = pairs.all("tenant").join("-");
    let tenant: String = tenant
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "._-".contains(*letter))
        .take(60)
        .collect();
    format!("annals-{}.{}", if tenant.is_empty() { "events" } else { &tenant }, form.name())
}

/// Runs an export into a channel, on a blocking thread, no faster than its caller may read.
fn run(
    engine: &Engine,
    (budget, place, written): (&QueryBudget, &AskingPlace, &WrittenRows),
    export: Export,
    out: Pieces,
) {
    let sender = out.sender.clone();
    let (caller, mut before) = (out.caller.clone(), 0);
    let is_wanted = || !budget.is_stopped() && engine.check_current(&caller).is_ok();
    let paced = |rows| {
        written.0.store(rows, Ordering::Relaxed);
        place.pace(rows - std::mem::replace(&mut before, rows), is_wanted)
    };
    let done = export.write(engine, budget, out, paced).and_then(|(mut out, rows)| {
        out.flush().context(ErrorKind::Unavailable, || "the client is gone".to_owned())?;
        Ok(rows)
    });
    let last = match done {
        Ok(rows) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-annals-rows", HeaderValue::from(rows));
            trailers.insert("x-annals-complete", HeaderValue::from_static("true"));
            Ok(Frame::trailers(trailers))
        }
        Err(error) => {
            if !sender.is_closed() {
                tracing::error!(%error, "an export failed half-way");
            }
            Err(io::Error::other(error))
        }
    };
    // A client that has gone needs no end marker; one that has not read the earlier chunks will
    // notice that it is missing.
    let patience = if last.is_ok() { PATIENCE } else { Duration::ZERO };
    let _ = send(&sender, last, patience);
}

/// Sends a chunk; gives up if there is no room for it for this long.
fn send(
    sender: &mpsc::Sender<BodyPiece>,
    mut piece: BodyPiece,
    patience: Duration,
) -> io::Result<()> {
    let (started, mut pause) = (Instant::now(), Duration::from_micros(100));
    loop {
        match sender.try_send(piece) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
            Err(TrySendError::Full(back)) => piece = back,
        }
        if started.elapsed() >= patience {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the client has read nothing for {} s", patience.as_secs()),
            ));
        }
        std::thread::sleep(pause);
        pause = PAUSE_MAX.min(pause * 2);
    }
}

/// Writes an encoder's bytes to the channel in chunks.
struct Pieces {
    sender: mpsc::Sender<BodyPiece>,
    buffer: Vec<u8>,
    patience: Duration,
    engine: Arc<Engine>,
    caller: Caller,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // An export may take hours; whoever may no longer read gets no more of it.
        self.engine.check_current(&self.caller).map_err(io::Error::other)?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES));
        send(&self.sender, Ok(Frame::data(piece.into())), self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    #[tokio::test]
    async fn a_writer_that_vanishes_is_a_failure_and_not_an_end() {
        let (sender, receiver) = mpsc::channel::<BodyPiece>(2);
        sender.send(Ok(Frame::data(Bytes::from_static(b"a")))).await.expect("room");
        drop(sender);
        let pieces: Vec<BodyPiece> =
            stream(receiver, QueryBudget::default().stop_on_drop()).collect().await;
        assert!(pieces[0].is_ok() && pieces[1].is_err() && pieces.len() == 2);
        let (sender, receiver) = mpsc::channel::<BodyPiece>(2);
        sender.send(Ok(Frame::trailers(HeaderMap::new()))).await.expect("room");
        drop(sender);
        let pieces: Vec<BodyPiece> =
            stream(receiver, QueryBudget::default().stop_on_drop()).collect().await;
        assert!(pieces[0].is_ok() && pieces.len() == 1);
    }

    #[tokio::test]
    async fn an_export_that_nobody_reads_ends_and_one_whose_client_is_gone_too() {
        let (sender, receiver) = mpsc::channel::<BodyPiece>(1);
        let piece = || Ok(Frame::data(Bytes::from_static(b"a")));
        assert!(send(&sender, piece(), Duration::ZERO).is_ok());
        assert_eq!(
            send(&sender, piece(), Duration::from_millis(1)).expect_err("no room").kind(),
            io::ErrorKind::TimedOut
        );
        let budget = QueryBudget::new(Limits::heavy(None));
        drop(stream(receiver, budget.stop_on_drop()));
        assert_eq!(
            send(&sender, piece(), PATIENCE).expect_err("nobody is there").kind(),
            io::ErrorKind::BrokenPipe
        );
        assert!(budget.is_stopped());
    }
}
