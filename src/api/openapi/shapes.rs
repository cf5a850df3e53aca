//! The small shapes that schemas are made of.

use serde_json::{Map, Value as Json, json};

pub(super) fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn text() -> Json {
    json!({ "type": "string" })
}

pub(super) fn count() -> Json {
    json!({ "type": "integer", "format": "int64", "minimum": 0 })
}

pub(super) fn flag() -> Json {
    json!({ "type": "boolean" })
}

pub(super) fn moment() -> Json {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn decimal() -> Json {
    json!({ "type": "string", "pattern": "^-?[0-9]+\\.[0-9]{2,8}$",
        "description": "an exact decimal number" })
}

pub(super) fn nullable(kind: &str) -> Json {
    json!({ "type": [kind, "null"] })
}

pub(super) fn list(items: &Json) -> Json {
    json!({ "type": "array", "items": items })
}

pub(super) fn map(values: &Json) -> Json {
    json!({ "type": "object", "additionalProperties": values })
}

/// An object of these properties and no others.
pub(super) fn object(required: &[(&str, Json)], optional: &[(&str, Json)]) -> Json {
    let names: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Json> = required
        .iter()
        .chain(optional)
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "required": names, "properties": properties,
        "additionalProperties": false })
}
