//! The calls about records that could not be decoded.

use super::shapes::{count, flag, list, nullable, object, text};
use super::{json_answer, operation, query, tenant};
use serde_json::{Value as Json, json};

pub(super) fn add_paths(add: &mut impl FnMut(&str, &str, Json)) {
    let text = json!({ "type": "string" });
    let moment = json!({ "type": "string", "format": "date-time" });
    let filter = [
        tenant(),
        query("from", &moment, "that came at or after this"),
        query("to", &moment, "that came before this"),
        query("reason", &text, "of this kind of reason"),
        query("source", &text, "from this door or file"),
    ];
    let paged = [
        query(
            "substring",
            &text,
            "with this text in what is kept of them; reads 64 MiB at a time, `next` goes on",
        ),
        query(
            "limit",
            &json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
            "records on a page",
        ),
        query("after", &text, "what the page before said is next"),
    ];
    let all = json!([filter.as_slice(), paged.as_slice()].concat());
    let records = operation(
        "quarantine",
        "Records that could not be decoded, newest first",
        &all,
        None,
        &json_answer("Quarantine"),
    );
    add("/api/v1/quarantine", "get", records);
    let summary = "How many records could not be decoded, by kind of reason";
    let reasons = operation(
        "quarantine_reasons",
        summary,
        &json!(filter),
        None,
        &json_answer("QuarantineReasons"),
    );
    add("/api/v1/quarantine/reasons", "get", reasons);
    add("/api/v1/quarantine/decode", "post", decode(&filter));
}

/// Decoding records again.
fn decode(filter: &[Json]) -> Json {
    let text = json!({ "type": "string" });
    let further = [
        query("substring", &text, "with this text in what is kept of them"),
        query("format", &text, "the format of the records; `auto` tells it by the record"),
        query("unknown_tenant", &text, "the tenant of records whose tenant is unknown"),
        query(
            "tenant_from",
            &text,
            "the path of the tenant in records whose tenant is unknown; not with `unknown_tenant`",
        ),
        query("dry_run", &json!({ "type": "boolean" }), "whether nothing is changed"),
        query(
            "limit",
            &json!({ "type": "integer", "minimum": 1, "maximum": 100_000 }),
            "the most records of this call; it also ends after ten seconds, and `next` goes on",
        ),
        query("after", &text, "what the call before said is next"),
    ];
    operation(
        "quarantine_decode",
        "Decode records again: what decodes becomes events and leaves quarantine",
        &json!([filter, further.as_slice()].concat()),
        None,
        &json_answer("QuarantineDecoded"),
    )
}

/// What became of records that were decoded again.
pub(super) fn decoded() -> Json {
    object(
        &[
            ("dry_run", flag()),
            ("records", count()),
            ("accepted", count()),
            ("duplicates", count()),
            ("refused", count()),
            ("cut", count()),
            ("without_tenant", count()),
            ("removed", count()),
            ("held", count()),
            ("next", nullable("string")),
        ],
        &[("damaged", list(&text()))],
    )
}
