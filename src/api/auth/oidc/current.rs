//! What is known of the provider at this moment, and when it is asked again.

use super::metadata::Metadata;
use super::settings::KeyTimes;
use crate::access::KeySet;
use crate::error::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// What a provider publishes.
pub(super) struct Known {
    pub(super) metadata: Metadata,
    pub(super) keys: KeySet,
    pub(super) fetched: Instant,
}

/// Whether asking for a key would help.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AskPhase {
    /// The provider is being asked.
    Asking,
    /// It was asked just now, and is left alone.
    Resting,
    /// It is asked as soon as somebody wants to know something.
    Waiting,
}

struct CurrentState {
    known: Option<Arc<Known>>,
    phase: AskPhase,
}

/// What is known of a provider.
pub(super) struct Current {
    times: KeyTimes,
    state: Mutex<CurrentState>,
    wanted: Notify,
    /// How often the provider was asked.
    asked: watch::Sender<u64>,
}

impl Current {
    pub(super) fn new(times: KeyTimes) -> Self {
        Self {
            times,
            state: Mutex::new(CurrentState { known: None, phase: AskPhase::Asking }),
            wanted: Notify::new(),
            asked: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, CurrentState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known, unless it is too old.
    pub(super) fn known(&self) -> Option<Arc<Known>> {
        let known = self.lock().known.clone()?;
        (known.fetched.elapsed() < self.times.kept).then_some(known)
    }

    /// Waits until the provider was asked for a key (any, if `kid` is none), if it is not known and
    /// the provider is not left alone just now.
    pub(super) async fn with_key(&self, kid: Option<&str>) {
        if self.known().is_some_and(|known| known.keys.knows(kid)) {
            return;
        }
        // From before the look at the phase, so that no answer is missed.
        let mut asked = self.asked.subscribe();
        let phase = self.lock().phase;
        // While the provider is left alone, this is remembered and nobody waits for it.
        if phase != AskPhase::Asking {
            self.wanted.notify_one();
        }
        if phase != AskPhase::Resting {
            // After that time the request is answered from what is known.
            let _ = tokio::time::timeout(self.times.patience, asked.changed()).await;
        }
    }

    /// Asks the provider now, every now and then, and when a key is wanted.
    pub(super) async fn keep<F: Future<Output = Result<Known>>>(&self, ask: impl Fn() -> F) {
        loop {
            let answer = ask().await;
            let failed = answer.is_err();
            {
                let mut state = self.lock();
                state.phase = AskPhase::Resting;
                match answer {
                    Ok(known) => state.known = Some(Arc::new(known)),
                    Err(error) => tracing::warn!(%error, "the OpenID provider cannot be asked"),
                }
            }
            self.asked.send_modify(|times| *times += 1);
            tokio::time::sleep(self.times.rest).await;
            if !failed {
                self.lock().phase = AskPhase::Waiting;
                let rest = self.times.refresh.saturating_sub(self.times.rest);
                let _ = tokio::time::timeout(rest, self.wanted.notified()).await;
            }
            self.lock().phase = AskPhase::Asking;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn published(kid: &str) -> Known {
        let place = "https://login.example.com/";
        let metadata = json!({ "issuer": place, "authorization_endpoint": place,
            "token_endpoint": place, "jwks_uri": place });
        let keys = json!({ "keys": [{ "kty": "oct", "kid": kid }] });
        Known {
            metadata: Metadata::parse(metadata.to_string().as_bytes(), place).expect("metadata"),
            keys: KeySet::parse(keys.to_string().as_bytes()).expect("keys"),
            fetched: Instant::now(),
        }
    }

    /// A provider whose key has the number of the question, and that fails while it is told to.
    async fn asked(current: &Current, count: &AtomicUsize, fails: &AtomicUsize) {
        let ask = async || {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let number = count.fetch_add(1, Ordering::SeqCst);
            if fails.load(Ordering::SeqCst) > 0 {
                return Err(Error::invalid("it fails"));
            }
            Ok(published(&number.to_string()))
        };
        current.keep(ask).await;
    }

    #[test]
    fn a_known_key_waits_for_nothing_and_an_unknown_one_asks_at_most_once_in_a_while() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let times = KeyTimes {
            rest: Duration::from_millis(300),
            refresh: Duration::from_secs(60),
            kept: Duration::from_millis(1_500),
            patience: Duration::from_secs(10),
        };
        let current = Current::new(times);
        let (count, fails) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let asked_times = || count.load(Ordering::SeqCst);
        let questions = async {
            assert!(current.known().is_none());
            // Many at the start wait for one question.
            futures::future::join_all((0..20).map(|_| current.with_key(Some("0")))).await;
            assert_eq!(asked_times(), 1);
            let begin = Instant::now();
            for number in 0..100 {
                let kid = if number % 2 == 0 { "0" } else { "unknown" };
                current.with_key(Some(kid)).await;
            }
            assert!(begin.elapsed() < Duration::from_millis(200), "{:?}", begin.elapsed());
            assert_eq!(asked_times(), 1, "it is left alone");
            // What was wanted meanwhile is asked for afterwards.
            tokio::time::sleep(Duration::from_millis(450)).await;
            assert_eq!(asked_times(), 2);
            assert!(
                current.known().is_some_and(
                    |known| known.keys.knows(Some("1")) && !known.keys.knows(Some("0"))
                ),
                "the old key is gone"
            );
            tokio::time::sleep(Duration::from_millis(400)).await;
            // A key that is not known any more, while the provider fails: the old answer holds.
            fails.store(1, Ordering::SeqCst);
            current.with_key(Some("0")).await;
            assert_eq!(asked_times(), 3);
            assert!(current.known().is_some_and(|known| known.keys.knows(Some("1"))));
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            assert!(current.known().is_none(), "not for ever");
            assert!(asked_times() > 3, "it is asked again by itself");
            fails.store(0, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(600)).await;
            assert!(current.known().is_some());
        };
        runtime.expect("a runtime").block_on(async {
            tokio::select! {
                () = asked(&current, &count, &fails) => {}
                () = questions => {}
            }
        });
    }
}
