//! What would find something where a question found nothing: nobody should take a misspelt name,
//! or a word that is only a part of a longer one, for proof that nothing happened.

use super::Pairs;
use super::query_call::QueryCall;
use crate::error::Result;
use crate::event::{FIELDS, Field, FieldDef, FieldKind, IndexKind, clip};
use crate::query::{Limits, QueryBudget};
use crate::text::fold;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// How many conditions are looked at.
const CONDITIONS_MAX: usize = 8;
/// How many ways to go on are offered for one condition.
const OFFERS_MAX: usize = 5;
/// The time that all hints of an answer may take together…
const TIME: Duration = Duration::from_millis(200);
/// …and their work, in units of about a nanosecond. What is not found within is not offered.
const WORK: u64 = 100_000_000;
/// The parameters that make the period.
const PERIOD: &[&str] = &["from", "to", "last"];

/// The parameters that are a condition together.
const BY_TYPE: &[&str] = &["filter_type", "filter_value"];

/// What answers a call.
pub(super) type Answering<'a> = dyn Fn(QueryCall, &Pairs, &QueryBudget) -> Result<Json> + 'a;

/// Asks the questions that hints are made of, about the same tenants.
struct Asker<'a> {
    answering: &'a Answering<'a>,
    tenants: Vec<(String, String)>,
    budget: QueryBudget,
}

impl Asker<'_> {
    fn ask(&self, call: QueryCall, more: &[(&str, &str)]) -> Result<Json> {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let pairs = Pairs(self.tenants.iter().cloned().chain(more).collect());
        (self.answering)(call, &pairs, &self.budget)
    }

    fn count(&self, name: &str, value: &str) -> Result<u64> {
        let answer = self.ask(QueryCall::Count, &[(name, value)])?;
        Ok(answer["count"].as_u64().unwrap_or_default())
    }

    /// Returns the times of the first and the last event that match.
    fn edges(&self, conditions: &[(&str, &str)]) -> Result<Option<(Json, Json)>> {
        let edge = |order: &'static str| -> Result<Json> {
            let page = [("limit", "1"), ("order", order), ("fields", "time"), ("hints", "false")];
            let answer = self.ask(QueryCall::Events, &[conditions, &page].concat())?;
            Ok(answer["events"][0]["time"].clone())
        };
        let (first, last) = (edge("asc")?, edge("desc")?);
        Ok((!first.is_null()).then_some((first, last)))
    }

    /// Returns the values of a field that contain a text in any case, the most frequent first
    /// among those that begin with it, and how many values there are.
    fn values(&self, field: &str, typed: &str) -> Result<(Vec<(String, u64)>, u64)> {
        let size = OFFERS_MAX.to_string();
        let question = [("field", field), ("contains", typed), ("size", &size)];
        let answer = self.ask(QueryCall::Values, &question)?;
        let value = |value: &Json| {
            Some((value["value"].as_str()?.to_owned(), value["count"].as_u64().unwrap_or_default()))
        };
        let values = answer["values"].as_array().into_iter().flatten().filter_map(value).collect();
        Ok((values, answer["total"].as_u64().unwrap_or_default()))
    }
}

/// Returns what stands in the way of an answer and what would find something; trouble on the way
/// ends the list, since trouble with a hint is no trouble with the answer.
pub(super) fn hints(pairs: &Pairs, answering: &Answering<'_>) -> Json {
    let limits = Limits { time: Some(TIME), work: WORK, ..Limits::default() };
    let tenants = pairs.0.iter().filter(|(name, _)| name == "tenant").cloned().collect();
    let asker = Asker { answering, tenants, budget: QueryBudget::new(limits) };
    let mut hints = Vec::new();
    let _ = add_hints(&asker, pairs, &mut hints);
    hints.into()
}

fn add_hints(asker: &Asker<'_>, pairs: &Pairs, hints: &mut Vec<Json>) -> Result<()> {
    let Some((first, last)) = asker.edges(&[])? else {
        let message = "there are no events here: names of tenants are compared exactly";
        hints.push(json!({ "reason": "no_events", "message": message }));
        return Ok(());
    };
    let own = QueryCall::Events.parameters();
    let is_condition = |name: &str| !own.contains(&name) && !PERIOD.contains(&name);
    // A filter type names the field of the filter value, and neither stands alone.
    let by_type = pairs.one("filter_type")?.zip(pairs.one("filter_value")?);
    let conditions: Vec<(&str, &str)> = pairs
        .0
        .iter()
        .filter(|(name, _)| is_condition(name) && !BY_TYPE.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain(by_type)
        .collect();
    let mut is_of_period = false;
    if pairs.0.iter().any(|(name, _)| PERIOD.contains(&name.as_str())) {
        let (found, (first, last)) = match asker.edges(&conditions)? {
            Some(edges) if !conditions.is_empty() => ("events that match", edges),
            _ => ("events", (first, last)),
        };
        is_of_period = found != "events";
        let message = format!(
            "{found} are from {} to {}",
            first.as_str().unwrap_or_default(),
            last.as_str().unwrap_or_default()
        );
        hints.push(json!({ "reason": "period", "first": first, "last": last, "message": message }));
    }
    let mut each_matches = conditions.len() > 1 && !is_of_period;
    for (name, value) in conditions.iter().take(CONDITIONS_MAX) {
        if asker.count(name, value)? > 0 {
            continue;
        }
        each_matches = false;
        let mut offers = Vec::new();
        let found = match *name {
            "text" => offer_for_text(asker, value, &mut offers),
            name => match FIELDS.iter().find(|def| def.name == name) {
                Some(def) => offer_for_field(asker, def, value, &mut offers),
                None => Ok(()),
            },
        };
        let message = format!("nothing alone matches {name}={}", clip(value, 100));
        hints.push(json!({ "reason": "no_match", "parameter": name, "value": value,
            "instead": offers, "message": message }));
        found?;
    }
    if each_matches && conditions.len() <= CONDITIONS_MAX {
        let message = "every condition alone matches events, and none matches all conditions";
        hints.push(json!({ "reason": "together", "message": message }));
    }
    Ok(())
}

fn offer(parameter: &str, value: &str, count: u64) -> Json {
    json!({ "parameter": parameter, "value": value, "count": count })
}

/// Offers values of the same field that contain what was typed, and the beginning if it is one.
fn offer_for_field(
    asker: &Asker<'_>,
    def: &FieldDef,
    value: &str,
    offers: &mut Vec<Json>,
) -> Result<()> {
    if def.kind != FieldKind::Text || def.index != IndexKind::Term {
        return Ok(());
    }
    // `*` is an ordinary character here; who types it means a beginning or a part.
    let typed = value.trim_matches('*').trim();
    if !typed.is_empty() {
        offer_values(asker, def.name, typed, offers)?;
    }
    Ok(())
}

fn offer_values(asker: &Asker<'_>, field: &str, typed: &str, offers: &mut Vec<Json>) -> Result<()> {
    let (values, total) = asker.values(field, typed)?;
    let folded = fold(typed);
    let first = values.first().filter(|(value, _)| fold(value).starts_with(folded.as_ref()));
    if let Some((value, _)) = first.filter(|_| total > 1)
        && let Some(start) = value.get(..typed.len())
    {
        let parameter = format!("{field}.prefix");
        let count = asker.count(&parameter, start)?;
        offers.push(offer(&parameter, start, count));
    }
    offers.extend(values.iter().map(|(value, count)| offer(field, value, *count)));
    offers.truncate(OFFERS_MAX);
    Ok(())
}

/// Offers values of fields that contain what was typed, and the text wherever it occurs.
fn offer_for_text(asker: &Asker<'_>, value: &str, offers: &mut Vec<Json>) -> Result<()> {
    let typed = value.trim().trim_matches(['"', '*']).trim();
    if typed.is_empty() {
        return Ok(());
    }
    for field in [Field::EventName, Field::Operator, Field::ResourceType, Field::Source] {
        if offers.len() < OFFERS_MAX {
            offer_values(asker, field.name(), typed, offers)?;
        }
    }
    // This may read every record, so it comes last.
    let count = asker.count("substring", typed)?;
    if count > 0 {
        offers.push(offer("substring", typed, count));
    }
    Ok(())
}
