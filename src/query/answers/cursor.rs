//! Cursors: where a page ended, as an opaque text that only fits the question it came from.
//!
//! A cursor is signed, together with its question, with a key that never leaves the data directory.
//! So a cursor that was changed or made up is refused, as is one of another tenant, filter or
//! order. It names an event by time and sequence number, so it stays valid while events arrive and
//! while segments are merged. If a question counts back from now (`last=7d`), the cursor contains
//! the start of its period, so that every page covers the same period.

use crate::access::Scope;
use crate::error::{Error, Result};
use crate::event::{EventKey, Timestamp};
use crate::filter::Filter;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const VERSION: u8 = 2;
const MARK_BYTES: usize = 16;
const BYTES: usize = 1 + 1 + 8 + 8 + 8 + MARK_BYTES;
const BACKWARD: u8 = 1;
const HAS_FROM: u8 = 2;

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortOrder {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

impl SortOrder {
    /// Reads `desc` or `asc`.
    ///
    /// # Errors
    /// Any other text; the message names the parameter `order`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "desc" => Ok(Self::Descending),
            "asc" => Ok(Self::Ascending),
            _ => Err(Error::parameter("order", "is asc or desc")),
        }
    }

    /// Returns the other order.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Descending => Self::Ascending,
            Self::Ascending => Self::Descending,
        }
    }
}

/// A position in a list, and the direction of the page that begins there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    /// The event that the page begins after.
    pub key: EventKey,
    /// Whether the page lies before that event in the order of the list instead of after it.
    pub backward: bool,
}

/// What the cursors of one question are signed with: the store's key, and the question without its
/// page.
#[derive(Clone)]
pub struct Binding {
    key: [u8; 32],
    question: [u8; 32],
    /// The start of the period, if the question counts back from now.
    from: Option<Timestamp>,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Binding")
    }
}

impl Binding {
    /// Binds a question to the store with this key.
    pub fn new(key: [u8; 32], scope: &Scope, filter: &Filter, order: SortOrder) -> Self {
        let question = Sha256::digest(format!(
            "annals cursor\n{}\n{}\n{order:?}",
            scope.canonical(),
            filter.canonical()
        ))
        .into();
        Self { key, question, from: filter.last.and(filter.from) }
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key)
            .expect("a key of any length will do");
        mac.update(&self.question);
        mac.update(body);
        mac
    }

    /// Encodes a cursor as text.
    pub fn encode(&self, cursor: PageCursor) -> String {
        let flags = if cursor.backward { BACKWARD } else { 0 }
            | if self.from.is_some() { HAS_FROM } else { 0 };
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&[VERSION, flags]);
        bytes.extend_from_slice(&cursor.key.time.millis().to_le_bytes());
        bytes.extend_from_slice(&cursor.key.seq.to_le_bytes());
        bytes.extend_from_slice(&self.from.unwrap_or_default().millis().to_le_bytes());
        let mark = self.mac(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mark[..MARK_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Decodes the text of a cursor. If the question counts back from now, the filter's start is
    /// set to that of the cursor, so that it continues with the same period.
    ///
    /// A text that is not a cursor, was changed, or belongs to another question; the message names
    /// the parameter `cursor`.
    pub fn decode(&mut self, text: &str, filter: &mut Filter) -> Result<PageCursor> {
        let refuse = |why: &str| Error::parameter("cursor", why);
        let bytes =
            URL_SAFE_NO_PAD.decode(text).map_err(|_| refuse("is not a cursor of this server"))?;
        if bytes.len() != BYTES || bytes[0] != VERSION {
            return Err(refuse("is not a cursor of this server"));
        }
        let (body, found) = bytes.split_at(BYTES - MARK_BYTES);
        if self.mac(body).verify_truncated_left(found).is_err() {
            return Err(refuse(
                "was changed or belongs to another question: keep tenant, filter and order while \
                paging",
            ));
        }
        let number =
            |from: usize| i64::from_le_bytes(body[from..from + 8].try_into().expect("eight bytes"));
        if body[1] & HAS_FROM != 0 {
            self.from = Some(Timestamp::from_millis(number(18)));
            filter.from = self.from;
        }
        let key = EventKey { time: Timestamp::from_millis(number(2)), seq: number(10) as u64 };
        Ok(PageCursor { key, backward: body[1] & BACKWARD != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Field;

    const KEY: [u8; 32] = [7; 32];

    fn binding(tenant: &str, filter: &Filter, order: SortOrder) -> Binding {
        Binding::new(KEY, &Scope::of_operator(&[tenant]).expect("a scope"), filter, order)
    }

    #[test]
    fn a_cursor_fits_only_its_own_question_and_store() {
        let filter = Filter::default();
        let own = binding("a", &filter, SortOrder::Descending);
        let cursor = PageCursor {
            key: EventKey { time: Timestamp::from_millis(-5), seq: u64::MAX },
            backward: true,
        };
        let text = own.encode(cursor);
        assert_eq!(own.clone().decode(&text, &mut filter.clone()).expect("our own cursor"), cursor);

        let other = filter.clone().and_equal(Field::Source, "ECS");
        let others = [
            binding("b", &filter, SortOrder::Descending),
            binding("a", &other, SortOrder::Descending),
            binding("a", &filter, SortOrder::Ascending),
            Binding { key: [8; 32], ..own.clone() },
        ];
        for mut other in others {
            let refused = other.decode(&text, &mut filter.clone()).expect_err("another question");
            assert_eq!(refused.parameter_name(), Some("cursor"));
        }
        for index in 0..text.len() {
            for letter in [b'A', b'B', b'_', b'!'] {
                let mut bad = text.clone().into_bytes();
                if bad[index] == letter {
                    continue;
                }
                bad[index] = letter;
                let bad = String::from_utf8(bad).expect("letters");
                assert!(own.clone().decode(&bad, &mut filter.clone()).is_err(), "place {index}");
            }
        }
    }

    #[test]
    fn pages_of_a_period_that_counts_back_from_now_are_of_one_period() {
        let at = |millis| Filter {
            from: Some(Timestamp::from_millis(millis)),
            last: Some(1_000),
            ..Filter::default()
        };
        let cursor = PageCursor {
            key: EventKey { time: Timestamp::from_millis(5), seq: 1 },
            backward: false,
        };
        let text = binding("a", &at(10), SortOrder::Descending).encode(cursor);
        let mut later = at(99);
        assert_eq!(
            binding("a", &later, SortOrder::Descending)
                .decode(&text, &mut later)
                .expect("the same question"),
            cursor
        );
        assert_eq!(later.from, Some(Timestamp::from_millis(10)));
    }
}
