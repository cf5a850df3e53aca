//! Parses groups of clauses, which are written as JSON.
//!
//! A group is an object. Its keys are those of a filter (`source`, `event_name.prefix`, `text` …
//! with a value or a list of values), and `any` (a list of groups, one of which must hold), `all`
//! (a list of groups that all must hold), `not` (a group or a list of groups, none of which may
//! hold) and `record` (tests of values by path). All keys of a group must hold.

use super::builder::{DEPTH_MAX, FilterBuilder};
use super::parse_text::{check_path, paths_through_lists};
use super::repeated_key::repeated_key;
use super::{Clause, Pattern, RecordTest, ValueMatch, ValueTest};
use crate::error::{Error, Result};
use crate::event::{clip, parse_address, parse_network};
use crate::text::{Glob, fold};
use ipnet::IpNet;
use serde_json::{Map, Value as Json};

/// The keys of a test in `record`.
const RECORD_KEYS: &[&str] = &[
    "path",
    "equals",
    "contains",
    "starts_with",
    "ends_with",
    "like",
    "regex",
    "cidr",
    "same_as",
    "exists",
    "cased",
];

/// The maximum number of paths that a test in `record` may have. They are few so that they need not
/// count as values: each is looked up once, however many values are compared there.
const PATHS_MAX: usize = 16;

/// Parses the parameter `filter`: a group that narrows the whole filter. Adds the number of its
/// values to `values`.
///
/// Malformed JSON, an unknown key, a wrong value, too many values, or groups that nest too deep.
/// The error names the path of the group.
pub(super) fn parse_group(text: &str, values: &mut usize) -> Result<Vec<Clause>> {
    let json: Map<String, Json> = serde_json::from_str(text)
        .map_err(|cause| Error::parameter("filter", "is not a JSON object").because(cause))?;
    if let Some(key) = repeated_key(text.as_bytes()) {
        let what = format!("the key {:?} comes twice in one object", clip(&key, 60));
        return Err(Error::parameter("filter", what));
    }
    group(&json, "filter", 0, values)
}

fn group(
    json: &Map<String, Json>,
    parameter: &str,
    depth: usize,
    values: &mut usize,
) -> Result<Vec<Clause>> {
    if depth > DEPTH_MAX {
        return Err(Error::parameter(
            parameter,
            format!("groups may nest {DEPTH_MAX} levels deep"),
        ));
    }
    let mut builder = FilterBuilder::of_group(*values);
    let mut groups = Vec::new();
    for (key, value) in json {
        match key.as_str() {
            "any" | "all" | "not" => groups.push((key, value)),
            "record" => {
                for test in some_items(value, &format!("{parameter}.record"))? {
                    let clause = record_test(test, &format!("{parameter}.record"), &mut builder)?;
                    builder.push(clause);
                }
            }
            "from" | "to" | "last" | "filter_type" | "filter_value" | "filter" => {
                return Err(Error::parameter(
                    format!("{parameter}.{key}"),
                    "may not stand in a group: give it beside the group",
                ));
            }
            _ => {
                let name = format!("{parameter}.{key}");
                for value in some_items(value, &name)? {
                    let value = scalar(value).ok_or_else(|| {
                        Error::parameter(
                            &name,
                            "is a text, a number, true or false, or a list of those",
                        )
                    })?;
                    builder.add_condition(key, &value).map_err(|error| within(error, parameter))?;
                }
            }
        }
    }
    let (mut clauses, counted) = builder.into_clauses();
    *values = counted;
    for (key, value) in groups {
        let parameter = format!("{parameter}.{key}");
        let mut members = Vec::new();
        for member in items(value) {
            let Json::Object(member) = member else {
                return Err(Error::parameter(parameter, "is a list of objects"));
            };
            members.push(Clause::All(group(member, &parameter, depth + 1, values)?));
        }
        match key.as_str() {
            "all" => clauses.extend(members),
            "not" => {
                clauses.extend(members.into_iter().map(|member| Clause::Not(Box::new(member))))
            }
            _ if members.is_empty() => {
                return Err(Error::parameter(parameter, "is empty: nothing could hold"));
            }
            _ => clauses.push(Clause::Any(members)),
        }
    }
    // Empty groups count as values too, or a filter of nothing but groups would be unbounded.
    if json.is_empty() {
        let mut builder = FilterBuilder::of_group(*values);
        builder.count(parameter, "")?;
        *values = builder.into_clauses().1;
    }
    Ok(clauses)
}

/// Prefixes the parameter of an error with its path in the groups.
fn within(error: Error, parameter: &str) -> Error {
    match error.parameter_name() {
        Some(name) => {
            let named = format!("{parameter}.{name}");
            error.with_parameter(named)
        }
        None => error,
    }
}

/// Returns the values of a condition, of which there must be one: with none of them, nothing could
/// hold.
fn some_items<'a>(value: &'a Json, parameter: &str) -> Result<&'a [Json]> {
    match items(value) {
        [] => Err(Error::parameter(parameter, "is empty: nothing could hold")),
        items => Ok(items),
    }
}

fn items(value: &Json) -> &[Json] {
    match value {
        Json::Array(items) => items,
        Json::Null => &[],
        single => std::slice::from_ref(single),
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn record_test(json: &Json, parameter: &str, builder: &mut FilterBuilder) -> Result<Clause> {
    let Json::Object(test) = json else {
        return Err(Error::parameter(parameter, "is an object or a list of objects"));
    };
    if let Some(unknown) = test.keys().find(|key| !RECORD_KEYS.contains(&key.as_str())) {
        return Err(Error::parameter(
            format!("{parameter}.{unknown}"),
            format!("is none of {}", RECORD_KEYS.join(", ")),
        ));
    }
    let paths = paths_of(test, parameter)?;
    let cased = flag(test, "cased", parameter)?.unwrap_or(false);
    let mut any = Vec::new();
    for key in &RECORD_KEYS[1..RECORD_KEYS.len() - 2] {
        let named = format!("{parameter}.{key}");
        let values = test.get(*key).map(|value| some_items(value, &named)).transpose()?;
        for value in values.unwrap_or_default() {
            let text = scalar(value).ok_or_else(|| {
                Error::parameter(&named, "is a text, a number, true or false, or a list of those")
            })?;
            builder.count(&named, &text)?;
            if *key == "same_as" {
                check_path(&named, &text)?;
            }
            let wanted =
                value_match(key, &text, cased).map_err(|error| error.with_parameter(&named))?;
            if let ValueMatch::Pattern(pattern) = &wanted {
                (1..pattern.values()).try_for_each(|_| builder.count(&named, ""))?;
            }
            any.push(wanted);
            // An IPv6 address has many notations, and only one of them was given.
            let is_address = matches!(*key, "equals" | "like") && text.contains(':');
            let address = parse_address(&text).filter(|_| is_address);
            any.extend(address.map(|address| ValueMatch::Network(IpNet::from(address))));
        }
    }
    if paths.is_empty() && test.contains_key("same_as") {
        return Err(Error::parameter(format!("{parameter}.same_as"), "needs a path"));
    }
    let exists = flag(test, "exists", parameter)?;
    match (exists, any.is_empty()) {
        (None, true) => {
            return Err(Error::parameter(
                parameter,
                format!("says nothing: give one of {}", RECORD_KEYS[1..].join(", ")),
            ));
        }
        (Some(_), false) => {
            return Err(Error::parameter(
                format!("{parameter}.exists"),
                "stands alone: a value that is compared exists",
            ));
        }
        (Some(_), true) if paths.is_empty() => {
            return Err(Error::parameter(format!("{parameter}.exists"), "needs a path"));
        }
        (Some(_), true) => any.push(ValueMatch::Exists),
        (None, false) => {}
    }
    let clause = Clause::Record(RecordTest::Value(ValueTest { paths, any, cased }));
    Ok(if exists == Some(false) { Clause::Not(Box::new(clause)) } else { clause })
}

/// Returns the paths of a test, folded, and those that lead through the lists which they number.
fn paths_of(test: &Map<String, Json>, parameter: &str) -> Result<Vec<String>> {
    let refused = |what: &str| Err(Error::parameter(format!("{parameter}.path"), what));
    let given = match test.get("path") {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Array(paths)) if paths.is_empty() => {
            return refused("is an empty list: leave it out to ask all texts of the record");
        }
        Some(Json::Array(paths)) if paths.len() > PATHS_MAX => {
            return refused(&format!("may have at most {PATHS_MAX} paths"));
        }
        Some(path) => items(path),
    };
    let mut paths: Vec<String> = Vec::new();
    for path in given {
        let Some(path) = path.as_str().filter(|path| !path.is_empty()) else {
            return refused("is a path such as user.name, or a list of paths");
        };
        check_path(&format!("{parameter}.path"), path)?;
        let folded = fold(path).into_owned();
        if paths.contains(&folded) {
            return refused(&format!("has {:?} twice (case does not matter)", clip(path, 60)));
        }
        paths.push(folded);
    }
    for through in paths.iter().flat_map(|path| paths_through_lists(path)).collect::<Vec<_>>() {
        if !paths.contains(&through) {
            paths.push(through);
        }
    }
    Ok(paths)
}

fn flag(test: &Map<String, Json>, key: &str, parameter: &str) -> Result<Option<bool>> {
    match test.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Error::parameter(format!("{parameter}.{key}"), "is true or false")),
    }
}

fn value_match(key: &str, text: &str, cased: bool) -> Result<ValueMatch> {
    let glob = |glob: Glob| ValueMatch::Glob(if cased { glob } else { glob.folded() });
    Ok(match key {
        "equals" => glob(Glob::literal(text)),
        "contains" => glob(Glob::literal(text).anything_before().anything_after()),
        "starts_with" => glob(Glob::literal(text).anything_after()),
        "ends_with" => glob(Glob::literal(text).anything_before()),
        "like" => glob(Glob::parse(text)),
        "regex" => ValueMatch::Pattern(Pattern::parse(text)?),
        "same_as" => ValueMatch::SameAs(fold(text).into_owned()),
        _ => ValueMatch::Network(parse_network(text).ok_or_else(|| {
            Error::invalid(format!("{text:?} is not a network such as 10.0.0.0/8"))
        })?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(json: &Json) -> String {
        let mut values = 0;
        Clause::All(parse_group(&json.to_string(), &mut values).expect("a group")).to_string()
    }

    fn refused(json: &Json, parameter: &str) {
        let error = parse_group(&json.to_string(), &mut 0).expect_err("must be refused");
        assert_eq!(error.parameter_name(), Some(parameter), "{error}");
    }

    #[test]
    fn groups_say_any_all_and_not() {
        let group = json!({
            "source": ["ECS", "VPC"],
            "any": [{ "level": "warning" }, { "operator.prefix": "svc-", "text": "failed" }],
            "not": { "source_ip": "10.0.0.0/8" },
            "record": [{ "path": "User.Name", "contains": ["X", "y"] }, { "path": "mfa",
                "exists": false }],
        });
        assert_eq!(
            shown(&group),
            "(source=ECS|VPC and user.name:*x*|*y* and not mfa:* and ((level=warning) or \
            (operator.prefix=svc- and text=\"failed\")) and not (source_ip=10.0.0.0/8))"
        );
    }

    #[test]
    fn several_paths_are_one_test() {
        let shown =
            |path: &Json| shown(&json!({ "record": { "path": path, "equals": ["x", "y"] } }));
        assert_eq!(shown(&json!("A.b")), "(a.b:x|y)");
        assert_eq!(shown(&json!(["A.b"])), "(a.b:x|y)");
        assert_eq!(shown(&json!(["A.b", "c:d|e"])), r#"(["a.b", "c:d|e"]:x|y)"#);
        // A number may be a key or an item of a list.
        assert_eq!(shown(&json!("a.0.b")), r#"(["a.0.b", "a.b"]:x|y)"#);
        assert_eq!(shown(&json!(["a.0.b", "a.b"])), r#"(["a.0.b", "a.b"]:x|y)"#);
        for path in [json!([]), json!(["a", "A"]), json!(["a", ""]), json!(["a", 1]), json!({})] {
            let test = json!({ "record": { "path": path, "equals": "x" } });
            refused(&test, "filter.record.path");
        }
        let numbered = |count: usize| {
            let paths: Vec<String> = (0..count).map(|number| format!("a{number}")).collect();
            json!({ "record": { "path": paths, "equals": vec!["x"; 1_000] } })
        };
        assert!(parse_group(&numbered(16).to_string(), &mut 0).is_ok());
        refused(&numbered(17), "filter.record.path");
        // What is shown differs where the meaning does, which cursors rely on.
        let canonical = |paths: Json| {
            let text = json!({ "record": { "path": paths, "equals": "x" } }).to_string();
            let clauses = parse_group(&text, &mut 0).expect("a group");
            crate::filter::Filter { clauses, ..Default::default() }.canonical()
        };
        assert_ne!(canonical(json!(["a", "b"])), canonical(json!("a\", \"b")));
    }

    #[test]
    fn wrong_groups_are_named_by_their_path() {
        refused(&json!({ "any": [{ "levle": "x" }] }), "filter.any.levle");
        refused(&json!({ "any": [{ "not": { "level": "fatal" } }] }), "filter.any.not.level");
        refused(&json!({ "any": [] }), "filter.any");
        refused(&json!({ "any": ["x"] }), "filter.any");
        refused(&json!({ "not": { "from": 1 } }), "filter.not.from");
        refused(&json!({ "record": { "path": "a" } }), "filter.record");
        for path in ["a..b", ".0", "a."] {
            refused(&json!({ "record": { "path": path, "equals": 1 } }), "filter.record.path");
            refused(&json!({ "record": { "path": path, "exists": true } }), "filter.record.path");
            refused(
                &json!({ "record": { "path": "a", "same_as": path } }),
                "filter.record.same_as",
            );
        }
        refused(&json!({ "record": { "path": "a", "is": 1 } }), "filter.record.is");
        refused(&json!({ "record": { "path": "a", "regex": "(" } }), "filter.record.regex");
        refused(&json!({ "record": { "path": "a", "cidr": "x" } }), "filter.record.cidr");
        refused(&json!({ "record": { "exists": true } }), "filter.record.exists");
        refused(&json!({ "source": [vec!["x"]] }), "filter.source");
        let large = |count: usize| json!({ "record": { "regex": vec![r"(\w+\s+){5}x"; count] } });
        assert!(parse_group(&large(20).to_string(), &mut 0).is_ok());
        refused(&large(21), "filter.record.regex");
        let small = json!({ "record": { "regex": vec!["a.*b"; 200] } });
        assert!(parse_group(&small.to_string(), &mut 0).is_ok());
        let many: Vec<Json> =
            (0..1_001).map(|number| json!({ "source": number.to_string() })).collect();
        refused(&json!({ "any": many }), "filter.any.source");
        let mut deep = json!({ "source": "x" });
        for _ in 0..9 {
            deep = json!({ "not": deep });
        }
        assert!(parse_group(&deep.to_string(), &mut 0).is_err());
        let empty: Vec<Json> = vec![json!({}); 1_001];
        refused(&json!({ "any": empty }), "filter.any");
    }
}
