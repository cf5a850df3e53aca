//! Records that could not be decoded: kept with the reason, the line and the place they came from.
//!
//! One file of JSON lines for each batch that had any. A record that is sent again is not kept twice.

use super::accept::Rejected;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::event::{Timestamp, hex};
use crate::storage::{PutMode, Store, paths};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A record in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Names the record: the same bytes for the same tenant have the same id.
    pub id: String,
    /// The tenant, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// When it came.
    pub time: String,
    /// Where it came from: a file, or the name of a door.
    pub source: String,
    /// The line it began on.
    pub line: u64,
    /// Why it could not be decoded.
    pub reason: String,
    /// The record, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The record in base64, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_base64: Option<String>,
}

/// The quarantine of a data directory.
#[derive(Debug)]
pub struct Quarantine {
    store: Store,
    known: Mutex<HashSet<String>>,
}

impl Quarantine {
    /// Opens the quarantine of a store.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn open(store: &Store) -> Result<Self> {
        let known = Self::read(store)?.into_iter().map(|record| record.id).collect();
        Ok(Self { store: store.clone(), known: Mutex::new(known) })
    }

    fn known(&self) -> MutexGuard<'_, HashSet<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.known().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known().is_empty()
    }

    /// Everything in quarantine, oldest batch first.
    ///
    /// # Errors
    /// Files that cannot be read or are damaged.
    pub fn read(store: &Store) -> Result<Vec<Quarantined>> {
        let mut records = Vec::new();
        for name in store.names(paths::QUARANTINE)? {
            let Some(id) = name.strip_suffix(".ndjson") else { continue };
            let path = paths::quarantine(id);
            for line in store.read(&path)?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let record = serde_json::from_slice(line).context(ErrorKind::Corrupt, || store.path(&path).display().to_string())?;
                records.push(record);
            }
        }
        Ok(records)
    }

    /// Keeps records. When this returns, they are durable.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn keep(&self, source: &str, now: Timestamp, rejected: &[Rejected]) -> Result<()> {
        let mut file = Vec::new();
        let mut added = Vec::new();
        for rejected in rejected {
            let record = quarantined(rejected, source, now);
            if !self.known().contains(&record.id) && !added.contains(&record.id) {
                serde_json::to_writer(&mut file, &record).context(ErrorKind::Internal, || "cannot write JSON".to_owned())?;
                file.push(b'\n');
                added.push(record.id);
            }
        }
        if !file.is_empty() {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|cause| Error::internal(format!("the system gives no random bytes: {cause}")))?;
            let batch = ulid::Ulid::from_parts(now.millis().max(0).cast_unsigned(), u128::from_le_bytes(random)).to_string();
            self.store.put(&paths::quarantine(&batch), &file, PutMode::Create)?;
            self.known().extend(added);
        }
        Ok(())
    }
}

fn quarantined(rejected: &Rejected, source: &str, now: Timestamp) -> Quarantined {
    let tenant = rejected.tenant.as_deref().unwrap_or_default();
    let digest =
        Sha256::new().chain_update((tenant.len() as u64).to_le_bytes()).chain_update(tenant).chain_update(&rejected.bytes).finalize();
    let text = std::str::from_utf8(&rejected.bytes).ok();
    Quarantined {
        id: hex(&digest[..16]),
        tenant: rejected.tenant.clone(),
        time: now.to_string(),
        source: source.to_owned(),
        line: rejected.line,
        reason: rejected.reason.clone(),
        record: text.map(str::to_owned),
        record_base64: text.is_none().then(|| STANDARD.encode(&rejected.bytes)),
    }
}
