//! The calls about relationships of partners, and what tenants are to them.

use super::shapes::{flag, list, moment, object, text};
use super::{json_answer, operation, problem, query, reference};
use serde_json::{Value as Json, json};

/// What the id of a partner, customer, reseller or manager looks like.
const PARTY: &str = "^[!-~]{1,128}$";

fn party() -> Json {
    json!({ "type": "string", "pattern": PARTY })
}

fn tenants() -> Json {
    json!({ "type": "array", "uniqueItems": true, "minItems": 1, "maxItems": 100,
        "items": { "type": "string", "pattern": "^[A-Za-z0-9]{1,40}$" } })
}

fn state() -> Json {
    json!({ "type": "string", "enum": ["recorded", "waiting", "withdrawn", "unmatched"] })
}

/// Adds the paths.
pub(super) fn add_paths(add: &mut impl FnMut(&str, &str, Json)) {
    let all = "/api/v1/relationships";
    let asked = json!([
        query("partner", &party(), "those of a partner"),
        query("customer", &party(), "those about a customer"),
        query("reseller", &party(), "those about a reseller"),
        query("manager", &party(), "those of a manager"),
        query("at", &moment(), "those in force at a moment"),
        query("state", &state(), "those in a state"),
        query(
            "limit",
            &json!({ "type": "integer", "minimum": 1, "maximum": 1000,
            "default": 200 }),
            "how many"
        ),
        query("after", &text(), "where to continue: `next` of the page before"),
    ]);
    let listed = json_answer("Relationships");
    let about = "Which partner sees the events of which customer or reseller, when, and on what \
        evidence";
    add(all, "get", operation("relationships", about, &asked, None, &listed));
    let answer = json_answer("Relationship");
    let none = json!([]);
    let sent = body("NewRelationship");
    let mut create =
        operation("create_relationship", "Record a relationship", &none, Some(&sent), &answer);
    if let Some(responses) = create["responses"].as_object_mut() {
        responses.remove("200");
        responses.insert("201".to_owned(), answer.clone());
        let what = problem("the pair has a period that overlaps");
        responses.insert("409".to_owned(), what);
    }
    add(all, "post", create);
    let id = json!([{ "name": "id", "in": "path", "required": true,
        "description": "the relationship", "schema": { "type": "string",
        "pattern": "^rel-[0-9]{6,}$" } }]);
    let mut change = |path: &str, method: &str, name: &str, about: &str, sent: Option<&Json>| {
        let mut change = operation(name, about, &id, sent, &answer);
        change["responses"]["404"] = problem("there is no such relationship");
        change["responses"]["409"] = problem("there is nothing to do, or a period overlaps");
        change["responses"]["412"] = problem("it has changed meanwhile");
        add(path, method, change);
    };
    let one = "/api/v1/relationships/{id}";
    let sent = body("RelationshipChange");
    let about = "Change the period or the tenants of a relationship; null opens its end";
    change(one, "patch", "change_relationship", about, Some(&sent));
    let about = "Put in force what waits";
    let path = "/api/v1/relationships/{id}/confirm";
    change(path, "post", "confirm_relationship", about, None);
    let about = "Take back what waits or, if nothing does, the relationship";
    let path = "/api/v1/relationships/{id}/withdraw";
    change(path, "post", "withdraw_relationship", about, None);
    let tenant = json!([{ "name": "name", "in": "path", "required": true,
        "description": "the tenant", "schema": { "type": "string",
        "pattern": "^[A-Za-z0-9_.:@-]{1,128}$" } }]);
    let answer = json_answer("TenantSettingsShown");
    add(
        "/api/v1/tenants/{name}",
        "get",
        operation("tenant", "The settings of a tenant", &tenant, None, &answer),
    );
}

fn body(schema: &str) -> Json {
    json!({ "required": true,
        "content": { "application/json": { "schema": reference(schema) } } })
}

/// The shapes of their bodies and answers.
pub(super) fn schemas() -> Vec<(&'static str, Json)> {
    let parties =
        || [("customer", party()), ("reseller", party()), ("manager", party()), ("to", moment())];
    let new =
        object(&[("partner", party()), ("tenants", tenants()), ("from", moment())], &parties());
    let open = json!({ "anyOf": [moment(), { "type": "null" }] });
    let change = object(&[], &[("from", moment()), ("to", open), ("tenants", tenants())]);
    let waiting = object(&[("from", moment())], &[("to", moment())]);
    let kinds = json!({ "type": "string", "enum": ["administrator", "snapshot",
        "cooperation_trace", "coupon_recall", "coupon_mode_switch", "account_retrieval",
        "budget_deletion"] });
    let says = json!({ "type": "string", "enum": ["began", "ended", "may_have_ended",
        "switched"] });
    let effect = json!({ "type": "string", "enum": ["moved", "agrees", "waits", "contradicts",
        "alone", "unmatched"] });
    let evidence = object(
        &[
            ("kind", kinds.clone()),
            ("says", says),
            ("at", moment()),
            ("known", moment()),
            ("effect", effect),
        ],
        &[("not_after", moment()), ("tenant", text()), ("trace_id", text()), ("by", text())],
    );
    let mut optional = parties().to_vec();
    optional.push(("waiting", waiting));
    let relationship = object(
        &[
            ("id", text()),
            ("partner", text()),
            ("tenants", list(&text())),
            ("from", moment()),
            ("state", state()),
            ("evidence", list(&reference("RelationshipEvidence"))),
            ("missing", list(&kinds)),
            ("contradicts", list(&reference("RelationshipEvidence"))),
        ],
        &optional,
    );
    let next = json!({ "type": ["string", "null"] });
    let all = [("relationships", list(&reference("Relationship"))), ("next", next)];
    let undated = json!({ "type": "string", "enum": ["accept", "refuse"] });
    let settings = object(
        &[
            ("tenant", text()),
            ("undated", undated),
            ("authoritative", flag()),
            ("partners", list(&text())),
            ("customers", list(&text())),
        ],
        &[],
    );
    vec![
        ("NewRelationship", new),
        ("RelationshipChange", change),
        ("RelationshipEvidence", evidence),
        ("Relationship", relationship),
        ("Relationships", object(&all, &[])),
        ("TenantSettingsShown", settings),
    ]
}
