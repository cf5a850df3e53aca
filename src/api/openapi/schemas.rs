//! The shapes of bodies and answers, as JSON Schema (2020-12, the dialect of OpenAPI 3.1).

use super::administration::{
    backup, expired, health, hold, policy, retention_change, tenant_changed, tenant_settings,
};
use super::shapes::*;
use crate::event::{FIELDS, FieldDef, FieldKind, FilterOperator};
use crate::query::PAGE_ROWS_MAX;
use serde_json::{Map, Value as Json, json};

/// Every named schema.
pub(super) fn all() -> Vec<(&'static str, Json)> {
    vec![
        ("Event", event()),
        ("ListedEvent", listed_event()),
        ("Page", page()),
        (
            "Count",
            object(
                &[("count", count())],
                &[("explain", reference("Explain")), ("missing", missing())],
            ),
        ),
        ("Histogram", histogram()),
        (
            "Facets",
            object(
                &[("facets", map(&list(&reference("ValueCount")))), ("without", map(&count()))],
                &[("explain", reference("Explain")), ("missing", missing())],
            ),
        ),
        (
            "Top",
            object(
                &[("field", text()), ("values", list(&reference("ValueCount")))],
                &[("without", count()), ("explain", reference("Explain")), ("missing", missing())],
            ),
        ),
        ("Stats", stats()),
        (
            "Values",
            object(
                &[
                    ("field", text()),
                    ("values", list(&reference("ValueCount"))),
                    ("total", count()),
                ],
                &[("explain", reference("Explain")), ("missing", missing())],
            ),
        ),
        ("ValueCount", object(&[("value", text()), ("count", count())], &[])),
        ("Explain", explain()),
        ("Fields", fields()),
        ("Outcome", outcome()),
        ("Quarantine", quarantine()),
        ("QuarantineDecoded", super::quarantine::decoded()),
        ("QuarantineReasons", quarantine_reasons()),
        ("Problem", problem()),
        ("Filter", filter()),
        ("RecordTest", record_test()),
        ("Backup", backup()),
        ("Policy", policy()),
        ("Hold", hold()),
        ("RetentionChange", retention_change()),
        ("TenantSettings", tenant_settings()),
        ("TenantChanged", tenant_changed()),
        (
            "HoldRequest",
            json!({ "type": "object", "required": ["tenant", "reason"],
                "properties": { "tenant": list(&text()), "reason": text() } }),
        ),
        ("Expired", expired()),
        ("Health", health()),
    ]
}

fn value_schema(def: &FieldDef) -> Json {
    let mut schema = match def.kind {
        FieldKind::Text => text(),
        FieldKind::Enum(values) => json!({ "type": "string", "enum": values }),
        FieldKind::Bool => flag(),
        FieldKind::Time => moment(),
        FieldKind::Integer => count(),
        FieldKind::Decimal => decimal(),
        FieldKind::List => list(&text()),
    };
    schema["description"] = format!("{} {}", def.en, def.zh).into();
    schema
}

fn event() -> Json {
    let required: Vec<(&str, Json)> = FIELDS
        .iter()
        .filter(|def| def.is_required() && def.field != crate::event::Field::Original)
        .map(|def| (def.name, value_schema(def)))
        .collect();
    let mut optional: Vec<(&str, Json)> = FIELDS
        .iter()
        .filter(|def| !def.is_required() || def.field == crate::event::Field::Original)
        .map(|def| (def.name, value_schema(def)))
        .collect();
    optional.push(("others", list(&reference("Event"))));
    optional.push(("others_cursor", text()));
    object(&required, &optional)
}

/// An event of a list, which may be asked for in part.
fn listed_event() -> Json {
    let mut fields: Vec<(&str, Json)> =
        FIELDS.iter().map(|def| (def.name, value_schema(def))).collect();
    fields.push(("cut", list(&text())));
    object(&[], &fields)
}

fn page() -> Json {
    object(
        &[
            (
                "events",
                json!({ "type": "array", "items": reference("ListedEvent"),
                    "maxItems": PAGE_ROWS_MAX }),
            ),
            ("next_cursor", nullable("string")),
            ("prev_cursor", nullable("string")),
        ],
        &[
            ("total", count()),
            ("hints", list(&hint())),
            ("explain", reference("Explain")),
            ("missing", missing()),
        ],
    )
}

/// Why a list is empty, and what would find something.
fn hint() -> Json {
    let offer = object(&[("parameter", text()), ("value", text()), ("count", count())], &[]);
    let reasons = ["no_events", "period", "no_match", "together"];
    object(
        &[("reason", json!({ "type": "string", "enum": reasons })), ("message", text())],
        &[
            ("parameter", text()),
            ("value", text()),
            ("instead", list(&offer)),
            ("first", moment()),
            ("last", moment()),
        ],
    )
}

fn histogram() -> Json {
    let bucket = object(
        &[("start", moment()), ("count", count())],
        &[("by", map(&count())), ("without", count())],
    );
    object(
        &[("interval", text()), ("time_zone", text()), ("buckets", list(&bucket))],
        &[("explain", reference("Explain")), ("missing", missing())],
    )
}

fn stats() -> Json {
    let group = object(
        &[
            ("value", nullable("string")),
            ("count", count()),
            ("sum", decimal()),
            ("min", decimal()),
            ("max", decimal()),
            ("avg", decimal()),
        ],
        &[],
    );
    object(
        &[
            ("field", text()),
            ("by", nullable("string")),
            ("groups", list(&group)),
            ("groups_total", count()),
        ],
        &[("explain", reference("Explain")), ("missing", missing())],
    )
}

/// Segments that an answer lacks, because it was asked for with `partial` and their data is lost.
fn missing() -> Json {
    list(&object(
        &[("segment", text()), ("date", text()), ("tenant", text()), ("rows", count())],
        &[],
    ))
}

fn explain() -> Json {
    let step = object(
        &[
            ("segment", text()),
            ("tenant", text()),
            ("rows", count()),
            (
                "path",
                json!({ "type": "string", "enum": ["pruned", "summary", "lookup", "scan",
                    "buffer"] }),
            ),
            ("why", text()),
            ("examined", count()),
            ("matched", count()),
            ("bytes", count()),
            ("micros", count()),
        ],
        &[],
    );
    object(&[("segments", count()), ("untouched", count()), ("steps", list(&step))], &[])
}

fn fields() -> Json {
    let label = object(&[("en", text()), ("zh", text())], &[]);
    let field = object(
        &[
            ("name", text()),
            ("cts", nullable("string")),
            ("kind", text()),
            ("operators", list(&text())),
            ("facet", flag()),
            ("header", text()),
            ("label", label),
        ],
        &[("values", list(&text()))],
    );
    object(&[("fields", list(&field))], &[])
}

fn outcome() -> Json {
    let refused = object(&[("line", count()), ("reason", text())], &[]);
    let number = json!({ "type": ["integer", "null"] });
    let receipt = object(
        &[("batch", text()), ("first_seq", number.clone()), ("last_seq", number)],
        &[("table_version", count())],
    );
    let fields = [
        ("accepted", count()),
        ("duplicates", count()),
        ("quarantined", list(&refused)),
        ("quarantined_total", count()),
        ("quarantined_reasons", list(&reason_count())),
        ("receipt", receipt),
    ];
    object(&fields, &[("quarantined_more", text())])
}

fn reason_count() -> Json {
    object(&[("reason", text()), ("count", count())], &[])
}

fn quarantine_reasons() -> Json {
    object(&[("total", count()), ("reasons", list(&reason_count()))], &[("damaged", list(&text()))])
}

fn quarantine() -> Json {
    let record = object(
        &[
            ("id", text()),
            ("time", moment()),
            ("source", text()),
            ("line", count()),
            ("reason", text()),
            ("kind", text()),
            ("length", count()),
            ("sha256", text()),
            ("cut", flag()),
        ],
        &[("tenant", text()), ("record", text()), ("record_base64", text())],
    );
    object(
        &[("total", nullable("integer")), ("records", list(&record)), ("next", nullable("string"))],
        &[("damaged", list(&text()))],
    )
}

/// RFC 9457, with the parameter that is wrong.
fn problem() -> Json {
    object(
        &[
            ("type", text()),
            ("title", text()),
            ("status", json!({ "type": "integer", "minimum": 400, "maximum": 599 })),
            ("detail", text()),
        ],
        &[("parameter", text())],
    )
}

/// One value or several.
fn values_of(schema: &Json) -> Json {
    json!({ "anyOf": [schema, { "type": "array", "items": schema }] })
}

/// The schema of a value of an operator.
fn operand(def: &FieldDef, operator: FilterOperator) -> Json {
    match (operator, def.kind) {
        (FilterOperator::Exists, _) | (_, FieldKind::Bool) => flag(),
        (FilterOperator::Equal | FilterOperator::Not, FieldKind::Enum(values)) => {
            json!({ "type": "string", "enum": values })
        }
        (_, FieldKind::Decimal) => {
            json!({ "type": "string", "pattern": "^-?[0-9]{1,30}(\\.[0-9]{1,8})?$" })
        }
        _ => json!({ "type": "string", "minLength": 1, "maxLength": 1000 }),
    }
}

/// The parameters that a field has in a filter, with the schema of their values.
pub(super) fn parameters_of(def: &FieldDef) -> Vec<(String, Json)> {
    let mut parameters = Vec::new();
    for operator in def.operators {
        let schema = operand(def, *operator);
        match operator {
            FilterOperator::Equal => parameters.push((def.name.to_owned(), schema)),
            FilterOperator::Range => {
                parameters.push((format!("{}.min", def.name), schema.clone()));
                parameters.push((format!("{}.max", def.name), schema));
            }
            FilterOperator::Cidr => {}
            other => parameters.push((format!("{}.{}", def.name, other.name()), schema)),
        }
    }
    parameters
}

fn filter() -> Json {
    let mut properties = Map::new();
    for def in FIELDS {
        for (name, schema) in parameters_of(def) {
            properties.insert(name, values_of(&schema));
        }
    }
    for name in ["text", "text.not", "substring", "substring.not"] {
        properties.insert(
            name.to_owned(),
            values_of(&json!({ "type": "string", "minLength": 1, "maxLength": 1024 })),
        );
    }
    let group = reference("Filter");
    properties.insert(
        "any".to_owned(),
        json!({ "type": "array", "minItems": 1, "items": group,
        "description": "one of these must hold" }),
    );
    properties.insert(
        "all".to_owned(),
        json!({ "type": "array", "items": group, "description": "all of these must hold" }),
    );
    properties.insert(
        "not".to_owned(),
        json!({ "anyOf": [group, { "type": "array", "items": group }],
            "description": "none of these may hold" }),
    );
    properties.insert("record".to_owned(), values_of(&reference("RecordTest")));
    json!({ "type": "object", "properties": properties, "description": "all keys must hold; \
        several values of one key mean any of them" })
}

fn record_test() -> Json {
    let value = values_of(&json!({ "type": "string", "maxLength": 1000 }));
    let path = json!({ "type": "string", "minLength": 1 });
    let mut properties = Map::new();
    properties.insert(
        "path".to_owned(),
        json!({ "anyOf": [path, { "type": "array", "items": path, "minItems": 1, "maxItems": 16,
            "uniqueItems": true }], "description": "keys joined by dots; of several, the value at \
            any counts; all texts of the record if absent" }),
    );
    for name in
        ["equals", "contains", "starts_with", "ends_with", "like", "regex", "cidr", "same_as"]
    {
        properties.insert(name.to_owned(), value.clone());
    }
    properties.insert("exists".to_owned(), flag());
    properties.insert("cased".to_owned(), flag());
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}
