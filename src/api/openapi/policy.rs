//! The calls about retention and legal holds.

use super::{json_answer, operation, query, reference};
use serde_json::{Value as Json, json};

/// Adds the paths of the policy.
pub(super) fn add_paths(add: &mut impl FnMut(&str, &str, Json)) {
    let none = json!([]);
    let policy = json_answer("Policy");
    let body = |schema: &str| {
        json!({ "required": true,
        "content": { "application/json": { "schema": reference(schema) } } })
    };
    add(
        "/api/v1/retention",
        "get",
        operation("retention", "How long events are kept, and what is held", &none, None, &policy),
    );
    let change = "Set the days of a tenant or of all others, or raise the floor";
    add(
        "/api/v1/retention",
        "put",
        operation("set_retention", change, &none, Some(&body("RetentionChange")), &policy),
    );
    let dry =
        json!([query("dry_run", &json!({ "type": "boolean" }), "only say what would be deleted")]);
    add(
        "/api/v1/retention/run",
        "post",
        operation(
            "run_retention",
            "Delete what is past its time and not held",
            &dry,
            None,
            &json_answer("Expired"),
        ),
    );
    add(
        "/api/v1/holds",
        "get",
        operation("holds", "How long events are kept, and what is held", &none, None, &policy),
    );
    add_named(add, &policy, &body);
}

/// Adds the paths of one hold and of one tenant.
fn add_named(add: &mut impl FnMut(&str, &str, Json), policy: &Json, body: &dyn Fn(&str) -> Json) {
    let name = json!({
        "name": "name", "in": "path", "required": true, "schema": { "type": "string",
            "pattern": "^[A-Za-z0-9._-]{1,100}$" }, "description": "the hold",
    });
    let named = json!([name.clone()]);
    let place = "Place a legal hold: the body is a filter with the tenants and the reason";
    add(
        "/api/v1/holds/{name}",
        "put",
        operation("place_hold", place, &named, Some(&body("HoldRequest")), policy),
    );
    let lift = json!([
        name.clone(),
        query(
            "reason",
            &json!({ "type": "string", "minLength": 1, "maxLength": 2000 }),
            "why; it is recorded"
        )
    ]);
    add(
        "/api/v1/holds/{name}",
        "delete",
        operation("lift_hold", "Lift a legal hold", &lift, None, policy),
    );
    let mut tenant = name;
    tenant["description"] = "the tenant".into();
    tenant["schema"]["pattern"] = "^[A-Za-z0-9_.:@-]{1,128}$".into();
    add(
        "/api/v1/tenants/{name}",
        "patch",
        operation(
            "set_tenant",
            "Set whether a tenant takes JSON objects without a time",
            &json!([tenant]),
            Some(&body("TenantSettings")),
            &json_answer("TenantChanged"),
        ),
    );
}
