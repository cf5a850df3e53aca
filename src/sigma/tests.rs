use super::*;

/// The filter of a rule with this detection, given as YAML.
fn filter(detection: &str) -> Result<Json> {
    let detection: String = detection.trim().lines().map(|line| format!("  {line}\n")).collect();
    let rule = format!("title: t\nlogsource:\n  category: any\ndetection:\n{detection}");
    read_rules(&rule)?.remove(0)?.filter().map(|(filter, _)| filter)
}

fn shows(detection: &str, expected: &Json) {
    let filter = filter(detection).expect("a rule that can be translated");
    assert_eq!(&filter, expected);
}

fn refuses(detection: &str, part: &str) {
    let error = filter(detection).expect_err("must be refused");
    assert_eq!(error.parameter_name(), Some(part), "{error}");
}

/// One field of one selection.
fn field(text: &str) -> Json {
    let filter =
        filter(&format!("s:\n  {text}\ncondition: s")).expect("a rule that can be translated");
    filter["record"].as_array().map_or(filter.clone(), |tests| {
        if tests.len() == 1 { tests[0].clone() } else { json!(tests) }
    })
}

#[test]
fn values_lists_and_maps_join_as_the_specification_says() {
    shows(
        "s:\n  a: x\n  b.c:\n    - 1\n    - true\ncondition: s",
        &json!({ "record": [{ "path": "a", "like": ["x"] }, { "path": "b.c", "like": ["1",
            "true"] }] }),
    );
    shows(
        "s:\n  - a: x\n  - b: y\ncondition: s",
        &json!({ "any": [{ "record": [{ "path": "a", "like": ["x"] }] }, { "record": [{ "path": "b",
            "like": ["y"] }] }] }),
    );
    shows("s:\n  - word\n  - 5\ncondition: s", &json!({ "record": { "like": ["*word*", "*5*"] } }));
    shows(
        "s:\n  a: [012345678901, y, no, on, 1_000, True, 5.00, 1e3, 0x1F, -0.50]\ncondition: s",
        &json!({ "record": [{ "path": "a", "like": ["012345678901", "y", "no", "on", "1_000",
            "true", "5.00", "1e3", "0x1F", "-0.50"] }] }),
    );
    shows("s: word\ncondition: s", &json!({ "record": { "like": ["*word*"] } }));
}

#[test]
fn every_modifier_says_what_it_means() {
    assert_eq!(field("a|contains: x"), json!({ "path": "a", "like": ["*x*"] }));
    assert_eq!(field("a|startswith: 'C:\\'"), json!({ "path": "a", "like": ["C:\\\\*"] }));
    assert_eq!(field("a|endswith: '\\cmd.exe'"), json!({ "path": "a", "like": ["*\\\\cmd.exe"] }));
    assert_eq!(field("a|contains: '*x*'"), json!({ "path": "a", "like": ["*x*"] }));
    assert_eq!(field("a: 'x\\*y*\\\\z?'"), json!({ "path": "a", "like": ["x\\*y*\\\\z?"] }));
    assert_eq!(
        field("a|contains|all:\n    - x\n    - y"),
        json!([{ "path": "a", "like": ["*x*"] }, { "path": "a", "like": ["*y*"] }])
    );
    assert_eq!(
        field("'|all':\n    - x\n    - y"),
        json!([{ "like": ["*x*"] }, { "like": ["*y*"] }])
    );
    assert_eq!(field("a|re: '^x.*\\d$'"), json!({ "path": "a", "regex": ["^x.*\\d$"] }));
    assert_eq!(field("a|re|i|s: 'x'"), json!({ "path": "a", "regex": ["(?is)x"] }));
    assert_eq!(field("a|cidr: 10.0.0.0/8"), json!({ "path": "a", "cidr": ["10.0.0.0/8"] }));
    assert_eq!(field("a|exists: false"), json!({ "path": "a", "exists": false }));
    assert_eq!(field("a|fieldref: b.c"), json!({ "path": "a", "same_as": ["b.c"] }));
    assert_eq!(field("a: null"), json!({ "path": "a", "exists": false }));
    assert_eq!(field("a: '*'"), json!({ "path": "a", "exists": true }));
    assert_eq!(field("a: ''"), json!({ "path": "a", "like": [""] }));
    assert_eq!(field("a|cased: X"), json!({ "path": "a", "like": ["X"], "cased": true }));
    assert_eq!(
        field("a|neq: x"),
        json!({ "not": [{ "record": [{ "path": "a", "like": ["x"] }] }] })
    );
    assert_eq!(field("a|base64: foobar"), json!({ "path": "a", "like": ["Zm9vYmFy"] }));
    assert_eq!(field("a|wide|base64: ab"), json!({ "path": "a", "like": ["YQBiAA=="] }));
    assert_eq!(
        field("a|base64offset|contains: /bin/bash"),
        json!({ "path": "a", "like": ["*L2Jpbi9iYXNo*", "*9iaW4vYmFza*", "*vYmluL2Jhc2*"] })
    );
    assert_eq!(field("a|windash|contains: ' -x a-b'")["like"][1], json!("* /x a-b*"));
    assert_eq!(field("a|windash|contains: ' -x a-b'")["like"].as_array().map(Vec::len), Some(5));
}

#[test]
fn conditions_bind_not_before_and_before_or() {
    let with = |condition: &str| {
        let names = ["s1", "s2", "_s3", "f_a", "f_b"];
        let selections: String =
            names.iter().map(|name| format!("{name}:\n  k: {name}\n")).collect();
        let filter = filter(&format!("{selections}condition: {condition}"))
            .expect("a condition")
            .to_string();
        names.iter().fold(filter, |text, name| {
            text.replace(
                &format!("{{\"record\":[{{\"like\":[\"{name}\"],\"path\":\"k\"}}]}}"),
                name,
            )
        })
    };
    assert_eq!(with("s1"), "s1");
    assert_eq!(with("s1 or s2 and not f_a"), r#"{"any":[s1,{"all":[s2,{"not":f_a}]}]}"#);
    assert_eq!(with("(s1 or s2)and(not(f_a))"), r#"{"all":[{"any":[s1,s2]},{"not":f_a}]}"#);
    assert_eq!(with("not not s1"), r#"{"not":{"not":s1}}"#);
    assert_eq!(with("1 of them"), r#"{"any":[f_a,f_b,s1,s2]}"#);
    assert_eq!(
        with("ALL of f_* AND NOT any of s*"),
        r#"{"all":[{"all":[f_a,f_b]},{"not":{"any":[s1,s2]}}]}"#
    );
    assert_eq!(with("all of s1"), "s1");
    assert_eq!(with("\n  - s1\n  - s2"), r#"{"any":[s1,s2]}"#);
}

#[test]
fn what_no_filter_can_say_is_refused_by_its_part() {
    let one = |condition: &str| format!("s:\n  a: b\ncondition: {condition}");
    for condition in [
        "s | count() > 5",
        "s and",
        "s s",
        "(s",
        "s)",
        "t",
        "2 of them",
        "1 of t*",
        "1 of",
        "'  '",
        "5",
        "not",
        "and s",
    ] {
        refuses(&one(condition), "detection.condition");
    }
    refuses(&one(&format!("{}s", "not ".repeat(40))), "detection.condition");
    refuses(&one(&format!("{}s", "( ".repeat(40))), "detection.condition");
    refuses("s:\n  a: b", "detection.condition");
    refuses("s:\n  a: b\ntimeframe: 5m\ncondition: s", "detection.timeframe");
    for (text, part) in [
        ("a|lt: 5", "a|lt"),
        ("a|contains|fieldref: b", "a|contains|fieldref"),
        ("a|expand: '%x%'", "a|expand"),
        ("a|i: x", "a|i"),
        ("a|wide: x", "a|wide"),
        ("a|re|base64: x", "a|re|base64"),
        ("a|base64offset: x", "a|base64offset"),
        ("a|base64: 'x*'", "a|base64"),
        ("a|exists: 5", "a|exists"),
        ("a: []", "a"),
        ("a: [x, null]", "a"),
        ("a: {b: c}", "a"),
    ] {
        refuses(&format!("s:\n  {text}\ncondition: s"), &format!("detection.s.{part}"));
    }
    refuses("s: {}\ncondition: s", "detection.s");
    refuses("s: true\ncondition: s", "detection.s");
}

#[test]
fn what_is_not_a_rule_is_refused() {
    let broken = |rule: &str| {
        let filter = |mut rules: Vec<Result<SigmaRule>>| rules.remove(0)?.filter();
        read_rules(rule).and_then(filter).expect_err("must be refused")
    };
    assert_eq!(
        broken("title: t\ncorrelation:\n  type: event_count").parameter_name(),
        Some("correlation")
    );
    assert_eq!(broken("title: t\naction: global").parameter_name(), Some("action"));
    assert_eq!(
        broken("title: t\ndetection: {s: {a: b}, condition: s}").parameter_name(),
        Some("logsource")
    );
    assert_eq!(broken("title: t").parameter_name(), Some("detection"));
    for (yaml, message) in [
        ("", "holds no rule"),
        ("a: [", "is no YAML"),
        ("- a", "is no Sigma rule"),
        ("detection: {}", "has no title"),
        ("title: t\ntitle: u", "is no YAML"),
        ("a: &a [*a, *a]", "is no YAML"),
    ] {
        assert!(broken(yaml).to_string().contains(message), "{yaml}: {}", broken(yaml));
    }
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(0..9)
            .map(|step| {
                format!(
                    "b{step}: &b{step} [{}]\n",
                    vec![if step == 0 { "*a".to_owned() } else { format!("*b{}", step - 1) }; 9]
                        .join(", ")
                )
            })
            .collect::<String>();
    assert!(broken(&bomb).to_string().contains("is no YAML"));
    assert!(broken(&"[".repeat(100_000)).to_string().contains("is no YAML"));
    assert!(broken(&"#".repeat(RULE_BYTES_MAX + 1)).to_string().contains("at most 1048576 bytes"));
}

#[test]
fn several_rules_stand_in_one_file_and_log_sources_are_formats() {
    let rule = |title: &str, source: &str| {
        format!("title: {title}\nlogsource: {source}\ndetection: {{s: {{a: b}}, condition: s}}\n")
    };
    let sources = [
        "{product: aws, service: cloudtrail}",
        "{product: kubernetes}",
        "{product: windows, service: security}",
        "{}",
    ];
    let yaml = sources.iter().map(|source| rule("t", source)).collect::<Vec<_>>().join("---\n");
    let rules = read_rules(&yaml).expect("four rules");
    let found: Vec<_> = rules
        .iter()
        .map(|rule| rule.as_ref().expect("a rule").filter().expect("a filter"))
        .collect();
    assert_eq!(
        found[0].0,
        json!({ "format": "cloudtrail", "all": [{ "record": [{ "path": "a", "like": ["b"] }] }] })
    );
    assert_eq!((found[1].0["format"].as_str(), found[1].1.is_none()), (Some("k8s"), true));
    assert_eq!(found[2].0["format"], Json::Null);
    assert!(found[2].1.as_ref().expect("a note").contains("windows/security"));
}

#[test]
fn no_modifier_is_ignored() {
    for key in [
        "a|fieldref|contains",
        "a|re|contains",
        "a|re|i|endswith",
        "a|startswith|endswith",
        "a|fieldref|re",
        "a|cidr|contains",
        "a|exists|contains",
        "a|wide|utf16be|base64",
        "a|base64|base64offset|contains",
    ] {
        refuses(&format!("s:\n  {key}: b\ncondition: s"), &format!("detection.s.{key}"));
    }
    for key in ["a|contains", "a|re"] {
        refuses(&format!("s:\n  {key}: null\ncondition: s"), &format!("detection.s.{key}"));
    }
}

/// A filter takes `ˢ` for `s`; a rule that looks for such letters means only them.
#[test]
fn compatibility_forms_are_not_folded() {
    assert_eq!(
        field("a|contains:\n    - 'ˢ'\n    - 'r?g.*x'"),
        json!({ "path": "a", "regex": ["(?is)ˢ", "(?is)r.g\\..*x"] })
    );
    assert_eq!(field("a: 'x\u{a0}y'"), json!({ "path": "a", "regex": ["(?is)^x\u{a0}y$"] }));
    assert_eq!(field("a|startswith: '®'"), json!({ "path": "a", "like": ["®*"] }));
}
