//! Why an answer is empty: hints on standard error, so that nobody takes a misspelt name for proof
//! that nothing happened.

use super::output::note;
use crate::calls::Pairs;
use crate::calls::question::QueryCall;
use crate::error::Result;
use crate::event::{FIELDS, FilterOperator};
use serde_json::Value as Json;

/// Notes what stands in the way of an answer. Trouble with a hint is no trouble with the answer.
pub(super) fn explain(pairs: &Pairs, ask: impl Fn(QueryCall, &Pairs) -> Result<Json>) {
    note("annals: nothing matches");
    let mut pairs = pairs.clone();
    pairs
        .0
        .extend([("limit".to_owned(), "1".to_owned()), ("fields".to_owned(), "time".to_owned())]);
    let Ok(answer) = ask(QueryCall::Events, &pairs) else { return };
    for hint in answer["hints"].as_array().into_iter().flatten() {
        note(&format!("  {}", said(hint, &pairs)));
        for offer in hint["instead"].as_array().into_iter().flatten() {
            note(&format!("    {}", offered(offer)));
        }
    }
}

/// Says a hint in the terms of the command line.
fn said(hint: &Json, pairs: &Pairs) -> String {
    let parameter = hint["parameter"].as_str().unwrap_or_default();
    let value = hint["value"].as_str().unwrap_or_default();
    match hint["reason"].as_str() {
        Some("no_events") => match pairs.all("tenant").as_slice() {
            [] | ["*"] => "the store has no events yet".to_owned(),
            names => format!(
                "there are no events of tenant {}: names are compared exactly, annals facets \
                --fields tenant lists them",
                names.join(", ")
            ),
        },
        Some("no_match") if value.contains('*') && has_prefix(parameter) => format!(
            "no event has the {parameter} {value:?}; * is an ordinary character there, \
            {}-prefix finds beginnings",
            flag(parameter)
        ),
        Some("no_match") if parameter == "text" => format!("no event has the text {value:?}"),
        Some("no_match") => format!("no event has the {parameter} {value:?}"),
        _ => hint["message"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Returns whether a parameter is a field that may be asked for by its beginning.
fn has_prefix(parameter: &str) -> bool {
    let field = FIELDS.iter().find(|def| def.name == parameter);
    field.is_some_and(|def| def.operators.contains(&FilterOperator::Prefix))
}

/// Says what would find something, and how much.
fn offered(offer: &Json) -> String {
    let parameter = offer["parameter"].as_str().unwrap_or_default();
    let value = offer["value"].as_str().unwrap_or_default();
    format!("{} {value:?} finds {}", flag(parameter), offer["count"])
}

fn flag(parameter: &str) -> String {
    format!("--{}", parameter.replace(['_', '.'], "-"))
}
