//! Events of the Linux audit system, which are kept by the type of their records:
//! `auditd.data.execve.a0` is the `a0` of a rule about the type EXECVE.

use serde_json::{Map, Value as Json, json};

/// Where the records of an event are kept.
const DATA: &str = "auditd.data";
/// The types that rules are about which do not name one.
const USUAL: &[&str] = &["syscall", "execve", "path", "proctitle", "user_cmd"];
/// Fields of SYSCALL that rules about other types ask for: they stand there once for the event.
const OF_SYSCALL: &[&str] = &[
    "auid", "comm", "egid", "euid", "exe", "exit", "gid", "key", "pid", "ppid", "ses", "success",
    "syscall", "tty", "uid",
];
/// The maximum number of types whose paths a field gets.
const TYPES_MAX: usize = 14;

/// The types of records, in lower case, that a part of a rule is about.
#[derive(Debug, Clone)]
pub(super) struct AuditTypes(Vec<String>);

impl AuditTypes {
    /// Returns the types that a detection names anywhere, or else the usual ones.
    pub(super) fn of(detection: &Map<String, Json>) -> Self {
        let mut types = Vec::new();
        detection.values().for_each(|selection| gather(selection, &mut types));
        if types.is_empty() {
            types.extend(USUAL.iter().map(|name| (*name).to_owned()));
        }
        Self(types)
    }

    /// Returns the types that a map names, or else those of the whole rule: the selection beside
    /// it is about the same event.
    pub(super) fn within(&self, fields: &Map<String, Json>) -> Self {
        let mut types = Vec::new();
        gather_from(fields, &mut types);
        if types.is_empty() { self.clone() } else { Self(types) }
    }

    pub(super) fn paths_of(&self, field: &str) -> Vec<String> {
        let mut paths = vec![field.to_owned()];
        // The type is a key in these records and no value.
        if field.contains('.') || field.eq_ignore_ascii_case("type") {
            return paths;
        }
        let types = self.0.iter().take(TYPES_MAX);
        paths.extend(types.map(|name| format!("{DATA}.{name}.{field}")));
        if OF_SYSCALL.contains(&field.to_ascii_lowercase().as_str()) {
            paths.push(format!("{DATA}.syscall.{field}"));
        }
        paths
    }
}

/// Returns the test for "the event has a record of this type".
pub(super) fn otherwise(field: &str, value: &str) -> Option<Json> {
    let is_name =
        |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (field == "type" && !value.is_empty() && is_name(value))
        .then(|| json!({ "path": format!("{DATA}.{}", value.to_lowercase()), "exists": true }))
}

fn gather(selection: &Json, types: &mut Vec<String>) {
    match selection {
        Json::Object(fields) => gather_from(fields, types),
        Json::Array(items) => items.iter().for_each(|item| gather(item, types)),
        _ => {}
    }
}

fn gather_from(fields: &Map<String, Json>, types: &mut Vec<String>) {
    let of_type = |key: &&String| key.eq_ignore_ascii_case("type");
    for value in fields.keys().filter(of_type).filter_map(|key| fields.get(key)) {
        let names = match value {
            Json::Array(names) => names.as_slice(),
            name => std::slice::from_ref(name),
        };
        for name in names.iter().filter_map(Json::as_str).map(str::to_lowercase) {
            if otherwise("type", &name).is_some() && !types.contains(&name) {
                types.push(name);
            }
        }
    }
}
