//! The one place where events are numbered: what is known is told from what is new, under one lock.

use super::requests::{RequestKey, Requests};
use super::seal::Sealing;
use super::{Core, Outcome, Refusals, Refused, WriteSide};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Timestamp};
use crate::ingest::{Batch, Known, LoggedRequest, Rejected, Unsealed, encode_logged, known_events};
use std::sync::MutexGuard;

/// What only one thread at a time may hold.
#[derive(Debug)]
pub(super) struct Intake {
    /// The number of the last event that was accepted.
    pub(super) last_seq: u64,
    /// The last event that was sealed without being logged: the log must not go back behind it.
    pub(super) sealed_seq: u64,
    /// What is in no segment: also what is in the log's hands and not durable yet.
    pub(super) unsealed: Unsealed,
    /// Bytes of the records in `unsealed`.
    pub(super) unsealed_bytes: usize,
    pub(super) requests: Requests,
    /// The log failed: what it did not make durable must be forgotten before anything is numbered.
    pub(super) log_failed: bool,
    /// A commit that numbers depend on failed, and may be in the table all the same.
    pub(super) in_doubt: bool,
}

/// A batch of which is known what is new.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) id: String,
    pub(super) fresh: Vec<Event>,
    /// The lines of records that are known.
    pub(super) duplicates: Vec<u64>,
    pub(super) refused: Refusals,
}

impl Intake {
    /// Tells what is new in a batch, and keeps what cannot be accepted in quarantine.
    pub(super) fn admit(&mut self, core: &Core, batch: Batch, source: &str, now: Timestamp) -> Result<Admitted> {
        let snapshot = core.published.get();
        let known = known_events(&batch.events, &self.unsealed, &snapshot.segments, now)?;
        let id = super::seal::segment_id(now, self.last_seq, 0);
        let mut rejected = batch.rejected;
        let mut fresh = Vec::with_capacity(batch.events.len());
        let mut duplicates = Vec::new();
        for ((event, line), known) in batch.events.into_iter().zip(batch.lines).zip(known) {
            match known {
                Known::New => fresh.push(event),
                Known::Duplicate => duplicates.push(line),
                Known::Conflict => rejected.push(conflict(&event, line)),
            }
        }
        rejected.sort_by_key(|rejected| rejected.line);
        core.quarantine.keep(source, now, &rejected)?;
        let refused = rejected.iter().map(Refused::from).collect();
        Ok(Admitted { id, fresh, duplicates, refused })
    }

    /// The answer that a request was given before, if it was.
    pub(super) fn answered(&mut self, request: Option<&RequestKey>, now: Timestamp) -> Result<Option<Outcome>> {
        let Some(request) = request else { return Ok(None) };
        let Some(answered) = self.requests.answered(request, now)? else { return Ok(None) };
        let outcome = serde_json::from_value(answered.answer.clone()).map(|outcome: Outcome| Outcome { replayed: true, ..outcome });
        outcome.map(Some).map_err(|cause| Error::internal("the answer to an earlier request cannot be read").because(cause))
    }

    /// Events up to this one are in the table; those that were not logged have numbers that the log does not know.
    pub(super) fn sealed_past_log(&mut self, sealed: u64) {
        self.last_seq = self.last_seq.max(sealed);
        self.sealed_seq = self.sealed_seq.max(sealed);
        self.unsealed_bytes = self.unsealed.retain(|seq| seq > sealed);
    }

    /// What a new file of the log begins with.
    fn checkpoint(&self, now: Timestamp) -> Vec<u8> {
        encode_logged::<Event>(now, &self.requests.all(), &[])
    }
}

/// A record whose trace id belongs to another record.
fn conflict(event: &Event, line: u64) -> Rejected {
    let shown = crate::event::clip(event.trace_id(), 100);
    let reason = format!("trace id {shown} was taken by another record of the same time: a trace id is accepted once");
    Rejected {
        tenant: Some(event.tenant.to_string()),
        line,
        reason: reason.into(),
        bytes: event.original.as_bytes().to_vec(),
        conflict: true,
    }
}

/// How an outcome is remembered for the request that asked for it.
pub(super) fn logged(request: Option<RequestKey>, outcome: &Outcome, seq: u64, now: Timestamp) -> Option<LoggedRequest> {
    let request = request?;
    let answer = serde_json::to_value(outcome).ok()?;
    Some(LoggedRequest { key: request.key, body: request.body, at: now.millis(), seq, answer })
}

impl WriteSide {
    /// The intake, fit for numbering events.
    ///
    /// # Errors
    /// A log or table that cannot be written.
    pub(super) fn intake(&self, core: &Core) -> Result<MutexGuard<'_, Intake>> {
        loop {
            let mut intake = self.lock_intake()?;
            if intake.in_doubt {
                drop(intake);
                self.reconcile(core)?;
                continue;
            }
            if intake.log_failed {
                self.rotate(core, &mut intake)?;
            }
            return Ok(intake);
        }
    }

    /// The same for who holds the table.
    pub(super) fn intake_while_sealing(&self, core: &Core, table: &Sealing) -> Result<MutexGuard<'_, Intake>> {
        let mut intake = self.lock_intake()?;
        if intake.in_doubt {
            self.number_on(core, table, &mut intake)?;
        } else if intake.log_failed {
            self.rotate(core, &mut intake)?;
        }
        Ok(intake)
    }

    /// The intake, whatever state it is in.
    pub(super) fn lock_intake(&self) -> Result<MutexGuard<'_, Intake>> {
        // Whoever panicked with it may have left numbers and log apart.
        self.intake.lock().map_err(|_| Error::new(ErrorKind::Unavailable, "a write failed half-way; restart to recover"))
    }

    /// Begins a new file of the log after everything that is durable; what is not is forgotten. Returns the file's number.
    pub(super) fn rotate(&self, core: &Core, intake: &mut Intake) -> Result<u64> {
        intake.log_failed = true;
        let rotated = self.log.rotate(intake.sealed_seq, intake.checkpoint(core.clock.now()))?;
        intake.log_failed = false;
        let durable = rotated.durable_seq;
        if intake.last_seq != durable {
            intake.unsealed_bytes = intake.unsealed.retain(|seq| seq <= durable);
            intake.requests.retain(|seq| seq <= durable);
            intake.last_seq = durable;
        }
        Ok(rotated.epoch)
    }

    /// Refuses what the disk has no room for, while there is still room to say so.
    pub(super) fn check_disk(core: &Core) -> Result<()> {
        let free = core.data.store().free_bytes()?;
        if free >= core.settings.free_bytes {
            return Ok(());
        }
        let what = format!(
            "the disk has {} MiB left, and nothing is taken in below {} MiB; questions are answered. Make room and send it again",
            free >> 20,
            core.settings.free_bytes >> 20
        );
        Err(Error::new(ErrorKind::Unavailable, what))
    }
}
