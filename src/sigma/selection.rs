//! Selections of a rule: fields and the values they must have, with modifiers
//! (`userAgent|contains|all`).

use super::encode::{TextEncoding, base64, base64_at_any_offset, dashes};
use super::fields::FieldNames;
use super::refused;
use super::wildcard::WildcardPattern;
use crate::error::Result;
use serde_json::{Map, Value as Json, json};
use unicode_normalization::is_nfkc;

/// Returns the selection `name` as a group of the filter language.
pub(super) fn group(name: &str, selection: &Json, names: &FieldNames) -> Result<Json> {
    let location = format!("detection.{name}");
    match selection {
        Json::Object(fields) => all_of(fields, names, &location),
        Json::Array(items) if !items.is_empty() => any_of(items, names, &location),
        Json::String(_) | Json::Number(_) => {
            any_of(std::slice::from_ref(selection), names, &location)
        }
        _ => Err(refused(location, "is neither a map nor a list")),
    }
}

/// Translates a list: either maps, one of which must hold, or keywords, one of which must occur
/// anywhere in the record.
fn any_of(items: &[Json], names: &FieldNames, location: &str) -> Result<Json> {
    let mut any = Vec::new();
    let mut keywords = Vec::new();
    for item in items {
        match item {
            Json::Object(fields) => any.push(all_of(fields, names, location)?),
            keyword => keywords.push(anywhere(&text(keyword, location)?)),
        }
    }
    if !keywords.is_empty() {
        any.push(json!({ "record": { "like": keywords } }));
    }
    Ok(if any.len() == 1 { any.remove(0) } else { json!({ "any": any }) })
}

fn anywhere(keyword: &str) -> String {
    WildcardPattern::read(keyword).like(true, true)
}

/// Translates a map: each of its fields must hold.
fn all_of(fields: &Map<String, Json>, names: &FieldNames, location: &str) -> Result<Json> {
    if fields.is_empty() {
        return Err(refused(location, "has no field"));
    }
    let names = names.within(fields);
    let mut tests = Vec::new();
    let mut all = Vec::new();
    let mut not = Vec::new();
    for (key, value) in fields {
        let location = format!("{location}.{key}");
        let field = SelectionField::read(key, &names, &location)?;
        let mut found = field.tests(value, &location)?;
        let otherwise = field.otherwise(value, &location)?;
        match (field.negated, otherwise.is_empty()) {
            (true, _) => {
                not.push(json!({ "record": found }));
                not.extend(otherwise.into_iter().map(|test| json!({ "record": test })));
            }
            (false, true) => tests.append(&mut found),
            (false, false) => {
                let any: Vec<Json> = std::iter::once(json!({ "record": found }))
                    .chain(otherwise.into_iter().map(|test| json!({ "record": test })))
                    .collect();
                all.push(json!({ "any": any }));
            }
        }
    }
    // Groups nest only so deep: a single one needs no level of its own.
    if let [only] = &mut all[..] {
        return Ok(with(with(only.take(), "record", tests), "not", not));
    }
    Ok(with(with(with(json!({}), "record", tests), "all", all), "not", not))
}

/// Returns a group with these members under a key, unless there are none.
fn with(mut group: Json, key: &str, members: Vec<Json>) -> Json {
    if !members.is_empty() {
        group[key] = Json::Array(members);
    }
    group
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Whole,
    Contains,
    StartsWith,
    EndsWith,
    Regex,
    Network,
    SameAs,
    Exists,
}

/// A field with its modifiers.
#[derive(Debug)]
struct SelectionField<'a> {
    /// The name; `None` for keywords.
    name: Option<&'a str>,
    names: &'a FieldNames,
    comparison: Comparison,
    all: bool,
    cased: bool,
    negated: bool,
    any_dash: bool,
    encoding: Option<TextEncoding>,
    base64: bool,
    any_offset: bool,
    flags: String,
}

impl<'a> SelectionField<'a> {
    fn read(key: &'a str, names: &'a FieldNames, location: &str) -> Result<Self> {
        let mut parts = key.split('|');
        let name = parts.next().filter(|name| !name.is_empty());
        let mut field = Self {
            name,
            names,
            comparison: if name.is_some() { Comparison::Whole } else { Comparison::Contains },
            all: false,
            cased: false,
            negated: false,
            any_dash: false,
            encoding: None,
            base64: false,
            any_offset: false,
            flags: String::new(),
        };
        let mut compared: Option<&str> = None;
        for modifier in parts {
            if let Some(comparison) = comparison_of(modifier) {
                if let Some(other) = compared.replace(modifier) {
                    return Err(refused(
                        location,
                        format!("has {modifier:?} behind {other:?}: one of them would be ignored"),
                    ));
                }
                field.comparison = comparison;
                continue;
            }
            if field.encoding.is_some()
                && matches!(modifier, "wide" | "utf16le" | "utf16be" | "utf16")
            {
                return Err(refused(location, "has two character encodings"));
            }
            match modifier {
                "all" => field.all = true,
                "cased" => field.cased = true,
                "neq" => field.negated = true,
                "windash" => field.any_dash = true,
                "base64" => field.base64 = true,
                "base64offset" => field.any_offset = true,
                "wide" | "utf16le" => field.encoding = Some(TextEncoding::Utf16Little),
                "utf16be" => field.encoding = Some(TextEncoding::Utf16Big),
                "utf16" => field.encoding = Some(TextEncoding::Utf16Marked),
                "i" | "m" | "s" if field.comparison == Comparison::Regex => {
                    field.flags.push_str(modifier)
                }
                "ignorecase" if field.comparison == Comparison::Regex => field.flags.push('i'),
                "multiline" if field.comparison == Comparison::Regex => field.flags.push('m'),
                "dotall" if field.comparison == Comparison::Regex => field.flags.push('s'),
                _ => {
                    return Err(refused(
                        location,
                        format!("has the modifier {modifier:?}, which no filter can express"),
                    ));
                }
            }
        }
        field.checked(location)
    }

    /// Checks that the modifiers go together; unsupported combinations are refused rather than half
    /// done.
    fn checked(self, location: &str) -> Result<Self> {
        let encoded = self.base64 || self.any_offset;
        let changed = encoded || self.any_dash || self.encoding.is_some();
        if changed && !self.compares_texts() {
            return Err(refused(location, "changes values that are not plain text"));
        }
        if self.encoding.is_some() && !encoded {
            return Err(refused(
                location,
                "has a character encoding without base64, which records in JSON cannot hold",
            ));
        }
        if self.base64 && self.any_offset {
            return Err(refused(location, "has base64 and base64offset"));
        }
        if self.any_offset && self.comparison != Comparison::Contains {
            return Err(refused(location, "has base64offset without contains"));
        }
        if self.name.is_none() && self.comparison == Comparison::Exists {
            return Err(refused(location, "asks whether nothing exists"));
        }
        Ok(self)
    }

    /// Returns the tests, all of which must hold.
    fn tests(&self, value: &Json, location: &str) -> Result<Vec<Json>> {
        let values = listed(value);
        if values.is_empty() {
            return Err(refused(location, "has no value"));
        }
        if self.comparison == Comparison::Exists {
            let [Json::Bool(exists)] = values else {
                return Err(refused(location, "is true or false"));
            };
            return Ok(vec![json!({ "path": self.path(), "exists": exists })]);
        }
        let nothing = values.iter().any(Json::is_null);
        if nothing {
            if self.comparison != Comparison::Whole {
                return Err(refused(location, "compares null as a text"));
            }
            if values.len() > 1 {
                return Err(refused(
                    location,
                    "has null among other values: give it a selection of its own",
                ));
            }
            return Ok(vec![json!({ "path": self.path(), "exists": false })]);
        }
        let texts = values.iter().map(|value| text(value, location)).collect::<Result<Vec<_>>>()?;
        // Filters fold compatibility forms (`ˢ` is `s`), Sigma only ignores case.
        let as_regex = self.name.is_some()
            && !self.cased
            && self.compares_texts()
            && texts.iter().any(|text| !is_nfkc(text));
        let mut each = Vec::new();
        for text in &texts {
            each.push(self.forms(text, as_regex, location)?);
        }
        let tests = if self.all { each } else { vec![each.concat()] };
        Ok(tests.into_iter().map(|any| self.test(&any, as_regex)).collect())
    }

    /// Returns other tests that mean the same as one of the tests of whole values.
    fn otherwise(&self, value: &Json, location: &str) -> Result<Vec<Json>> {
        let is_plain = !self.cased && !self.all && !self.base64 && !self.any_dash;
        let (Some(name), Comparison::Whole, true) = (self.name, self.comparison, is_plain) else {
            return Ok(Vec::new());
        };
        let mut others = Vec::new();
        for value in listed(value).iter().filter(|value| !value.is_null()) {
            others.extend(self.names.otherwise(name, &text(value, location)?));
        }
        Ok(others)
    }

    /// Returns where the field may stand: a path, or several.
    fn path(&self) -> Json {
        let mut paths = self.names.paths_of(self.name.unwrap_or_default());
        if paths.len() == 1 { paths.remove(0).into() } else { json!(paths) }
    }

    fn compares_texts(&self) -> bool {
        matches!(
            self.comparison,
            Comparison::Whole
                | Comparison::Contains
                | Comparison::StartsWith
                | Comparison::EndsWith
        )
    }

    /// Returns the patterns of the filter language that a value is compared with.
    fn forms(&self, value: &str, as_regex: bool, location: &str) -> Result<Vec<String>> {
        let (before, after) = match self.comparison {
            Comparison::Regex if self.flags.is_empty() => return Ok(vec![value.to_owned()]),
            Comparison::Regex => return Ok(vec![format!("(?{}){value}", self.flags)]),
            Comparison::Network | Comparison::Exists => return Ok(vec![value.to_owned()]),
            Comparison::SameAs => return Ok(self.names.paths_of(value)),
            Comparison::Whole => (false, false),
            Comparison::Contains => (true, true),
            Comparison::StartsWith => (false, true),
            Comparison::EndsWith => (true, false),
        };
        let mut wanted = vec![value.to_owned()];
        if self.any_dash {
            wanted = dashes(value);
        }
        if self.base64 || self.any_offset {
            let encoding = self.encoding.unwrap_or(TextEncoding::Utf8);
            let plain = |value: &String| {
                WildcardPattern::read(value).plain().ok_or_else(|| {
                    refused(location, "has a wildcard in a value that is to be encoded")
                })
            };
            let encoded = wanted.iter().map(|value| {
                let bytes = encoding.bytes(&plain(value)?);
                Ok(if self.any_offset {
                    base64_at_any_offset(&bytes)
                } else {
                    vec![base64(&bytes)]
                })
            });
            wanted = encoded.collect::<Result<Vec<_>>>()?.concat();
        }
        let pattern = |value: &String| {
            let pattern = WildcardPattern::read(value);
            if as_regex { pattern.regex(before, after) } else { pattern.like(before, after) }
        };
        Ok(wanted.iter().map(pattern).collect())
    }

    fn test(&self, any: &[String], as_regex: bool) -> Json {
        let key = match self.comparison {
            _ if as_regex => "regex",
            Comparison::Regex => "regex",
            Comparison::Network => "cidr",
            Comparison::SameAs => "same_as",
            _ => "like",
        };
        // Objects and arrays count as values for "anything at all".
        if self.name.is_some() && key == "like" && any.iter().any(|pattern| pattern == "*") {
            return json!({ "path": self.path(), "exists": true });
        }
        let mut test = Map::from_iter([(key.to_owned(), json!(any))]);
        if self.name.is_some() {
            test.insert("path".to_owned(), self.path());
        }
        if self.cased {
            test.insert("cased".to_owned(), json!(true));
        }
        Json::Object(test)
    }
}

fn listed(value: &Json) -> &[Json] {
    match value {
        Json::Array(values) => values,
        single => std::slice::from_ref(single),
    }
}

/// Returns how a modifier has values compared, if it does.
fn comparison_of(modifier: &str) -> Option<Comparison> {
    Some(match modifier {
        "contains" => Comparison::Contains,
        "startswith" => Comparison::StartsWith,
        "endswith" => Comparison::EndsWith,
        "re" => Comparison::Regex,
        "cidr" => Comparison::Network,
        "fieldref" => Comparison::SameAs,
        "exists" => Comparison::Exists,
        _ => return None,
    })
}

/// Returns a value's text: Sigma compares numbers and booleans as they are written.
fn text(value: &Json, location: &str) -> Result<String> {
    match value {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(flag) => Ok(flag.to_string()),
        _ => Err(refused(location, "has a value that is not text, a number, true or false")),
    }
}
