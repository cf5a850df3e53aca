//! The calls about who may see and do what: principals, their credentials, sessions,
//! signing in.

use super::shapes::{flag, list, map, moment, object, text};
use super::{json_answer, operation, problem, query, reference};
use crate::access::{Role, maskable};
use serde_json::{Map, Value as Json, json};

/// What an identity at a provider looks like: no control characters.
const IDENTITY: &str = "^oidc:(sub|email|group):[^\\u0000-\\u001f\\u007f-\\u009f]{1,255}$";

/// What the id of a partner or manager looks like.
const PARTY: &str = "^[!-~]{1,128}$";

/// The ways of sending a credential.
pub(super) fn schemes() -> Json {
    json!({
        "bearer": { "type": "http", "scheme": "bearer" },
        "basic": { "type": "http", "scheme": "basic" },
        "auth_token": { "type": "apiKey", "in": "header", "name": "X-Auth-Token" },
        "signature": { "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "SDK-HMAC-SHA256 by an access key" },
        "session": { "type": "apiKey", "in": "cookie", "name": "annals_session" },
    })
}

/// Any of them will do; a server without principals asks for none.
pub(super) fn accepted() -> Json {
    json!([{}, { "bearer": [] }, { "basic": [] }, { "auth_token": [] }, { "signature": [] },
        { "session": [] }])
}

/// Adds the paths.
pub(super) fn add_paths(add: &mut impl FnMut(&str, &str, Json)) {
    let none = json!([]);
    let me = json_answer("Caller");
    add(
        "/api/v1/me",
        "get",
        operation("me", "Who one is, and what one may do and see", &none, None, &me),
    );
    let mut sign_in = operation(
        "sign_in",
        "Begin a session of the screen: the answer sets its cookie",
        &none,
        Some(&body("SignIn")),
        &me,
    );
    sign_in["security"] = json!([{}]);
    add("/auth/login", "post", sign_in);
    add_provider(add);
    let mut sign_out = gone(operation("sign_out", "End the session", &none, None, &me));
    sign_out["security"] = json!([{}]);
    add("/auth/logout", "post", sign_out);
    let sessions = json_answer("Sessions");
    add(
        "/api/v1/sessions",
        "get",
        operation("sessions", "The sessions that go on", &none, None, &sessions),
    );
    let id = json!([in_path("id", "^[0-9a-f]{16}$", "the session")]);
    add(
        "/api/v1/sessions/{id}",
        "delete",
        gone(operation("end_session", "End a session", &id, None, &me)),
    );
    add_principals(add);
    add_tokens(add);
    add_access_keys(add);
    super::relationships::add_paths(add);
    super::sources::add_paths(add);
}

/// Signing in at an OpenID provider.
fn add_provider(add: &mut impl FnMut(&str, &str, Json)) {
    let none = json!([]);
    let methods = json_answer("SignInMethods");
    let about = "What one may sign in with";
    let mut operation_of = |path: &str, mut operation: Json| {
        operation["security"] = json!([{}]);
        add(path, "get", operation);
    };
    operation_of("/auth/methods", operation("sign_in_methods", about, &none, None, &methods));
    let page = json!({ "description": "a page that leads on",
        "content": { "text/html": { "schema": text() } } });
    let return_to = "the page to show afterwards: a path of this server";
    let to_provider = json!([query("return_to", &text(), return_to)]);
    let about = "Sign in at the OpenID provider";
    let mut begin = operation("sign_in_at_provider", about, &to_provider, None, &page);
    begin["responses"]["303"] = json!({ "description": "the way to the provider" });
    begin["responses"]["404"] = problem("there is no provider");
    operation_of("/auth/login", begin);
    let back = json!([
        query("state", &text(), "the attempt"),
        query("code", &text(), "what the provider gave"),
    ]);
    let about = "The way back from the OpenID provider: sets the cookie of a session";
    let mut end = operation("signed_in_at_provider", about, &back, None, &page);
    end["responses"]["404"] = problem("there is no provider");
    operation_of("/auth/callback", end);
}

fn name() -> Json {
    in_path("name", "^[A-Za-z0-9._@-]{1,100}$", "the principal")
}

fn add_principals(add: &mut impl FnMut(&str, &str, Json)) {
    let (all, one) = ("/api/v1/principals", "/api/v1/principals/{name}");
    let (none, named) = (json!([]), json!([name()]));
    let answer = json_answer("Principal");
    let listed = json_answer("Principals");
    add(all, "get", operation("principals", "The principals", &none, None, &listed));
    let text = "Create a principal";
    let sent = body("NewPrincipal");
    add(
        all,
        "post",
        created(operation("create_principal", text, &none, Some(&sent), &answer), &answer),
    );
    add(one, "get", operation("principal", "A principal", &named, None, &answer));
    let text = "Change some settings of a principal; null removes one";
    let sent = body("PrincipalChange");
    let mut change = operation("change_principal", text, &named, Some(&sent), &answer);
    change["responses"]["409"] = problem("a certificate stands for another principal already");
    change["responses"]["412"] = problem("somebody else has changed it meanwhile");
    add(one, "patch", change);
    let text = "Remove a principal, with its tokens and access keys";
    add(one, "delete", gone(operation("remove_principal", text, &named, None, &answer)));
}

fn add_tokens(add: &mut impl FnMut(&str, &str, Json)) {
    let (all, one) = ("/api/v1/principals/{name}/tokens", "/api/v1/principals/{name}/tokens/{id}");
    let named = json!([name()]);
    let listed = json_answer("Tokens");
    add(all, "get", operation("tokens", "The tokens of a principal", &named, None, &listed));
    let answer = json_answer("NewToken");
    let text = "Make a token of a principal; it is shown this once";
    let mut sent = body("TokenRequest");
    sent["required"] = false.into();
    add(
        all,
        "post",
        created(operation("create_token", text, &named, Some(&sent), &answer), &answer),
    );
    let id = in_path("id", "^[0-9a-z]{12}$", "the token");
    let both = json!([name(), id]);
    let text = "Withdraw a token";
    add(one, "delete", gone(operation("remove_token", text, &both, None, &answer)));
    let text = "Make a token in the place of another, which ends after an overlap; the new one is \
        shown this once";
    let mut sent = body("TokenRotation");
    sent["required"] = false.into();
    let answer = json_answer("RotatedToken");
    let made = operation("rotate_token", text, &both, Some(&sent), &answer);
    add(&format!("{one}/rotate"), "post", created(made, &answer));
}

fn add_access_keys(add: &mut impl FnMut(&str, &str, Json)) {
    let all = "/api/v1/principals/{name}/access-keys";
    let named = json!([name()]);
    let listed = json_answer("AccessKeys");
    let text = "The access keys of a principal";
    add(all, "get", operation("access_keys", text, &named, None, &listed));
    let answer = json_answer("NewAccessKey");
    let text = "Make an access key of a principal; its secret is shown this once";
    let mut sent = body("AccessKeyRequest");
    sent["required"] = false.into();
    let make = operation("create_access_key", text, &named, Some(&sent), &answer);
    add(all, "post", created(make, &answer));
    let both = json!([name(), in_path("id", "^[0-9A-Z]{20}$", "the access key")]);
    let text = "Withdraw an access key";
    let one = "/api/v1/principals/{name}/access-keys/{id}";
    add(one, "delete", gone(operation("remove_access_key", text, &both, None, &answer)));
}

/// What lists of access keys and the call that makes one show.
fn access_key_schemas() -> [(&'static str, Json); 3] {
    let last_used = json!({ "type": ["string", "null"], "format": "date-time",
        "description": "known to the minute if the server was killed since" });
    let key = object(
        &[
            ("id", text()),
            ("principal", text()),
            ("created", moment()),
            ("created_by", text()),
            ("last_used", last_used),
        ],
        &[("note", text())],
    );
    let new = object(&[("id", text()), ("secret", text()), ("created", moment())], &[]);
    let note = json!({ "type": "string", "maxLength": 200, "pattern": "^[ -~]*$" });
    [
        ("AccessKeys", object(&[("access_keys", list(&key))], &[])),
        ("NewAccessKey", new),
        ("AccessKeyRequest", object(&[], &[("note", note)])),
    ]
}

fn in_path(name: &str, pattern: &str, description: &str) -> Json {
    json!({ "name": name, "in": "path", "required": true, "description": description,
        "schema": { "type": "string", "pattern": pattern } })
}

fn body(schema: &str) -> Json {
    json!({ "required": true,
        "content": { "application/json": { "schema": reference(schema) } } })
}

/// An operation that answers 201, or 409 for a name that is taken.
fn created(mut operation: Json, answer: &Json) -> Json {
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.remove("200");
        responses.insert("201".to_owned(), answer.clone());
        responses.insert("409".to_owned(), problem("the name is taken"));
    }
    operation
}

/// An operation that answers 204.
fn gone(mut operation: Json) -> Json {
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.remove("200");
        responses.insert("204".to_owned(), json!({ "description": "it is done" }));
    }
    operation
}

/// The shapes of their bodies and answers.
pub(super) fn schemas() -> Vec<(&'static str, Json)> {
    let session = object(
        &[
            ("id", text()),
            ("principal", text()),
            (
                "token",
                json!({ "type": ["string", "null"],
                "description": "the id of the token that it began with, if it did with one" }),
            ),
            ("created", moment()),
            ("last_used", moment()),
            ("address", json!({ "type": ["string", "null"] })),
        ],
        &[],
    );
    let last_used = json!({ "type": ["string", "null"], "format": "date-time",
        "description": "known to the minute if the server was killed since" });
    let token = object(
        &[
            ("id", text()),
            ("principal", text()),
            ("created", moment()),
            ("created_by", text()),
            ("last_used", last_used),
        ],
        &[("expires", moment()), ("note", text())],
    );
    let new_token = object(
        &[
            ("id", text()),
            ("token", text()),
            ("expires", json!({ "type": ["string", "null"], "format": "date-time" })),
        ],
        &[],
    );
    let expires_in = json!({ "type": "string", "pattern": "^([1-9][0-9]{0,3}[smhdwy]|never)$",
        "default": "90d" });
    let note = json!({ "type": "string", "maxLength": 200, "pattern": "^[ -~]*$" });
    let request = object(&[], &[("expires_in", expires_in), ("note", note)]);
    let mut schemas = vec![
        ("Caller", caller()),
        ("Principal", object(&settings(true), &settings(false))),
        ("NewPrincipal", object(&settings(true), &settings(false))),
        ("PrincipalChange", change()),
        ("Principals", object(&[("principals", list(&reference("Principal")))], &[])),
        ("Tokens", object(&[("tokens", list(&token))], &[])),
        ("NewToken", new_token),
        ("TokenRequest", request),
        ("RotatedToken", rotated_token()),
        ("TokenRotation", token_rotation()),
        ("Sessions", object(&[("sessions", list(&session))], &[])),
        ("SignInMethods", methods()),
        ("SignIn", object(&[("token", json!({ "type": "string", "maxLength": 1024 }))], &[])),
    ];
    schemas.extend(access_key_schemas());
    schemas.extend(super::relationships::schemas());
    schemas.extend(super::sources::schemas());
    schemas
}

fn rotated_token() -> Json {
    object(
        &[
            ("id", text()),
            ("token", text()),
            ("expires", json!({ "type": ["string", "null"], "format": "date-time" })),
            ("in_place_of", text()),
            ("overlap_until", moment()),
        ],
        &[],
    )
}

fn token_rotation() -> Json {
    let expires_in = json!({ "type": "string", "pattern": "^([1-9][0-9]{0,3}[smhdwy]|never)$",
        "description": "as long as the other was made for, if it is not said" });
    let overlap = json!({ "type": "string", "default": "24h",
        "pattern": "^([1-9][0-9]{0,3}[smhdwy]|0s)$",
        "description": "how long the other is accepted, at most until its own end" });
    object(&[], &[("expires_in", expires_in), ("overlap", overlap)])
}

fn methods() -> Json {
    let provider = object(&[("name", text())], &[]);
    let provider = json!({ "anyOf": [provider, { "type": "null" }] });
    object(&[("token", flag()), ("oidc", provider)], &[])
}

/// The settings of a principal: those that it must have, or the others.
fn settings(required: bool) -> Vec<(&'static str, Json)> {
    let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let roles = json!({ "type": "array", "minItems": 1, "uniqueItems": true,
        "items": { "type": "string", "enum": roles } });
    if required {
        let name = json!({ "type": "string", "pattern": "^[A-Za-z0-9._@-]{1,100}$" });
        let tenants = json!({ "type": "array", "uniqueItems": true, "maxItems": 200,
            "items": { "type": "string", "pattern": "^[A-Za-z0-9]{1,40}$|^[*]$" } });
        return vec![("name", name), ("roles", roles), ("tenants", tenants)];
    }
    let mask = json!({ "type": "string", "enum": ["hide", "hash", "last4"] });
    let masks: Map<String, Json> =
        maskable().map(|field| (field.to_owned(), mask.clone())).collect();
    vec![
        (
            "rows",
            json!({ "type": "object", "description": "a filter: only events that match are seen" }),
        ),
        ("masks", json!({ "type": "object", "properties": masks, "additionalProperties": false })),
        ("from", moment()),
        ("to", moment()),
        ("disabled", flag()),
        ("limits", limits()),
        (
            "certificates",
            json!({ "type": "array", "uniqueItems": true, "maxItems": 20,
                "items": { "type": "string", "pattern": "^[!-~]{1,255}$" } }),
        ),
        (
            "identities",
            json!({ "type": "array", "uniqueItems": true, "maxItems": 100,
                "description": "whom it stands for at the OpenID provider",
                "items": { "type": "string", "pattern": IDENTITY } }),
        ),
        (
            "partner",
            json!({ "type": "string", "pattern": PARTY,
            "description": "it sees what the relationships of this partner show" }),
        ),
        (
            "manager",
            json!({ "type": "string", "pattern": PARTY,
            "description": "of the partner: it sees the customers of this manager alone" }),
        ),
        ("distributor", flag()),
        (
            "authoritative",
            json!({ "type": "array", "uniqueItems": true, "maxItems": 200,
            "description": "tenants that are evidence of relationships, which it may deliver to",
            "items": { "type": "string", "pattern": "^[A-Za-z0-9]{1,40}$" } }),
        ),
    ]
}

/// What a principal may use, where that is not what the server grants every principal.
fn limits() -> Json {
    let at_least = |least: u32| json!({ "type": "integer", "minimum": least, "maximum": u32::MAX });
    object(
        &[],
        &[
            ("requests", at_least(1)),
            ("questions", at_least(1)),
            ("bytes_in", at_least(64 << 10)),
            ("rows_out", at_least(1_000)),
        ],
    )
}

/// Changes of a principal: any setting but the name, or null.
fn change() -> Json {
    let optional: Vec<(&str, Json)> = settings(true)
        .into_iter()
        .chain(settings(false))
        .filter(|(name, _)| *name != "name")
        .map(|(name, schema)| (name, json!({ "anyOf": [schema, { "type": "null" }] })))
        .collect();
    object(&[], &optional)
}

fn caller() -> Json {
    let mut required = settings(true);
    required.push(("credentials", flag()));
    // A member of a principal has a name of its own.
    required.iter_mut().filter(|(name, _)| *name == "name").for_each(|(_, schema)| {
        *schema = text();
    });
    let mut optional = settings(false);
    let whose = json!({ "type": "string",
        "description": "the principal, if it stands for several people and this is one of them" });
    optional.push(("principal", whose));
    // What is set was checked when it was set; what is shown need not be restricted again.
    optional.iter_mut().filter(|(name, _)| *name == "masks").for_each(|(_, schema)| {
        *schema = map(&text());
    });
    object(&required, &optional)
}
