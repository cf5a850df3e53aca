//! The trail: which questions, exports and sign-ins there were, as events of the store's own tenant.
//!
//! A call is recorded before its answer leaves. The same call of the same caller, made again within
//! a minute, is counted in the same record, so that a page that refreshes itself does not fill the
//! store; a second record, which follows within that minute, says how often it was made and what it
//! gave. If the process is killed in between, the first one stands alone: the call was made at
//! least once.

use crate::access::Actor;
use crate::engine::Engine;
use crate::engine::write::log::Promise;
use crate::error::Result;
use crate::event::Timestamp;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long calls are counted in one record.
const COUNTED_MS: i64 = 50_000;
/// The most calls that are counted at a time; what comes beyond is recorded one by one.
const COUNTED_MAX: usize = 20_000;
/// The most records that are written at a time.
const WRITTEN_MAX: usize = 500;

/// A call that is recorded.
#[derive(Debug, Clone)]
pub struct RecordedCall {
    /// The name of the event, such as `askQuestion`.
    pub event_name: &'static str,
    /// Who made it, and from where.
    pub actor: Actor,
    /// The method and path, such as `GET /api/v1/events`.
    pub call: String,
    /// What is the same whenever the call is made again: the credential, what was asked, and what
    /// the caller may see.
    pub details: Json,
    /// The status of the answer.
    pub status: u16,
}

/// What a call took and gave.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallCost {
    /// Events in the answer.
    pub rows: u64,
    /// Bytes of the answer, before compression.
    pub bytes: u64,
    /// How long it took.
    pub millis: u64,
}

/// How safe the record of a call is before the answer leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordSafety {
    /// It outlives the process, and is on the disk within a second.
    Written,
    /// It is on the disk.
    Synced,
}

/// Identifies calls that are counted in one record.
pub type CallKey = [u8; 32];

/// Calls that are being counted.
#[derive(Debug, Default)]
pub(in crate::engine) struct Trail {
    counting: Mutex<Counting>,
    /// The number of the next record since the start.
    number: AtomicU64,
}

#[derive(Debug, Default)]
struct Counting {
    calls: HashMap<CallKey, CountedCall>,
    /// Those that are no longer counted, and whose end is not recorded yet.
    ended: Vec<CountedCall>,
}

/// A call, as often as it was made since it was first recorded.
#[derive(Debug, Clone)]
struct CountedCall {
    id: String,
    begun: Timestamp,
    call: RecordedCall,
    count: u64,
    cost: CallCost,
    /// How many of its answers are still being sent.
    sending: u32,
}

impl CallCost {
    fn add(&mut self, more: Self) {
        self.rows = self.rows.saturating_add(more.rows);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.millis = self.millis.saturating_add(more.millis);
    }
}

impl RecordedCall {
    fn key(&self) -> CallKey {
        let same = json!([
            self.event_name,
            self.actor.name,
            self.actor.source_ip,
            self.call,
            self.details,
            self.status
        ]);
        Sha256::digest(same.to_string()).into()
    }
}

impl CountedCall {
    /// Returns the event that says that the call was made, or how it ended.
    fn record(&self, state: &str) -> Json {
        let RecordedCall { event_name, actor, call, details, status } = &self.call;
        let mut details = details.clone();
        details["status"] = (*status).into();
        if state == "done" {
            details["begun"] = self.begun.to_string().into();
            details["count"] = self.count.into();
        }
        // Of an answer that is still being made, this is not known when it begins.
        if state == "done" || self.sending == 0 {
            details["rows"] = self.cost.rows.into();
            details["bytes"] = self.cost.bytes.into();
            details["millis"] = self.cost.millis.into();
        }
        json!({
            "trace_id": format!("{}-{state}", self.id), "event_name": event_name, "code": state,
            "level": if *status < 400 { "normal" } else { "warning" },
            "resource_type": "call", "resource_name": call, "resource_id": self.id,
            "operator": actor.name, "source_ip": actor.source_ip, "details": details,
        })
    }
}

impl Trail {
    fn lock(&self) -> MutexGuard<'_, Counting> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that is recorded already; returns whether it is.
    fn count(&self, key: &CallKey, cost: CallCost, now: Timestamp, is_sent: bool) -> bool {
        let mut counting = self.lock();
        let counted = counting.calls.get_mut(key);
        let Some(counted) =
            counted.filter(|counted| now.millis() - counted.begun.millis() < COUNTED_MS)
        else {
            return false;
        };
        counted.count += 1;
        counted.sending += u32::from(!is_sent);
        counted.cost.add(cost);
        true
    }

    /// Begins to count a call that was recorded just now.
    fn begin(&self, key: CallKey, call: CountedCall) {
        let mut counting = self.lock();
        if counting.calls.len() >= COUNTED_MAX && !counting.calls.contains_key(&key) {
            counting.ended.push(call);
        } else if let Some(before) = counting.calls.insert(key, call) {
            // Another one was recorded at the same time, or the sweep is late.
            counting.ended.push(before);
        }
    }

    /// Takes the calls whose end is to be recorded: those that are over, or all of them.
    fn take(&self, now: Option<Timestamp>) -> Vec<CountedCall> {
        let mut counting = self.lock();
        let Counting { calls, ended } = &mut *counting;
        ended.extend(
            calls
                .extract_if(|_, call| now.is_none_or(|now| call.is_over(now)))
                .map(|(_, call)| call),
        );
        let most = ended.len().min(WRITTEN_MAX);
        ended.drain(..most).collect()
    }
}

impl CountedCall {
    fn is_over(&self, now: Timestamp) -> bool {
        self.sending == 0 && now.millis() - self.begun.millis() >= COUNTED_MS
    }
}

impl Engine {
    /// Records a call. When this returns, its answer may leave. While the answer is still being
    /// made, `is_sent` is false, and [`Engine::answer_sent`] must follow.
    ///
    /// # Errors
    /// A log that cannot be written: then the answer must not leave.
    pub async fn record_call(
        &self,
        call: RecordedCall,
        cost: CallCost,
        safety: RecordSafety,
        is_sent: bool,
    ) -> Result<CallKey> {
        let (writer, trail, now) = (self.writer()?, &self.shared.trail, self.shared.clock.now());
        let key = call.key();
        if trail.count(&key, cost, now, is_sent) {
            return Ok(key);
        }
        let number = trail.number.fetch_add(1, Ordering::Relaxed);
        let id = format!("call-{:016x}-{number}", self.opening());
        let sending = u32::from(!is_sent);
        let counted = CountedCall { id, begun: now, call, count: 1, cost, sending };
        let promise = match safety {
            RecordSafety::Written => Promise::Written,
            RecordSafety::Synced => Promise::Synced,
        };
        let batch = writer.own_batch(vec![counted.record("begun")])?;
        writer.append_own(batch, promise).await?;
        trail.begin(key, counted);
        Ok(key)
    }

    /// Notes that an answer that was still being made when it was recorded has been sent, and what
    /// it gave.
    pub fn answer_sent(&self, key: &CallKey, cost: CallCost) {
        if let Some(counted) = self.shared.trail.lock().calls.get_mut(key) {
            counted.cost.add(cost);
            counted.sending = counted.sending.saturating_sub(1);
        }
    }

    /// Records how calls ended that are no longer counted; at the end of a server, all of them.
    ///
    /// # Errors
    /// A log that cannot be written; the next call tries again.
    pub async fn record_ends(&self, all: bool) -> Result<()> {
        let (writer, trail) = (self.writer()?, &self.shared.trail);
        let now = self.shared.clock.now();
        loop {
            let ended = trail.take((!all).then_some(now));
            if ended.is_empty() {
                return Ok(());
            }
            let records = ended.iter().map(|call| call.record("done")).collect();
            let written = match writer.own_batch(records) {
                Ok(batch) => writer.append_own(batch, Promise::Written).await,
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                let mut counting = trail.lock();
                let room = COUNTED_MAX.saturating_sub(counting.ended.len());
                counting.ended.extend(ended.into_iter().take(room));
                return Err(error);
            }
        }
    }

    /// Records something that the store itself did, such as its start.
    ///
    /// # Errors
    /// A log that cannot be written.
    pub async fn record_event(&self, event_name: &str, details: Json) -> Result<()> {
        let (writer, trail) = (self.writer()?, &self.shared.trail);
        let number = trail.number.fetch_add(1, Ordering::Relaxed);
        let record = json!({
            "trace_id": format!("store-{:016x}-{number}", self.opening()),
            "event_name": event_name, "resource_type": "store",
            "operator": Actor::store().name, "details": details,
        });
        writer.append_own(writer.own_batch(vec![record])?, Promise::Synced).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    fn later(millis: i64) -> Timestamp {
        Timestamp::from_millis(NOW.millis() + millis)
    }

    fn call(asked: &str) -> RecordedCall {
        RecordedCall {
            event_name: "askQuestion",
            actor: Actor::operator(),
            call: "GET /api/v1/count".to_owned(),
            details: json!({ "asked": asked }),
            status: 200,
        }
    }

    fn counted(asked: &str) -> CountedCall {
        let cost = CallCost { rows: 1, bytes: 2, millis: 3 };
        CountedCall {
            id: "call-1".to_owned(),
            begun: NOW,
            call: call(asked),
            count: 1,
            cost,
            sending: 0,
        }
    }

    #[test]
    fn the_same_call_is_counted_for_a_while_and_then_ends() {
        let trail = Trail::default();
        let (key, other) = (call("a").key(), call("b").key());
        let cost = CallCost { rows: 10, bytes: 20, millis: 30 };
        let count = |key: &CallKey, at| trail.count(key, cost, at, true);
        assert!(!count(&key, NOW), "it is not recorded yet");
        trail.begin(key, counted("a"));
        assert!(count(&key, later(COUNTED_MS - 1)) && !count(&other, NOW));
        assert!(!count(&key, later(COUNTED_MS)));
        assert!(trail.take(Some(later(COUNTED_MS - 1))).is_empty());
        let ended = trail.take(Some(later(COUNTED_MS)));
        let details = &ended[0].record("done")["details"];
        let numbers = ["count", "rows", "bytes", "millis"].map(|name| details[name].as_u64());
        assert_eq!(numbers, [Some(2), Some(11), Some(22), Some(33)]);
        assert!(trail.take(None).is_empty(), "it ends once");
    }

    #[test]
    fn what_is_recorded_twice_at_once_and_what_is_too_much_still_ends() {
        let trail = Trail::default();
        trail.begin(call("a").key(), counted("a"));
        trail.begin(call("a").key(), counted("a"));
        assert_eq!(trail.take(Some(NOW)).len(), 1);
        for number in 0..COUNTED_MAX + 10 {
            let asked = number.to_string();
            trail.begin(call(&asked).key(), counted(&asked));
        }
        assert!(trail.lock().calls.len() <= COUNTED_MAX);
        let mut ends = 0;
        loop {
            let taken = trail.take(None).len();
            ends += taken;
            if taken == 0 {
                break;
            }
        }
        assert_eq!(ends, COUNTED_MAX + 11);
    }
}
