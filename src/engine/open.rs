//! Opening a data directory: what is in the table, what is in the log and not in the table, and who goes on from there.

use super::intake::Intake;
use super::log::Log;
use super::policy::InForce;
use super::published::Published;
use super::requests::Requests;
use super::seal::{self, Sealing};
use super::signal::Signal;
use super::views::Saved;
use super::vitals::Pace;
use super::{Core, Engine, Settings, WriteSide, compact, housekeeping, mend};
use crate::clock::Clock;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Event;
use crate::ingest::{Buffered, LoggedRequest, Quarantine, Unsealed, decode_logged, encode_logged};
use crate::query::{Scanner, Snapshot};
use crate::redact::Redactor;
use crate::storage::segment::Segment;
use crate::storage::wal::{Frame, LogFolder, LogWriter, Recovered, recover};
use crate::storage::{Access, DataDir, Store, Table, paths};
use rayon::prelude::*;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

impl Engine {
    /// Opens the data directory at `root`. Streams and commits run on `runtime`; calls must not be made on its threads.
    ///
    /// # Errors
    /// A directory that is missing (for reading), locked, of another version, or damaged.
    pub fn open(root: &Path, access: Access, clock: Arc<dyn Clock>, runtime: Handle) -> Result<Self> {
        Self::open_with(root, access, clock, runtime, Settings::default())
    }

    /// The same with other bounds.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_with(root: &Path, access: Access, clock: Arc<dyn Clock>, runtime: Handle, settings: Settings) -> Result<Self> {
        let data = DataDir::open(root, access)?;
        let store = data.store();
        store.opened().set_budget(settings.open_bytes);
        let table = runtime.block_on(Table::open(store, access == Access::Write))?;
        let mut committed = runtime.block_on(table.segments())?;
        committed.sort_by(|left, right| left.id.cmp(&right.id));
        let open = |segment: &crate::storage::TableSegment| Segment::open(store, &segment.id).map(Arc::new);
        let segments: Vec<Arc<Segment>> = committed.par_iter().map(open).collect::<Result<_>>()?;
        let sealed = runtime.block_on(table.last_seq())?;

        let (logged, folder) = read_log(store, access, sealed)?;
        let fresh = if logged.events.is_empty() { Vec::new() } else { vec![Arc::new(Buffered::new(logged.events.clone()))] };
        let snapshot = Snapshot {
            version: table.version(),
            segments: Arc::new(segments),
            sealing: Vec::new(),
            fresh,
            last_seq: logged.recovered.last_seq,
            vocabulary: Arc::default(),
        };
        let published = Arc::new(Published::new(snapshot));
        let write = match (access, folder) {
            (Access::Write, Some(folder)) => Some(write_side(store, table, folder, logged, &published)?),
            _ => None,
        };
        let scanner = Scanner::new(runtime.clone());
        let redactor = match (&write, data.redaction()?) {
            (Some(_), Some((rules, key))) => {
                let place = data.store().path(paths::REDACTION_FILE);
                Some(Redactor::parse(&rules, key).map_err(|error| error.at(place.display()))?)
            }
            _ => None,
        };
        let (policy, views) = (InForce::read(data.store())?, Saved::read(data.store())?);
        let (scrubbed, taken, pace) = (Mutex::default(), Mutex::default(), Pace::new());
        let watchdog = write.as_ref().map(|write| Arc::clone(&write.signal.watchdog)).unwrap_or_default();
        let opening = RandomState::new().hash_one(clock.now().millis());
        let core = Core {
            data,
            clock,
            runtime,
            scanner,
            settings,
            redactor,
            published,
            policy,
            views,
            pace,
            watchdog,
            opening,
            scrubbed,
            taken,
            write,
        };
        let core = Arc::new(core);
        let mut engine = Self { core, threads: Vec::new() };
        if let Some(write) = &engine.core.write {
            write.remove_orphans(&engine.core)?;
            engine.threads.push(start(&engine.core, "annals-seal", seal::run)?);
        }
        if engine.core.write.is_some() {
            engine.catch_up()?;
            engine.catch_up_with_views()?;
            if engine.core.settings.compact {
                engine.threads.push(start(&engine.core, "annals-compact", compact::run)?);
                engine.threads.push(start(&engine.core, "annals-keep", housekeeping::run)?);
                engine.threads.push(start(&engine.core, "annals-mend", mend::run)?);
            }
        }
        Ok(engine)
    }
}

/// What the log holds that is not in the table.
#[derive(Debug, Default)]
struct Logged {
    recovered: Recovered,
    events: Vec<Arc<Event>>,
    requests: Vec<LoggedRequest>,
}

fn read_log(store: &Store, access: Access, sealed: u64) -> Result<(Logged, Option<LogFolder>)> {
    let path = store.path(paths::LOG);
    if !path.is_dir() {
        if access == Access::Read {
            return Ok((Logged { recovered: Recovered { last_seq: sealed, ..Recovered::default() }, ..Logged::default() }, None));
        }
        store.create_folder(paths::LOG)?;
    }
    let folder = LogFolder(path);
    let recovered = recover(&folder, sealed).map_err(|error| error.at(store.path(paths::LOG).display()))?;
    if let Some(torn) = &recovered.torn {
        tracing::warn!(
            file = torn.file,
            at = torn.at,
            bytes = torn.bytes,
            "the write-ahead log ends in a batch that was not whole and not acknowledged; it is cut off"
        );
    }
    let mut logged = Logged { recovered, ..Logged::default() };
    for frame in &logged.recovered.frames {
        let (events, mut requests) = decode_logged(frame)?;
        logged.events.extend(events.into_iter().map(Arc::new));
        logged.requests.append(&mut requests);
    }
    Ok((logged, Some(folder)))
}

fn write_side(store: &Store, table: Table, folder: LogFolder, logged: Logged, published: &Arc<Published>) -> Result<WriteSide> {
    let Logged { recovered, events, requests: answered } = logged;
    let mut requests = Requests::default();
    answered.into_iter().for_each(|request| requests.add(request));
    let mut unsealed = Unsealed::default();
    unsealed.extend(&events);
    let last_seq = recovered.last_seq;

    // What was read is written again before anything else: see the log's page.
    let now = crate::event::Timestamp::default();
    let mut frames: Vec<Frame> = recovered.frames.into_iter().filter(|frame| frame.events > 0).collect();
    let first_seq = frames.first().map_or(last_seq + 1, |frame| frame.first_seq);
    let checkpoint = Frame { first_seq, events: 0, batch: 0, payload: encode_logged::<Event>(now, &requests.all(), &[]) };
    frames.insert(0, checkpoint);
    let failed = |cause: std::io::Error| Error::io(store.path(paths::LOG).display(), cause);
    let mut writer = LogWriter::new(folder, recovered.last_epoch);
    writer.rotate(first_seq, &frames).map_err(failed)?;
    writer.trim(writer.epoch()).map_err(failed)?;

    let signal = Arc::new(Signal::default());
    let unsealed_bytes = events.iter().map(|event| event.original.len()).sum();
    if !events.is_empty() {
        signal.added(events.len(), unsealed_bytes);
    }
    let log = Log::start(writer, last_seq, Arc::clone(published), Arc::clone(&signal))?;
    let intake = Intake {
        last_seq,
        sealed_seq: 0,
        unsealed,
        unsealed_bytes,
        requests,
        quarantine: Quarantine::open(store)?,
        log_failed: false,
        in_doubt: false,
    };
    Ok(WriteSide {
        table: Mutex::new(Sealing { table, in_doubt: false }),
        intake: Mutex::new(intake),
        compacting: Mutex::default(),
        deleting: Mutex::default(),
        retired: Mutex::default(),
        all_held: Mutex::default(),
        signal,
        log,
    })
}

fn start(core: &Arc<Core>, name: &str, work: fn(&Core, &WriteSide)) -> Result<std::thread::JoinHandle<()>> {
    let core = Arc::clone(core);
    let run = move || {
        if let Ok(write) = core.write() {
            work(&core, write);
        }
    };
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.context(ErrorKind::Unavailable, || "cannot start a thread".to_owned())
}
