//! `GET /api/v1/openapi.json`: the native API as OpenAPI 3.1, made from the table of fields and the
//! calls themselves.

mod access;
mod administration;
mod policy;
mod quarantine;
mod relationships;
mod schemas;
mod screen;
mod shapes;
mod sources;

use super::App;
use crate::calls::question::{CALLS, QueryCall};
use crate::event::FIELDS;
use crate::export::ExportFormat;
use crate::query::PAGE_ROWS_MAX;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json as JsonBody, Router};
use serde_json::{Map, Value as Json, json};
use shapes::reference;
use std::sync::{Arc, OnceLock};
use utoipa::openapi::OpenApi;

pub(super) fn routes() -> Router<App> {
    // Made when it is first asked for.
    let made: Arc<OnceLock<OpenApi>> = Arc::default();
    let respond = async move || {
        let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
        (headers, JsonBody(made.get_or_init(document).clone())).into_response()
    };
    Router::new().route("/api/v1/openapi.json", get(respond))
}

/// The document. It is read into the types of utoipa, which holds it to OpenAPI's own shape.
pub fn document() -> OpenApi {
    let schemas: Map<String, Json> = schemas::all()
        .into_iter()
        .chain(screen::schemas())
        .chain(access::schemas())
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    serde_json::from_value(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Annals", "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Audit events. Unknown parameters are errors; questions share a filter.",
        },
        "paths": paths(),
        "components": { "schemas": schemas, "parameters": filter_parameters(),
            "securitySchemes": access::schemes() },
        // A server without principals asks for none.
        "security": access::accepted(),
    }))
    .expect("the document is OpenAPI, a test says")
}

fn paths() -> Map<String, Json> {
    let mut paths = Map::new();
    let mut add = |path: &str, method: &str, operation: Json| {
        paths.entry(path.to_owned()).or_insert_with(|| json!({}))[method] = operation;
    };
    for call in CALLS {
        let answer = json_answer(schema_of(*call));
        add(call.path(), "get", question(*call, None, &answer));
        add(&format!("{}/query", call.path()), "post", question(*call, Some(()), &answer));
    }
    for form in ExportFormat::ALL {
        let media_type = form.media_type().split(';').next().unwrap_or_default();
        let content = json!({ media_type: { "schema": { "type": "string" } } });
        let answer = json!({ "description": "everything that matches, streamed; the trailer \
                                            X-Annals-Rows says how many", "content": content });
        let parameters = refs(export_parameters(*form), true);
        add(
            &format!("/api/v1/events.{}", form.name()),
            "get",
            operation(
                &format!("export_{}", form.name()),
                "Everything that matches",
                &parameters,
                None,
                &answer,
            ),
        );
    }
    add("/api/v1/events", "post", ingest());
    let id = json!([tenant(), { "name": "trace_id", "in": "path", "required": true,
        "schema": { "type": "string", "minLength": 1 } }]);
    add(
        "/api/v1/events/{trace_id}",
        "get",
        operation("event", "One event, with its record", &id, None, &json_answer("Event")),
    );
    add(
        "/api/v1/fields",
        "get",
        operation("fields", "The table of fields", &json!([]), None, &json_answer("Fields")),
    );
    quarantine::add_paths(&mut add);
    let directory = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$" });
    let name = json!([query("name", &directory, "the backup's directory, below the server's")]);
    add(
        "/api/v1/backups",
        "post",
        operation(
            "backup",
            "Make a backup, or add to it what is new",
            &name,
            None,
            &json_answer("Backup"),
        ),
    );
    policy::add_paths(&mut add);
    screen::add_paths(&mut add);
    access::add_paths(&mut add);
    for path in ["/livez", "/readyz"] {
        add(path, "get", operation(&path[1..], "Health", &json!([]), None, &json_answer("Health")));
    }
    paths
}

fn schema_of(call: QueryCall) -> &'static str {
    match call {
        QueryCall::Events => "Page",
        QueryCall::Count => "Count",
        QueryCall::Facets => "Facets",
        QueryCall::Histogram => "Histogram",
        QueryCall::Top => "Top",
        QueryCall::Stats => "Stats",
        QueryCall::Values => "Values",
    }
}

fn summary(call: QueryCall) -> &'static str {
    match call {
        QueryCall::Events => "A page of events, newest first",
        QueryCall::Count => "How many events match",
        QueryCall::Facets => "Counts by the values of fields",
        QueryCall::Histogram => "Counts over time",
        QueryCall::Top => "The most frequent values of one field",
        QueryCall::Stats => "Sums of amounts, decimal-exact",
        QueryCall::Values => "Values of a field that contain a text, to complete what is typed",
    }
}

/// A call that asks something: with the filter in the URL, or in the body.
fn question(call: QueryCall, body: Option<()>, answer: &Json) -> Json {
    let id = schema_of(call).to_lowercase();
    let own = call.parameters().iter().map(|name| match (*name, call) {
        ("fields", _) => fields(call),
        ("by", QueryCall::Stats) => {
            query("by", &counted(), "the field to group by, or the kind of related ids")
        }
        _ => own_parameter(name),
    });
    let own: Vec<Json> = own.collect();
    match body {
        None => operation(&id, summary(call), &refs(own, true), None, answer),
        Some(()) => {
            let content = json!({ "application/json": { "schema": reference("Filter") } });
            let body = json!({ "required": true, "content": content,
                "description": "the filter; the call's own parameters may stand here too" });
            operation(&format!("{id}_query"), summary(call), &refs(own, false), Some(&body), answer)
        }
    }
}

fn problem(description: &str) -> Json {
    json!({ "description": description,
        "content": { "application/problem+json": { "schema": reference("Problem") } } })
}

fn operation(
    id: &str,
    summary: &str,
    parameters: &Json,
    body: Option<&Json>,
    answer: &Json,
) -> Json {
    let mut operation = json!({
        "operationId": id, "summary": summary, "parameters": parameters,
        "responses": {
            "200": answer,
            "400": problem("a parameter is wrong, and named"),
            "401": problem("a credential is missing, or is none"),
            "403": problem("the caller may not do or see this"),
            "404": problem("there is nothing of that name"),
            "414": problem("the address is too long: ask by POST"),
            "431": problem("the head of the request is too large"),
            "503": problem("try again later"),
            "504": problem("it took longer than it may: ask for less"),
        },
    });
    if let Some(body) = body {
        operation["requestBody"] = body.clone();
        operation["responses"]["413"] = problem("the body is too large");
    }
    operation
}

fn json_answer(schema: &str) -> Json {
    json!({ "description": "the \
                           answer",
                           "content": { "application/json": { "schema": reference(schema) } } })
}

fn ingest() -> Json {
    let formats: Vec<&str> = ["auto"].iter().chain(crate::event::FORMATS).copied().collect();
    let parameters = json!([
        query("tenant", &json!({ "type": "string" }), "whose records they are"),
        query("tenant_from", &json!({ "type": "string" }),
            "the path in each record that says whose it is"),
        query(
            "format",
            &json!({ "type": "string", "enum": formats }),
            "the format of the records"
        ),
        query(
            "repeats",
            &json!({ "type": "string", "enum": ["events", "duplicates"], "default": "events" }),
            "what equal records without ids in one request are: events of their own, which the \
            same request sent again repeats, or duplicates of the first"
        ),
        {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "pattern": "^[!-~]{1,100}$" },
            "description": "names the request: sent again with the same body within a day, it gets \
            the same answer",
        },
    ]);
    let record = json!({ "type": "object" });
    let body = json!({
        "required": true, "description": "NDJSON, a JSON array, CloudTrail's {\"Records\":[…]}, \
        CTS's {\"traces\":[…]} or CloudEvents; gzip, zstd or deflate",
        "content": {
            "application/json": { "schema": { "anyOf": [record, { "type": "array",
                "items": record }] } },
            "application/x-ndjson": { "schema": { "type": "string" } },
        },
    });
    let summary = "Take in records; the answer comes when they are on disk";
    let mut operation =
        operation("ingest", summary, &parameters, Some(&body), &json_answer("Outcome"));
    operation["responses"]["422"] = problem("the key was used for another body");
    operation
}

fn tenant() -> Json {
    let schema = json!({ "type": "array", "minItems": 1, "items": { "type": "string",
        "pattern": "^[A-Za-z0-9]{1,40}$|^[*]$" } });
    let mut parameter = query("tenant", &schema, "the tenants asked about; * for all");
    parameter["required"] = true.into();
    parameter
}

fn query(name: &str, schema: &Json, description: &str) -> Json {
    json!({ "name": name, "in": "query", "required": false, "schema": schema,
        "description": description })
}

/// The call's own parameters, and the filter's as references.
fn refs(own: Vec<Json>, filter: bool) -> Json {
    let mut parameters = own;
    if filter {
        parameters.extend(
            filter_parameters()
                .keys()
                .map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })),
        );
    }
    parameters.into()
}

/// A field that can be counted by value.
fn facet() -> Json {
    let facet: Vec<&str> = FIELDS.iter().filter(|def| def.facet).map(|def| def.name).collect();
    json!({ "type": "string", "enum": facet })
}

/// What can be counted by: such a field, or the ids of one kind among the related ids.
fn counted() -> Json {
    json!({ "anyOf": [facet(), { "type": "string",
        "pattern": "^related_ids\\.[A-Za-z0-9_-]{1,64}$" }] })
}

/// Which fields: of a list, those that events have; of facets, those that are counted.
fn fields(call: QueryCall) -> Json {
    if call == QueryCall::Events {
        let names: Vec<&str> = FIELDS.iter().map(|def| def.name).collect();
        let schema =
            json!({ "type": "array", "minItems": 1, "items": { "type": "string", "enum": names } });
        return query("fields", &schema, "only these fields of each event");
    }
    let schema = json!({ "type": "array", "minItems": 1, "maxItems": 20, "items": counted() });
    let mut parameter = query("fields", &schema, "the fields to count by");
    parameter["required"] = true.into();
    parameter
}

fn own_parameter(name: &str) -> Json {
    if name == "tenant" {
        return tenant();
    }
    let (schema, description) = described(name);
    query(name, &schema, description)
}

/// What a parameter of ours takes, and what it is for.
fn described(name: &str) -> (Json, &'static str) {
    let flag = || json!({ "type": "boolean" });
    let text = || json!({ "type": "string" });
    let one_of = |values: &[&str]| json!({ "type": "string", "enum": values });
    match name {
        "explain" => (flag(), "say how it was answered"),
        "partial" => (
            flag(),
            "answer without segments whose data is lost, and name them in `missing`; without it \
            that is an error",
        ),
        "path" => (one_of(&["lookup", "scan"]), "answer by this path instead of the one chosen"),
        "limit" => (
            json!({ "type": "integer", "minimum": 1, "maximum": PAGE_ROWS_MAX, "default": 50 }),
            "events on a page",
        ),
        "order" => (one_of(&["desc", "asc"]), "newest or oldest first"),
        "cursor" => (text(), "next_cursor or prev_cursor of a page of the same question"),
        "around" => (json!({ "type": "string", "format": "date-time" }), "begin at this moment"),
        "original" => (flag(), "with the records"),
        "cut" => {
            let schema = json!({ "type": "integer", "minimum": 1, "maximum": 100_000 });
            (
                schema,
                "cut longer texts to so many letters; the event names its fields that are cut in \
                `cut`",
            )
        }
        "contains" => (
            json!({ "type": "string", "maxLength": 250 }),
            "a text that the values contain, in any case",
        ),
        "total" => (flag(), "with the number of all that match"),
        "hints" => (
            json!({ "type": "boolean", "default": true }),
            "if nothing matches, with what would match instead",
        ),
        "field" => (text(), "the field to count by, or related_ids.KIND; of stats, amount"),
        "size" => {
            (json!({ "type": "integer", "minimum": 1, "maximum": 10_000 }), "how many values")
        }
        "interval" => (
            json!({ "type": "string",
                "pattern": "^(auto|month|quarter|year|[1-9][0-9]{0,3}[smhdw])$" }),
            "the width of a bucket",
        ),
        "by" => (facet(), "the field to group by"),
        "columns" => (text(), "fields separated by commas"),
        "labels" => (one_of(&["name", "en", "zh"]), "what the header says"),
        "time_zone" => (text(), "a zone of the IANA database, such as Asia/Shanghai"),
        "bom" => (flag(), "begin with a byte order mark"),
        "formulas" => {
            (one_of(&["safe", "raw"]), "whether cells that look like formulas are disarmed")
        }
        "digits" => (
            one_of(&["plain", "text"]),
            "how ids that a spreadsheet would take for numbers are written: text writes =\"…\"",
        ),
        "closing" => (flag(), "end in a record that says how many there were"),
        other => unreachable!("{other} has no description: a test asks for every parameter"),
    }
}

fn export_parameters(form: ExportFormat) -> Vec<Json> {
    let has = |name: &&str| match *name {
        "labels" | "bom" | "formulas" | "digits" => form == ExportFormat::Csv,
        "closing" => form == ExportFormat::Ndjson,
        "time_zone" => form != ExportFormat::Parquet,
        _ => true,
    };
    crate::calls::export::PARAMETERS.iter().copied().filter(has).map(own_parameter).collect()
}

/// The parameters of the filter, by the names under which operations refer to them.
fn filter_parameters() -> Map<String, Json> {
    let mut parameters = Map::new();
    let mut add = |name: &str, schema: &Json, description: &str| {
        parameters.insert(name.replace('.', "_"), query(name, schema, description));
    };
    for def in FIELDS {
        for (name, schema) in schemas::parameters_of(def) {
            add(
                &name,
                &json!({ "type": "array", "items": schema }),
                &format!("{} {}", def.en, def.zh),
            );
        }
    }
    let words = json!({ "type": "string", "minLength": 1, "maxLength": 1024 });
    for (name, description) in [
        ("text", "words, \"quoted phrases\" and path:value in the record; all must match"),
        ("text.not", "not what text with this value finds"),
        ("substring", "exact text in the record"),
        ("substring.not", "not this text"),
    ] {
        add(name, &json!({ "type": "array", "items": words }), description);
    }
    add("filter", &json!({ "type": "string" }), "groups as JSON: any, all, not, record");
    add(
        "from",
        &json!({ "type": "string", "format": "date-time" }),
        "the first moment: RFC 3339, any form of ISO 8601, or seconds to nanoseconds since 1970",
    );
    add(
        "to",
        &json!({ "type": "string", "format": "date-time" }),
        "the first moment that no longer counts",
    );
    add(
        "last",
        &json!({ "type": "string", "pattern": "^[1-9][0-9]{0,3}[smhdw]$" }),
        "only so long back from now",
    );
    add(
        "filter_type",
        &json!({ "type": "string", "enum": ["event_name", "resource_id", "resource_name"] }),
        "the field that filter_value is of; any other field too",
    );
    add("filter_value", &json!({ "type": "string" }), "the value of filter_type");
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_openapi_and_every_reference_leads_somewhere() {
        let json = serde_json::to_value(document()).expect("JSON");
        fn references(json: &Json, found: &mut Vec<String>) {
            match json {
                Json::Object(map) => {
                    found.extend(map.get("$ref").and_then(Json::as_str).map(str::to_owned));
                    map.values().for_each(|value| references(value, found));
                }
                Json::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        references(&json, &mut found);
        assert!(found.len() > 100);
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(json.pointer(pointer).is_some(), "{reference}");
        }
        assert!(json["paths"]["/api/v1/events"]["post"].is_object());
        assert!(json["components"]["parameters"]["resource_id_prefix"].is_object());
        assert_eq!(json["openapi"], "3.1.0");
    }
}
