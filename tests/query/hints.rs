//! Where nothing matches, the answer says what would.

use crate::support::store::TestStore;
use serde_json::{Value as Json, json};

const RECORDS: &str = r#"{"time":"2026-03-01T08:00:00Z","event_name":"recallCouponQuotas","source":"PartnerCenter","operator":"ann","message":"rollbackdone"}
{"time":"2026-03-02T08:00:00Z","event_name":"recallCouponQuotas","source":"PartnerCenter","operator":"bob"}
{"time":"2026-03-03T08:00:00Z","event_name":"recallCoupons","source":"IAM","operator":"ann"}
"#;

fn offers(hint: &Json) -> Vec<(&str, &str, u64)> {
    hint["instead"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|offer| {
            (
                offer["parameter"].as_str().unwrap_or_default(),
                offer["value"].as_str().unwrap_or_default(),
                offer["count"].as_u64().unwrap_or_default(),
            )
        })
        .collect()
}

#[test]
fn an_answer_without_events_offers_what_has_some() {
    let store = TestStore::new();
    assert_eq!(store.post("/api/v1/events?tenant=acme", RECORDS.to_owned())["accepted"], 3);
    store.post("/api/v1/events?tenant=other", r#"{"time":1,"event_name":"secretName"}"#.to_owned());
    let ask = |query: &str| store.get(&format!("/api/v1/events?tenant=acme&{query}"));
    let hints = |query: &str| ask(query)["hints"].as_array().cloned().expect("hints");

    let names = hints("event_name=recallcoupon");
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(names[0]["reason"], "no_match");
    assert_eq!(
        offers(&names[0]),
        [
            ("event_name.prefix", "recallCoupon", 3),
            ("event_name", "recallCouponQuotas", 2),
            ("event_name", "recallCoupons", 1)
        ]
    );
    let texts = hints("text=recallCouponQ");
    assert_eq!(
        offers(&texts[0]),
        [("event_name", "recallCouponQuotas", 2), ("substring", "recallCouponQ", 2)]
    );
    assert_eq!(offers(&hints("text=backdone")[0]), [("substring", "backdone", 1)]);
    let by_type = hints("filter_type=event_name&filter_value=recallcoupon");
    assert_eq!(offers(&by_type[0]), offers(&names[0]));
    // What is offered finds what it says.
    for query in ["event_name=recallcoupon", "text=recallCouponQ", "source=partner*"] {
        for (parameter, value, count) in offers(&hints(query)[0]) {
            let found = store.get(&format!("/api/v1/count?tenant=acme&{parameter}={value}"));
            assert_eq!(found["count"], count, "{parameter}={value}");
        }
    }
    let period = hints("source=IAM&to=2026-03-02T00:00:00Z");
    assert_eq!(period[0]["reason"], "period");
    assert_eq!(period[0]["first"], "2026-03-03T08:00:00.000Z");
    let outside = hints("source=IAM&operator=ann&to=2026-03-02T00:00:00Z");
    assert_eq!(outside.len(), 1, "{outside:?}");
    assert_eq!(outside[0]["reason"], "period");
    let together = hints("source=IAM&operator=bob");
    assert_eq!(together[0]["reason"], "together");
    assert_eq!(hints("text=secretName")[0]["instead"], json!([]), "another tenant's");
    let nobody = store.get("/api/v1/events?tenant=nobody&source=IAM");
    assert_eq!(nobody["hints"][0]["reason"], "no_events");

    for query in ["source=IAM", "source=iam&hints=false", "source=iam&around=2026-03-01T00:00:00Z"]
    {
        assert!(ask(query).get("hints").is_none(), "{query}");
    }
}
