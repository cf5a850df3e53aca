//! Opening a data directory: reads the table and the log, rebuilds from them what was in memory,
//! and starts the threads.
//!
//! The table says up to which sequence number events are in segments. Every later event that was
//! acknowledged is in the log; it is decoded again and put back into the buffer, so questions see
//! it from the first moment. For writing, the log is then rewritten into a new file, and work that
//! was recorded but not finished (changes of administrative state) is completed.

use super::pools::Pools;
use crate::clock::Clock;
use crate::engine::evidence::EvidenceQueue;
use crate::engine::maintain::admin::Administration;
use crate::engine::maintain::directory::credentials_key;
use crate::engine::maintain::turns::{LogFiles, SegmentsInWork, Turns};
use crate::engine::maintain::{compact, housekeeping, repair};
use crate::engine::snapshot::Published;
use crate::engine::status::AcceptRate;
use crate::engine::trail::Trail;
use crate::engine::write::commit::{self, Committer, Owned};
use crate::engine::write::cursors::{Cursors, DurableCursors};
use crate::engine::write::intake::{HeldBatch, Intake, Owner};
use crate::engine::write::log::Log;
use crate::engine::write::requests::Requests;
use crate::engine::write::room::{BufferRoom, Permit};
use crate::engine::write::seal;
use crate::engine::write::seal_trigger::SealTrigger;
use crate::engine::{Engine, Settings, Shared, Writer};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::Event;
use crate::ingest::{
    Beside, Buffered, LoggedBatch, LoggedRequest, Quarantine, Unsealed, decode_logged,
};
use crate::query::{Scanner, Snapshot};
use crate::redact::Redactor;
use crate::storage::segment::Segment;
use crate::storage::wal::{Frame, LogFolder, LogWriter, MARKER, Recovered, recover};
use crate::storage::{AccessMode, DataDir, Store, Table, TableSegment, paths, put_folder_mark};
use rayon::prelude::*;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::runtime::{Handle, Runtime};

impl Engine {
    /// Opens the data directory at `root`. Streams run on `runtime`; calls must not be made on its
    /// threads.
    ///
    /// # Errors
    /// If the directory is missing (for reading), locked, of another version, or damaged; a seal
    /// key that is not the store's.
    pub fn open(
        root: &Path,
        access: AccessMode,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Result<Self> {
        Self::open_with(root, access, clock, runtime, Settings::default())
    }

    /// Opens the data directory as [`Engine::open`] does, with other settings.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_with(
        root: &Path,
        access: AccessMode,
        clock: Arc<dyn Clock>,
        runtime: Handle,
        settings: Settings,
    ) -> Result<Self> {
        let data = DataDir::open(root, access)?;
        let store = data.store();
        store.opened().set_budget(settings.open_bytes);
        let commits = commit::runtime()?;
        let (table, segments, sealed) = open_table(store, access, &commits)?;
        let (logged, folder) = read_log(store, access, sealed)?;
        let fresh = if logged.events.is_empty() {
            Vec::new()
        } else {
            vec![Arc::new(Buffered::new(logged.events.clone()))]
        };
        let snapshot = Snapshot {
            version: table.version(),
            segments: Arc::new(segments),
            sealing: Vec::new(),
            fresh,
            last_seq: logged.recovered.last_seq,
            delivered_seq: logged.recovered.last_seq,
            sealed_seq: sealed,
            vocabulary: Arc::default(),
        };
        let published = Arc::new(Published::new(snapshot));
        let scanner = Scanner::new(runtime);
        let redactor = if access == AccessMode::Write { redactor(&data)? } else { None };
        let admin = Administration::open(data.store(), credentials_key(&data.key()))?;
        let quarantine = Quarantine::open(store, access, settings.quarantine_bytes)?;
        let (scrubbed, taken, pace) = (Mutex::default(), Mutex::default(), AcceptRate::new());
        let trigger = Arc::new(SealTrigger::default());
        let opening = RandomState::new().hash_one(clock.now().millis());
        let shared = Arc::new(Shared {
            data,
            clock,
            scanner,
            settings,
            pools: Pools::new()?,
            redactor,
            published,
            admin,
            trail: Trail::default(),
            cursors: Arc::new(DurableCursors::new(logged.cursors.clone())),
            pace,
            watchdog: Arc::clone(&trigger.watchdog),
            opening,
            scrubbed,
            taken,
            quarantine,
            evidence: EvidenceQueue::default(),
            recovered: (
                logged.events.len(),
                logged.recovered.torn.as_ref().map_or(0, |torn| torn.bytes),
            ),
        });
        let writer = match folder {
            Some(folder) if access == AccessMode::Write => {
                let start = Start { shared: &shared, sealed, trigger };
                Some(Arc::new(start.writer(table, commits, folder, logged)?))
            }
            _ => {
                // Dropping a runtime blocks, which is not allowed everywhere this may be called.
                commits.shutdown_background();
                None
            }
        };
        let mut engine = Self { shared, writer, threads: Vec::new() };
        engine.begin()?;
        engine.check_seal_key()?;
        Ok(engine)
    }

    /// Shows the administrative state. If the directory is open for writing, finishes work that an
    /// earlier process left unfinished, and starts the threads.
    fn begin(&mut self) -> Result<()> {
        let Some(writer) = self.writer.clone() else { return self.begin_admin() };
        writer.tend_log()?;
        writer.remove_orphans()?;
        self.threads.push(start(&writer, "annals-seal", seal::run)?);
        self.begin_admin()?;
        if self.shared.settings.compact {
            self.threads.push(start(&writer, "annals-compact", compact::run)?);
            self.threads.push(start(&writer, "annals-keep", housekeeping::run)?);
            self.threads.push(start(&writer, "annals-repair", repair::run)?);
        }
        Ok(())
    }
}

/// Opens the table and its segments. Returns both, with the sequence number up to which the table
/// holds every event.
fn open_table(
    store: &Store,
    access: AccessMode,
    commits: &Runtime,
) -> Result<(Table, Vec<Arc<Segment>>, u64)> {
    let table = commits.block_on(Table::open(store, access == AccessMode::Write))?;
    let mut committed = commits.block_on(table.segments())?;
    committed.sort_by(|left, right| left.id.cmp(&right.id));
    let open = |segment: &TableSegment| {
        let segment = Segment::open(store, &segment.id)?;
        if access == AccessMode::Write {
            segment.look_at_files()?;
        }
        Ok(Arc::new(segment))
    };
    let segments = committed.par_iter().map(open).collect::<Result<_>>()?;
    let sealed = table.last_seq();
    Ok((table, segments, sealed))
}

/// Returns the redaction rules, if the directory has any.
fn redactor(data: &DataDir) -> Result<Option<Redactor>> {
    let Some((rules, key)) = data.redaction()? else { return Ok(None) };
    let file = data.store().path(paths::REDACTION_FILE);
    Redactor::parse(&rules, key).map(Some).map_err(|error| error.at(file.display()))
}

/// The part of the log that is not in the table.
#[derive(Debug, Default)]
struct Logged {
    recovered: Recovered,
    events: Vec<Arc<Event>>,
    requests: Vec<LoggedRequest>,
    cursors: Cursors,
    /// The files beside the log that it refers to, each with the sequence number of its last event.
    beside: Vec<(u64, String)>,
}

/// Reads the frames of the log that the table does not have, and decodes their events.
fn read_log(store: &Store, access: AccessMode, sealed: u64) -> Result<(Logged, Option<LogFolder>)> {
    let path = store.path(paths::LOG);
    let marker = path.join(MARKER);
    if store.exists(&paths::mark(paths::LOG)) && !marker.exists() {
        return Err(Error::corrupt(format!(
            "{} is missing, so it is unknown which acknowledged events are not in a segment: \
            restore the folder from a \
             copy, or, if you know it to be complete, remove {} and start again",
            marker.display(),
            store.path(&paths::mark(paths::LOG)).display()
        )));
    }
    if access == AccessMode::Write {
        store.create_folder(paths::LOG)?;
    } else if !path.is_dir() {
        let recovered = Recovered { last_seq: sealed, ..Recovered::default() };
        return Ok((Logged { recovered, ..Logged::default() }, None));
    }
    let folder = LogFolder(path);
    let recovered =
        recover(&folder, sealed).map_err(|error| error.at(store.path(paths::LOG).display()))?;
    if let Some(torn) = &recovered.torn {
        tracing::warn!(
            file = torn.file,
            at = torn.at,
            bytes = torn.bytes,
            "the write-ahead log ends in an incomplete batch, which was never acknowledged; the \
            batch is cut off"
        );
    }
    let mut logged = Logged { recovered, ..Logged::default() };
    for frame in &logged.recovered.frames {
        let mut decoded = decode_logged(frame, store)?;
        logged.events.extend(decoded.events.into_iter().map(Arc::new));
        logged.requests.append(&mut decoded.requests);
        decoded.cursors.iter().for_each(|cursor| logged.cursors.set(cursor));
        logged.beside.extend(decoded.beside.map(|name| (frame.end_seq() - 1, name)));
    }
    Ok((logged, Some(folder)))
}

/// Returns the frames of a log that is rewritten, and the number of its first event: those with
/// events, between the answers to requests and the cursors.
fn rewritten(
    recovered: Vec<Frame>,
    last_seq: u64,
    (requests, cursors): (&Requests, &Cursors),
) -> (u64, Vec<Frame>) {
    let mut frames: Vec<Frame> = recovered.into_iter().filter(|frame| frame.events > 0).collect();
    let first_seq = frames.first().map_or(last_seq + 1, |frame| frame.first_seq);
    let (answers, moved) = (requests.all(), cursors.all());
    let mark = |first_seq, requests, cursors| {
        let at = crate::event::Timestamp::default();
        let head = LoggedBatch { at, requests, cursors, beside: None };
        Frame { first_seq, events: 0, batch: 0, payload: head.encode::<Event>(&[]) }
    };
    frames.insert(0, mark(first_seq, &answers, &[]));
    // The frames have the cursors as they were: where they are now comes after them.
    frames.push(mark(last_seq + 1, &[], &moved));
    (first_seq, frames)
}

/// What a writer is built from.
struct Start<'a> {
    shared: &'a Arc<Shared>,
    /// The table has every event up to this sequence number.
    sealed: u64,
    trigger: Arc<SealTrigger>,
}

impl Start<'_> {
    /// Starts the thread that owns the table.
    fn committer(&self, table: Table, commits: Runtime) -> Result<Committer> {
        let shared = self.shared;
        let (published, clock) = (Arc::clone(&shared.published), Arc::clone(&shared.clock));
        let (at_failpoint, handle) =
            (shared.settings.at_failpoint.clone(), commits.handle().clone());
        let store = shared.data.store().clone();
        let owned = Owned::new(table, store, published, clock, at_failpoint, handle);
        Committer::start(owned, commits)
    }

    /// Creates the buffer's room, of which recovered events have theirs: a server that is killed
    /// again and again must not add up what it recovers each time.
    fn room(&self, last_seq: u64, recovered: &[Arc<Event>]) -> (BufferRoom, HeldBatch) {
        let room = BufferRoom::new(self.shared.settings.buffer_bytes);
        let bytes = recovered.iter().map(|event| event.memory()).sum();
        let held = HeldBatch { last_seq, beside: None, _room: room.take_recovered(bytes) };
        (room, held)
    }

    /// Rewrites the log, starts the threads of the write pipeline, and puts the recovered events
    /// back into their memory.
    fn writer(
        self,
        table: Table,
        commits: Runtime,
        folder: LogFolder,
        logged: Logged,
    ) -> Result<Writer> {
        let (shared, store) = (self.shared, self.shared.data.store());
        let runtime = commits.handle().clone();
        let table = self.committer(table, commits)?;
        let Logged { recovered, events, requests: answered, cursors, beside } = logged;
        let mut requests = Requests::default();
        answered.into_iter().for_each(|request| requests.add(request));
        let mut unsealed = Unsealed::default();
        unsealed.extend(&events);
        let (hasher, last_seq) = (unsealed.hasher(), recovered.last_seq);

        // Rewrite what was recovered before anything else is logged: see the log's page.
        let (first_seq, frames) = rewritten(recovered.frames, last_seq, (&requests, &cursors));
        let failed = |cause: std::io::Error| Error::io(store.path(paths::LOG).display(), cause);
        let mut writer = LogWriter::new(folder, recovered.last_epoch);
        writer.rotate(first_seq, &frames).map_err(failed)?;
        writer.trim(writer.epoch()).map_err(failed)?;
        put_folder_mark(store, paths::LOG)?;
        // Files that no frame of the log names were never acknowledged: a process died in between.
        Beside::remove_others(store, &beside.iter().map(|(_, name)| name.as_str()).collect())?;

        let trigger = Arc::clone(&self.trigger);
        if !events.is_empty() {
            trigger.added(events.len(), events.iter().map(|event| event.original.len()).sum());
        }
        let log = Arc::new(Log::start(
            writer,
            last_seq,
            Arc::clone(&shared.published),
            Arc::clone(&trigger),
        )?);
        let held = |(last_seq, name): (u64, String)| HeldBatch {
            last_seq,
            beside: Some(Beside::found(store, &name)),
            _room: Permit::default(),
        };
        let (room, all) = self.room(last_seq, &events);
        let intake = Intake::start(Owner {
            last_seq,
            sealed_seq: self.sealed,
            unsealed,
            requests,
            cursors,
            durable_cursors: Arc::clone(&shared.cursors),
            held: beside.into_iter().map(held).chain([all]).collect(),
            log: Arc::clone(&log),
            clock: Arc::clone(&shared.clock),
            at_failpoint: shared.settings.at_failpoint.clone(),
        })?;
        Ok(Writer {
            shared: Arc::clone(shared),
            table,
            intake,
            hasher,
            room,
            in_work: SegmentsInWork::default(),
            merges: Turns::default(),
            removals: Turns::default(),
            checkpoints: Turns::default(),
            log_files: LogFiles::default(),
            retired: Mutex::default(),
            all_held: Mutex::default(),
            trigger,
            log,
            runtime,
        })
    }
}

/// Starts a background thread that runs `work`.
fn start(
    writer: &Arc<Writer>,
    name: &str,
    work: fn(&Writer),
) -> Result<std::thread::JoinHandle<()>> {
    let writer = Arc::clone(writer);
    let run = move || work(&writer);
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.context(ErrorKind::Unavailable, || "cannot start a thread".to_owned())
}
