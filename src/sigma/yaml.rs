//! YAML as its author wrote it: values of rules are compared with texts, so `5.00` is no `5.0`.

use crate::error::{Error, Result};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;
use serde_saphyr::Spanned;
use std::fmt;

/// A value of a document.
enum Yaml {
    Null,
    Bool(bool),
    /// A number, as it would be written if the document did not say.
    Number(String),
    Text(String),
    List(Vec<Spanned<Yaml>>),
    Map(Vec<(String, Spanned<Yaml>)>),
}

/// Returns the documents of a file, each of which may stand alone.
///
/// A line that begins with `---` or `...` marks the border of a document wherever it stands, within
/// texts too, so that borders are found even around documents that are malformed.
pub(super) fn documents(file: &str) -> Vec<&str> {
    let is_mark = |line: &str, mark: &str| {
        line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    };
    let mut documents = Vec::new();
    let (mut start, mut at, mut has_begun) = (0, 0, false);
    for line in file.split_inclusive('\n') {
        let text = line.trim_end_matches(['\n', '\r']);
        // Directives and comments belong to the document that follows.
        if is_mark(text, "---") && has_begun {
            documents.push(&file[start..at]);
            start = at;
        }
        has_begun |= !text.trim().is_empty() && !text.starts_with(['#', '%']);
        at += line.len();
        if is_mark(text, "...") {
            documents.push(&file[start..at]);
            (start, has_begun) = (at, false);
        }
    }
    documents.push(&file[start..]);
    documents
}

/// Parses a document; `null` if there is nothing in it.
///
/// # Errors
/// Malformed YAML.
pub(super) fn parse(document: &str) -> Result<Json> {
    // Values are compared as they are written: account numbers begin with zeros, and "no" is a
    // country.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let parsed: Vec<Spanned<Yaml>> = serde_saphyr::from_multiple_with_options(document, options)
        .map_err(|cause| {
            let cause = cause.to_string();
            Error::invalid(format!("is no YAML: {}", cause.lines().next().unwrap_or_default()))
        })?;
    Ok(parsed.into_iter().next().map_or(Json::Null, |value| json(value, document)))
}

fn json(yaml: Spanned<Yaml>, document: &str) -> Json {
    match yaml.value {
        Yaml::Null => Json::Null,
        Yaml::Bool(flag) => flag.into(),
        Yaml::Number(number) => {
            let span = yaml.defined.span();
            let written = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
                let start = usize::try_from(start).ok()?;
                document.get(start..start + usize::try_from(length).ok()?)
            });
            written.map(str::trim).filter(|text| is_number(text)).unwrap_or(&number).into()
        }
        Yaml::Text(text) => text.into(),
        Yaml::List(items) => items.into_iter().map(|item| json(item, document)).collect(),
        Yaml::Map(members) => {
            members.into_iter().map(|(key, value)| (key, json(value, document))).collect()
        }
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.'))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Yaml;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> std::result::Result<Yaml, E> {
        Ok(Yaml::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<Yaml, E> {
        Ok(Yaml::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> std::result::Result<Yaml, E> {
        Ok(Yaml::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<Yaml, E> {
        Ok(Yaml::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Yaml, E> {
        Ok(Yaml::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<Yaml, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Yaml::Map(map))
    }
}
