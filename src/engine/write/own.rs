//! Accepting the events that the store makes itself, such as the record of a question.

use crate::engine::write::ingest::{Compared, Handed};
use crate::engine::write::intake::Offer;
use crate::engine::write::log::Promise;
use crate::engine::write::room::RoomShare;
use crate::engine::{Outcome, Writer};
use crate::error::Result;
use crate::event::Event;
use crate::ingest::DecodedBatch;
use std::sync::Arc;
use std::time::Duration;

/// Which part of the room that producers leave free on the disk the store's own events leave free
/// too: questions are recorded, and go on when producers are refused.
const OWN_SHARE: u64 = 4;
/// How long the store's own events wait for room.
const OWN_WAIT: Duration = Duration::from_secs(5);

impl Writer {
    /// Accepts events that the store makes itself, with trace ids that nothing else has. They are
    /// compared with nothing, and no thread is held.
    pub(in crate::engine) async fn append_own(
        &self,
        batch: DecodedBatch,
        promise: Promise,
    ) -> Result<()> {
        let appended = self.append_unnoted(batch, promise).await;
        if appended.is_err() {
            self.shared.trail.note_failure();
        }
        appended
    }

    async fn append_unnoted(&self, batch: DecodedBatch, promise: Promise) -> Result<()> {
        self.check_free(self.shared.settings.free_bytes / OWN_SHARE)?;
        let events: Vec<Arc<Event>> = batch.events.into_iter().map(Arc::new).collect();
        let mut compared = Compared {
            hashes: events.iter().map(|event| self.hasher.hash(event)).collect(),
            events,
            plan: None,
            lines: batch.lines,
            compared_seq: self.shared.published.get().sealed_seq,
            outcome: Outcome::default(),
            request: None,
            cursor: None,
            beside: None,
            promise,
        };
        loop {
            match self.hand_over(compared, Some(RoomShare::Own), OWN_WAIT).await? {
                Handed::Durable(_) => return Ok(()),
                // What was sealed meanwhile cannot have the same trace ids.
                Handed::Outdated(again) => {
                    let Offer {
                        events, hashes, plan, lines, outcome, request, cursor, beside, ..
                    } = *again;
                    let compared_seq = self.shared.published.get().sealed_seq;
                    compared = Compared {
                        events,
                        hashes,
                        plan,
                        lines,
                        compared_seq,
                        outcome,
                        request,
                        cursor,
                        beside,
                        promise,
                    };
                }
            }
        }
    }
}
