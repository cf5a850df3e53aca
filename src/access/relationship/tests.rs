use super::*;
use crate::access::{Directory, Principal, Scope};
use crate::event::{Event, Field};
use crate::filter::Filter;
use serde_json::json;

const DAY: i64 = 86_400_000;

fn day(day: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 / DAY * DAY + day * DAY)
}

fn said(kind: EvidenceKind, says: Says, at: Timestamp, trace_id: &str) -> Statement {
    Statement {
        kind,
        says,
        at,
        not_after: None,
        partner: Some("p".to_owned()),
        subject: Subject::Customer("c".to_owned()),
        manager: None,
        tenant: "distributor".to_owned(),
        trace_id: trace_id.to_owned(),
        known: day(400),
    }
}

/// The relationships of one pair, as they change.
#[derive(Default)]
struct Pair(Vec<Relationship>);

impl Pair {
    fn hear(&mut self, said: &Statement) -> usize {
        let known: Vec<&Relationship> = self.0.iter().collect();
        let changed = weigh(&known, "p", said);
        let count = changed.len();
        for mut next in changed {
            if next.id.is_empty() {
                next.id = format!("rel-{}", self.0.len());
                self.0.push(next);
            } else {
                let there = self.0.iter_mut().find(|known| known.id == next.id);
                *there.expect("a relationship that is known") = next;
            }
        }
        count
    }

    fn began(&mut self, at: i64) {
        let id = format!("began-{at}-{}", self.0.len());
        self.hear(&said(EvidenceKind::Snapshot, Says::Began, day(at), &id));
    }

    fn ended(&mut self, at: i64) {
        let id = format!("ended-{at}");
        self.hear(&said(EvidenceKind::CouponRecall, Says::Ended, day(at), &id));
    }

    /// The days on which the partner sees the customer, of the first 200.
    fn visible(&self) -> Vec<i64> {
        let sees = |at: &i64| self.0.iter().any(|known| known.holds_at(day(*at)));
        (0..200).filter(sees).collect()
    }

    fn last_effect(&self) -> EvidenceEffect {
        let last = self.0.iter().rev().find_map(|known| known.evidence.last());
        last.expect("evidence").effect
    }
}

#[test]
fn a_second_period_begins_after_the_first_one_has_ended() {
    let mut pair = Pair::default();
    pair.began(10);
    assert_eq!(pair.visible(), (10..200).collect::<Vec<_>>(), "from its own beginning");
    pair.ended(20);
    assert_eq!(pair.visible(), (10..20).collect::<Vec<_>>());
    pair.began(50);
    assert_eq!(pair.0.len(), 2);
    assert_eq!(pair.visible(), (10..20).chain(50..200).collect::<Vec<_>>());
}

#[test]
fn what_would_show_more_of_the_past_waits() {
    let mut pair = Pair::default();
    pair.began(50);
    pair.began(10);
    assert_eq!(pair.visible()[0], 50, "a beginning before the recorded one");
    assert_eq!(pair.0[0].waiting, Some(WaitingChange { from: day(10), to: None }));
    let mut pair = Pair::default();
    pair.began(10);
    pair.ended(20);
    // Still associated since day 10: the end is taken back.
    pair.hear(&said(EvidenceKind::Snapshot, Says::Began, day(10), "again"));
    assert_eq!(pair.visible(), (10..20).collect::<Vec<_>>());
    assert_eq!(pair.last_effect(), EvidenceEffect::Waits);
    pair.ended(90);
    assert_eq!(pair.visible(), (10..20).collect::<Vec<_>>(), "an end much later than the recorded");
    assert_eq!(pair.0[0].waiting, Some(WaitingChange { from: day(10), to: Some(day(90)) }));
}

#[test]
fn an_end_counts_in_whatever_order_it_comes() {
    // A first and a second period, each with its end.
    let said = [(true, 10), (false, 20), (true, 40), (false, 60)];
    let expected: Vec<i64> = (10..20).chain(40..60).collect();
    let orders = (0..24_usize).map(|number| {
        let mut left: Vec<usize> = (0..4).collect();
        let at = [number / 6, number / 2 % 3, number % 2, 0];
        at.map(|at| left.remove(at))
    });
    for order in orders {
        let mut pair = Pair::default();
        for step in order {
            match said[step] {
                (true, at) => pair.began(at),
                (false, at) => pair.ended(at),
            }
        }
        let seen = pair.visible();
        let more: Vec<&i64> = seen.iter().filter(|day| !expected.contains(day)).collect();
        assert!(more.is_empty(), "{order:?} shows {more:?}");
    }
    let mut pair = Pair::default();
    for (begins, at) in [(false, 20), (true, 10), (false, 60), (true, 40)] {
        if begins { pair.began(at) } else { pair.ended(at) }
    }
    assert_eq!(pair.visible(), expected, "the end before its beginning");
}

#[test]
fn what_an_administrator_has_decided_outlives_more_evidence_of_the_same_end() {
    let mut pair = Pair::default();
    pair.began(10);
    pair.ended(30);
    let known = &mut pair.0[0];
    known.to = None;
    let word = RelationshipEvidence::of_administrator("sec", Says::Began, day(10), day(100));
    known.evidence.push(word);
    pair.hear(&said(EvidenceKind::CouponRecall, Says::Ended, day(31), "the same end"));
    assert_eq!(pair.visible().last(), Some(&199));
    let another = said(EvidenceKind::CouponRecall, Says::Ended, day(90), "another end");
    let earlier =
        Statement { known: day(99), trace_id: "known before".to_owned(), ..another.clone() };
    pair.hear(&earlier);
    assert_eq!(pair.visible().last(), Some(&199), "the store had it when it was decided");
    assert_eq!(pair.last_effect(), EvidenceEffect::Contradicts);
    pair.hear(&another);
    assert_eq!(pair.visible().last(), Some(&89));
}

#[test]
fn a_later_period_that_was_withdrawn_is_not_stated_back() {
    let mut pair = Pair::default();
    pair.began(10);
    pair.ended(20);
    pair.began(40);
    pair.0[1].state = RelationshipState::Withdrawn;
    pair.began(40);
    pair.began(50);
    assert_eq!(pair.visible(), (10..20).collect::<Vec<_>>());
    assert_eq!(pair.0[2].state, RelationshipState::Waiting);
    // It waits together with its end.
    pair.ended(60);
    assert_eq!((pair.0[2].from, pair.0[2].to), (day(50), Some(day(60))));
}

#[test]
fn only_a_word_about_the_end_is_a_decision_about_it() {
    let word = |says, effect| RelationshipEvidence {
        effect,
        ..RelationshipEvidence::of_administrator("sec", says, day(10), day(100))
    };
    for (created, more, is_decided) in [
        // Whoever records it as open has said nothing of its end.
        (Some(Says::Began), None, false),
        (Some(Says::Ended), None, true),
        // Another tenant, another beginning.
        (None, Some(EvidenceEffect::Agrees), false),
        (Some(Says::Began), Some(EvidenceEffect::Agrees), false),
        // An end that was opened again.
        (None, Some(EvidenceEffect::Moved), true),
    ] {
        let mut pair = Pair::default();
        pair.began(10);
        let known = &mut pair.0[0];
        if let Some(says) = created {
            known.evidence = vec![word(says, EvidenceEffect::Moved)];
        }
        known.evidence.extend(more.map(|effect| word(Says::Began, effect)));
        let ended = said(EvidenceKind::CouponRecall, Says::Ended, day(30), "in the store before");
        pair.hear(&Statement { known: day(99), ..ended });
        assert_eq!(pair.visible().last() == Some(&199), is_decided, "{created:?} {more:?}");
    }
}

#[test]
fn of_two_ends_close_together_each_counts_for_the_period_that_it_is_in() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let mut pair = Pair::default();
        pair.began(0);
        for step in order {
            match step {
                0 => pair.ended(10),
                1 => pair.began(11),
                _ => pair.ended(12),
            }
        }
        let seen = pair.visible();
        assert!(seen.iter().all(|day| *day < 12 && *day != 10), "{order:?} shows {seen:?}");
    }
}

#[test]
fn evidence_that_contradicts_itself_for_ever_has_a_bound() {
    let mut pair = Pair::default();
    pair.began(50);
    for number in 0..200 {
        let id = format!("again-{number}");
        pair.hear(&said(EvidenceKind::Snapshot, Says::Began, day(10 + number % 2), &id));
    }
    assert!(pair.0[0].evidence.len() < 20, "{}", pair.0[0].evidence.len());
    assert_eq!(pair.visible().first(), Some(&50));
}

#[test]
fn an_end_with_the_id_of_an_earlier_one_is_another_one() {
    let mut pair = Pair::default();
    for (begin, end) in [(10, 20), (40, 60)] {
        pair.began(begin);
        pair.hear(&said(EvidenceKind::CouponRecall, Says::Ended, day(end), "unbind-c"));
    }
    assert_eq!(pair.visible(), (10..20).chain(40..60).collect::<Vec<_>>());
}

#[test]
fn what_an_administrator_has_withdrawn_stays_so_until_it_is_confirmed() {
    let mut pair = Pair::default();
    pair.began(10);
    pair.0[0].state = RelationshipState::Withdrawn;
    pair.began(20);
    assert!(pair.visible().is_empty());
    assert_eq!(pair.0[1].state, RelationshipState::Waiting);
}

#[test]
fn the_earliest_moment_that_is_stated_of_an_end_counts() {
    let mut pair = Pair::default();
    pair.began(10);
    pair.ended(30);
    pair.hear(&said(EvidenceKind::BudgetDeletion, Says::Ended, day(28), "budget"));
    assert_eq!(pair.0[0].to, Some(day(28)));
    assert_eq!(pair.last_effect(), EvidenceEffect::Moved);
    pair.hear(&said(EvidenceKind::CouponRecall, Says::Ended, day(30), "later"));
    assert_eq!(pair.last_effect(), EvidenceEffect::Agrees, "the same end");
    pair.hear(&said(EvidenceKind::CouponRecall, Says::Ended, day(15), "far"));
    assert_eq!(pair.0[0].to, Some(day(15)), "another end, which narrows");
    assert_eq!(pair.last_effect(), EvidenceEffect::Contradicts);
}

#[test]
fn a_change_of_mode_ends_nothing() {
    let mut pair = Pair::default();
    pair.began(10);
    pair.hear(&said(EvidenceKind::AccountRetrieval, Says::MayHaveEnded, day(40), "account"));
    assert_eq!(pair.last_effect(), EvidenceEffect::Alone);
    pair.hear(&said(EvidenceKind::CouponModeSwitch, Says::Switched, day(40), "switch"));
    pair.hear(&said(EvidenceKind::CooperationTrace, Says::MayHaveEnded, day(40), "trace"));
    assert_eq!(pair.visible().last(), Some(&199), "two that may be a change of mode are no end");
    // Together with evidence of an end, the earliest of them counts.
    pair.hear(&said(EvidenceKind::CouponRecall, Says::Ended, day(41), "coupon"));
    assert_eq!(pair.0[0].to, Some(day(40)));
    assert_eq!(pair.0[0].missing(), [EvidenceKind::BudgetDeletion]);
    let contradicting: Vec<_> = pair.0[0].contradicting().map(|found| found.kind).collect();
    assert_eq!(contradicting, [EvidenceKind::CouponModeSwitch]);
}

#[test]
fn evidence_of_a_kind_is_kept_a_few_times_and_heard_once() {
    let mut pair = Pair::default();
    pair.began(10);
    pair.ended(30);
    let before = pair.0[0].clone();
    assert_eq!(pair.hear(&said(EvidenceKind::CouponRecall, Says::Ended, day(30), "ended-30")), 0);
    assert_eq!(pair.0[0], before);
    for number in 0..1_000 {
        let id = format!("coupon-{number}");
        pair.hear(&said(EvidenceKind::CouponRecall, Says::Ended, day(30), &id));
    }
    assert!(pair.0[0].evidence.len() < 10);
}

/// Small numbers in an order that looks random.
fn numbers() -> impl FnMut(u64) -> u64 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

#[test]
fn no_evidence_adds_a_moment_to_a_recorded_period() {
    let mut next = numbers();
    let kinds = [
        (EvidenceKind::CouponRecall, Says::Ended),
        (EvidenceKind::BudgetDeletion, Says::Ended),
        (EvidenceKind::AccountRetrieval, Says::MayHaveEnded),
        (EvidenceKind::CouponModeSwitch, Says::Switched),
        (EvidenceKind::Snapshot, Says::Began),
        (EvidenceKind::Snapshot, Says::Ended),
    ];
    for _ in 0..3_000 {
        let mut pair = Pair::default();
        for number in 0..12 {
            let (before, periods) = (pair.visible(), pair.0.len());
            let recorded = |known: &&Relationship| known.state == RelationshipState::Recorded;
            let last_end = pair
                .0
                .iter()
                .filter(recorded)
                .map(|known| known.to)
                .max_by_key(|to| to.map_or(i64::MAX, |to| to.millis()));
            let (kind, says) = kinds[next(6) as usize];
            let at = next(180).cast_signed();
            pair.hear(&said(kind, says, day(at), &number.to_string()));
            let added: Vec<i64> =
                pair.visible().into_iter().filter(|day| !before.contains(day)).collect();
            if added.is_empty() {
                continue;
            }
            // Only a new period adds anything, and only after all others.
            assert_eq!((says, pair.0.len()), (Says::Began, periods + 1));
            let is_after = match last_end {
                None => true,
                Some(Some(end)) => day(added[0]) >= end,
                Some(None) => false,
            };
            assert!(is_after, "{added:?} after {last_end:?}");
        }
    }
}

fn recorded(value: serde_json::Value) -> Arc<Relationship> {
    let mut value = value;
    if value["state"].is_null() {
        value["state"] = "recorded".into();
    }
    Arc::new(serde_json::from_value(value).expect("a relationship"))
}

fn known() -> Arc<Relationships> {
    let all = [
        json!({ "id": "1", "partner": "p", "customer": "c1", "tenants": ["d"],
            "from": day(10).to_string(), "to": day(20).to_string() }),
        json!({ "id": "2", "partner": "p", "customer": "c1", "tenants": ["d"],
            "from": day(30).to_string() }),
        json!({ "id": "3", "partner": "p", "customer": "c1", "manager": "li", "tenants": ["d"],
            "from": day(15).to_string(), "to": day(35).to_string() }),
        json!({ "id": "4", "partner": "q", "customer": "c2", "tenants": ["d"],
            "from": day(0).to_string() }),
        json!({ "id": "5", "partner": "p", "reseller": "r", "tenants": ["d"],
            "from": day(5).to_string() }),
    ];
    let standing = TenantStanding {
        customers: BTreeSet::from(["c1".to_owned()]),
        ..TenantStanding::default()
    };
    let tenants = Arc::new(BTreeMap::from([("own1".to_owned(), standing)]));
    Arc::new(Relationships::of(all.map(|known| (1, recorded(known))), tenants))
}

fn scope_of(principal: &serde_json::Value) -> Scope {
    let name = principal["name"].as_str().expect("a name").to_owned();
    let directory = Directory::of(
        [0; 32],
        [(name.as_str(), 0, principal)],
        [],
        &known(),
        &Directory::default(),
    );
    let caller = directory.by_certificate(["cn:x".to_owned()]).expect("the principal");
    caller.scope(&["*"]).expect("its scope")
}

fn sees(scope: &Scope, tenant: &str, related: &[&str], at: Timestamp) -> bool {
    let mut event = Event::default();
    event.tenant = tenant.into();
    event.time = at;
    event.set(Field::Source, "PartnerCenter");
    for id in related {
        let (kind, id) = id.split_once(':').expect("kind:id");
        event.relate(kind, id);
    }
    let filter = Filter::default();
    let narrowed = scope.narrow(&filter).expect("a filter");
    scope.covers(tenant) && narrowed.matches(&event)
}

#[test]
fn a_partner_sees_what_names_its_customers_while_they_are_its_own() {
    let scope = scope_of(&json!({ "name": "x", "roles": ["reader"], "tenants": ["mine"],
        "partner": "p", "certificates": ["cn:x"] }));
    let c1 = &["customer:c1"][..];
    for (tenant, related, at, expected) in [
        ("d", c1, 9, false),
        ("d", c1, 10, true),
        ("d", c1, 19, true),
        ("d", c1, 20, false),
        ("d", c1, 30, true),
        ("d", &["customer:c2"], 15, false),
        ("d", &["customer:c2", "customer:c1"], 15, true),
        ("d", &[], 15, false),
        ("d", &["reseller:r"], 15, true),
        ("d", &["reseller:r"], 4, false),
        // The customer's own tenant, whatever its events name.
        ("own1", &[], 15, true),
        ("own1", &[], 25, false),
        ("own1", c1, 25, false),
        // Its own tenant at any time.
        ("mine", &[], 0, true),
        ("other", c1, 15, false),
    ] {
        assert_eq!(sees(&scope, tenant, related, day(at)), expected, "{tenant} {related:?} {at}");
    }
}

#[test]
fn a_manager_sees_its_customers_within_the_time_of_the_partner() {
    let scope = scope_of(&json!({ "name": "x", "roles": ["reader"], "tenants": [],
        "partner": "p", "manager": "li", "certificates": ["cn:x"] }));
    for (at, expected) in
        [(14, false), (15, true), (19, true), (20, false), (30, true), (34, true), (35, false)]
    {
        assert_eq!(sees(&scope, "d", &["customer:c1"], day(at)), expected, "{at}");
    }
    assert!(!sees(&scope, "d", &["reseller:r"], day(15)));
}

#[test]
fn a_reseller_sees_what_names_itself() {
    let scope = scope_of(&json!({ "name": "x", "roles": ["reader"], "tenants": [],
        "partner": "r", "certificates": ["cn:x"] }));
    assert!(sees(&scope, "d", &["reseller:r"], day(15)));
    assert!(!sees(&scope, "d", &["customer:c1"], day(15)));
}

#[test]
fn who_gains_by_a_relationship_is_not_believed_about_it() {
    let refused = |body: serde_json::Value| {
        let principal: Principal = serde_json::from_value(body).expect("a principal");
        principal.grant([0; 32]).err().and_then(|error| error.parameter_name().map(str::to_owned))
    };
    let base = json!({ "name": "x", "roles": ["ingest"], "tenants": ["d"] });
    for (settings, parameter) in [
        (json!({ "authoritative": ["d"] }), None),
        (json!({ "authoritative": ["d"], "partner": "p" }), Some("authoritative")),
        (json!({ "authoritative": ["e"] }), Some("authoritative")),
        (json!({ "authoritative": ["d"], "roles": ["reader"] }), Some("authoritative")),
        (json!({ "manager": "li" }), Some("manager")),
        (json!({ "distributor": true }), Some("distributor")),
        (json!({ "partner": "p", "tenants": ["*"] }), Some("tenants")),
        (json!({ "partner": "a b" }), Some("partner")),
        (json!({ "partner": "p", "tenants": [] }), Some("tenants")),
        (json!({ "partner": "p", "tenants": [], "roles": ["auditor"] }), Some("tenants")),
        (json!({ "partner": "p", "tenants": [], "roles": ["reader"] }), None),
    ] {
        let mut body = base.clone();
        for (name, value) in settings.as_object().expect("settings") {
            body[name] = value.clone();
        }
        assert_eq!(refused(body.clone()).as_deref(), parameter, "{body}");
    }
}

#[test]
fn events_say_what_their_kind_says() {
    let of = |record: serde_json::Value| {
        let mut event = crate::decode::decode(&record.to_string(), None).expect("an event");
        event.tenant = "d".into();
        Statement::of(&event, day(1_500))
            .map(|said| (said.kind, said.says, said.subject, said.partner))
    };
    let customer =
        |kind, says| Some((kind, says, Subject::Customer("c".to_owned()), None::<String>));
    let coupon = |operation: u32, result: &str| {
        json!({ "id": "1", "operation_type": operation.to_string(), "quota_id": "q",
            "coupon_id": "k", "customer_id": "c", "operation_amount": "1.00",
            "operation_time": "2026-01-01T00:00:00Z", "result": result })
    };
    assert_eq!(of(coupon(3, "0")), customer(EvidenceKind::CouponRecall, Says::Ended));
    assert_eq!(of(coupon(3, "-1")), None, "what failed has not happened");
    assert_eq!(of(coupon(8, "0")), customer(EvidenceKind::CouponModeSwitch, Says::MayHaveEnded));
    assert_eq!(of(coupon(1, "0")), None);
    let adjust = json!({ "trans_id": "1", "operation_type": "SOURCE_OPERATION_BEUNBIND",
        "customer_id": "c", "amount": "1", "operation_time": "2026-01-01T00:00:00Z" });
    assert_eq!(of(adjust), customer(EvidenceKind::AccountRetrieval, Says::MayHaveEnded));
    let carried = json!({ "specversion": "1.0", "id": "1", "source": "s", "type": "t",
        "data": coupon(3, "0") });
    assert_eq!(of(carried), None, "a record that another one carries");
    let mut budget = json!({ "budget_amount": "1", "operation_type": "DELETE",
        "operation_time": "2026-01-01T00:00:00Z", "budget_type": "MONTHLY" });
    assert_eq!(of(budget.clone()), None, "nobody knows whose budget it was");
    budget["customer_id"] = "c".into();
    assert_eq!(of(budget), customer(EvidenceKind::BudgetDeletion, Says::Ended));
    let derived = json!({ "time": "2026-01-02T00:00:00Z", "event_name": "associateReseller",
        "resource_type": "relationship", "source": "PartnerCenter",
        "details": { "partner": "p", "reseller": "r", "associated_on": "2026-01-01T00:00:00Z" } });
    let expected = Some((
        EvidenceKind::Snapshot,
        Says::Began,
        Subject::Reseller("r".to_owned()),
        Some("p".to_owned()),
    ));
    assert_eq!(of(derived), expected);
}

#[test]
fn more_customers_and_longer_periods_take_nothing_away() {
    let shares = |changes: &[(&str, serde_json::Value)]| {
        let all: Vec<_> = [
            (
                "1",
                json!({ "partner": "p", "customer": "c1", "tenants": ["d"],
                "from": day(10).to_string(), "to": day(20).to_string() }),
            ),
            (
                "2",
                json!({ "partner": "p", "customer": "c2", "tenants": ["d", "e"],
                "from": day(10).to_string() }),
            ),
        ]
        .into_iter()
        .map(|(id, mut body)| {
            body["id"] = id.into();
            let changed = changes.iter().filter(|(changed, _)| *changed == id);
            for (name, value) in changed.flat_map(|(_, change)| change.as_object().expect("one")) {
                body[name] = value.clone();
            }
            body
        })
        .chain(changes.iter().filter(|(id, _)| *id == "new").map(|(_, body)| body.clone()))
        .collect();
        let tenants: BTreeMap<String, TenantStanding> = BTreeMap::new();
        let known =
            Relationships::of(all.into_iter().map(|body| (1, recorded(body))), Arc::new(tenants));
        Related::of(("p", None), &BTreeSet::new(), &known)
    };
    let before = shares(&[]);
    for (what, change, covers) in [
        ("nothing", vec![], true),
        (
            "another customer",
            vec![(
                "new",
                json!({ "id": "3", "partner": "p", "customer": "c3", "tenants": ["d"],
                "from": day(10).to_string() }),
            )],
            true,
        ),
        ("an earlier beginning", vec![("1", json!({ "from": day(9).to_string() }))], true),
        ("a later beginning", vec![("1", json!({ "from": day(11).to_string() }))], false),
        ("a later end", vec![("1", json!({ "to": day(21).to_string() }))], true),
        ("no end", vec![("1", json!({ "to": null }))], true),
        ("an earlier end", vec![("1", json!({ "to": day(19).to_string() }))], false),
        ("an end", vec![("2", json!({ "to": day(99).to_string() }))], false),
        ("a tenant more", vec![("1", json!({ "tenants": ["d", "f"] }))], true),
        ("a tenant less", vec![("2", json!({ "tenants": ["e"] }))], false),
        ("one withdrawn", vec![("2", json!({ "state": "withdrawn" }))], false),
    ] {
        assert_eq!(shares(&change).covers(&before), covers, "{what}");
    }
}
