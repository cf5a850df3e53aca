//! The memory that request bodies may need together, and how it is shared.
//!
//! Room is reserved for bytes that are here, not for those that are announced: a body that does not
//! arrive holds nothing. Small bodies have room of their own, which large ones cannot take. The
//! last part of the room for large bodies, as much as one request may need, is reserved for the
//! request that began first. That one can always continue, so requests that hold some room while
//! they wait for more never wait for each other in a circle. A request that gets no room in time
//! releases what it holds, and the client is told to try again later.
//!
//! Decompressing and decoding a large body holds a thread, even while it waits for more room. Large
//! bodies must therefore wait for a turn first, and there are few turns; the request that began
//! first always gets one.

use crate::error::{Error, ErrorKind, Result};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How much a request may need and still count as small.
const SMALL_BYTES: u64 = 1 << 20;
/// How much all small requests may need together.
const SMALL_ROOM: u64 = 128 << 20;
/// How much one request may need.
const REQUEST_BYTES_MAX: u64 = 448 << 20;
/// How much all large requests may need together, besides what is reserved for the first.
const LARGE_ROOM: u64 = 256 << 20;
/// The same for bodies that are held for a check before they are taken in.
const HELD_SMALL: u64 = 32 << 20;
const HELD_LARGE: u64 = 96 << 20;
/// The same for those of them whose signature is not proved.
const UNPROVED_SMALL: u64 = 16 << 20;
const UNPROVED_LARGE: u64 = 32 << 20;
/// How many large bodies are ingested at a time, besides the first: each may hold a thread.
const TURNS: usize = 32;
/// How long a request waits for room and for its turn, in total.
const WAIT: Duration = Duration::from_secs(10);

/// The room for all bodies of a kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyRoom(Arc<SharedRoom>);

#[derive(Debug)]
struct SharedRoom {
    state: Mutex<RoomState>,
    freed: Notify,
    /// How much all small requests, and all large ones besides the first, may need together.
    small: u64,
    large: u64,
}

impl Default for SharedRoom {
    fn default() -> Self {
        let (state, freed) = (Mutex::default(), Notify::default());
        Self { state, freed, small: SMALL_ROOM, large: LARGE_ROOM }
    }
}

#[derive(Debug, Default)]
struct RoomState {
    small: u64,
    large: u64,
    /// The number of large requests that have a turn.
    turns: usize,
    /// The large requests, in order of arrival.
    line: BTreeSet<u64>,
    next: u64,
}

/// The room that one request holds; released when this is dropped.
#[derive(Debug)]
pub(super) struct TakenRoom {
    room: BodyRoom,
    bytes: u64,
    /// Its number in the queue of large requests, once it has one, and whether it counts as large.
    ticket: Option<u64>,
    is_large: bool,
    has_turn: bool,
    /// It turned out to be large on a thread where it may not wait without a turn.
    outgrown: bool,
    patience: Duration,
}

impl BodyRoom {
    /// Creates room for bodies that are held until another room takes them in. What one of them
    /// needs is limited by whoever reads it.
    pub(in crate::api) fn of_held() -> Self {
        let shared = SharedRoom { small: HELD_SMALL, large: HELD_LARGE, ..SharedRoom::default() };
        Self(Arc::new(shared))
    }

    /// The same for bodies whose sender is not proved.
    pub(in crate::api) fn of_unproved() -> Self {
        let (small, large) = (UNPROVED_SMALL, UNPROVED_LARGE);
        Self(Arc::new(SharedRoom { small, large, ..SharedRoom::default() }))
    }

    /// Creates the reservation of a request that holds no room yet.
    pub(super) fn enter(&self) -> TakenRoom {
        TakenRoom {
            room: self.clone(),
            bytes: 0,
            ticket: None,
            is_large: false,
            has_turn: false,
            outgrown: false,
            patience: WAIT,
        }
    }

    fn state(&self) -> MutexGuard<'_, RoomState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TakenRoom {
    /// Reserves more room, waiting for it if there is none.
    ///
    /// # Errors
    /// More than one request may need; no room in time.
    pub(super) async fn grow(&mut self, bytes: u64) -> Result<()> {
        if self.bytes.saturating_add(bytes) > REQUEST_BYTES_MAX {
            let what = format!(
                "the request needs more than {} MiB of memory: send it in parts",
                REQUEST_BYTES_MAX >> 20
            );
            return Err(Error::new(ErrorKind::TooLarge, what));
        }
        self.wait_until(|taken| taken.try_grow(bytes)).await
    }

    /// Takes a turn, waiting for it if there is none.
    ///
    /// # Errors
    /// No turn in time.
    pub(super) async fn take_turn(&mut self) -> Result<()> {
        self.outgrown = false;
        self.wait_until(Self::try_turn).await
    }

    /// Waits until an attempt succeeds, trying again whenever a request releases something.
    async fn wait_until(&mut self, mut is_done: impl FnMut(&mut Self) -> bool) -> Result<()> {
        if is_done(self) {
            return Ok(());
        }
        let (room, began) = (self.room.clone(), Instant::now());
        let waited = tokio::time::timeout(self.patience, async {
            loop {
                let mut freed = std::pin::pin!(room.0.freed.notified());
                // From here on no release is missed.
                freed.as_mut().enable();
                if is_done(self) {
                    return;
                }
                freed.await;
            }
        })
        .await;
        self.patience = self.patience.saturating_sub(began.elapsed());
        waited.map_err(|_| {
            Error::new(
                ErrorKind::Unavailable,
                "too many bodies are being ingested: send it again later",
            )
        })
    }

    /// Reserves more room on a blocking thread. A large request may do so only with a turn. Without
    /// one this fails, and the request [has outgrown](Self::has_outgrown) what it may do there.
    ///
    /// # Errors
    /// As [`TakenRoom::grow`].
    pub(super) fn grow_blocking(&mut self, bytes: u64) -> Result<()> {
        self.outgrown = !self.has_turn && (self.is_large || self.bytes + bytes > SMALL_BYTES);
        if self.outgrown {
            return Err(Error::new(ErrorKind::Unavailable, "a large body waits for its turn"));
        }
        tokio::runtime::Handle::current().block_on(self.grow(bytes))
    }

    /// Returns whether it turned out to be large and must start again with a turn.
    pub(super) fn has_outgrown(&self) -> bool {
        self.outgrown
    }

    /// Returns whether it is large and must wait for a turn before it holds a thread.
    pub(super) fn needs_turn(&self) -> bool {
        self.is_large && !self.has_turn
    }

    /// Returns how much room it holds.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn try_turn(&mut self) -> bool {
        let room = self.room.clone();
        let mut state = room.state();
        let ticket = self.place_in_line(&mut state);
        let first = usize::from(state.line.first() == Some(&ticket));
        if !self.has_turn && state.turns < TURNS + first {
            state.turns += 1;
            self.has_turn = true;
        }
        self.has_turn
    }

    fn place_in_line(&mut self, state: &mut RoomState) -> u64 {
        let ticket = *self.ticket.get_or_insert_with(|| {
            state.next += 1;
            state.next
        });
        state.line.insert(ticket);
        ticket
    }

    /// Releases some of its room.
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
            if state.small + bytes > room.0.small {
                return false;
            }
            state.small += bytes;
            self.bytes = total;
            return true;
        }
        let ticket = self.place_in_line(&mut state);
        // A request that turns out to be large moves over with all that it holds, once there is
        // room for it.
        let needed = if self.is_large { bytes } else { total };
        let kept = if state.line.first() == Some(&ticket) { REQUEST_BYTES_MAX } else { 0 };
        if state.large + needed > room.0.large + kept {
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

impl Drop for TakenRoom {
    fn drop(&mut self) {
        self.shrink(self.bytes);
        if let Some(ticket) = self.ticket {
            let mut state = self.room.state();
            state.line.remove(&ticket);
            state.turns -= usize::from(self.has_turn);
            drop(state);
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
        let room = BodyRoom::default();
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
        let room = BodyRoom::default();
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
    async fn large_bodies_take_turns_and_the_first_always_gets_one() {
        let room = BodyRoom::default();
        let mut first = room.enter();
        assert!(first.try_grow(2 * MIB));
        let mut others = Vec::new();
        loop {
            let mut other = room.enter();
            assert!(other.try_grow(2 * MIB));
            if !other.try_turn() {
                break;
            }
            others.push(other);
        }
        assert_eq!(others.len(), TURNS);
        assert!(first.try_turn(), "it came before them");
        assert!(first.try_turn(), "a turn is taken once");
        assert_eq!(room.state().turns, TURNS + 1);
        drop((first, others));
        assert_eq!(room.state().turns, 0);
    }

    #[test]
    fn a_body_that_turns_out_to_be_large_holds_no_thread_without_a_turn() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _entered = runtime.enter();
        let room = BodyRoom::default();
        let mut body = room.enter();
        body.grow_blocking(MIB / 2).expect("it is small");
        assert!(!body.has_outgrown());
        body.grow_blocking(MIB).expect_err("it is large");
        assert!(body.has_outgrown() && body.bytes() == MIB / 2);
        runtime.block_on(body.take_turn()).expect("nobody else is there");
        body.grow_blocking(MIB).expect("it has a turn");
        assert!(!body.has_outgrown());
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_when_room_is_given_back_and_else_is_refused() {
        let room = BodyRoom::default();
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
        let refused =
            second.grow(REQUEST_BYTES_MAX).await.expect_err("more than a request may need");
        assert_eq!(refused.kind(), ErrorKind::TooLarge);
    }
}
