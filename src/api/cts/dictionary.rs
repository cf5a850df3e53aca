//! The drop-downs of CTS's console, as its v3 API returns them: which services, resource types,
//! operations and users occur.
//!
//! In CTS they are fixed lists; here they are exactly what the tenant's events contain. A domain id
//! names a tenant just as a project id does.

use super::{App, CONTENT_TYPE, CtsError};
use crate::access::{Caller, Scope, check_tenant};
use crate::calls::Pairs;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::{Field, Timestamp, clip};
use crate::query::{Filter, QueryBudget};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// How far back `user-resources` looks: 30 days.
const USERS_MS: i64 = 30 * 86_400_000;

/// A question of this file.
type DictionaryQuestion = fn(&Engine, &Scope, &Pairs, &QueryBudget) -> Result<Json>;

pub(super) fn routes() -> Router<App> {
    let questions: [(&str, DictionaryQuestion); 3] =
        [("resources", resources), ("operations", operations), ("user-resources", users)];
    let mut routes = Router::new();
    for (name, question) in questions {
        let respond = async move |State(app): State<App>,
                                  caller: Caller,
                                  project: Result<Path<String>, PathRejection>,
                                  pairs: Pairs| {
            respond(app, caller, question, (project, pairs)).await
        };
        routes = routes.route(&format!("/v3/{{project_id}}/{name}"), get(respond));
    }
    routes
}

async fn respond(
    app: App,
    caller: Caller,
    question: DictionaryQuestion,
    (project, pairs): (Result<Path<String>, PathRejection>, Pairs),
) -> Result<Response, CtsError> {
    let Path(project) = project.map_err(|_| Error::parameter("project_id", "is not UTF-8"))?;
    let place = app.limits.place(&caller, &[&project]).await?;
    let answer = app.ask(&place, move |engine, budget| {
        let tenant = check_tenant(&project).map_err(|_| {
            Error::parameter("project_id", format!("{:?} is not a project id", clip(&project, 40)))
        })?;
        question(engine, &caller.scope(&[tenant])?, &pairs, budget)
    });
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], answer.await?.to_string()).into_response())
}

/// Parses the parameters of a call, each of which may be given once; those without a value are
/// ignored.
fn given<'a>(pairs: &'a Pairs, known: &[&str]) -> Result<BTreeMap<&'a str, &'a str>> {
    if let Some((name, _)) = pairs.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        let takes = if known.is_empty() { "no parameters".to_owned() } else { known.join(", ") };
        return Err(Error::parameter(
            clip(name, 60),
            format!("unknown parameter; this call takes {takes}"),
        ));
    }
    let mut values = BTreeMap::new();
    for (name, _) in &pairs.0 {
        if let Some(value) = pairs.one(name)?.filter(|value| !value.is_empty()) {
            values.insert(name.as_str(), value);
        }
    }
    Ok(values)
}

fn system_events() -> Filter {
    Filter::default().and_equal(Field::EventType, "system")
}

fn resources(engine: &Engine, scope: &Scope, pairs: &Pairs, budget: &QueryBudget) -> Result<Json> {
    given(pairs, &[])?;
    let snapshot = engine.snapshot();
    let (found, _) = engine.reader(&snapshot, None).within(budget).combinations(
        scope,
        &system_events(),
        &[Field::Source, Field::ResourceType],
    )?;
    let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for values in found.into_keys() {
        if let [Some(service), resource] = values.as_slice() {
            services.entry(service.clone()).or_default().extend(resource.clone());
        }
    }
    let services: Vec<Json> = services
        .into_iter()
        .map(|(service, resource)| json!({ "service_type": service, "resource": resource }))
        .collect();
    Ok(json!({ "resources": services }))
}

fn operations(engine: &Engine, scope: &Scope, pairs: &Pairs, budget: &QueryBudget) -> Result<Json> {
    let given = given(pairs, &["service_type", "resource_type"])?;
    if given.contains_key("resource_type") && !given.contains_key("service_type") {
        return Err(Error::parameter("service_type", "resource_type needs a service_type"));
    }
    let mut filter = system_events();
    for (name, field) in [("service_type", Field::Source), ("resource_type", Field::ResourceType)] {
        if let Some(value) = given.get(name) {
            filter = filter.and_equal(field, *value);
        }
    }
    let snapshot = engine.snapshot();
    let fields = [Field::Source, Field::ResourceType, Field::EventName];
    let (found, _) =
        engine.reader(&snapshot, None).within(budget).combinations(scope, &filter, &fields)?;
    let mut operations: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for values in found.into_keys() {
        if let [Some(service), Some(resource), Some(name)] = values.as_slice() {
            operations.entry((service.clone(), resource.clone())).or_default().insert(name.clone());
        }
    }
    let operations: Vec<Json> = operations
        .into_iter()
        .map(|((service, resource), names)| {
            json!({ "service_type": service, "resource_type": resource, "operation_list": names })
        })
        .collect();
    Ok(json!({ "operations": operations }))
}

fn users(engine: &Engine, scope: &Scope, pairs: &Pairs, budget: &QueryBudget) -> Result<Json> {
    given(pairs, &[])?;
    let mut filter = system_events();
    filter.from =
        Some(Timestamp::from_millis(engine.clock().now().millis().saturating_sub(USERS_MS)));
    let snapshot = engine.snapshot();
    let (found, _) = engine.reader(&snapshot, None).within(budget).combinations(
        scope,
        &filter,
        &[Field::Operator],
    )?;
    let users: Vec<Json> =
        found.into_keys().flatten().flatten().map(|name| json!({ "name": name })).collect();
    Ok(json!({ "users": users }))
}
