//! Room in the buffer: how much memory accepted events may take until they are in segments.
//!
//! Part of it is reserved for small batches and cannot be taken by large ones: a client that sends
//! a single event does not wait behind those that send a hundred thousand.

use crate::engine::write::seal_trigger::SealTrigger;
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The share of the buffer that is reserved for small batches: one part in this many.
const LIGHT_SHARE: usize = 4;
/// How often a batch that waits for room asks for a seal again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Room that a batch has taken; dropping it gives the room back.
#[derive(Debug, Default)]
pub(in crate::engine) struct Permit {
    _room: Vec<OwnedSemaphorePermit>,
}

/// The room of the buffer, in KiB.
#[derive(Debug)]
pub(in crate::engine) struct BufferRoom {
    light: RoomPool,
    bulk: RoomPool,
    own: RoomPool,
}

/// Which part of the buffer a batch takes room of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum RoomShare {
    /// That of small batches.
    Light,
    /// That of large ones.
    Bulk,
    /// That of the store's own events, so that a question does not wait for producers.
    Own,
}

/// Room for the store's own events, beyond that of producers.
const OWN_BYTES: usize = 16 << 20;

#[derive(Debug)]
struct RoomPool {
    free: Arc<Semaphore>,
    kib: u32,
}

impl RoomPool {
    fn new(bytes: usize) -> Self {
        let kib = u32::try_from((bytes >> 10).clamp(1, Semaphore::MAX_PERMITS >> 1))
            .unwrap_or(u32::MAX >> 1);
        Self { free: Arc::new(Semaphore::new(kib as usize)), kib }
    }
}

impl BufferRoom {
    /// Creates room for events that take `bytes` of memory.
    pub(in crate::engine) fn new(bytes: usize) -> Self {
        Self {
            light: RoomPool::new(bytes / LIGHT_SHARE),
            bulk: RoomPool::new(bytes - bytes / LIGHT_SHARE),
            own: RoomPool::new(OWN_BYTES),
        }
    }

    /// Takes room for a batch. Waits for it until `wait` is over, and asks for a seal meanwhile. A
    /// batch that is larger than all the room is admitted when the buffer is empty.
    ///
    /// # Errors
    /// If there was no room in time.
    pub(in crate::engine) async fn take(
        &self,
        bytes: usize,
        share: RoomShare,
        trigger: &SealTrigger,
        wait: Duration,
    ) -> Result<Permit> {
        let pool = match share {
            RoomShare::Light => &self.light,
            RoomShare::Bulk => &self.bulk,
            RoomShare::Own => &self.own,
        };
        // A batch larger than its pool takes the whole pool: it must be able to get in at some
        // time.
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX).clamp(1, pool.kib);
        if let Ok(permit) = Arc::clone(&pool.free).try_acquire_many_owned(kib) {
            return Ok(Permit { _room: vec![permit] });
        }
        let end = Instant::now() + wait;
        let acquire = Arc::clone(&pool.free).acquire_many_owned(kib);
        tokio::pin!(acquire);
        loop {
            trigger.ask();
            let next = (Instant::now() + ASK_AGAIN).min(end);
            match timeout_at(next, &mut acquire).await {
                Ok(permit) => return Ok(Permit { _room: permit.into_iter().collect() }),
                Err(_) if Instant::now() >= end => {
                    let what = format!(
                        "the write buffer is full ({} MiB are waiting to be written into \
                        segments): send it again later",
                        (pool.kib as usize - pool.free.available_permits()) >> 10
                    );
                    return Err(Error::new(ErrorKind::Unavailable, what));
                }
                Err(_) => {}
            }
        }
    }

    /// Takes room for what was recovered from the log, as much as there is: nothing is accepted on
    /// top of it until it is in segments. The room of large batches goes first.
    pub(in crate::engine) fn take_recovered(&self, bytes: usize) -> Permit {
        let mut kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let mut room = Vec::new();
        for pool in [&self.bulk, &self.light] {
            let part = kib.min(pool.kib);
            room.extend(Arc::clone(&pool.free).try_acquire_many_owned(part));
            kib -= part;
        }
        Permit { _room: room }
    }

    /// Returns the bytes that are held, if not even small batches find room.
    pub(in crate::engine) fn full(&self) -> Option<usize> {
        let none = self.light.free.available_permits() == 0;
        none.then(|| {
            (self.light.kib as usize + self.bulk.kib as usize - self.bulk.free.available_permits())
                << 10
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_batches_have_room_that_large_ones_cannot_take() {
        let trigger = SealTrigger::default();
        let room = BufferRoom::new(64 << 10);
        let wait = Duration::from_millis(20);
        // Larger than everything: gets all that large ones may have.
        let all =
            room.take(1 << 30, RoomShare::Bulk, &trigger, wait).await.expect("an empty buffer");
        let error = room.take(1, RoomShare::Bulk, &trigger, wait).await.expect_err("full");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let small = room.take(1, RoomShare::Light, &trigger, wait).await.expect("room of its own");
        drop(all);
        let again = room.take(1 << 30, RoomShare::Bulk, &trigger, wait).await;
        drop((again.expect("given back"), small));
    }

    #[tokio::test]
    async fn what_was_recovered_takes_room_until_it_is_sealed() {
        let trigger = SealTrigger::default();
        let room = BufferRoom::new(64 << 10);
        let wait = Duration::from_millis(20);
        let some = room.take_recovered(10 << 10);
        room.take(64 << 10, RoomShare::Bulk, &trigger, wait).await.expect_err("not all is free");
        drop(some);
        drop(room.take(64 << 10, RoomShare::Bulk, &trigger, wait).await.expect("all is free"));
        let more_than_all = room.take_recovered(1 << 30);
        for light in [RoomShare::Light, RoomShare::Bulk] {
            room.take(1, light, &trigger, wait).await.expect_err("nothing is free");
        }
        assert!(room.full().is_some());
        drop(more_than_all);
        drop(room.take(1, RoomShare::Light, &trigger, wait).await.expect("sealed"));
    }
}
