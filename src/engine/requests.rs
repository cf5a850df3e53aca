//! Requests that named themselves by an `Idempotency-Key`: what each was answered, for a day.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{DAY_MS, Timestamp};
use crate::ingest::LoggedRequest;
use std::collections::{HashMap, VecDeque};

/// How long an answer is kept.
const KEPT_MS: i64 = DAY_MS;
/// Answers that are kept at most; the oldest go first.
const KEPT_MAX: usize = 10_000;

/// A request that wants to be answered once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Whose key it is, and the key.
    pub key: String,
    /// The SHA-256 of the decoded body, in hexadecimal.
    pub body: String,
}

/// The answers that are kept, oldest first.
#[derive(Debug, Default)]
pub(super) struct Requests {
    answers: HashMap<String, LoggedRequest>,
    order: VecDeque<String>,
}

impl Requests {
    pub(super) fn add(&mut self, request: LoggedRequest) {
        if self.answers.insert(request.key.clone(), request.clone()).is_none() {
            self.order.push_back(request.key);
        }
    }

    /// The answer that a request was given before.
    ///
    /// # Errors
    /// The same key with another body.
    pub(super) fn answered(&mut self, request: &RequestKey, now: Timestamp) -> Result<Option<&LoggedRequest>> {
        self.expire(now);
        match self.answers.get(&request.key) {
            Some(answer) if answer.body != request.body => {
                let what = "was used for another body: give each request a key of its own";
                Err(Error::new(ErrorKind::Mismatch, what).with_parameter("Idempotency-Key"))
            }
            answer => Ok(answer),
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.front() {
            let old = self.answers.get(oldest).is_none_or(|answer| answer.at < now.millis() - KEPT_MS);
            if !old && self.order.len() <= KEPT_MAX {
                return;
            }
            self.answers.remove(oldest);
            self.order.pop_front();
        }
    }

    /// Those that are kept, oldest first.
    pub(super) fn all(&self) -> Vec<LoggedRequest> {
        self.order.iter().filter_map(|key| self.answers.get(key)).cloned().collect()
    }

    /// Forgets answers whose events never became durable.
    pub(super) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.answers.retain(|_, answer| keep(answer.seq));
        self.order.retain(|key| self.answers.contains_key(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &str, body: &str) -> RequestKey {
        RequestKey { key: key.into(), body: body.into() }
    }

    #[test]
    fn answers_are_kept_for_a_day_and_for_their_body_only() {
        let mut requests = Requests::default();
        let at = |at| Timestamp::from_millis(at);
        for number in 0..3 {
            let answer = serde_json::json!(number);
            requests.add(LoggedRequest { key: format!("k{number}"), body: "b".into(), at: number, seq: number as u64, answer });
        }
        assert_eq!(requests.answered(&request("k1", "b"), at(5)).expect("known").expect("known").answer, 1);
        assert_eq!(requests.answered(&request("k1", "c"), at(5)).expect_err("another body").kind(), ErrorKind::Mismatch);
        assert!(requests.answered(&request("k9", "c"), at(5)).expect("new").is_none());
        assert!(requests.answered(&request("k1", "c"), at(DAY_MS + 2)).expect("forgotten").is_none());
        assert_eq!(requests.all().iter().map(|answer| answer.at).collect::<Vec<_>>(), [2]);
        requests.retain(|seq| seq < 2);
        assert!(requests.all().is_empty());
    }
}
