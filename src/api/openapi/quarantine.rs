//! The calls about records that could not be decoded.

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
}
