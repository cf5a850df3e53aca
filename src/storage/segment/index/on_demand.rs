//! Parts of an index that are opened on first use.

use crate::error::Result;
use std::sync::OnceLock;
use tantivy::directory::FileSlice;

/// A part of the index that is opened on first use.
pub(super) struct OnDemand<T> {
    file: FileSlice,
    part: OnceLock<T>,
}

impl<T> OnDemand<T> {
    pub(super) fn new(file: FileSlice) -> Self {
        Self { file, part: OnceLock::new() }
    }

    pub(super) fn get(&self, open: impl FnOnce(&FileSlice) -> Result<T>) -> Result<&T> {
        if let Some(part) = self.part.get() {
            return Ok(part);
        }
        let part = open(&self.file)?;
        Ok(self.part.get_or_init(|| part))
    }
}
