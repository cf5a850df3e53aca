//! Redaction: secrets are replaced before anything is durable.
//!
//! Rules name paths of the record, or detectors of things that are secret wherever they stand. What they find is replaced by
//! `[redacted:RULE:HASH]`, where the hash is keyed (HMAC-SHA256 of the value, its first 16 hexadecimal digits): the same
//! secret has the same hash, so events that used it are still found together, and nobody without the key can try values.
//! Everything else of the record stays as it was received, byte for byte.

mod detect;
mod rewrite;
#[cfg(test)]
mod tests;

use crate::error::{Context, Error, ErrorKind, Result};
use detect::Detector;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rules at most.
const RULES_MAX: usize = 100;

/// The rules of a store, and how often each has found something.
#[derive(Debug)]
pub struct Redactor {
    rules: Vec<Rule>,
    key: [u8; 32],
}

#[derive(Debug)]
struct Rule {
    name: String,
    paths: Vec<PathPattern>,
    detector: Option<Detector>,
    found: AtomicU64,
}

/// Keys on the way to a value, in lower case. Arrays are passed through.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PathPattern(Vec<PathStep>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum PathStep {
    Key(String),
    /// Any one key.
    One,
    /// Any keys, none included.
    Many,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    rules: Vec<RuleConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleConfig {
    name: String,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    detector: Option<String>,
}

impl Redactor {
    /// Reads rules: `{"rules":[{"name":"passwords","paths":["request.password","**.secret"]},{"name":"keys","detector":"access_key"}]}`.
    ///
    /// # Errors
    /// Rules that are malformed; the message says which.
    pub fn parse(config: &[u8], key: [u8; 32]) -> Result<Self> {
        let config: Config =
            serde_json::from_slice(config).context(ErrorKind::Invalid, || "the rules of redaction are wrong".to_owned())?;
        if config.rules.len() > RULES_MAX {
            return Err(Error::invalid(format!("there may be {RULES_MAX} rules of redaction")));
        }
        let rules = config.rules.into_iter().map(Rule::new).collect::<Result<_>>()?;
        Ok(Self { rules, key })
    }

    /// The record with its secrets replaced. What is no JSON is searched by the detectors as one text.
    pub fn redact<'a>(&self, record: &'a str) -> Cow<'a, str> {
        match rewrite::rewrite(self, record) {
            Some(Some(redacted)) => Cow::Owned(redacted),
            Some(None) => Cow::Borrowed(record),
            None => self.detected(record).map_or(Cow::Borrowed(record), Cow::Owned),
        }
    }

    /// How often each rule has found something since the start, by its name.
    pub fn found(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), rule.found.load(Ordering::Relaxed)))
    }

    /// What stands in the place of a value at a path, if a rule names the path.
    fn at_path(&self, path: &[String], value: &str) -> Option<String> {
        let rule = self.rules.iter().find(|rule| rule.paths.iter().any(|pattern| pattern.matches(path)))?;
        Some(self.replacement(rule, value))
    }

    /// A text with what detectors find in it replaced; nothing if they find nothing.
    fn detected(&self, text: &str) -> Option<String> {
        let mut redacted: Option<String> = None;
        for rule in &self.rules {
            let Some(detector) = &rule.detector else { continue };
            let now = redacted.as_deref().unwrap_or(text);
            let found = detector.find(now);
            if found.is_empty() {
                continue;
            }
            let mut next = String::with_capacity(now.len());
            let mut copied = 0;
            for range in found {
                next.push_str(&now[copied..range.start]);
                next.push_str(&self.replacement(rule, &now[range.clone()]));
                copied = range.end;
            }
            next.push_str(&now[copied..]);
            redacted = Some(next);
        }
        redacted
    }

    fn replacement(&self, rule: &Rule, value: &str) -> String {
        rule.found.fetch_add(1, Ordering::Relaxed);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any key will do");
        mac.update(value.as_bytes());
        format!("[redacted:{}:{}]", rule.name, crate::event::hex(&mac.finalize().into_bytes()[..8]))
    }
}

impl Rule {
    fn new(config: RuleConfig) -> Result<Self> {
        let RuleConfig { name, paths, detector } = config;
        let wrong = |what: String| Err(Error::invalid(format!("rule of redaction {name:?}: {what}")));
        if name.is_empty() || name.len() > 40 || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter)) {
            return wrong("a name is 1 to 40 letters, digits, _ or -".to_owned());
        }
        if paths.is_empty() && detector.is_none() {
            return wrong("says nothing: give it paths or a detector".to_owned());
        }
        let mut patterns = Vec::with_capacity(paths.len());
        for path in &paths {
            match PathPattern::parse(path) {
                Some(pattern) => patterns.push(pattern),
                None => return wrong(format!("{path:?} is no path such as request.password, *.secret or **.token")),
            }
        }
        let detector = match detector {
            Some(named) => match Detector::from_name(&named) {
                Some(detector) => Some(detector),
                None => return wrong(format!("{named:?} is none of the detectors {}", Detector::NAMES.join(", "))),
            },
            None => None,
        };
        Ok(Self { name, paths: patterns, detector, found: AtomicU64::new(0) })
    }
}

impl PathPattern {
    fn parse(path: &str) -> Option<Self> {
        let step = |step: &str| match step {
            "" => None,
            "*" => Some(PathStep::One),
            "**" => Some(PathStep::Many),
            key => Some(PathStep::Key(key.to_lowercase())),
        };
        let steps: Vec<PathStep> = path.split('.').map(step).collect::<Option<_>>()?;
        // A pattern of nothing but stars would take the record itself.
        steps.iter().any(|step| matches!(step, PathStep::Key(_))).then_some(Self(steps))
    }

    fn matches(&self, path: &[String]) -> bool {
        fn from(steps: &[PathStep], path: &[String]) -> bool {
            match (steps, path) {
                ([], []) => true,
                ([PathStep::Many, rest @ ..], _) => from(rest, path) || (!path.is_empty() && from(steps, &path[1..])),
                ([PathStep::One, rest @ ..], [_, left @ ..]) => from(rest, left),
                ([PathStep::Key(key), rest @ ..], [here, left @ ..]) => key == here && from(rest, left),
                _ => false,
            }
        }
        from(&self.0, path)
    }
}
