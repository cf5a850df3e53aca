//! A record of administrative state: its kind, its form on disk, and a change of it.

use crate::error::{Context, Error, ErrorKind, Result};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::fmt;

/// What a record is about. Its name is stored, so it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// How long events are kept, and what is held.
    Policy,
    /// A saved view of the screen.
    View,
    /// What a tenant has beside its events.
    Tenant,
    /// Somebody who may make calls.
    Principal,
    /// A credential of a principal.
    Token,
    /// A key of a principal that signs requests.
    AccessKey,
    /// A period in which a partner sees the events of a customer or reseller.
    Relationship,
    /// Where events are fetched from.
    Source,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Policy,
        Self::View,
        Self::Tenant,
        Self::Principal,
        Self::Token,
        Self::AccessKey,
        Self::Relationship,
        Self::Source,
    ];

    /// Returns the name under which its records are stored and recorded.
    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::View => "view",
            Self::Tenant => "tenant",
            Self::Principal => "principal",
            Self::Token => "token",
            Self::AccessKey => "access_key",
            Self::Relationship => "relationship",
            Self::Source => "source",
        }
    }

    /// Returns the kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// A record as it is.
#[derive(Clone, PartialEq)]
pub struct AdminRecord {
    /// The version of the state in which the record last changed.
    pub version: u64,
    /// What it says. It may be shown and recorded.
    pub body: Json,
    /// What must be in no event, log or answer, such as the hash of a token.
    pub secret: Option<Vec<u8>>,
}

impl fmt::Debug for AdminRecord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AdminRecord")
            .field("version", &self.version)
            .field("body", &self.body)
            .field("has_secret", &self.secret.is_some())
            .finish()
    }
}

/// A change of one record.
#[derive(Clone, PartialEq)]
pub struct RecordChange {
    /// The kind of the record.
    pub kind: RecordKind,
    /// Its name among the records of its kind.
    pub key: String,
    /// What it says from now on; `None` removes it.
    pub body: Option<Json>,
    /// Its secret from now on; without one, it keeps the one that it had.
    pub secret: Option<Vec<u8>>,
}

impl RecordChange {
    /// Returns the change as it is recorded: without the secret.
    pub fn shown(&self) -> Json {
        serde_json::json!({ "kind": self.kind.name(), "key": self.key, "body": self.body })
    }

    /// Reads what [`RecordChange::shown`] made. The secret is lost.
    ///
    /// # Errors
    /// Anything else, or a kind that this version does not know.
    pub fn from_shown(shown: &Json) -> Result<Self> {
        let text = |name: &str| {
            let missing = || Error::corrupt(format!("a recorded change has no {name}"));
            shown[name].as_str().ok_or_else(missing)
        };
        let kind = known_kind(text("kind")?)?;
        let body = Some(&shown["body"]).filter(|body| !body.is_null()).cloned();
        Ok(Self { kind, key: text("key")?.to_owned(), body, secret: None })
    }
}

impl fmt::Debug for RecordChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RecordChange")
            .field("kind", &self.kind)
            .field("key", &self.key)
            .field("body", &self.body)
            .field("has_secret", &self.secret.is_some())
            .finish()
    }
}

/// Returns the kind of a stored name.
pub(super) fn known_kind(name: &str) -> Result<RecordKind> {
    RecordKind::named(name).ok_or_else(|| {
        let what = format!(
            "there are administrative records of the kind {name:?}, which this annals does not \
            know: use the annals that wrote them"
        );
        Error::new(ErrorKind::Version, what)
    })
}

/// The SHA-256 of a record.
pub(super) type RecordHash = [u8; 32];

const HASH_BYTES: usize = size_of::<RecordHash>();
/// Stands for the length of a secret that there is not.
const NO_SECRET: u32 = u32::MAX;

/// Returns the hash of a stored record. The lengths keep the parts apart.
fn hash(kind: RecordKind, key: &str, rest: &[u8]) -> RecordHash {
    let mut hash = Sha256::new();
    for part in [kind.name().as_bytes(), key.as_bytes(), rest] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Returns the stored form of a record: its hash, its version, its secret with the length, and its
/// body as JSON.
///
/// # Errors
/// A body that could not be read again, or a secret that is too long.
pub(super) fn encode(kind: RecordKind, key: &str, record: &AdminRecord) -> Result<Vec<u8>> {
    let body = serde_json::to_vec(&record.body)
        .context(ErrorKind::Internal, || "cannot write JSON".to_owned())?;
    serde_json::from_slice::<Json>(&body)
        .context(ErrorKind::Invalid, || format!("the {} {key} is too deep", kind.name()))?;
    let secret = record.secret.as_deref();
    let length = match secret.map(|secret| u32::try_from(secret.len())) {
        None => NO_SECRET,
        Some(Ok(length)) if length != NO_SECRET => length,
        Some(_) => return Err(Error::invalid("a secret is too long")),
    };
    let mut bytes = vec![0; HASH_BYTES];
    bytes.extend(record.version.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(secret.unwrap_or_default());
    bytes.extend(body);
    let hash = hash(kind, key, &bytes[HASH_BYTES..]);
    bytes[..HASH_BYTES].copy_from_slice(&hash);
    Ok(bytes)
}

/// Returns the hash in the stored form of a record.
pub(super) fn hash_of(stored: &[u8]) -> RecordHash {
    stored.first_chunk().copied().unwrap_or_default()
}

/// Reads what [`encode`] made.
///
/// # Errors
/// Anything else.
pub(super) fn decode(kind: RecordKind, key: &str, stored: &[u8]) -> Result<AdminRecord> {
    let damaged = || Error::corrupt(format!("the {} {key} is not what was written", kind.name()));
    let (expected, rest) = stored.split_first_chunk::<HASH_BYTES>().ok_or_else(damaged)?;
    if *expected != hash(kind, key, rest) {
        return Err(damaged());
    }
    let (version, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (secret, body) = match u32::from_le_bytes(*length) {
        NO_SECRET => (None, rest),
        length => {
            let (secret, body) = rest.split_at_checked(length as usize).ok_or_else(damaged)?;
            (Some(secret.to_vec()), body)
        }
    };
    let body = serde_json::from_slice(body).map_err(|_| damaged())?;
    Ok(AdminRecord { version: u64::from_le_bytes(*version), body, secret })
}
