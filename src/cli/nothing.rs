//! Why an answer is empty: hints on standard error, so that nobody takes a misspelt name for proof
//! that nothing happened.

use super::output::note;
use crate::calls::Pairs;
use crate::calls::question::QueryCall;
use crate::error::Result;
use crate::event::{FIELDS, FieldKind};
use serde_json::Value as Json;

/// How many conditions are looked at.
const CONDITIONS_MAX: usize = 8;

/// Notes what stands in the way of an answer. Trouble with a hint is no trouble with the answer.
pub(super) fn explain(pairs: &Pairs, ask: impl Fn(QueryCall, &Pairs) -> Result<Json>) {
    note("annals: nothing matches");
    let _ = hints(pairs, &ask);
}

fn hints(pairs: &Pairs, ask: &dyn Fn(QueryCall, &Pairs) -> Result<Json>) -> Result<()> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let tenants: Vec<(String, String)> =
        pairs.0.iter().filter(|(name, _)| name == "tenant").cloned().collect();
    let alone = |more: &[(String, String)]| Pairs([tenants.as_slice(), more].concat());
    let edge = |order: &str| -> Result<Option<String>> {
        let page = alone(&[pair("limit", "1"), pair("order", order), pair("fields", "time")]);
        let answer = ask(QueryCall::Events, &page)?;
        Ok(answer["events"][0]["time"].as_str().map(str::to_owned))
    };
    let (Some(first), Some(last)) = (edge("asc")?, edge("desc")?) else {
        let named: Vec<&str> = tenants.iter().map(|(_, name)| name.as_str()).collect();
        match named.as_slice() {
            [] | ["*"] => note("  the store has no events yet"),
            names => note(&format!(
                "  there are no events of tenant {}: names are compared exactly, annals facets \
                --fields tenant lists them",
                names.join(", ")
            )),
        }
        return Ok(());
    };
    if pairs.0.iter().any(|(name, _)| matches!(name.as_str(), "from" | "to" | "last")) {
        note(&format!("  events are from {first} to {last}"));
    }
    for (name, value) in pairs.0.iter().take(CONDITIONS_MAX) {
        let Some(def) = FIELDS.iter().find(|def| def.name == name) else { continue };
        if matches!(def.kind, FieldKind::Decimal | FieldKind::Bool) || name == "tenant" {
            continue;
        }
        let found = ask(QueryCall::Count, &alone(&[pair(name, value)]))?;
        if found["count"].as_u64() > Some(0) {
            continue;
        }
        let flag = name.replace('_', "-");
        let hint = if value.contains('*') {
            format!("; * is an ordinary character there, --{flag}-prefix finds beginnings")
        } else {
            similar(ask, &alone(&[pair("field", name), pair("contains", value)]))
                .map(|known| format!("; did you mean {known:?}?"))
                .unwrap_or_default()
        };
        note(&format!("  no event has the {name} {value:?}{hint}"));
    }
    Ok(())
}

/// Returns the most frequent value that contains a text in any case.
fn similar(ask: &dyn Fn(QueryCall, &Pairs) -> Result<Json>, question: &Pairs) -> Option<String> {
    let answer = ask(QueryCall::Values, question).ok()?;
    answer["values"][0]["value"].as_str().map(str::to_owned)
}
