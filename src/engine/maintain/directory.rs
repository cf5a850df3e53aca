//! The directory of principals and their credentials, and the relationships of partners, read from
//! the administrative state.

use crate::access::{Directory, Relationship, Relationships, TenantStanding};
use crate::error::{Context, ErrorKind, Result};
use crate::storage::admin::{AdminSnapshot, RecordKind};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Derives the key of tokens and hashed fields from the store's own key.
pub(in crate::engine) fn credentials_key(store_key: &[u8; 32]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(store_key).expect("a key of any length will do");
    mac.update(b"annals credentials v1");
    mac.finalize().into_bytes().into()
}

/// Reads the principals and credentials of a state, and gives them what the relationships show.
pub(in crate::engine) fn directory_of(
    key: [u8; 32],
    state: &AdminSnapshot,
    known: &Arc<Relationships>,
    earlier: &Directory,
) -> Directory {
    let principals =
        state.all(RecordKind::Principal).map(|(name, record)| (name, record.version, &record.body));
    let tokens = state
        .all(RecordKind::Token)
        .map(|(id, record)| (id, &record.body, record.secret.as_deref()));
    let access_keys = state
        .all(RecordKind::AccessKey)
        .map(|(id, record)| (id, &record.body, record.secret.as_deref()));
    Directory::of(key, principals, tokens, known, earlier).with_access_keys(access_keys, earlier)
}

/// The kinds of records that the directory is read from.
pub(super) const OF_DIRECTORY: &[RecordKind] = &[
    RecordKind::Principal,
    RecordKind::Token,
    RecordKind::AccessKey,
    RecordKind::Relationship,
    RecordKind::Tenant,
];

/// Reads the relationships of a state, and what tenants are to them. `earlier` are those of the
/// state before: what has not changed is taken from them.
///
/// # Errors
/// A record that cannot be read: what it ended would be seen again without it.
pub(super) fn relationships_of(
    state: &AdminSnapshot,
    before: &AdminSnapshot,
    earlier: &Relationships,
) -> Result<Relationships> {
    let all: Vec<(u64, Arc<Relationship>)> = state
        .all(RecordKind::Relationship)
        .map(|(id, record)| {
            if let Some(known) = earlier.get_at(id, record.version) {
                return Ok((record.version, Arc::clone(known)));
            }
            let read = serde_json::from_value(record.body.clone())
                .context(ErrorKind::Corrupt, || format!("the relationship {id}"))?;
            Ok((record.version, Arc::new(read)))
        })
        .collect::<Result<_>>()?;
    if state.is_same(before, RecordKind::Tenant) {
        return Ok(Relationships::of(all, Arc::clone(earlier.tenants())));
    }
    let tenants: BTreeMap<String, TenantStanding> = state
        .all(RecordKind::Tenant)
        .map(|(name, record)| {
            let standing = serde_json::from_value(record.body.clone())
                .context(ErrorKind::Corrupt, || format!("the settings of the tenant {name}"))?;
            Ok((name.to_owned(), standing))
        })
        .collect::<Result<_>>()?;
    Ok(Relationships::of(all, Arc::new(tenants)))
}
