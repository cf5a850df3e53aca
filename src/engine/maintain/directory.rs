//! The directory of principals and their credentials, read from the administrative state.

use crate::access::Directory;
use crate::storage::admin::{AdminSnapshot, RecordKind};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Derives the key of tokens and hashed fields from the store's own key.
pub(in crate::engine) fn credentials_key(store_key: &[u8; 32]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(store_key).expect("a key of any length will do");
    mac.update(b"annals credentials v1");
    mac.finalize().into_bytes().into()
}

/// Reads the principals and credentials of a state.
pub(in crate::engine) fn directory_of(
    key: [u8; 32],
    state: &AdminSnapshot,
    earlier: &Directory,
) -> Directory {
    let principals = state.all(RecordKind::Principal).map(|(name, record)| (name, &record.body));
    let tokens = state
        .all(RecordKind::Token)
        .map(|(id, record)| (id, &record.body, record.secret.as_deref()));
    let access_keys = state
        .all(RecordKind::AccessKey)
        .map(|(id, record)| (id, &record.body, record.secret.as_deref()));
    Directory::of(key, principals, tokens, earlier).with_access_keys(access_keys, earlier)
}
