//! Changes of a record of settings: what is named changes, null removes it, the rest stays.

use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

/// Returns a record with some settings changed.
///
/// # Errors
/// The name, which others know it by; what the record does not have.
pub(super) fn with_settings<T: Serialize + DeserializeOwned>(
    record: &T,
    changes: Map<String, Json>,
) -> Result<T> {
    let mut settings = match serde_json::to_value(record) {
        Ok(Json::Object(settings)) => settings,
        _ => return Err(Error::internal("a record is not an object")),
    };
    for (name, value) in changes {
        match value {
            // What belongs to it, and what it did, is known by its name.
            _ if name == "name" => {
                return Err(Error::parameter("name", "cannot be changed: make another one"));
            }
            Json::Null => settings.remove(&name),
            value => settings.insert(name, value),
        };
    }
    read_settings(Json::Object(settings))
}

/// Reads a record of settings.
///
/// # Errors
/// What the record does not have, or in another form.
pub(super) fn read_settings<T: DeserializeOwned>(body: Json) -> Result<T> {
    serde_json::from_value(body).map_err(|cause| {
        let what = format!("the body is not what this call takes: {cause}");
        Error::invalid(what)
    })
}
