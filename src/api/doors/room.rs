//! The memory that bodies may need together, and who gets it.
//!
//! Room is taken for what is here, not for what is announced: a body that does not come holds nothing. Small bodies have room of
//! their own, which large ones cannot take. Of the room for large ones the last part, as much as one request may need, is for
//! the request that began first: it can always go on, so those that wait for more while they hold some never wait for each
//! other in a circle. Whoever gets no room in time gives back what he has, and is told to come again later.

use crate::error::{Error, ErrorKind, Result};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a request may need to count as small.
const SMALL_BYTES: u64 = 1 << 20;
/// What the small ones may need together.
const SMALL_ROOM: u64 = 128 << 20;
/// What one request may need.
pub(super) const REQUEST_BYTES_MAX: u64 = 512 << 20;
/// What the large ones may need together, besides what is kept for the first.
const LARGE_ROOM: u64 = 384 << 20;
/// How long a request waits for room, in all.
const WAIT: Duration = Duration::from_secs(10);

/// The room for all bodies of a kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    small: u64,
    large: u64,
    /// The large requests, by when they came.
    line: BTreeSet<u64>,
    next: u64,
}

/// What one request has taken; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    room: Room,
    bytes: u64,
    /// Its place in the line of large ones, if it is to be one, and whether it is.
    place: Option<u64>,
    is_large: bool,
    patience: Duration,
}

impl Room {
    /// Room for a request that has taken none yet.
    pub(super) fn enter(&self) -> Taken {
        Taken { room: self.clone(), bytes: 0, place: None, is_large: false, patience: WAIT }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes more room, and waits for it if there is none.
    ///
    /// # Errors
    /// More than one request may need; no room in time.
    pub(super) async fn grow(&mut self, bytes: u64) -> Result<()> {
        if self.bytes.saturating_add(bytes) > REQUEST_BYTES_MAX {
            let what = format!("the request needs more than {} MiB of memory: send it in parts", REQUEST_BYTES_MAX >> 20);
            return Err(Error::new(ErrorKind::TooLarge, what));
        }
        if self.try_grow(bytes) {
            return Ok(());
        }
        let (room, began) = (self.room.clone(), Instant::now());
        let waited = tokio::time::timeout(self.patience, async {
            loop {
                let mut freed = std::pin::pin!(room.0.freed.notified());
                // From now on no release is missed.
                freed.as_mut().enable();
                if self.try_grow(bytes) {
                    return;
                }
                freed.await;
            }
        })
        .await;
        self.patience = self.patience.saturating_sub(began.elapsed());
        waited.map_err(|_| Error::new(ErrorKind::Unavailable, "too many bodies are being taken in: send it again later"))
    }

    /// The same on a thread that may block.
    ///
    /// # Errors
    /// As [`Taken::grow`].
    pub(super) fn grow_blocking(&mut self, bytes: u64) -> Result<()> {
        tokio::runtime::Handle::current().block_on(self.grow(bytes))
    }

    /// Gives some of it back.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        let mut state = self.room.state();
        let pool = if self.is_large { &mut state.large } else { &mut state.small };
        *pool -= bytes;
        drop(state);
        self.room.0.freed.notify_waiters();
    }

    fn try_grow(&mut self, bytes: u64) -> bool {
        let total = self.bytes + bytes;
        let room = self.room.clone();
        let mut state = room.state();
        if !self.is_large && total <= SMALL_BYTES {
            if state.small + bytes > SMALL_ROOM {
                return false;
            }
            state.small += bytes;
            self.bytes = total;
            return true;
        }
        let place = *self.place.get_or_insert_with(|| {
            state.next += 1;
            state.next
        });
        state.line.insert(place);
        // A request that turns out large moves over with what it has, once there is room for all of it.
        let needed = if self.is_large { bytes } else { total };
        let kept = if state.line.first() == Some(&place) { REQUEST_BYTES_MAX } else { 0 };
        if state.large + needed > LARGE_ROOM + kept {
            return false;
        }
        if !self.is_large {
            state.small -= self.bytes;
            self.is_large = true;
        }
        state.large += needed;
        self.bytes = total;
        true
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.shrink(self.bytes);
        if let Some(place) = self.place {
            self.room.state().line.remove(&place);
            self.room.0.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[tokio::test]
    async fn small_bodies_have_room_that_large_ones_cannot_take() {
        let room = Room::default();
        let mut held = Vec::new();
        loop {
            let mut large = room.enter();
            if !large.try_grow(64 * MIB) {
                break;
            }
            held.push(large);
        }
        assert!(held.len() as u64 >= LARGE_ROOM / (64 * MIB), "{}", held.len());
        let mut small = room.enter();
        small.grow(MIB / 2).await.expect("room of its own");
        // What is to become large keeps what it has until there is room for all of it.
        assert!(!small.try_grow(MIB));
        assert_eq!(room.state().small, MIB / 2);
        held.clear();
        assert!(small.try_grow(MIB));
        assert_eq!(room.state().small, 0);
        assert_eq!(room.state().large, MIB + MIB / 2);
        drop(small);
        let state = room.state();
        assert_eq!((state.small, state.large, state.line.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn bodies_that_wait_for_more_while_they_hold_some_do_not_wait_for_each_other() {
        let room = Room::default();
        // Each takes a quarter of what it needs; then all want the rest at once.
        let quarter = REQUEST_BYTES_MAX / 4;
        let mut requests = Vec::new();
        loop {
            let mut request = room.enter();
            if !request.try_grow(quarter) {
                break;
            }
            requests.push(request);
        }
        assert!(requests.len() >= 2);
        // The first gets it; as each one ends, the next does.
        while !requests.is_empty() {
            let mut first = requests.remove(0);
            assert!(first.try_grow(3 * quarter));
        }
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_when_room_is_given_back_and_else_is_refused() {
        let room = Room::default();
        let mut first = room.enter();
        assert!(first.try_grow(REQUEST_BYTES_MAX));
        let mut second = room.enter();
        second.patience = Duration::from_millis(20);
        let refused = second.grow(LARGE_ROOM).await.expect_err("there is none");
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        second.patience = Duration::from_secs(60);
        let (grown, ()) = tokio::join!(second.grow(LARGE_ROOM), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        grown.expect("room was given back");
        let refused = second.grow(REQUEST_BYTES_MAX).await.expect_err("more than a request may need");
        assert_eq!(refused.kind(), ErrorKind::TooLarge);
    }
}
