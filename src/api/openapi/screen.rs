//! The calls that the screen needs besides questions: tenants, the state of the store, saved views.

use super::administration::undated;
use super::shapes::{count, flag, list, map, moment, nullable, object, text};
use super::{json_answer, operation, problem, query, reference};
use serde_json::{Value as Json, json};

/// Adds the paths.
pub(super) fn add_paths(add: &mut impl FnMut(&str, &str, Json)) {
    let none = json!([]);
    let tenants = json!({ "type": "array", "items": { "type": "string",
        "pattern": "^[A-Za-z0-9]{1,40}$|^[*]$" } });
    let tenant = query("tenant", &tenants, "the tenants asked about; all if none is named");
    let scope = json!([tenant]);
    add(
        "/api/v1/tenants",
        "get",
        operation(
            "tenants",
            "The tenants that have events, those with most first",
            &scope,
            None,
            &json_answer("Tenants"),
        ),
    );
    add(
        "/api/v1/status",
        "get",
        operation("status", "How the store is doing", &none, None, &json_answer("Status")),
    );
    add(
        "/api/v1/views",
        "get",
        operation(
            "views",
            "Saved views whose question is about these tenants",
            &scope,
            None,
            &json_answer("Views"),
        ),
    );
    add_paths_of_a_view(add, &tenant);
}

fn add_paths_of_a_view(add: &mut impl FnMut(&str, &str, Json), tenant: &Json) {
    let id = json!({
        "name": "id", "in": "path", "required": true, "schema": { "type": "string",
            "pattern": "^[A-Za-z0-9_-]{1,64}$" },
        "description": "the view; whoever saves it first chooses",
    });
    let seen = json!({
        "name": "If-Match", "in": "header", "required": false, "schema": { "type": "string",
            "pattern": "^\"[1-9][0-9]{0,9}\"$|^[*]$" },
        "description": "the version that was seen, in quotes",
    });
    let view = json_answer("View");
    add(
        "/api/v1/views/{id}",
        "get",
        operation("view", "A saved view", &json!([id, tenant]), None, &view),
    );
    let body = json!({ "required": true,
        "content": { "application/json": { "schema": reference("ViewText") } } });
    let mut save = operation(
        "save_view",
        "Save a view, or another version of it",
        &json!([id, tenant, seen]),
        Some(&body),
        &view,
    );
    save["responses"]["201"] = view;
    save["responses"]["409"] =
        problem("there is a view of this id, and no version was said to be seen");
    save["responses"]["412"] = problem("the view has another version");
    add("/api/v1/views/{id}", "put", save);
    let gone = json!({ "description": "it is deleted" });
    let mut delete =
        operation("delete_view", "Delete a view", &json!([id, tenant, seen]), None, &gone);
    if let Some(responses) = delete["responses"].as_object_mut() {
        responses.remove("200");
        responses.insert("204".to_owned(), gone);
        responses.insert("412".to_owned(), problem("the view has another version"));
    }
    add("/api/v1/views/{id}", "delete", delete);
}

/// The shapes of their bodies and answers.
pub(super) fn schemas() -> Vec<(&'static str, Json)> {
    let tenant = object(
        &[
            ("tenant", text()),
            ("events", count()),
            ("newest", moment()),
            ("oldest", moment()),
            ("undated", undated()),
        ],
        &[],
    );
    vec![
        ("Tenants", object(&[("tenants", list(&tenant))], &[])),
        ("Status", status()),
        ("Views", object(&[("views", list(&reference("View")))], &[])),
        ("View", view()),
        ("ViewText", view_text()),
    ]
}

fn named(letters: u32) -> Json {
    json!({ "type": "string", "maxLength": letters,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$" })
}

fn view_text() -> Json {
    let mut name = named(100);
    name["minLength"] = 1.into();
    name["pattern"] = concat!(
        "^[^\\u0000-\\u001f\\u007f-\\u009f]*",
        "[^\\u0000-\\u0020\\u007f-\\u00a0\\s]",
        "[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )
    .into();
    let query = json!({ "type": "string", "maxLength": 8192, "pattern": "^[!\"$-~]*$",
        "description": "the query of the page's URL" });
    object(&[("name", name), ("query", query)], &[("owner", named(100))])
}

fn view() -> Json {
    let fields = [
        ("id", text()),
        ("name", text()),
        ("owner", text()),
        ("query", text()),
        ("version", count()),
        ("created", moment()),
        ("changed", moment()),
    ];
    object(&fields, &[])
}

fn maybe_moment() -> Json {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

fn status() -> Json {
    let door =
        object(&[("accepted", count()), ("duplicates", count()), ("quarantined", count())], &[]);
    let ingest = [
        ("doors", map(&door)),
        ("window_seconds", count()),
        ("accepted_in_window", count()),
        ("last_accepted", maybe_moment()),
    ];
    let scrub = [
        ("compared", count()),
        ("segments", count()),
        ("last", maybe_moment()),
        ("all_since", maybe_moment()),
        ("bytes", count()),
        ("damaged", list(&text())),
    ];
    let retention = [
        ("version", count()),
        ("floor_days", count()),
        ("default_days", nullable("integer")),
        ("tenants", count()),
        ("holds", count()),
    ];
    let coverage = [
        ("oldest", maybe_moment()),
        ("newest", maybe_moment()),
        ("lag_seconds", nullable("integer")),
    ];
    // Where the system does not tell, there is none.
    let sizes = ["resident_bytes", "anonymous_bytes", "peak_bytes", "open_files"]
        .map(|name| (name, count()));
    let memory = json!({ "anyOf": [object(&sizes, &[]), { "type": "null" }] });
    let counts = [
        "uptime_seconds",
        "table_version",
        "segments",
        "events",
        "buffered",
        "buffered_bytes",
        "last_seq",
        "data_bytes",
        "index_bytes",
        "quarantined",
        "views",
    ];
    let mut fields: Vec<(&str, Json)> = counts.iter().map(|name| (*name, count())).collect();
    fields.extend([
        ("version", text()),
        ("time", moment()),
        ("refusing", nullable("string")),
        ("wal", object(&[("files", count()), ("bytes", count())], &[])),
        ("ingest", object(&ingest, &[])),
        ("last_segment", maybe_moment()),
        ("scrub", object(&scrub, &[])),
        ("quarantine", object(&[("bytes", count()), ("budget_bytes", count())], &[])),
        ("disk", object(&[("free_bytes", count()), ("refused_below_bytes", count())], &[])),
        ("retention", object(&retention, &[])),
        ("open", object(&["parts", "bytes", "budget_bytes"].map(|name| (name, count())), &[])),
        ("memory", memory),
        ("backups", flag()),
        ("coverage", object(&coverage, &[])),
    ]);
    object(&fields, &[])
}
