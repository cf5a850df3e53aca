//! Parameters as pairs of name and value: from a URL, a JSON body, or the flags of the command
//! line.

use crate::decode::Format;
use crate::error::{Error, Result};
use crate::event::clip;
use crate::filter::repeated_key;
use percent_encoding::{NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::Value as Json;

/// Keys of a JSON body whose values are groups of clauses; as pairs they become the JSON of
/// `filter`.
const GROUPS: &[&str] = &["any", "all", "not", "record"];

/// Pairs of name and value, in the order given; a name may occur several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

impl Pairs {
    /// Parses the query of a URL.
    pub fn from_query(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Parses a JSON object whose values are texts, numbers, flags, lists of those, or groups of
    /// clauses.
    ///
    /// # Errors
    /// Any other JSON; the message names the key.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let refuse = |key: &str| {
            Error::parameter(key, "is a text, a number, true or false, or a list of those")
        };
        let body: serde_json::Map<String, Json> = serde_json::from_slice(bytes)
            .map_err(|cause| Error::invalid("the body is not a JSON object").because(cause))?;
        if let Some(key) = repeated_key(bytes) {
            return Err(Error::parameter(clip(&key, 60), "comes twice in one object"));
        }
        let mut pairs = Vec::new();
        let mut groups = serde_json::Map::new();
        for (key, value) in body {
            if GROUPS.contains(&key.as_str()) {
                groups.insert(key, value);
                continue;
            }
            let values = match value {
                Json::Array(values) if values.is_empty() => {
                    return Err(Error::parameter(key, "is empty: nothing could hold"));
                }
                Json::Array(values) => values,
                Json::Null => continue,
                value => vec![value],
            };
            for value in values {
                let text = match value {
                    Json::String(text) => text,
                    Json::Number(number) => number.to_string(),
                    Json::Bool(flag) => flag.to_string(),
                    _ => return Err(refuse(&key)),
                };
                pairs.push((key.clone(), text));
            }
        }
        if !groups.is_empty() {
            pairs.push(("filter".to_owned(), Json::Object(groups).to_string()));
        }
        Ok(Self(pairs))
    }

    /// Formats the pairs as the query of a URL.
    pub fn to_query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// Checks that no name but these is given.
    ///
    /// # Errors
    /// Another name; the message lists the known ones.
    pub fn only(&self, allowed: &[&str]) -> Result<()> {
        match self.0.iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
            Some((name, _)) => Err(Error::parameter(
                name,
                format!("unknown parameter; this call takes {}", allowed.join(", ")),
            )),
            None => Ok(()),
        }
    }

    /// Returns all values of a name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Returns the value of a name that may be given only once.
    ///
    /// # Errors
    /// The name is given twice.
    pub fn one(&self, name: &str) -> Result<Option<&str>> {
        match self.all(name).as_slice() {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(Error::parameter(name, "may be given once")),
        }
    }

    /// Returns the flag of a name, or false if it is not given. A name without a value is refused:
    /// it cannot be told from a value that a script left empty.
    ///
    /// # Errors
    /// A value other than `true` and `false`.
    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::parameter(name, "is true or false")),
        }
    }

    /// Returns the number of a name, if it is given.
    ///
    /// # Errors
    /// A value that is not a non-negative whole number.
    pub fn number(&self, name: &str) -> Result<Option<usize>> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                Error::parameter(name, format!("{:?} is not a whole number", clip(text, 40)))
            })
        };
        self.one(name)?.map(parse).transpose()
    }
}

/// Returns a name as a segment of a path.
pub(super) fn segment(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, NON_ALPHANUMERIC)
}

/// Parses the name of a record format; `auto` gives `None`.
///
/// # Errors
/// An unknown name; the message names the parameter `format`.
pub(crate) fn parse_format(name: &str) -> Result<Option<Format>> {
    if name == "auto" {
        return Ok(None);
    }
    let known = crate::event::FORMATS.join(", ");
    Format::from_name(name).map(Some).ok_or_else(|| {
        Error::parameter("format", format!("{:?} is none of auto, {known}", clip(name, 40)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_without_a_value_is_refused_by_its_name() {
        let flag = |query: &str| Pairs::from_query(query).flag("dry_run");
        assert!(flag("dry_run=true").expect("a flag"));
        assert!(!flag("dry_run=false").expect("a flag"));
        assert!(!flag("").expect("no flag"));
        for query in ["dry_run=", "dry_run", "dry_run=1", "dry_run=true&dry_run=true"] {
            let error = flag(query).expect_err(query);
            assert_eq!(error.parameter_name(), Some("dry_run"), "{query}");
        }
    }
}
