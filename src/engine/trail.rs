//! The trail: which questions, exports and sign-ins there were, as events of the tenant `_annals`.
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
const COUNTED_MAX: usize = 10_000;
/// The most refused calls of one caller, and calls of callers that nobody knows, that are told
/// apart at a time: whoever asks nonsense must not fill the store with the record of it.
const REFUSED_MAX: usize = 300;
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
type CallKey = [u8; 32];

/// Identifies the record of a call whose answer is still being made.
#[derive(Debug, Clone, Copy)]
pub struct CallHandle {
    key: CallKey,
    number: u64,
}

/// Calls that are being counted.
#[derive(Debug, Default)]
pub(in crate::engine) struct Trail {
    counting: Mutex<Counting>,
    /// The number of the next record since the start.
    number: AtomicU64,
    /// How many records could not be written since the start.
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Counting {
    calls: HashMap<CallKey, CountedCall>,
    /// How many of them were refused, by the name of the caller.
    refused: HashMap<String, usize>,
    /// Those that are no longer counted, and whose answers are still being made.
    sending: HashMap<u64, CountedCall>,
    /// Those that are over, and whose end is not recorded yet.
    ended: Vec<CountedCall>,
}

/// A call, as often as it was made since it was first recorded.
#[derive(Debug, Clone)]
struct CountedCall {
    number: u64,
    id: String,
    begun: Timestamp,
    event_name: &'static str,
    actor: Actor,
    call: String,
    status: u16,
    count: u64,
    cost: CallCost,
    /// How many of its answers are still being made, and how many broke off.
    sending: u32,
    broken_off: u32,
    /// How often the log had failed when it was recorded.
    failures: u64,
}

impl CallCost {
    fn add(&mut self, more: Self) {
        self.rows = self.rows.saturating_add(more.rows);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.millis = self.millis.saturating_add(more.millis);
    }

    fn put_into(self, details: &mut Json) {
        details["rows"] = self.rows.into();
        details["bytes"] = self.bytes.into();
        details["millis"] = self.millis.into();
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
    /// Returns the event that says that the call was made.
    fn begin(&self, mut details: Json) -> Json {
        // Of an answer that is still being made, this is not known when it begins.
        if self.sending == 0 {
            self.cost.put_into(&mut details);
        }
        self.record("begun", details)
    }

    /// Returns the event that says how often it was made, and what it gave.
    fn end(&self) -> Json {
        let mut details = json!({ "begun": self.begun.to_string(), "count": self.count });
        if self.sending > 0 {
            details["unfinished"] = self.sending.into();
        }
        if self.broken_off > 0 {
            details["broken_off"] = self.broken_off.into();
        }
        self.cost.put_into(&mut details);
        self.record("done", details)
    }

    fn record(&self, state: &str, mut details: Json) -> Json {
        details["status"] = self.status.into();
        json!({
            "trace_id": format!("{}-{state}", self.id), "event_name": self.event_name,
            "code": state, "level": if self.status < 400 { "normal" } else { "warning" },
            "resource_type": "call", "resource_name": self.call, "resource_id": self.id,
            "operator": self.actor.name, "source_ip": self.actor.source_ip, "details": details,
        })
    }

    /// Returns whether further calls are recorded anew. A clock that was set back ends it too.
    fn is_over(&self, now: Timestamp) -> bool {
        !(0..COUNTED_MS).contains(&(now.millis() - self.begun.millis()))
    }
}

/// Returns under which name a call counts among those that were refused, if it does. All calls of
/// callers that nobody knows do.
fn refused_of(actor: &Actor, status: u16) -> Option<&str> {
    (actor.is_unknown() || status >= 400).then_some(actor.name.as_str())
}

impl Counting {
    /// Returns how many refused calls of a caller are being counted.
    fn refused(&self, name: &str) -> usize {
        self.refused.get(name).copied().unwrap_or_default()
    }

    /// Notes that a call is no longer counted.
    fn forget(&mut self, call: &CountedCall) {
        let Some(name) = refused_of(&call.actor, call.status) else { return };
        if let Some(count) = self.refused.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.refused.remove(name);
            }
        }
    }

    /// Ends the counting of a call: its end is recorded once its answers are made.
    fn retire(&mut self, call: CountedCall) {
        if call.sending > 0 && self.sending.len() < COUNTED_MAX {
            self.sending.insert(call.number, call);
        } else {
            self.ended.push(call);
        }
    }
}

impl Trail {
    /// Notes that a record could not be written.
    pub(in crate::engine) fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Counting> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that is recorded already; returns its handle if it is. A record that was lost
    /// because the log failed since does not count.
    fn count(
        &self,
        key: &CallKey,
        made: (CallCost, bool),
        now: Timestamp,
        failures: u64,
    ) -> Option<CallHandle> {
        let mut counting = self.lock();
        let counted = counting.calls.get_mut(key)?;
        if counted.is_over(now) || counted.failures != failures {
            return None;
        }
        let (cost, is_made) = made;
        counted.count += 1;
        counted.sending += u32::from(!is_made);
        counted.cost.add(cost);
        Some(CallHandle { key: *key, number: counted.number })
    }

    /// Begins to count a call that was recorded just now.
    fn begin(&self, key: CallKey, call: CountedCall) {
        let mut counting = self.lock();
        if counting.calls.len() >= COUNTED_MAX && !counting.calls.contains_key(&key) {
            return counting.retire(call);
        }
        if let Some(name) = refused_of(&call.actor, call.status) {
            *counting.refused.entry(name.to_owned()).or_default() += 1;
        }
        if let Some(before) = counting.calls.insert(key, call) {
            // Another one was recorded at the same time, or the sweep is late.
            counting.forget(&before);
            counting.retire(before);
        }
    }

    /// Takes calls whose end is to be recorded: those that are over, or all of them.
    fn take(&self, now: Option<Timestamp>) -> Vec<CountedCall> {
        let mut counting = self.lock();
        let is_over = |call: &CountedCall| now.is_none_or(|now| call.is_over(now));
        let over: Vec<CountedCall> =
            counting.calls.extract_if(|_, call| is_over(call)).map(|(_, call)| call).collect();
        for call in over {
            counting.forget(&call);
            counting.retire(call);
        }
        let Counting { sending, ended, .. } = &mut *counting;
        let made = |_: &u64, call: &mut CountedCall| now.is_none() || call.sending == 0;
        ended.extend(sending.extract_if(made).map(|(_, call)| call));
        let most = ended.len().min(WRITTEN_MAX);
        ended.drain(..most).collect()
    }

    /// Returns what is recorded of a call: of those that are refused to one caller, and of callers
    /// that nobody knows, whoever they say to be, only so many are told apart, so that they cannot
    /// fill the store. The name of a caller is never lost.
    fn generalized(&self, call: RecordedCall) -> RecordedCall {
        let is_told = refused_of(&call.actor, call.status)
            .is_none_or(|name| self.lock().refused(name) < REFUSED_MAX);
        if is_told {
            return call;
        }
        let actor = match call.actor.is_unknown() {
            true => Actor::unknown(None),
            false => Actor { source_ip: None, ..call.actor },
        };
        RecordedCall {
            actor,
            call: "any".to_owned(),
            details: json!({ "reason": "there are too many to be told apart" }),
            ..call
        }
    }

    /// Puts back what could not be recorded.
    fn put_back(&self, calls: Vec<CountedCall>) {
        let mut counting = self.lock();
        let room = COUNTED_MAX.saturating_sub(counting.ended.len());
        counting.ended.extend(calls.into_iter().take(room));
    }
}

impl Engine {
    /// Records a call. When this returns, its answer may leave. While the answer is still being
    /// made, `is_made` is false, and [`Engine::answer_made`] must follow.
    ///
    /// # Errors
    /// A log that cannot be written: then the answer must not leave.
    pub async fn record_call(
        &self,
        call: RecordedCall,
        cost: CallCost,
        safety: RecordSafety,
        is_made: bool,
    ) -> Result<CallHandle> {
        let (writer, trail, now) = (self.writer()?, &self.shared.trail, self.shared.clock.now());
        let call = trail.generalized(call);
        let (key, failures) = (call.key(), writer.log.failures());
        let counted = (!writer.log.has_failed())
            .then(|| trail.count(&key, (cost, is_made), now, failures))
            .flatten();
        if let Some(handle) = counted {
            return Ok(handle);
        }
        let number = trail.number.fetch_add(1, Ordering::Relaxed);
        let counted = CountedCall {
            number,
            id: format!("call-{:016x}-{number}", self.opening()),
            begun: now,
            event_name: call.event_name,
            actor: call.actor,
            call: call.call,
            status: call.status,
            count: 1,
            cost,
            sending: u32::from(!is_made),
            broken_off: 0,
            failures,
        };
        let promise = match safety {
            RecordSafety::Written => Promise::Written,
            RecordSafety::Synced => Promise::Synced,
        };
        let batch = writer.own_batch(vec![counted.begin(call.details)])?;
        writer.append_own(batch, promise).await?;
        trail.begin(key, counted);
        Ok(CallHandle { key, number })
    }

    /// Notes that an answer that was still being made when it was recorded is made, or was given
    /// up, what it gave, and whether that was the whole of it.
    pub fn answer_made(&self, handle: &CallHandle, cost: CallCost, is_whole: bool) {
        let mut counting = self.shared.trail.lock();
        let Counting { calls, sending, .. } = &mut *counting;
        let counted = calls.get_mut(&handle.key).filter(|call| call.number == handle.number);
        if let Some(counted) = counted.or_else(|| sending.get_mut(&handle.number)) {
            counted.cost.add(cost);
            counted.sending = counted.sending.saturating_sub(1);
            counted.broken_off += u32::from(!is_whole);
        }
    }

    /// Returns how many records of the store's own tenant could not be written since the start.
    pub fn trail_failures(&self) -> u64 {
        self.shared.trail.failures.load(Ordering::Relaxed)
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
            let written = match writer.own_batch(ended.iter().map(CountedCall::end).collect()) {
                Ok(batch) => writer.append_own(batch, Promise::Written).await,
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                trail.put_back(ended);
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
        let level = if details["error"].is_null() { "normal" } else { "warning" };
        let record = json!({
            "level": level, "trace_id": format!("store-{:016x}-{number}", self.opening()),
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

    fn counted(number: u64) -> CountedCall {
        CountedCall {
            number,
            id: format!("call-{number}"),
            begun: NOW,
            event_name: "askQuestion",
            actor: Actor::operator(),
            call: "GET /api/v1/count".to_owned(),
            status: 200,
            count: 1,
            cost: CallCost { rows: 1, bytes: 2, millis: 3 },
            sending: 0,
            broken_off: 0,
            failures: 0,
        }
    }

    const COST: CallCost = CallCost { rows: 10, bytes: 20, millis: 30 };

    #[test]
    fn the_same_call_is_counted_for_a_while_and_then_ends() {
        let trail = Trail::default();
        let (key, other) = (call("a").key(), call("b").key());
        let count = |key: &CallKey, at| trail.count(key, (COST, true), at, 0).is_some();
        assert!(!count(&key, NOW), "it is not recorded yet");
        trail.begin(key, counted(1));
        assert!(count(&key, later(COUNTED_MS - 1)) && !count(&other, NOW));
        assert!(!count(&key, later(COUNTED_MS)) && !count(&key, later(-1)), "or a clock went back");
        let failed = trail.count(&key, (COST, true), NOW, 1);
        assert!(failed.is_none(), "the record may be lost");
        assert!(trail.take(Some(later(COUNTED_MS - 1))).is_empty());
        let ended = trail.take(Some(later(COUNTED_MS)));
        let details = &ended[0].end()["details"];
        let numbers = ["count", "rows", "bytes", "millis"].map(|name| details[name].as_u64());
        assert_eq!(numbers, [Some(2), Some(11), Some(22), Some(33)]);
        assert!(trail.take(None).is_empty(), "it ends once");
    }

    #[test]
    fn an_answer_that_is_made_for_long_ends_when_it_is_made() {
        let trail = Trail::default();
        let key = call("a").key();
        trail.begin(key, CountedCall { sending: 1, ..counted(1) });
        let much_later = later(10 * COUNTED_MS);
        assert!(trail.take(Some(much_later)).is_empty());
        // The same again is another record, and does not end the first.
        trail.begin(key, CountedCall { begun: much_later, ..counted(2) });
        assert!(trail.take(Some(much_later)).is_empty());
        trail.lock().sending.get_mut(&1).expect("the first").sending = 0;
        assert_eq!(trail.take(Some(much_later))[0].number, 1);
        trail.begin(key, CountedCall { sending: 1, ..counted(3) });
        let rest: Vec<u64> = trail.take(None).iter().map(|call| call.number).collect();
        assert_eq!(rest, [2, 3], "at the end of a server all are");
    }

    #[test]
    fn what_is_recorded_twice_at_once_and_what_is_too_much_still_ends() {
        let trail = Trail::default();
        for number in 0..2 {
            trail.begin(call("a").key(), counted(number));
        }
        assert_eq!(trail.take(Some(NOW)).len(), 1);
        for number in 0..COUNTED_MAX as u64 + 10 {
            trail.begin(call(&number.to_string()).key(), counted(number));
        }
        assert!(trail.lock().calls.len() <= COUNTED_MAX);
        let ends = std::iter::from_fn(|| Some(trail.take(None).len()).filter(|taken| *taken > 0));
        assert_eq!(ends.sum::<usize>(), COUNTED_MAX + 11);
    }

    #[test]
    fn callers_that_nobody_knows_fill_nothing() {
        let trail = Trail::default();
        for number in 0..10 * REFUSED_MAX as u64 {
            let actor = Actor::unknown(Some([10, 0, (number >> 8) as u8, number as u8].into()));
            let stranger = RecordedCall { actor, ..call(&number.to_string()) };
            let told = trail.generalized(stranger);
            let is_known = trail.count(&told.key(), (COST, true), NOW, 0).is_some();
            if !is_known {
                trail.begin(told.key(), CountedCall { actor: told.actor, ..counted(number) });
            }
        }
        assert_eq!(trail.lock().calls.len(), REFUSED_MAX + 1);
        while !trail.take(None).is_empty() {}
        assert!(trail.lock().refused.is_empty());
    }

    #[test]
    fn nonsense_that_a_caller_asks_fills_nothing_and_its_name_and_answers_stay() {
        let trail = Trail::default();
        let ask = |name: &str, status: u16, number: usize| {
            let actor = Actor { name: name.to_owned(), source_ip: None };
            let told = trail.generalized(RecordedCall {
                actor,
                status,
                ..call(&format!("{name}{number}"))
            });
            if trail.count(&told.key(), (COST, true), NOW, 0).is_none() {
                let counted = CountedCall { actor: told.actor.clone(), status, ..counted(1) };
                trail.begin(told.key(), counted);
            }
            told.actor.name
        };
        for number in 0..2 * REFUSED_MAX {
            assert_eq!(ask("li", 400, number), "li");
        }
        assert_eq!(trail.lock().calls.len(), REFUSED_MAX + 1);
        // What is answered is told apart, and so is what others are refused.
        for number in 0..10 {
            ask("li", 200, number);
            ask("wang", 400, number);
        }
        assert_eq!(trail.lock().calls.len(), REFUSED_MAX + 21);
        while !trail.take(None).is_empty() {}
        assert!(trail.lock().refused.is_empty());
    }
}
