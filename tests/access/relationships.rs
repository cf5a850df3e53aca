//! Relationships: partners see the events of customers for the time that they were related, whatever
//! producers say.

use super::server::{Answer, Guarded};
use super::signatures::{key_of, sealed_server};
use crate::support::python;
use crate::support::store::{NOW, TestStore};
use annals::access::{CallLimits, SealKey};
use annals::api::{RouterOptions, ServerLimits};
use annals::engine::{AtFailpoint, Failpoint, Settings};
use annals::error::Error;
use annals::event::Timestamp;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt;

pub(super) const DAY: i64 = 86_400_000;

/// A day of the year before now.
pub(super) fn day(day: i64) -> String {
    Timestamp::from_millis(NOW - 300 * DAY + day * DAY).to_string()
}

/// A store of a distributor's tenant `d`, with an event of each of two customers on every day from
/// 0 to 99.
pub(super) struct Stage {
    pub(super) server: Guarded,
    admin: String,
    pub(super) auditor: String,
    /// Delivers the evidence.
    pub(super) collector: String,
}

impl Stage {
    fn new() -> Self {
        Self::over(Guarded::recording(TestStore::new(), true))
    }

    pub(super) fn over(server: Guarded) -> Self {
        let admin =
            server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }));
        let auditor =
            server.principal(&json!({ "name": "trail", "roles": ["audit_administrator"] }));
        let collector = server.principal(&json!({ "name": "collector", "roles": ["ingest"],
            "tenants": ["d"], "authoritative": ["d"] }));
        let stage = Self { server, admin, auditor, collector };
        let standing = json!({ "authoritative": true, "partners": ["p"] });
        let set = stage.ask_admin("PATCH", "/api/v1/tenants/d", &standing);
        assert_eq!(set["authoritative"], true, "{set}");
        let records: Vec<Json> = (0..100)
            .flat_map(|number| ["c1", "c2"].map(|customer| (number, customer)))
            .map(|(number, customer)| {
                json!({ "trace_id": format!("{customer}-{number}"), "event_name": "issueCoupon",
                    "source": "PartnerCenter", "resource_type": "coupon", "time": day(number),
                    "related_ids": [format!("customer:{customer}")] })
            })
            .collect();
        stage.deliver(&stage.collector, &records);
        stage
    }

    pub(super) fn ask_admin(&self, method: &str, path: &str, body: &Json) -> Json {
        let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
        let answer = self.server.call(Some(&self.admin), method, path, body);
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
        answer.json()
    }

    pub(super) fn relate(&self, body: &Json) -> String {
        let made = self.ask_admin("POST", "/api/v1/relationships", body);
        made["id"].as_str().expect("an id").to_owned()
    }

    pub(super) fn deliver(&self, token: &str, records: &[Json]) -> Answer {
        let answer = self.try_deliver(token, records);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    fn try_deliver(&self, token: &str, records: &[Json]) -> Answer {
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        self.server.call(Some(token), "POST", "/api/v1/events?tenant=d", lines)
    }

    /// The days of the events that a principal sees of a customer.
    pub(super) fn days(&self, token: &str, customer: &str) -> Vec<i64> {
        let path = format!(
            "/api/v1/events?tenant=*&limit=1000&order=asc&event_name=issueCoupon&\
            related_ids=customer:{customer}"
        );
        let listed = self.server.json(token, &path);
        let days: Vec<i64> = listed["events"]
            .as_array()
            .expect("events")
            .iter()
            .map(|event| {
                let id = event["trace_id"].as_str().expect("an id");
                id.split_once('-').and_then(|(_, day)| day.parse().ok()).expect("a day")
            })
            .collect();
        let counted = path.replace("/events", "/count").replace("limit=1000&order=asc&", "");
        assert_eq!(self.server.json(token, &counted)["count"], days.len());
        days
    }

    pub(super) fn relationships(&self) -> Vec<Json> {
        let all = self.ask_admin("GET", "/api/v1/relationships", &Json::Null);
        all["relationships"].as_array().expect("relationships").clone()
    }

    pub(super) fn partner(&self, name: &str, settings: &Json) -> String {
        let mut principal = json!({ "name": name, "roles": ["reader"] });
        for (setting, value) in settings.as_object().expect("settings") {
            principal[setting] = value.clone();
        }
        self.server.principal(&principal)
    }
}

fn derived(name: &str, id: &str, at: i64, details: &Json) -> Json {
    json!({ "trace_id": id, "event_name": name, "resource_type": "relationship",
        "source": "PartnerCenter", "time": day(at), "details": details })
}

pub(super) fn bind(id: &str, associated_on: i64) -> Json {
    let details = json!({ "partner": "p", "customer": "c1", "associated_on": day(associated_on) });
    derived("associateCustomer", id, associated_on, &details)
}

pub(super) fn unbind(id: &str, at: i64) -> Json {
    json!({ "id": id, "operation_type": "3", "quota_id": "q", "coupon_id": "k",
        "customer_id": "c1", "operation_amount": "1.00",
        "operation_time": format!("{}Z", &day(at)[..19]), "result": "0" })
}

pub(super) fn range(from: i64, to: i64) -> Vec<i64> {
    (from..to).collect()
}

#[test]
fn a_manager_who_was_removed_still_sees_the_time_of_its_management_and_nothing_later() {
    let stage = Stage::new();
    stage.relate(&json!({ "partner": "p", "customer": "c1", "tenants": ["d"], "from": day(10) }));
    let assigned = stage.relate(&json!({ "partner": "p", "customer": "c1", "manager": "li",
        "tenants": ["d"], "from": day(0) }));
    let partner = stage.partner("anna", &json!({ "partner": "p" }));
    let manager = stage.partner("li", &json!({ "partner": "p", "manager": "li" }));
    assert_eq!(stage.days(&partner, "c1"), range(10, 100));
    assert_eq!(stage.days(&manager, "c1"), range(10, 100), "not before the partner's own time");
    stage.ask_admin(
        "PATCH",
        &format!("/api/v1/relationships/{assigned}"),
        &json!({ "to": day(40) }),
    );
    assert_eq!(stage.days(&manager, "c1"), range(10, 40));
    assert_eq!(stage.days(&partner, "c1"), range(10, 100));
    assert!(stage.days(&manager, "c2").is_empty() && stage.days(&partner, "c2").is_empty());
    // By its id as little as by a list; and it cannot tell that there are others.
    let get = |id: &str| stage.server.get(&manager, &format!("/api/v1/events/{id}?tenant=d"));
    assert_eq!((get("c1-39").status.as_u16(), get("c1-40").status.as_u16()), (200, 404));
    let facets = stage.server.json(&manager, "/api/v1/top?tenant=d&field=related_ids.customer");
    assert_eq!(facets["values"], json!([{ "value": "c1", "count": 30 }]));
    // Each sees its own relationships; a manager those of its assignment.
    let own = |token: &str| {
        let listed = stage.server.json(token, "/api/v1/relationships");
        listed["relationships"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((own(&partner), own(&manager)), (2, 1));
}

#[test]
fn evidence_of_an_authoritative_tenant_moves_a_period_and_what_widens_waits() {
    let stage = Stage::new();
    let partner = stage.partner("anna", &json!({ "partner": "p" }));
    let days = || stage.days(&partner, "c1");
    // The first period counts from its own beginning.
    stage.deliver(&stage.collector, &[bind("b1", 20)]);
    assert_eq!(days(), range(20, 100));
    stage.deliver(&stage.collector, &[unbind("u1", 50)]);
    assert_eq!(days(), range(20, 50), "an end counts at once");
    // The same again, and an earlier beginning, change nothing.
    stage.deliver(&stage.collector, &[bind("b1", 20), unbind("u1", 50), bind("b2", 5)]);
    assert_eq!(days(), range(20, 50));
    let waiting = stage.relationships();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["waiting"]["from"], day(5), "{waiting:?}");
    assert_eq!(
        waiting[0]["missing"],
        json!(["cooperation_trace", "account_retrieval", "budget_deletion"])
    );
    // An administrator takes it back; later another says that it holds.
    let path = |call: &str| format!("/api/v1/relationships/rel-000001/{call}");
    stage.ask_admin("POST", &path("withdraw"), &Json::Null);
    assert_eq!(days(), range(20, 50));
    stage.deliver(&stage.collector, &[bind("b3", 5)]);
    stage.ask_admin("POST", &path("confirm"), &Json::Null);
    assert_eq!(days(), range(5, 50), "an earlier beginning says nothing of the end");
    stage.deliver(&stage.collector, &[bind("b5", 5)]);
    assert_eq!(days(), range(5, 50));
    stage.ask_admin("POST", &path("confirm"), &Json::Null);
    assert_eq!(days(), range(5, 100), "it is said to last since then: the end is taken back");
    // More evidence of the end that was taken back changes nothing.
    stage.deliver(&stage.collector, &[unbind("u1-again", 50)]);
    assert_eq!(days(), range(5, 100));
    let again = stage.server.call(Some(&stage.admin), "POST", &path("confirm"), Body::empty());
    assert_eq!(again.status, 409, "{}", again.text());
    // A second period.
    stage.deliver(&stage.collector, &[unbind("u2", 60)]);
    stage.deliver(&stage.collector, &[bind("b4", 80)]);
    assert_eq!(days(), [range(5, 60), range(80, 100)].concat());
    // The customer's own tenant, whatever its events name.
    stage.ask_admin("PATCH", "/api/v1/tenants/own", &json!({ "customers": ["c1"] }));
    stage.server.store.ingest(
        "own",
        &[70, 90].map(|number| {
            json!({ "trace_id": format!("own-{number}"), "event_name": "n", "source": "ECS",
                "time": day(number) })
            .to_string()
        }),
    );
    let seen = stage.server.json(&partner, "/api/v1/events?tenant=own");
    assert_eq!(seen["events"].as_array().map(Vec::len), Some(1), "{seen}");
    assert_eq!(seen["events"][0]["trace_id"], "own-90");
    // All of it is in the trail.
    for (name, least) in [
        ("changeRelationships", 5),
        ("withdrawRelationship", 1),
        ("confirmRelationship", 1),
        ("setTenant", 2),
    ] {
        let path = format!("/api/v1/count?tenant=_annals&event_name={name}");
        let count = stage.server.json(&stage.auditor, &path)["count"].as_u64();
        assert!(count >= Some(least), "{name}: {count:?}");
    }
}

#[test]
fn an_end_that_comes_before_its_beginning_counts() {
    let stage = Stage::new();
    let partner = stage.partner("anna", &json!({ "partner": "p" }));
    // As the vendor lists them: newest first, in one delivery and in several.
    stage.deliver(&stage.collector, &[unbind("u2", 60), bind("b2", 40), unbind("u1", 20)]);
    assert_eq!(stage.days(&partner, "c1"), range(40, 60));
    stage.deliver(&stage.collector, &[unbind("u3", 90)]);
    stage.deliver(&stage.collector, &[bind("b3", 70)]);
    assert_eq!(stage.days(&partner, "c1"), [range(40, 60), range(70, 90)].concat());
    let states: Vec<Json> =
        stage.relationships().iter().map(|known| known["state"].clone()).collect();
    assert_eq!(states, ["unmatched", "recorded", "recorded"]);
}

/// The forms in which a producer can say that customer c1 is bound to p: each with its path, its
/// content type and its body.
pub(super) fn forgeries(at: i64) -> Vec<(String, &'static str, String)> {
    let native = bind(&format!("forged-{at}"), at).to_string();
    let of_partner = unbind(&format!("forged-{at}"), at).to_string();
    let trace = json!({ "trace_id": format!("forged-cts-{at}"), "trace_type": "ApiCall",
        "trace_name": "associateCustomer", "service_type": "PartnerCenter",
        "resource_type": "relationship", "resource_id": "c1", "time": day(at), "project_id": "d",
        "request": { "partner": "p", "customer_id": "c1", "associated_on": day(at) } });
    let attribute =
        |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let otlp = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{
        "timeUnixNano": "1760000000000000000", "eventName": "associateCustomer",
        "body": { "stringValue": native.clone() },
        "attributes": [attribute("resource_type", "relationship")] }] }] }] });
    let cloud = json!({ "specversion": "1.0", "id": format!("forged-ce-{at}"), "source": "x",
        "type": "associateCustomer", "data": bind("x", at) });
    let bulk = format!("{{\"create\":{{\"_index\":\"d\"}}}}\n{native}\n");
    let json_type = "application/json";
    vec![
        ("/api/v1/events?tenant=d".into(), json_type, native.clone()),
        ("/api/v1/events?tenant=d&format=native".into(), json_type, native.clone()),
        ("/api/v1/events?tenant=d".into(), json_type, of_partner),
        ("/api/v1/events?tenant=d".into(), json_type, trace.to_string()),
        (
            "/api/v1/events?tenant_from=of".into(),
            json_type,
            native.replacen('{', "{\"of\":\"d\",", 1),
        ),
        ("/es/d/_bulk".into(), json_type, bulk.clone()),
        ("/_bulk?tenant=d".into(), json_type, bulk),
        ("/otlp/d/v1/logs".into(), json_type, otlp.to_string()),
        ("/cloudevents/d".into(), "application/cloudevents+json", cloud.to_string()),
        ("/k8s/audit/d".into(), json_type, native),
    ]
}

#[test]
fn no_producer_moves_a_period_by_what_it_delivers() {
    let stage = Stage::new();
    // A period of another partner, and one of p that has ended.
    stage.relate(&json!({ "partner": "q", "customer": "c1", "tenants": ["d"], "from": day(50) }));
    stage.relate(&json!({ "partner": "p", "customer": "c2", "tenants": ["d"], "from": day(10),
        "to": day(20) }));
    let partner = stage.partner("anna", &json!({ "partner": "p" }));
    let producers = [
        json!({ "name": "i1", "roles": ["ingest"], "tenants": ["d"] }),
        json!({ "name": "i2", "roles": ["ingest"], "tenants": ["d", "mine"], "partner": "p" }),
        json!({ "name": "i3", "roles": ["ingest"], "tenants": ["*"] }),
        json!({ "name": "i4", "roles": ["ingest", "tenant_administrator"], "tenants": ["d"] }),
        json!({ "name": "i5", "roles": ["ingest"], "tenants": ["other"] }),
    ]
    .map(|principal| stage.server.principal(&principal));
    let before = (stage.relationships(), stage.days(&partner, "c1"), stage.days(&partner, "c2"));
    let events = |tenant: &str| {
        let path = format!("/api/v1/count?tenant={tenant}");
        stage.server.store.get(&path)["count"].clone()
    };
    let stored = events("d");
    let mut refused = 0;
    for token in &producers {
        for at in [5, 15, 30, 60, 95] {
            for (path, content_type, body) in forgeries(at) {
                let request = Request::builder()
                    .method("POST")
                    .uri(&path)
                    .header("host", "localhost")
                    .header("content-type", content_type)
                    .header("authorization", format!("Bearer {token}"))
                    .body(Body::from(body))
                    .expect("a request");
                let answer = stage.server.send(request);
                refused += usize::from(answer.status == 403);
                assert!(!answer.status.is_server_error(), "{path}: {}", answer.text());
            }
        }
    }
    assert!(refused > 200, "{refused}");
    let after = (stage.relationships(), stage.days(&partner, "c1"), stage.days(&partner, "c2"));
    assert_eq!(before, after);
    assert_eq!(stored, events("d"), "nothing came into the authoritative tenant");
    let path = "/api/v1/count?tenant=_annals&event_name=refuseCall";
    assert!(stage.server.json(&stage.auditor, path)["count"].as_u64() >= Some(10));

    // A part of a delivery is kept aside, and the rest is taken.
    let parts = || {
        let path = "/api/v1/count?tenant=_annals&event_name=refuseRecords";
        stage.server.json(&stage.auditor, path)["count"].as_u64().expect("a count")
    };
    let parts_before = parts();
    let mixed = [
        json!({ "of": "other", "trace_id": "fine", "event_name": "n", "source": "s",
            "time": day(1) }),
        json!({ "of": "d", "trace_id": "forged", "event_name": "associateCustomer",
            "resource_type": "relationship", "source": "s", "time": day(1),
            "details": bind("x", 1)["details"] }),
    ];
    let lines: String = mixed.iter().map(|record| format!("{record}\n")).collect();
    let path = "/api/v1/events?tenant_from=of&format=native";
    let answer = stage.server.call(Some(&producers[2]), "POST", path, lines);
    assert_eq!(answer.json()["accepted"], 1, "{}", answer.text());
    assert_eq!(answer.json()["quarantined"].as_array().map(Vec::len), Some(1));
    assert_eq!(parts(), parts_before + 1);
    // Decoded again, even into the tenant itself, it is an event and no evidence.
    let decoded =
        stage.server.store.post("/api/v1/quarantine/decode?tenant=*&unknown_tenant=d", "");
    // With those that a producer of another tenant sent for this one.
    assert_eq!((&decoded["accepted"], &decoded["removed"]), (&json!(6), &json!(6)), "{decoded}");
    assert_eq!(before.0, stage.relationships());
    assert_eq!(before.1, stage.days(&partner, "c1"));
}

#[test]
fn what_is_refused_of_a_delivery_is_recorded_once_it_is_stored() {
    let none = CallLimits::default();
    let limits = ServerLimits { principal: none, tenant: CallLimits { requests: Some(1), ..none } };
    let options = RouterOptions { credentials: true, trail: true, limits, ..Default::default() };
    let stage = Stage::over(Guarded::with_options(TestStore::new(), &options));
    let producer = json!({ "name": "i", "roles": ["ingest"], "tenants": ["*"] });
    let producer = stage.server.principal(&producer);
    let deliver = |number: usize| {
        let record = |of: &str| {
            json!({ "of": of, "trace_id": format!("{of}-{number}"), "event_name": "n",
                "source": "s", "time": day(1) })
        };
        let lines = format!("{}\n{}\n", record("other"), record("d"));
        let path = "/api/v1/events?tenant_from=of&format=native";
        stage.server.call(Some(&producer), "POST", path, lines).status.as_u16()
    };
    let statuses: Vec<u16> = (0..20).map(deliver).collect();
    assert!(statuses.contains(&503), "{statuses:?}");
    let stored = statuses.iter().filter(|status| **status == 200).count();
    let path = "/api/v1/count?tenant=_annals&event_name=refuseRecords";
    assert_eq!(stage.server.json(&stage.auditor, path)["count"], stored);
}

#[test]
fn evidence_that_could_not_be_weighed_is_when_it_is_sent_again() {
    let mut server = Guarded::recording(TestStore::new(), true);
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let at_failpoint = AtFailpoint::new(move |point| {
        match point == Failpoint::AdminWritten && failing.load(Ordering::Relaxed) {
            true => Err(Error::internal("the disk fails")),
            false => Ok(()),
        }
    });
    server.reopen(Settings { compact: false, at_failpoint, ..Settings::default() });
    let stage = Stage::over(server);
    let partner = stage.partner("anna", &json!({ "partner": "p" }));
    stage.deliver(&stage.collector, &[bind("b1", 20)]);
    fails.store(true, Ordering::Relaxed);
    let failed = stage.try_deliver(&stage.collector, &[unbind("u1", 50)]);
    assert!(failed.status.is_server_error(), "{}", failed.text());
    fails.store(false, Ordering::Relaxed);
    stage.deliver(&stage.collector, &[unbind("u1", 50)]);
    assert_eq!(stage.days(&partner, "c1"), range(20, 50));
}

#[test]
fn a_record_that_is_refused_as_a_conflict_says_nothing() {
    let stage = Stage::new();
    let partner = stage.partner("anna", &json!({ "partner": "p" }));
    // Somebody was there first, with the id of what comes, when the tenant was not authoritative.
    let forged = bind("b2", 1);
    stage.server.store.ingest("d", &[forged.to_string()]);
    stage.deliver(&stage.collector, &[bind("b1", 20)]);
    let details = |name: &str, at: i64| {
        let mut details = json!({ "partner": "p", "customer": "c1" });
        details[name] = day(at).into();
        details
    };
    let ended = derived("disassociateCustomer", "b1", 20, &details("not_before", 60));
    let began = derived("associateCustomer", "b2", 1, &details("associated_on", 70));
    let answer = stage.deliver(&stage.collector, &[ended, began]).json();
    assert_eq!(
        (&answer["accepted"], &answer["quarantined_total"]),
        (&json!(0), &json!(2)),
        "{answer}"
    );
    assert_eq!(stage.days(&partner, "c1"), range(20, 100));
}

#[test]
fn an_end_that_was_stated_before_counts_when_an_administrator_puts_the_period_in_force() {
    let stage = Stage::new();
    let partner = stage.partner("anna", &json!({ "partner": "p" }));
    stage.deliver(&stage.collector, &[unbind("u1", 50)]);
    let open = json!({ "partner": "p", "customer": "c1", "tenants": ["d"], "from": day(20) });
    let id = stage.relate(&open);
    assert_eq!(stage.days(&partner, "c1"), range(20, 50));
    // Withdrawn, stated again, ended, and only then confirmed.
    stage.ask_admin("POST", &format!("/api/v1/relationships/{id}/withdraw"), &Json::Null);
    stage.deliver(&stage.collector, &[bind("b2", 60)]);
    stage.deliver(&stage.collector, &[unbind("u2", 70)]);
    assert!(stage.days(&partner, "c1").is_empty());
    let waiting = stage.relationships().into_iter().find(|known| known["state"] == "waiting");
    let waiting = waiting.expect("one that waits");
    let path = format!("/api/v1/relationships/{}/confirm", waiting["id"].as_str().expect("an id"));
    stage.ask_admin("POST", &path, &Json::Null);
    assert_eq!(stage.days(&partner, "c1"), range(60, 70));
}

#[test]
fn what_waits_does_not_undo_what_an_administrator_sets_meanwhile() {
    let stage = Stage::new();
    let partner = stage.partner("anna", &json!({ "partner": "p" }));
    stage.deliver(&stage.collector, &[bind("b1", 20)]);
    stage.deliver(&stage.collector, &[bind("b2", 10)]);
    let known = &stage.relationships()[0];
    assert_eq!(known["waiting"]["from"], day(10));
    let path = format!("/api/v1/relationships/{}", known["id"].as_str().expect("an id"));
    stage.ask_admin("PATCH", &path, &json!({ "to": day(50) }));
    let confirm = format!("{path}/confirm");
    let answer = stage.server.call(Some(&stage.admin), "POST", &confirm, Body::empty());
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert_eq!(stage.days(&partner, "c1"), range(20, 50));
}

#[test]
fn a_distributor_speaks_of_customers_of_its_resellers_where_its_own_events_are_seen() {
    let stage = Stage::new();
    let other = stage.partner("of-r", &json!({ "partner": "r" }));
    // A period of r, recorded for another tenant than d.
    stage.relate(&json!({ "partner": "r", "customer": "c1", "tenants": ["e"], "from": day(0) }));
    let of_r = |name: &str, id: &str, member: &str, at: i64| {
        let mut details = json!({ "partner": "r", "customer": "c1" });
        details[member] = day(at).into();
        derived(name, id, at, &details)
    };
    let before = stage.relationships();
    stage.deliver(&stage.collector, &[of_r("disassociateCustomer", "x1", "not_before", 5)]);
    assert_eq!(stage.relationships(), before, "r is nobody to the tenant");
    // An end that nobody knows a beginning of makes nobody a reseller.
    let reseller = |name: &str, id: &str, member: &str, at: i64| {
        let mut details = json!({ "partner": "p", "reseller": "r" });
        details[member] = day(at).into();
        derived(name, id, at, &details)
    };
    stage.deliver(&stage.collector, &[reseller("disassociateReseller", "x2", "not_before", 5)]);
    stage.deliver(&stage.collector, &[of_r("disassociateCustomer", "x3", "not_before", 6)]);
    assert_eq!(stage.relationships()[0], before[0]);
    stage.deliver(&stage.collector, &[reseller("associateReseller", "x4", "associated_on", 10)]);
    stage.deliver(&stage.collector, &[of_r("disassociateCustomer", "x5", "not_before", 20)]);
    assert_eq!(stage.relationships()[0], before[0], "the period is of another tenant");
    stage.deliver(&stage.collector, &[of_r("associateCustomer", "x6", "associated_on", 30)]);
    let made = stage.relationships().into_iter().find(|known| known["from"] == day(30));
    assert_eq!(made.expect("a period")["tenants"], json!(["d"]));
    assert_eq!(stage.days(&other, "c1"), range(30, 100));
    // Once r is no reseller any more, an end of what the tenant began counts, and no beginning.
    stage.deliver(&stage.collector, &[reseller("disassociateReseller", "x7", "not_before", 40)]);
    stage.deliver(&stage.collector, &[of_r("disassociateCustomer", "x8", "not_before", 50)]);
    assert_eq!(stage.days(&other, "c1"), range(30, 50));
    stage.deliver(&stage.collector, &[of_r("associateCustomer", "x9", "associated_on", 60)]);
    assert_eq!(stage.days(&other, "c1"), range(30, 50));
}

#[test]
fn a_partner_is_told_of_relationships_of_its_own_time() {
    let stage = Stage::new();
    for (customer, from, to) in [("c1", 10, Some(20)), ("c2", 30, Some(80)), ("c3", 60, None)] {
        let mut body = json!({ "partner": "p", "customer": customer, "tenants": ["d"],
            "from": day(from) });
        if let Some(to) = to {
            body["to"] = day(to).into();
        }
        stage.relate(&body);
    }
    let known = |name: &str, settings: Json| {
        let token = stage.partner(name, &settings);
        let answer = stage.server.json(&token, "/api/v1/relationships");
        let all = answer["relationships"].as_array().expect("a list").clone();
        all.iter().map(|one| (one["customer"].clone(), one["to"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(known("all", json!({ "partner": "p" })).len(), 3);
    let part = known("part", json!({ "partner": "p", "from": day(25), "to": day(50) }));
    assert_eq!(part, [(json!("c2"), Json::Null)], "its end is of a later time");
    assert!(known("rows", json!({ "partner": "p", "rows": { "source": "BSS" } })).is_empty());
}

#[test]
fn thousands_of_periods_are_looked_up_and_scanned() {
    let stage = Stage::new();
    let partner = stage.partner("anna", &json!({ "partner": "p" }));
    let began: Vec<Json> = (0..3_000)
        .map(|number| {
            let from = Timestamp::from_millis(NOW - 300 * DAY + DAY + i64::from(number));
            let details = json!({ "partner": "p", "customer": format!("m{number}"),
                "associated_on": from.to_string() });
            derived("associateCustomer", &format!("m-{number}"), 1, &details)
        })
        .chain([bind("b1", 20)])
        .collect();
    for part in began.chunks(500) {
        stage.deliver(&stage.collector, part);
    }
    stage.server.store.engine().seal().expect("a segment");
    for path in ["&path=lookup", "&path=scan", ""] {
        let asked = format!("/api/v1/count?tenant=*&event_name=issueCoupon{path}");
        assert_eq!(stage.server.json(&partner, &asked)["count"], 80, "{path}");
    }
}

#[test]
fn deliveries_that_come_together_are_all_weighed() {
    let stage = Stage::new();
    let customers: Vec<String> = (0..40).map(|number| format!("x{number}")).collect();
    std::thread::scope(|threads| {
        for customer in &customers {
            let stage = &stage;
            threads.spawn(move || {
                let details =
                    json!({ "partner": "p", "customer": customer, "associated_on": day(1) });
                let began = derived("associateCustomer", &format!("b-{customer}"), 1, &details);
                stage.deliver(&stage.collector, &[began]);
                let known = stage.relationships();
                let is_there = |known: &Json| known["customer"] == customer.as_str();
                assert!(known.iter().any(is_there), "{customer}: answered and not weighed");
            });
        }
    });
    assert_eq!(stage.relationships().len(), customers.len());
}

#[test]
fn an_export_ends_if_something_is_taken_away_and_not_if_more_is_shown() {
    let stage = Stage::new();
    let related = stage.relate(&json!({ "partner": "p", "customer": "c1", "tenants": ["d"],
        "from": day(0) }));
    let partner = stage.partner(
        "anna",
        &json!({ "partner": "p", "roles": ["auditor"],
        "tenants": ["own"] }),
    );
    for part in 0..12 {
        let record = |number: usize| {
            json!({ "trace_id": format!("m-{part}-{number}"), "event_name": "issueCoupon",
                "source": "PartnerCenter", "time": day(5), "details": "x".repeat(300),
                "related_ids": ["customer:c1"] })
            .to_string()
        };
        stage.server.store.ingest("d", &(0..5_000).map(record).collect::<Vec<_>>());
    }
    let export = |between: &dyn Fn()| {
        let request = Request::get("/api/v1/events.ndjson?tenant=d")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {partner}"))
            .body(Body::empty())
            .expect("a request");
        let runtime = &stage.server.store.runtime;
        let mut body = runtime.block_on(async {
            let answer = stage.server.router.clone().oneshot(request).await.expect("an answer");
            assert_eq!(answer.status(), 200);
            let mut body = answer.into_body();
            body.frame().await.expect("a piece").expect("it is whole");
            body
        });
        between();
        runtime.block_on(async {
            let mut is_whole = true;
            while let Some(frame) = body.frame().await {
                is_whole &= frame.is_ok();
            }
            is_whole
        })
    };
    let more = json!({ "partner": "p", "customer": "c2", "tenants": ["d"], "from": day(0) });
    assert!(export(&|| drop(stage.relate(&more))));
    let path = format!("/api/v1/relationships/{related}");
    assert!(!export(&|| drop(stage.ask_admin("PATCH", &path, &json!({ "to": day(50) })))));
}

#[test]
fn relationships_outlive_a_start_and_are_listed_by_what_is_asked() {
    let stage = Stage::new();
    for number in 0..5 {
        stage.relate(&json!({ "partner": "p", "customer": format!("x{number}"), "tenants": ["d"],
            "from": day(number), "to": day(number + 10) }));
    }
    let overlapping = json!({ "partner": "p", "customer": "x0", "tenants": ["d"], "from": day(9) });
    let call = |body: &Json| {
        stage.server.call(Some(&stage.admin), "POST", "/api/v1/relationships", body.to_string())
    };
    assert_eq!(call(&overlapping).status, 409);
    for (name, value) in [
        ("tenants", json!([])),
        ("tenants", json!(["*"])),
        ("tenants", json!(["_annals"])),
        ("from", json!("yesterday")),
        ("to", json!(day(0))),
        ("partner", json!("a b")),
        ("reseller", json!("r")),
        ("customer", Json::Null),
        ("surprise", json!(1)),
    ] {
        let mut body = json!({ "partner": "p", "customer": "y", "tenants": ["d"], "from": day(1) });
        body[name] = value;
        let answer = call(&body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    let listed = |query: &str| {
        let path = format!("/api/v1/relationships?{query}");
        let all = stage.ask_admin("GET", &path, &Json::Null);
        let all = all["relationships"].as_array().expect("relationships").clone();
        all.iter().map(|one| one["customer"].as_str().expect("a customer").to_owned()).collect()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let found: Vec<String> = listed(&format!("at={}", day(2)));
    assert_eq!(found, names(&["x0", "x1", "x2"]));
    let found: Vec<String> = listed("customer=x3");
    assert_eq!(found, names(&["x3"]));
    let found: Vec<String> = listed("limit=2&after=rel-000002");
    assert_eq!(found, names(&["x2", "x3"]));
    let before = stage.relationships();
    let Stage { mut server, admin, .. } = stage;
    server.reopen(Settings { compact: false, ..Settings::default() });
    let after = server.json(&admin, "/api/v1/relationships");
    assert_eq!(json!(before), after["relationships"]);
    // Who reads a tenant whole sees its relationships; who sees a part of it, none.
    let whole = server.principal(&json!({ "name": "w", "roles": ["reader"], "tenants": ["d"] }));
    let part = server.principal(&json!({ "name": "x", "roles": ["reader"], "tenants": ["d"],
        "rows": { "source": "PartnerCenter" } }));
    let count = |token: &str| {
        server.json(token, "/api/v1/relationships")["relationships"].as_array().map(Vec::len)
    };
    assert_eq!((count(&whole), count(&part)), (Some(5), Some(0)));
}

/// A server with forty records of quotas of two resellers in the tenant `d`, a distributor and a
/// reseller.
fn partner_centre() -> Guarded {
    let server = sealed_server(&SealKey::generate().expect("a key"));
    let record = |number: i64| {
        let reseller = ["r1", "r2"][number as usize % 2];
        let mut record = json!({ "id": format!("{number}"), "operator": "li",
            "operation_type": if number % 3 == 0 { "11" } else { "10" }, "quota_id": format!("q{}",
            number % 5), "parent_quota_id": "root", "operation_time": format!("{}Z",
            &day(number)[..19]), "result": "0", "indirect_partner_id": reseller,
            "indirect_partner_account_name": "acct", "indirect_partner_name": "名", "remark": "r" });
        if number % 4 == 0 {
            record.as_object_mut().expect("an object").remove("parent_quota_id");
        }
        // All digits of an amount stay.
        record.to_string().replacen('{', "{\"amount\":12.50,", 1)
    };
    server.store.ingest("d", &(0..40).map(record).collect::<Vec<_>>());
    server.store.ingest("d", &[unbind("no quota", 1).to_string()]);
    server.principal(&json!({ "name": "dist", "roles": ["reader"], "tenants": ["d"],
        "partner": "p", "distributor": true }));
    server.principal(&json!({ "name": "resell", "roles": ["reader"], "tenants": [],
        "partner": "r1" }));
    server
}

#[test]
fn a_distributor_reads_quota_records_by_the_api_of_the_partner_centre_and_a_reseller_does_not() {
    let server = partner_centre();
    let token = server.token("dist", &json!({}));
    let path = "/v2/partners/coupon-quotas/records";
    let ask = |query: &str| server.json(&token, &format!("{path}?{query}"));
    let all = ask("limit=100");
    assert_eq!(all["total_count"], 40);
    assert_eq!(all["records"].as_array().map(Vec::len), Some(40));
    assert_eq!(all["records"][0]["id"], "39", "newest first");
    let text = server.get(&token, &format!("{path}?limit=1")).text();
    assert!(text.contains("\"amount\":12.50,"), "{text}");
    for (query, count) in [
        ("operation_type=11", 14),
        ("operation_type=99", 40),
        ("indirect_partner_id=r1", 20),
        ("quota_id=q1", 8),
        ("parent_quota_id=root", 30),
        ("parent_quota_id=", 10),
        ("parent_quota_id=null", 10),
        (&format!("operation_time_begin={}Z", &day(10)[..19]), 30),
        (&format!("operation_time_end={}Z", &day(10)[..19]), 11),
    ] {
        assert_eq!(ask(query)["total_count"], count, "{query}");
    }
}

#[test]
fn records_of_quotas_are_paged_and_wrong_questions_are_refused_as_the_vendor_does() {
    let server = partner_centre();
    let (token, of_reseller) =
        (server.token("dist", &json!({})), server.token("resell", &json!({})));
    let path = "/v2/partners/coupon-quotas/records";
    let ask = |query: &str| server.json(&token, &format!("{path}?{query}"));
    let ids = |answer: &Json| {
        let records = answer["records"].as_array().expect("records").clone();
        records.iter().map(|record| record["id"].as_str().expect("an id").to_owned()).collect()
    };
    let page: Vec<String> = ids(&ask("offset=35&limit=10"));
    assert_eq!(page, ["4", "3", "2", "1", "0"]);
    for query in [
        "limit=101",
        "limit=0",
        "offset=-1",
        "offset=x",
        "operation_time_begin=2026-01-01",
        "surprise=1",
        &format!("quota_id={}", "x".repeat(65)),
    ] {
        let answer = server.get(&token, &format!("{path}?{query}"));
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error_code"]),
            (400, &json!("CBC.0100")),
            "{query}"
        );
    }
    let refused = server.get(&of_reseller, path);
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error_code"], "CBC.0151", "{}", refused.text());
    let unknown = server.call(None, "GET", path, Body::empty());
    assert_eq!(
        (unknown.status.as_u16(), unknown.json()["error_code"].clone()),
        (401, json!("CBC.0154"))
    );
}

#[test]
fn huaweis_own_client_reads_the_records_of_quotas_with_an_access_key() {
    let server = partner_centre();
    let keys = ["dist", "resell"].map(|name| key_of(&server, name));
    // The client signs with the time of the machine.
    let now = annals::clock::Clock::now(&annals::clock::SystemClock);
    server.store.clock.set(Timestamp::from_millis(now.millis()));
    let url = python::serve_guarded(&server.store);
    let args = [url.as_str(), &keys[0].id, &keys[0].secret, &keys[1].id, &keys[1].secret, "40"];
    let script = "partner_centre.py";
    let Some(output) = python::run(script, "huaweicloudsdkbss", &args) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("ok 40 records"), "{said} {}", String::from_utf8_lossy(&output.stderr));
}
