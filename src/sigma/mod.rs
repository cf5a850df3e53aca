//! Translates Sigma detection rules into filters.
//!
//! A rule is YAML (<https://sigmahq.io/sigma-specification>): a log source, named selections of
//! field values, and a condition over them. [`SigmaRule::filter`] expresses the rule as a group of
//! the filter language. Running it is the query layer's work, so a rule means exactly what any
//! filter means. A part that a filter cannot express is refused by name: a rule that silently meant
//! something else would be worse than none.

mod condition;
mod encode;
mod fields;
mod selection;
#[cfg(test)]
mod tests;
mod wildcard;
mod yaml;

use crate::error::{Error, Result};
use fields::FieldNames;
use serde_json::{Map, Value as Json, json};

/// The largest rule file, in bytes.
pub const RULE_BYTES_MAX: usize = 1 << 20;

/// One detection rule.
#[derive(Debug, Clone)]
pub struct SigmaRule {
    /// What it finds, in one line.
    pub title: String,
    /// Its identifier, a uuid, if it has one.
    pub id: Option<String>,
    /// How serious a match is: informational, low, medium, high, critical.
    pub level: Option<String>,
    document: Map<String, Json>,
}

/// Log sources that correspond to one record format: product, service, format.
const FORMATS: &[(&str, &str, &str)] = &[
    ("aws", "cloudtrail", "cloudtrail"),
    ("kubernetes", "audit", "k8s"),
    ("gcp", "gcp.audit", "gcp"),
    ("github", "audit", "github"),
    ("okta", "okta", "okta"),
    ("azure", "activitylogs", "azure"),
    ("azure", "auditlogs", "azure"),
    ("azure", "signinlogs", "azure"),
    ("m365", "audit", "m365"),
    ("m365", "exchange", "m365"),
    ("m365", "threat_management", "m365"),
    ("m365", "threat_detection", "m365"),
    ("huaweicloud", "cts", "cts"),
    ("huaweicloud", "partner", "partner"),
];

/// Parses the rules of a YAML file, one per document. A document that is malformed or no rule does
/// not keep the others from being read.
///
/// # Errors
/// A file that is larger than [`RULE_BYTES_MAX`] or holds no document; in the list, YAML that is
/// malformed or not a rule.
pub fn read_rules(yaml: &str) -> Result<Vec<Result<SigmaRule>>> {
    if yaml.len() > RULE_BYTES_MAX {
        return Err(Error::invalid(format!(
            "a file of rules may have at most {RULE_BYTES_MAX} bytes"
        )));
    }
    let documents: Vec<Result<Json>> = yaml::documents(yaml)
        .into_iter()
        .map(yaml::parse)
        .filter(|document| !matches!(document, Ok(Json::Null)))
        .collect();
    if documents.is_empty() {
        return Err(Error::invalid("holds no rule"));
    }
    let is_only = documents.len() == 1;
    let numbered = |(place, document): (usize, Result<Json>)| {
        document.and_then(SigmaRule::new).map_err(|error| match is_only {
            true => error,
            false => Error::invalid(format!("document {} {error}", place + 1)),
        })
    };
    Ok(documents.into_iter().enumerate().map(numbered).collect())
}

impl SigmaRule {
    fn new(document: Json) -> Result<Self> {
        let Json::Object(document) = document else {
            return Err(Error::invalid("is no Sigma rule: it has no title and no detection"));
        };
        let text = |key: &str| document.get(key).and_then(Json::as_str).map(str::to_owned);
        let title = text("title")
            .or_else(|| text("name"))
            .ok_or_else(|| Error::invalid("is no Sigma rule: it has no title"))?;
        Ok(Self { title, id: text("id"), level: text("level"), document })
    }

    /// Returns the rule as a group of the filter language, and notes for the reader of the result.
    ///
    /// # Errors
    /// A part that no filter can express. The error names it.
    pub fn filter(&self) -> Result<(Json, Option<String>)> {
        for (key, what) in [
            ("correlation", "correlates several events"),
            ("action", "is a collection that changes other rules"),
            ("filter", "is a filter for other rules"),
        ] {
            if self.document.contains_key(key) {
                return Err(refused(
                    key,
                    format!("{what}: rules of single events can be translated"),
                ));
            }
        }
        let detection = match self.document.get("detection") {
            Some(Json::Object(detection)) => detection,
            _ => return Err(refused("detection", "is missing or not a map")),
        };
        if detection.contains_key("timeframe") {
            return Err(refused(
                "detection.timeframe",
                "correlates several events: rules of single events can be translated",
            ));
        }
        let names = FieldNames::of(&self.source("product"), &self.source("service"), detection);
        let tree = condition::read(detection)?;
        let detected = tree.group(&mut |name| selection::group(name, &detection[name], &names))?;
        let (format, note) = self.format()?;
        let Some(format) = format else { return Ok((detected, note)) };
        Ok((json!({ "format": format, "all": [detected] }), note))
    }

    /// Returns a part of the rule's log source, in lower case.
    fn source(&self, part: &str) -> String {
        let source = self.document.get("logsource").and_then(|source| source.get(part));
        source.and_then(Json::as_str).unwrap_or_default().to_lowercase()
    }

    /// Returns the record format that the rule's log source corresponds to.
    fn format(&self) -> Result<(Option<&'static str>, Option<String>)> {
        if !self.document.get("logsource").is_some_and(Json::is_object) {
            return Err(refused("logsource", "is missing or not a map"));
        }
        let [product, service, category] =
            ["product", "service", "category"].map(|part| self.source(part));
        let service = if product == "kubernetes" && service.is_empty() {
            "audit".to_owned()
        } else {
            service
        };
        let known = FORMATS
            .iter()
            .find(|(a_product, a_service, _)| *a_product == product && *a_service == service);
        let note = || {
            let named: Vec<String> =
                [product, service, category].into_iter().filter(|part| !part.is_empty()).collect();
            format!(
                "log source {} has no format of its own here: records of all formats are searched",
                named.join("/")
            )
        };
        Ok(known.map_or_else(|| (None, Some(note())), |(_, _, format)| (Some(*format), None)))
    }
}

/// Creates the error for a part of a rule that is wrong or that no filter can express.
fn refused(part: impl Into<String>, message: impl Into<String>) -> Error {
    Error::parameter(part, message)
}
