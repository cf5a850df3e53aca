//! The sources that a store has.

use super::source::Source;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use serde_json::Value as Json;

/// Returns the sources of a store, in the order of names. One that this version cannot read is left
/// out, loudly.
pub fn stored_sources(engine: &Engine) -> Vec<Source> {
    let stored = engine.sources().into_iter();
    let read = |(name, _, body): (String, u64, Json)| match source_of(&name, body) {
        Ok(source) => Some(source),
        Err(error) => {
            tracing::error!(%error, "a source is not read");
            None
        }
    };
    stored.filter_map(read).collect()
}

/// Returns a source of a store.
///
/// # Errors
/// No such source; one that this version cannot read.
pub fn stored_source(engine: &Engine, name: &str) -> Result<Source> {
    let mut stored = engine.sources().into_iter();
    let found = stored.find(|(there, ..)| there == name);
    let (name, _, body) =
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no such source"))?;
    source_of(&name, body)
}

fn source_of(name: &str, body: Json) -> Result<Source> {
    let source: Source = serde_json::from_value(body).map_err(|cause| {
        Error::corrupt(format!("the source {name} cannot be read")).because(cause)
    })?;
    Ok(Source { name: name.to_owned(), ..source })
}
