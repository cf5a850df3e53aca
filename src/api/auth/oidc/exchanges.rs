//! Exchanges of codes for tokens: anybody can begin a sign-in and come back with a code that is
//! none, so what asks the provider has turns, each address has few of them, and each attempt one.

use super::sign_in::SignInFailure;
use crate::api::peer::Peer;
use crate::api::places::{NamedPlace, NamedPlaces};
use sha2::{Digest, Sha256};
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many sign-ins ask the provider at a time, and how many of one address.
const EXCHANGES_MAX: usize = 16;
const OF_ADDRESS_MAX: usize = 4;
/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many attempts that have had their turn are remembered. The oldest is forgotten then: the
/// provider takes a code once, whatever is remembered here.
const ATTEMPTS_MAX: usize = 10_000;

/// The attempts that have had their turn, by the hashes of their states, the oldest first.
#[derive(Default)]
struct HadTurns {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

/// The exchanges that are under way, and the attempts that have had theirs.
pub(super) struct Exchanges {
    turns: Semaphore,
    patience: Duration,
    of_addresses: NamedPlaces,
    had: Mutex<HadTurns>,
}

/// The turn of an attempt.
#[derive(Debug)]
pub(super) struct ExchangeTurn<'a> {
    _turn: SemaphorePermit<'a>,
    _of_address: Option<NamedPlace>,
}

impl Exchanges {
    pub(super) fn new() -> Self {
        Self {
            turns: Semaphore::new(EXCHANGES_MAX),
            patience: PATIENCE,
            of_addresses: NamedPlaces::new(OF_ADDRESS_MAX),
            had: Mutex::default(),
        }
    }

    /// Returns the turn of an attempt, which is known by its `state`, once there is one.
    ///
    /// # Errors
    /// An attempt that has had its turn; no turn in time.
    pub(super) async fn turn(
        &self,
        state: &str,
        peer: Option<&Peer>,
    ) -> Result<ExchangeTurn<'_>, SignInFailure> {
        let of_address = match peer {
            Some(peer) => {
                let place = self.of_addresses.take(peer.network().to_string(), self.patience).await;
                Some(place.ok_or(SignInFailure::Unavailable)?)
            }
            None => None,
        };
        let turn = tokio::time::timeout(self.patience, self.turns.acquire()).await;
        let Ok(Ok(turn)) = turn else { return Err(SignInFailure::Unavailable) };
        if !self.note(state) {
            return Err(SignInFailure::Expired);
        }
        Ok(ExchangeTurn { _turn: turn, _of_address: of_address })
    }

    /// Notes that an attempt has its turn; returns whether it is the first.
    fn note(&self, state: &str) -> bool {
        let attempt: [u8; 32] = Sha256::digest(state.as_bytes()).into();
        let mut had = self.had.lock().unwrap_or_else(PoisonError::into_inner);
        let HadTurns { known, order } = &mut *had;
        if !known.insert(attempt) {
            return false;
        }
        order.push_back(attempt);
        if order.len() > ATTEMPTS_MAX
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_than_there_are_turns_wait_and_an_attempt_has_one() {
        let exchanges = Exchanges::new();
        let mut bogus = Vec::new();
        for number in 0..EXCHANGES_MAX {
            bogus.push(exchanges.turn(&number.to_string(), None).await.expect("a turn"));
        }
        let mut honest = Box::pin(exchanges.turn("honest", None));
        assert!(futures::poll!(&mut honest).is_pending(), "it waits");
        bogus.pop();
        assert!(honest.await.is_ok());
        let again = exchanges.turn("honest", None).await.err();
        assert_eq!(again, Some(SignInFailure::Expired));
        drop(bogus);
        let exchanges = Exchanges { patience: Duration::from_millis(5), ..Exchanges::new() };
        let mut held = Vec::new();
        while let Ok(turn) = exchanges.turn(&format!("more {}", held.len()), None).await {
            held.push(turn);
        }
        let late = exchanges.turn("late", None).await.err();
        assert_eq!(late, Some(SignInFailure::Unavailable), "not for ever");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let exchanges = Exchanges::new();
        assert!(exchanges.note("first") && !exchanges.note("first"));
        for number in 0..ATTEMPTS_MAX {
            assert!(exchanges.note(&number.to_string()));
        }
        let had = exchanges.had.lock().expect("a lock");
        assert_eq!((had.known.len(), had.order.len()), (ATTEMPTS_MAX, ATTEMPTS_MAX));
    }
}
