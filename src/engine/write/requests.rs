//! Requests that carried an `Idempotency-Key`: their answers are remembered for a day, so that a
//! request that is sent again is not carried out again.

use crate::engine::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{DAY_MS, Timestamp};
use crate::ingest::LoggedRequest;
use std::collections::{HashMap, VecDeque};

/// How long an answer is remembered.
const KEPT_MS: i64 = DAY_MS;
/// The most answers that are remembered, and their bytes; the oldest are dropped first. Each file
/// of the log begins with all of them.
const KEPT_MAX: usize = 10_000;
const KEPT_BYTES_MAX: usize = 4 << 20;
/// A longer answer is remembered without the list of refused records.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// The idempotency key of a request, and the hash of its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The client's key, together with the parameters that distinguish requests.
    pub key: String,
    /// The SHA-256 of the request's records as they are kept, in hexadecimal.
    pub body: String,
}

impl RequestKey {
    /// Returns the form in which an outcome is remembered for the request that it answers.
    pub(in crate::engine) fn answered(
        self,
        outcome: &Outcome,
        seq: u64,
        now: Timestamp,
    ) -> LoggedRequest {
        let mut answer = serde_json::to_value(outcome).unwrap_or_default();
        if answer.to_string().len() > ANSWER_BYTES_MAX {
            // Counts and the receipt are kept in full; the refused records can be listed in
            // quarantine.
            answer["quarantined"] = serde_json::json!([]);
        }
        LoggedRequest { key: self.key, body: self.body, at: now.millis(), seq, answer }
    }
}

/// The remembered answers, oldest first.
#[derive(Debug, Default)]
pub(in crate::engine) struct Requests {
    answers: HashMap<String, LoggedRequest>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Requests {
    pub(in crate::engine) fn add(&mut self, request: LoggedRequest) {
        self.bytes += bytes(&request);
        match self.answers.insert(request.key.clone(), request.clone()) {
            Some(before) => self.bytes -= bytes(&before),
            None => self.order.push_back(request.key),
        }
        self.expire(Timestamp::from_millis(request.at));
    }

    /// Returns the answer that a request was given before, if it is remembered.
    ///
    /// # Errors
    /// If the key was used with another body.
    pub(in crate::engine) fn answered(
        &mut self,
        request: &RequestKey,
        now: Timestamp,
    ) -> Result<Option<Outcome>> {
        self.expire(now);
        let Some(answered) = self.answers.get(&request.key) else { return Ok(None) };
        if answered.body != request.body {
            let what = "was used for another body: give each request a key of its own";
            return Err(Error::new(ErrorKind::Mismatch, what).with_parameter("Idempotency-Key"));
        }
        let outcome: Outcome =
            serde_json::from_value(answered.answer.clone()).map_err(|cause| {
                Error::internal("the answer to an earlier request cannot be read").because(cause)
            })?;
        Ok(Some(Outcome { replayed: true, ..outcome }))
    }

    /// Drops answers that are a day old, and the oldest while there are too many.
    fn expire(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.front() {
            let old =
                self.answers.get(oldest).is_none_or(|answer| answer.at < now.millis() - KEPT_MS);
            if !old && self.order.len() <= KEPT_MAX && self.bytes <= KEPT_BYTES_MAX {
                return;
            }
            if let Some(gone) = self.answers.remove(oldest) {
                self.bytes -= bytes(&gone);
            }
            self.order.pop_front();
        }
    }

    /// Returns all remembered answers, oldest first.
    pub(in crate::engine) fn all(&self) -> Vec<LoggedRequest> {
        self.order.iter().filter_map(|key| self.answers.get(key)).cloned().collect()
    }

    /// Forgets answers whose events never became durable.
    pub(in crate::engine) fn forget_after(&mut self, durable_seq: u64) {
        self.answers.retain(|_, answer| answer.seq <= durable_seq);
        self.order.retain(|key| self.answers.contains_key(key));
        self.bytes = self.answers.values().map(bytes).sum();
    }
}

/// Returns roughly what an answer takes in memory and in the log.
fn bytes(request: &LoggedRequest) -> usize {
    request.key.len() + request.body.len() + request.answer.to_string().len() + 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::write::refusals::Refused;

    fn request(key: &str, body: &str) -> RequestKey {
        RequestKey { key: key.into(), body: body.into() }
    }

    fn outcome(accepted: u64, refused: u64) -> Outcome {
        let quarantined = (0..refused)
            .map(|line| Refused { line, reason: "is not JSON".into(), conflict: false })
            .collect();
        Outcome { accepted, quarantined, ..Outcome::default() }
    }

    #[test]
    fn answers_are_kept_for_a_day_and_for_their_body_only() {
        let mut requests = Requests::default();
        let at = |at| Timestamp::from_millis(at);
        for number in 0..3 {
            requests.add(request(&format!("k{number}"), "b").answered(
                &outcome(number, 0),
                number,
                at(number as i64),
            ));
        }
        let known = requests.answered(&request("k1", "b"), at(5)).expect("known").expect("known");
        assert_eq!((known.accepted, known.replayed), (1, true));
        assert_eq!(
            requests.answered(&request("k1", "c"), at(5)).expect_err("another body").kind(),
            ErrorKind::Mismatch
        );
        assert!(requests.answered(&request("k9", "c"), at(5)).expect("new").is_none());
        assert!(
            requests.answered(&request("k1", "c"), at(DAY_MS + 2)).expect("forgotten").is_none()
        );
        assert_eq!(requests.all().iter().map(|answer| answer.at).collect::<Vec<_>>(), [2]);
        requests.forget_after(1);
        assert!(requests.all().is_empty());
    }

    #[test]
    fn answers_have_a_bound_in_bytes() {
        let mut requests = Requests::default();
        let now = Timestamp::from_millis(1);
        for number in 0..40 {
            requests.add(request(&format!("k{number}"), "b").answered(
                &outcome(1, 20_000),
                number,
                now,
            ));
        }
        assert!(
            requests.bytes < 40 * (ANSWER_BYTES_MAX + 200),
            "a long list is not kept: {} bytes",
            requests.bytes
        );
        let known = requests.answered(&request("k0", "b"), now).expect("known").expect("known");
        assert_eq!(
            (known.accepted, known.quarantined.has_more(), known.quarantined.total()),
            (1, true, 20_000)
        );
        for number in 0..20_000 {
            let key = format!("{number}-{}", "k".repeat(500));
            requests.add(request(&key, "b").answered(&outcome(1, 0), number, now));
        }
        assert!(requests.bytes <= KEPT_BYTES_MAX && requests.answers.len() == requests.order.len());
        assert!(requests.answered(&request("k0", "b"), now).expect("forgotten").is_none());
        let all: usize = requests.all().iter().map(bytes).sum();
        assert_eq!(all, requests.bytes);
    }
}
