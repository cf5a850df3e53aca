//! Damage found in a segment while it is read. A damaged index is not used any more (the Parquet
//! file has the same information); a Parquet file that cannot be read is lost.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The damage of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// The damage of its Parquet file: its events are lost here.
    pub data: Option<String>,
    /// The damage of its index, which can be rebuilt.
    pub index: Option<String>,
    /// Whether the index was written by an earlier version: it is sound, and is not used.
    pub outdated: bool,
}

impl Damage {
    /// Returns whether nothing is damaged: the index is of an earlier version.
    pub fn is_only_outdated(&self) -> bool {
        self.outdated && self.data.is_none() && self.index.is_none()
    }
}

/// Whether the files of one segment were found damaged since it was opened.
#[derive(Debug, Default)]
pub(super) struct Health {
    data: AtomicBool,
    index: AtomicBool,
    outdated: AtomicBool,
    found: Mutex<Damage>,
}

impl Health {
    pub(super) fn sound() -> Arc<Self> {
        Arc::default()
    }

    /// Returns whether the index is not used: it is damaged or outdated.
    pub(super) fn index_is_unusable(&self) -> bool {
        self.index.load(Ordering::Acquire) || self.outdated.load(Ordering::Acquire)
    }

    pub(super) fn data_is_damaged(&self) -> bool {
        self.data.load(Ordering::Acquire)
    }

    /// Returns the damage found, if any.
    pub(super) fn damage(&self) -> Option<Damage> {
        let damaged = self.index_is_unusable() || self.data_is_damaged();
        damaged.then(|| self.found.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    pub(super) fn damage_index(&self, what: &str) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.index.get_or_insert_with(|| what.to_owned());
        self.index.store(true, Ordering::Release);
    }

    /// Records that the index was written by an earlier version.
    pub(super) fn outdate_index(&self) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).outdated = true;
        self.outdated.store(true, Ordering::Release);
    }

    pub(super) fn damage_data(&self, what: &str) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.data.get_or_insert_with(|| what.to_owned());
        self.data.store(true, Ordering::Release);
    }

    /// Records that the files were compared and are whole again.
    pub(super) fn mended(&self) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Damage::default();
        self.index.store(false, Ordering::Release);
        self.outdated.store(false, Ordering::Release);
        self.data.store(false, Ordering::Release);
    }
}

/// Returns whether a read failed because the file is not what was written, and not because the
/// system refused for the moment.
pub(super) fn is_damage(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_finding_is_told_until_it_is_mended() {
        let health = Health::sound();
        assert_eq!(health.damage(), None);
        health.damage_index("block 3");
        health.damage_index("block 4");
        assert_eq!(
            health.damage(),
            Some(Damage { index: Some("block 3".to_owned()), ..Damage::default() })
        );
        assert!(health.index_is_unusable() && !health.data_is_damaged());
        health.mended();
        assert_eq!(health.damage(), None);
    }
}
