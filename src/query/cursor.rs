//! Cursors: where a page ended, as an opaque text that only fits the question it came from.

use super::filter::Filter;
use crate::access::Scope;
use crate::error::{Error, Result};
use crate::event::{EventKey, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
const BYTES: usize = 1 + 1 + 8 + 8 + 8;

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

impl Order {
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

    /// The other order.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Descending => Self::Ascending,
            Self::Ascending => Self::Descending,
        }
    }
}

/// A place in a list, and in which direction the page from it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The event that the page begins after.
    pub key: EventKey,
    /// The page lies before that event in the list's order, not after it.
    pub backward: bool,
}

/// What a cursor is bound to: the question without its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding([u8; 32]);

impl Binding {
    /// The binding of a question.
    pub fn new(scope: &Scope, filter: &Filter, order: Order) -> Self {
        Self(Sha256::digest(format!("annals cursor\n{}\n{}\n{order:?}", scope.canonical(), filter.canonical())).into())
    }
}

impl Cursor {
    /// The cursor's text.
    pub fn encode(self, binding: &Binding) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&[VERSION, u8::from(self.backward)]);
        bytes.extend_from_slice(&self.key.time.millis().to_le_bytes());
        bytes.extend_from_slice(&self.key.seq.to_le_bytes());
        let mark = mark(&bytes, binding);
        bytes.extend_from_slice(&mark);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor's text.
    ///
    /// # Errors
    /// A text that is no cursor, or one of another question; the message names the parameter `cursor`.
    pub fn decode(text: &str, binding: &Binding) -> Result<Self> {
        let refuse = |why: &str| Error::parameter("cursor", why);
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refuse("is not a cursor of this server"))?;
        if bytes.len() != BYTES || bytes[0] != VERSION || bytes[1] > 1 {
            return Err(refuse("is not a cursor of this server"));
        }
        let (body, found) = bytes.split_at(BYTES - 8);
        if found != mark(body, binding) {
            return Err(refuse("belongs to another question: keep tenant, filter and order while paging"));
        }
        let eight = |from: usize| body[from..from + 8].try_into().expect("eight bytes");
        let time = Timestamp::from_millis(i64::from_le_bytes(eight(2)));
        Ok(Self { key: EventKey { time, seq: u64::from_le_bytes(eight(10)) }, backward: body[1] == 1 })
    }
}

fn mark(body: &[u8], binding: &Binding) -> [u8; 8] {
    let digest = Sha256::new().chain_update(binding.0).chain_update(body).finalize();
    digest[..8].try_into().expect("a digest has more than eight bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Field;

    #[test]
    fn a_cursor_fits_only_its_own_question() {
        let scope = Scope::of_operator(&["a"]).expect("a scope");
        let filter = Filter::default();
        let binding = Binding::new(&scope, &filter, Order::Descending);
        let cursor = Cursor { key: EventKey { time: Timestamp::from_millis(-5), seq: u64::MAX }, backward: true };
        let text = cursor.encode(&binding);
        assert_eq!(Cursor::decode(&text, &binding).expect("our own cursor"), cursor);

        let other = filter.clone().and_equal(Field::Source, "ECS");
        let others = [
            Binding::new(&Scope::of_operator(&["b"]).expect("a scope"), &filter, Order::Descending),
            Binding::new(&scope, &other, Order::Descending),
            Binding::new(&scope, &filter, Order::Ascending),
        ];
        for other in others {
            assert_eq!(Cursor::decode(&text, &other).expect_err("another question").parameter_name(), Some("cursor"));
        }
        for place in 0..text.len() {
            let mut bad = text.clone().into_bytes();
            bad[place] = if bad[place] == b'A' { b'B' } else { b'A' };
            let bad = String::from_utf8(bad).expect("letters");
            assert!(Cursor::decode(&bad, &binding).is_err(), "place {place}");
        }
    }
}
