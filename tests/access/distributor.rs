//! A distributor and its resellers over HTTP: whose operations on quotas each sees, and when.

use super::relationships::day;
use super::server::{Answer, Guarded};
use super::signatures::{key_of, sealed_server};
use super::signer::Call;
use annals::access::SealKey;
use axum::body::Body;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// When the resellers are related to the distributor, in days.
const FIRST: std::ops::Range<i64> = 10..60;
const SECOND: std::ops::Range<i64> = 30..80;
const QUOTA_RECORDS: &str = "/v2/partners/coupon-quotas/records";

/// The tenant `d` of a distributor with two resellers: every day a grant of a quota to each, from
/// day 0 to 99, and an adjustment of the account of each of two customers.
struct Partners {
    server: Guarded,
    distributor: String,
    first: String,
    second: String,
}

impl Partners {
    fn new() -> Self {
        let server = sealed_server(&SealKey::generate().expect("a key"));
        let time = |at: i64| format!("{}Z", &day(at)[..19]);
        let quota = |reseller: &str, at: i64| {
            json!({ "id": format!("{reseller}-{at}"), "operator": "li", "operation_type": "10",
                "quota_id": format!("q-{reseller}"), "parent_quota_id": "root", "amount": 12.5,
                "operation_time": time(at), "result": "0", "indirect_partner_id": reseller,
                "indirect_partner_name": format!("name of {reseller}") })
        };
        let adjustment = |customer: &str, at: i64| {
            json!({ "trans_id": format!("{customer}-{at}"), "customer_id": customer,
                "operation_type": "BEADJUST", "amount": 3, "operation_time": time(at),
                "operator": "li" })
        };
        let records: Vec<String> = (0..100)
            .flat_map(|at| {
                [quota("r1", at), quota("r2", at), adjustment("c1", at), adjustment("c2", at)]
            })
            .map(|record| record.to_string())
            .collect();
        server.store.ingest("d", &records);
        server.store.engine().seal().expect("a commit");
        let admin =
            server.principal(&json!({ "name": "sec", "roles": ["security_administrator"] }));
        for relationship in [
            json!({ "partner": "p", "reseller": "r1", "from": day(FIRST.start),
                "to": day(FIRST.end) }),
            json!({ "partner": "p", "reseller": "r2", "from": day(SECOND.start),
                "to": day(SECOND.end) }),
            // A customer of the first reseller, whose adjustments it sees from day 40 on.
            json!({ "partner": "r1", "customer": "c1", "from": day(40) }),
        ] {
            let mut body = relationship;
            body["tenants"] = json!(["d"]);
            let path = "/api/v1/relationships";
            let made = server.call(Some(&admin), "POST", path, body.to_string());
            assert_eq!(made.status, 201, "{}", made.text());
        }
        let [distributor, first, second] = [
            json!({ "name": "dist", "roles": ["reader"], "partner": "p", "distributor": true }),
            json!({ "name": "first", "roles": ["reader"], "partner": "r1" }),
            json!({ "name": "second", "roles": ["reader"], "partner": "r2" }),
        ]
        .map(|principal| server.principal(&principal));
        Self { server, distributor, first, second }
    }

    /// The ids of the events that a principal is listed.
    fn listed(&self, token: &str, question: &str) -> BTreeSet<String> {
        let path = format!("/api/v1/events?limit=1000&{question}");
        let listed = self.server.json(token, &path);
        let id = |event: &Json| event["trace_id"].as_str().expect("an id").to_owned();
        let ids: BTreeSet<String> =
            listed["events"].as_array().expect("events").iter().map(id).collect();
        let counted = self.server.json(token, &format!("/api/v1/count?{question}"));
        assert_eq!(counted["count"], ids.len(), "{question}");
        ids
    }
}

fn grants(reseller: &str, days: std::ops::Range<i64>) -> BTreeSet<String> {
    days.map(|at| format!("quota-record:{reseller}-{at}")).collect()
}

fn adjustments(customer: &str, days: std::ops::Range<i64>) -> BTreeSet<String> {
    days.map(|at| format!("adjust:{customer}-{at}:{customer}:BEADJUST")).collect()
}

#[test]
fn each_sees_the_operations_on_quotas_that_are_its_own_in_its_period_and_no_others() {
    let partners = Partners::new();
    let both = &grants("r1", FIRST) | &grants("r2", SECOND);
    let first = &grants("r1", FIRST) | &adjustments("c1", 40..100);
    for (token, own) in [
        (&partners.distributor, &both),
        (&partners.first, &first),
        (&partners.second, &grants("r2", SECOND)),
    ] {
        for path in ["", "&path=lookup", "&path=scan"] {
            assert_eq!(partners.listed(token, &format!("tenant=*{path}")), *own, "{path}");
        }
        assert_eq!(partners.listed(token, "tenant=d"), *own);
        // Asked for, what is not theirs is not there either.
        for (question, needle) in [
            ("tenant=d&related_ids=reseller:r1", "r1-"),
            ("tenant=d&resource_id=q-r2", "r2-"),
            ("tenant=d&related_ids=quota:q-r1", "r1-"),
            ("tenant=d&event_name=grantAccountAmount", "adjust:"),
            ("tenant=d&resource_type=couponQuota", "quota-record:"),
            ("tenant=d&related_ids=customer:c2", "c2-"),
        ] {
            let expected: BTreeSet<String> =
                own.iter().filter(|id| id.contains(needle)).cloned().collect();
            assert_eq!(partners.listed(token, question), expected, "{question}");
        }
        let sums = partners.server.json(token, "/api/v1/stats?tenant=*&resource_type=couponQuota");
        let quotas = own.iter().filter(|id| id.starts_with("quota-record:")).count();
        assert_eq!(sums["groups"][0]["count"], quotas, "{sums}");
        let top = "/api/v1/top?tenant=*&field=related_ids.reseller";
        let values = partners.server.json(token, top)["values"].clone();
        let named = |name: &str| own.iter().any(|id| id.contains(&format!("record:{name}-")));
        let values = values.as_array().expect("values");
        assert_eq!(values.len(), [named("r1"), named("r2")].iter().filter(|own| **own).count());
    }
}

#[test]
fn an_operation_is_found_by_its_id_in_the_period_and_by_whom_it_is_of() {
    let partners = Partners::new();
    let status = |token: &str, id: &str| {
        let path = format!("/api/v1/events/{id}?tenant=d");
        partners.server.get(token, &path).status.as_u16()
    };
    let of = |id: &str| {
        [&partners.distributor, &partners.first, &partners.second].map(|token| status(token, id))
    };
    for (id, expected) in [
        ("quota-record:r1-9", [404, 404, 404]),
        ("quota-record:r1-10", [200, 200, 404]),
        ("quota-record:r1-59", [200, 200, 404]),
        ("quota-record:r1-60", [404, 404, 404]),
        ("quota-record:r2-29", [404, 404, 404]),
        ("quota-record:r2-30", [200, 404, 200]),
        ("quota-record:r2-80", [404, 404, 404]),
        ("adjust:c1-39:c1:BEADJUST", [404, 404, 404]),
        ("adjust:c1-40:c1:BEADJUST", [404, 200, 404]),
        ("adjust:c2-50:c2:BEADJUST", [404, 404, 404]),
        ("no-such-event", [404, 404, 404]),
    ] {
        assert_eq!(of(id), expected, "{id}");
    }
}

#[test]
fn the_api_of_the_partner_centre_answers_the_distributor_alone_by_token_and_by_signature() {
    let partners = Partners::new();
    let server = &partners.server;
    let by_token = |token: &str| server.get(token, &format!("{QUOTA_RECORDS}?limit=100"));
    let by_key = |name: &str| {
        Call::get(&format!("{QUOTA_RECORDS}?limit=100")).send(server, &key_of(server, name))
    };
    // As many as it sees otherwise: its resellers' in their periods.
    let expected = grants("r1", FIRST).len() + grants("r2", SECOND).len();
    for answer in [by_token(&partners.distributor), by_key("dist")] {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["total_count"], expected, "{answer}");
        let records = answer["records"].as_array().expect("records");
        assert_eq!((records.len(), &records[0]["id"]), (expected, &json!("r2-79")));
        assert!(records.iter().all(|record| record.get("customer_id").is_none()));
    }
    let refused = |answer: &Answer| {
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert_eq!(answer.json()["error_code"], "CBC.0151");
        assert!(!answer.text().contains("r1-") && !answer.text().contains("records"));
    };
    for (name, token) in [("first", &partners.first), ("second", &partners.second)] {
        refused(&by_token(token));
        refused(&by_key(name));
        // The same access key is good for what its principal may ask.
        let counted = Call::get("/api/v1/count?tenant=*").send(server, &key_of(server, name));
        let count = partners.listed(token, "tenant=*").len();
        assert_eq!((counted.status.as_u16(), &counted.json()["count"]), (200, &json!(count)));
    }
    let nobody = server.call(None, "GET", QUOTA_RECORDS, Body::empty());
    assert_eq!((nobody.status.as_u16(), &nobody.json()["error_code"]), (401, &json!("CBC.0154")));
}
