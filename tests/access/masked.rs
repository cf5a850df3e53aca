//! Asking by what is masked is refused on every route, in the same words whether there is such a
//! value or not.

use super::cells::{CALLERS, can_be_masked, canary_server, masked_caller};
use super::event_routes::{Asked, MASKED, MASKS, canary, questions};
use super::server::{Answer, Guarded};
use annals::api::route_needs;
use serde_json::json;

/// Conditions on a field; `VALUE` is what is asked for, `BEGINNING` how it begins.
const CONDITIONS: &[&str] = &[
    "FIELD=VALUE",
    "FIELD.not=VALUE",
    "FIELD.prefix=BEGINNING",
    "FIELD.exists=true",
    "filter_type=FIELD&filter_value=VALUE",
    r#"filter={"any":[{"level":"warning"},{"not":{"FIELD":"VALUE"}}]}"#,
    "text=VALUE",
    "text=\"VALUE\"",
    "text=note:VALUE",
    "substring=VALUE",
];

/// The questions by a field on a route, beside conditions: groups, facets and values.
fn groups(route: &str) -> &'static [&'static str] {
    match route.trim_start_matches("/api/v1/").trim_end_matches("/query") {
        "facets" => &["/api/v1/facets?TENANT&fields=source,FIELD"],
        "top" => &["/api/v1/top?TENANT&field=FIELD"],
        "values" => &["/api/v1/values?TENANT&field=FIELD&contains=BEGINNING"],
        "histogram" => &["/api/v1/histogram?TENANT&by=FIELD"],
        "stats" => &["/api/v1/stats?TENANT&by=FIELD"],
        _ => &[],
    }
}

/// Questions of the façades by a masked field: its parameter there, and what is asked with it.
fn of_facades(route: &str, field: &str) -> Vec<String> {
    const TRACES: &str = "/v3/PROJECT/traces?from=1600000000000&";
    const RECORDS: &str = "/v2/partners/coupon-quotas/records?";
    let traces: &[&str] = match field {
        "operator" => &["user=VALUE", "user=VALUE&trace_type=system", "user=VALUE&next=native"],
        "resource_id" => &["resource_id=VALUE"],
        "event_name" => &["trace_name=VALUE"],
        _ => &[],
    };
    let records: &[&str] = match field {
        "resource_id" => &["quota_id=VALUE"],
        "related_ids" => &["indirect_partner_id=VALUE", "parent_quota_id=VALUE"],
        "event_name" => &["operation_type=10", "quota_id=VALUE"],
        _ => &[],
    };
    let after = |start: &str, queries: &[&str]| -> Vec<String> {
        queries.iter().map(|query| format!("{start}{query}")).collect()
    };
    match route {
        "/v3/{project_id}/traces" => after(TRACES, traces),
        "/v2/partners/coupon-quotas/records" => after(RECORDS, records),
        "/v3/{project_id}/operations" if field == "event_name" => {
            after("/v3/PROJECT/operations", &[""])
        }
        "/v3/{project_id}/user-resources" if field == "operator" => {
            after("/v3/PROJECT/user-resources", &[""])
        }
        _ => Vec::new(),
    }
}

/// The questions by a field on a route.
fn by_field(method: &str, route: &str, field: &str) -> Vec<String> {
    let takes_filter = route.starts_with("/api/v1/events")
        || groups(route).len() == 1
        || route.starts_with("/api/v1/count");
    let is_one = route.contains("{trace_id}");
    let mut asked: Vec<String> = Vec::new();
    if let Some(first) = questions(method, route).first().filter(|_| takes_filter && !is_one) {
        asked.extend(CONDITIONS.iter().map(|condition| format!("{first}&{condition}")));
    }
    asked.extend(groups(route).iter().map(|group| (*group).to_owned()));
    asked.extend(of_facades(route, field));
    asked
}

/// Fills a field and a value into a question.
fn filled(question: &str, field: &str, value: &str) -> String {
    let is_group = groups_by(question);
    let (name, value) = match field {
        "related_ids" if is_group => ("related_ids.customer".to_owned(), value.to_owned()),
        "related_ids" if question.contains("api/v1") && !question.contains("contains=") => {
            (field.to_owned(), format!("customer:{value}"))
        }
        _ => (field.to_owned(), value.to_owned()),
    };
    let beginning: String = value.chars().take(value.len() - 2).collect();
    question.replace("FIELD", &name).replace("VALUE", &value).replace("BEGINNING", &beginning)
}

fn groups_by(question: &str) -> bool {
    ["fields=source,FIELD", "field=FIELD", "by=FIELD"].iter().any(|by| question.ends_with(by))
        || question.contains("field=FIELD&")
}

/// What an answer says, without what differs in every answer and without what was asked for.
fn words(answer: &Answer, value: &str) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.text().replace(value, "VALUE"))
}

/// A value as long as another, which no record has.
fn unknown(value: &str) -> String {
    match value.strip_suffix("77") {
        Some(start) => format!("{start}78"),
        None => value.replace("canary", "nobody"),
    }
}

/// Asks all questions by a field on all routes, and returns how many were refused.
fn ask_all(server: &Guarded, token: &str, who: &str, field: &str) -> usize {
    let there = canary(field, "mine");
    let not_there = unknown(&there);
    let mut refused = 0;
    for route in route_needs() {
        for question in by_field(route.0, route.1, field) {
            for tenant in [Some("mine"), Some("*"), None] {
                let ask = |value: &str| {
                    let asked = Asked::of(route, &filled(&question, field, value), tenant)?;
                    Some((asked.answer(server, token), asked))
                };
                let (Some((found, asked)), Some((missed, _))) = (ask(&there), ask(&not_there))
                else {
                    continue;
                };
                let context = || {
                    format!(
                        "{who}: {} {} {}: {}",
                        asked.method,
                        asked.path,
                        asked.body,
                        found.text()
                    )
                };
                let is_refused = [400, 403].contains(&found.status.as_u16());
                assert!(is_refused, "{} {}", found.status, context());
                assert_eq!(words(&found, &there), words(&missed, &not_there), "{}", context());
                refused += usize::from(found.status == 403);
            }
        }
    }
    refused
}

#[test]
fn asking_by_a_masked_field_is_refused_in_the_same_words_whether_there_is_such_a_value_or_not() {
    let server = canary_server();
    for caller in CALLERS.iter().filter(|(name, _)| can_be_masked(name)) {
        // How a field is masked does not matter to who may ask; one caller is asked for all.
        let masks = if caller.0 == "auditor" { MASKS } else { &MASKS[1..2] };
        for (field, how) in
            MASKED.iter().flat_map(|field| masks.iter().map(move |how| (field, how)))
        {
            let token = masked_caller(&server, *caller, Some((field, how)));
            let who = format!("{} with {field} as {how}", caller.0);
            if caller.0 != "audit_administrator" {
                let refused = ask_all(&server, &token, &who, field);
                assert!(refused > 200, "{who}: only {refused} were refused");
            }
        }
    }
}

#[test]
fn without_masks_the_same_questions_are_answered() {
    let server = canary_server();
    let token = masked_caller(&server, CALLERS[1], None);
    let mut answered = 0;
    for field in MASKED {
        let value = canary(field, "mine");
        for route in route_needs().filter(|(_, path)| !path.starts_with("/v2/")) {
            for question in by_field(route.0, route.1, field) {
                let asked = Asked::of(route, &filled(&question, field, &value), Some("mine"));
                let asked = asked.expect("a question");
                let answer = asked.answer(&server, &token);
                // Not every field has every operator, nor is each a facet.
                let is_taken = [200, 400].contains(&answer.status.as_u16());
                assert!(is_taken, "{} {}: {}", asked.path, asked.body, answer.text());
                answered += usize::from(answer.status == 200);
            }
        }
    }
    assert!(answered > 500, "only {answered} were answered");
}

#[test]
fn who_decides_about_all_events_of_a_tenant_has_no_masks() {
    let server = Guarded::new();
    let security = server.principal(&json!({ "name": "s", "roles": ["security_administrator"] }));
    for (name, settings) in CALLERS {
        let mut body: serde_json::Value = serde_json::from_str(settings).expect("settings");
        body["name"] = (*name).into();
        body["masks"] = json!({ "operator": "hide" });
        let path = "/api/v1/principals";
        let made = server.call(Some(&security), "POST", path, body.to_string());
        let status = if can_be_masked(name) { 201 } else { 400 };
        assert_eq!(made.status, status, "{name}: {}", made.text());
    }
}

#[test]
fn relationships_tell_who_has_masks_neither_parties_that_are_masked_nor_hashes_of_records() {
    let server = Guarded::new();
    let security = server.principal(&json!({ "name": "s", "roles": ["security_administrator"] }));
    let collector = server.principal(&json!({ "name": "collector", "roles": ["ingest"],
        "tenants": ["d"], "authoritative": ["d"] }));
    let standing = json!({ "authoritative": true, "partners": ["p"] }).to_string();
    let set = server.call(Some(&security), "PATCH", "/api/v1/tenants/d", standing);
    assert_eq!(set.status, 200, "{}", set.text());
    // The record has no id of its own.
    let record = json!({ "event_name": "associateCustomer", "resource_type": "relationship",
        "source": "PartnerCenter", "time": "2026-06-01T00:00:00Z", "operator": "li",
        "details": { "partner": "p", "customer": "c1",
            "associated_on": "2026-06-01T00:00:00Z" } });
    let path = "/api/v1/events?tenant=d";
    let taken = server.call(Some(&collector), "POST", path, format!("{record}\n"));
    assert_eq!(taken.status, 200, "{}", taken.text());
    let partner = |name: &str, masks: serde_json::Value| {
        let token = server.principal(&json!({ "name": name, "roles": ["reader"], "partner": "p",
            "masks": masks }));
        server.get(&token, "/api/v1/relationships")
    };
    let evidence =
        |answer: &Answer| answer.json()["relationships"][0]["evidence"][0]["trace_id"].to_string();
    let whole = partner("whole", json!({}));
    assert!(evidence(&whole).starts_with("\"sha256:"), "{}", whole.text());
    let masked = partner("masked", json!({ "operator": "hide" }));
    assert!(evidence(&masked).starts_with("\"sealed:"), "{}", masked.text());
    assert!(!masked.text().contains("sha256:"), "{}", masked.text());
    let without_ids = partner("without-ids", json!({ "related_ids": "last4" }));
    assert_eq!(without_ids.status, 403, "{}", without_ids.text());
    assert!(!without_ids.text().contains("c1"), "{}", without_ids.text());
}
