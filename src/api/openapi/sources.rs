//! The calls about sources, and how far they are complete.

use super::shapes::{count, flag, list, moment, nullable, object, text};
use super::{json_answer, operation, problem, query, reference};
use serde_json::{Value as Json, json};

/// The settings that a source may have.
fn settings() -> Vec<(&'static str, Json)> {
    let words = json!({ "type": "array", "uniqueItems": true, "maxItems": 200,
        "items": { "type": "string", "pattern": "^[A-Za-z0-9/_.-]{1,129}$" } });
    let length = json!({ "type": "string", "pattern": "^[1-9][0-9]{0,3}[smhd]$" });
    vec![
        ("projects", words.clone()),
        ("trackers", words),
        ("lists", names("^[a-z_]{1,40}$")),
        ("resellers", names("^([A-Za-z0-9_.-]{1,64}|\\*)$")),
        ("access_key", text()),
        ("every", length.clone()),
        ("overlap", length.clone()),
        ("settle", length),
        ("calls_per_second", json!({ "type": "integer", "minimum": 0, "maximum": 10_000 })),
    ]
}

fn names(pattern: &str) -> Json {
    json!({ "type": "array", "uniqueItems": true, "maxItems": 200,
        "items": { "type": "string", "pattern": pattern } })
}

fn needed() -> Vec<(&'static str, Json)> {
    vec![
        ("kind", json!({ "type": "string", "enum": ["cts", "partner"] })),
        ("endpoint", json!({ "type": "string", "pattern": "^https?://[!-~]+$" })),
        ("tenant", text()),
        ("since", text()),
    ]
}

fn name() -> Json {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_.@-]{1,100}$" })
}

/// Adds the paths.
pub(super) fn add_paths(add: &mut impl FnMut(&str, &str, Json)) {
    let (none, answer) = (json!([]), json_answer("Source"));
    let all = "/api/v1/sources";
    let listed = json_answer("Sources");
    let about = "What is fetched, and how that goes";
    add(all, "get", operation("sources", about, &none, None, &listed));
    let sent = body("NewSource");
    let mut create = operation("add_source", "Add a source", &none, Some(&sent), &answer);
    if let Some(responses) = create["responses"].as_object_mut() {
        responses.remove("200");
        responses.insert("201".to_owned(), answer.clone());
        responses.insert("409".to_owned(), problem("there is a source of this name"));
    }
    add(all, "post", create);
    let named = json!([{ "name": "name", "in": "path", "required": true,
        "description": "the source", "schema": name() }]);
    let mut one = |path: &str, method: &str, id: &str, about: &str, sent: Option<&Json>| {
        let mut call = operation(id, about, &named, sent, &answer);
        call["responses"]["404"] = problem("there is no such source");
        let changed = match id {
            "remove_source" => Some(("204", json!({ "description": "it is removed" }))),
            "run_source" => Some(("202", json_answer("SourceState"))),
            "test_source" => Some(("200", json_answer("Tested"))),
            _ => None,
        };
        let responses = call["responses"].as_object_mut();
        if let (Some((status, answer)), Some(responses)) = (changed, responses) {
            responses.remove("200");
            responses.insert(status.to_owned(), answer);
        }
        if method != "get" {
            call["responses"]["412"] = problem("it has changed meanwhile");
        }
        add(path, method, call);
    };
    let path = "/api/v1/sources/{name}";
    one(path, "get", "source", "A source, and how it goes with it", None);
    let change = body("SourceChange");
    let about = "Change a source; null removes a setting. Another endpoint needs the credential \
                 again";
    one(path, "patch", "change_source", about, Some(&change));
    one(path, "delete", "remove_source", "Remove a source; what it has brought stays", None);
    let reason = body("SourcePause");
    one(&format!("{path}/pause"), "post", "pause_source", "Leave it unread", Some(&reason));
    one(&format!("{path}/resume"), "post", "resume_source", "Read it again", None);
    let stretch = body("SourceStretch");
    let about = "Read a stretch of time again, and so fill a gap";
    one(&format!("{path}/backfill"), "post", "backfill_source", about, Some(&stretch));
    let about = "Say that a gap stays, and why";
    one(&format!("{path}/gaps"), "post", "declare_gap", about, Some(&stretch));
    one(&format!("{path}/run"), "post", "run_source", "Read it as soon as possible", None);
    let about = "Make one call of each of its lists, and say what is wrong";
    one(&format!("{path}/test"), "post", "test_source", about, None);
    let tenants = json!([
        query("tenant", &text(), "those of a tenant; all, if none is named"),
        query("from", &text(), "what is missing from this moment on"),
        query("to", &text(), "and before this one; now, if none is said"),
    ]);
    let about = "From when on, and up to when, the events of sources are complete";
    let covered = json_answer("Coverage");
    add("/api/v1/coverage", "get", operation("coverage", about, &tenants, None, &covered));
}

fn body(schema: &str) -> Json {
    json!({ "required": schema != "SourcePause",
        "content": { "application/json": { "schema": reference(schema) } } })
}

/// The shapes of their bodies and answers.
pub(super) fn schemas() -> Vec<(&'static str, Json)> {
    let secrets = [("secret_key", text()), ("token", text())];
    let mut required = needed();
    required.insert(0, ("name", name()));
    let new = object(&required, &[settings(), secrets.to_vec()].concat());
    let change = object(&[], &[needed(), settings(), secrets.to_vec()].concat());
    let pause = object(&[("at", moment()), ("by", text()), ("reason", text())], &[]);
    let state = object(
        &[
            ("running", flag()),
            ("begun", nullable("string")),
            ("done", nullable("string")),
            ("error", nullable("string")),
            ("counts", reference("SourceCounts")),
        ],
        &[],
    );
    let counts =
        object(&[("accepted", count()), ("duplicates", count()), ("quarantined", count())], &[]);
    let mut shown = required.clone();
    let known = json!({ "anyOf": [reference("SourceState"), { "type": "null" }] });
    shown.push(("state", known));
    let stretch = object(
        &[("from", moment()), ("to", moment()), ("at", moment()), ("by", text())],
        &[("reason", text())],
    );
    let decided = [
        ("paused", pause),
        ("backfills", list(&stretch)),
        ("declared", list(&stretch)),
        ("moves_relationships", flag()),
    ];
    let source = object(&shown, &[settings(), decided.to_vec()].concat());
    let gap = object(&[("from", moment()), ("to", moment()), ("reason", text())], &[]);
    let covered = object(
        &[
            ("source", text()),
            ("tenant", text()),
            ("from", moment()),
            ("to", nullable("string")),
            ("gaps", list(&gap)),
            ("lag_s", count()),
            ("error", nullable("string")),
        ],
        &[],
    );
    let kinds = json!({ "type": "string", "enum": ["before", "gap", "uncollected"] });
    let missing = object(
        &[
            ("source", text()),
            ("tenant", text()),
            ("kind", kinds),
            ("from", nullable("string")),
            ("to", moment()),
            ("reason", nullable("string")),
        ],
        &[],
    );
    vec![
        ("NewSource", new),
        ("SourceChange", change),
        ("SourcePause", object(&[], &[("reason", text())])),
        ("SourceStretch", object(&[("from", moment()), ("to", moment())], &[("reason", text())])),
        ("Source", source),
        ("SourceState", state),
        ("SourceCounts", counts),
        ("Sources", object(&[("sources", list(&reference("Source")))], &[])),
        ("Tested", object(&[("ok", flag())], &[])),
        ("Coverage", object(&[("sources", list(&covered)), ("missing", list(&missing))], &[])),
    ]
}
