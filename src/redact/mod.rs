//! Redaction: replaces secrets before anything becomes durable.
//!
//! Rules name either paths of the record or detectors of values that are secret wherever they
//! occur. Each match is replaced by `[redacted:RULE:HASH]`, where the hash is keyed (the first 16
//! hexadecimal digits of the value's HMAC-SHA256). The same secret has the same hash, so the events
//! that used it can still be found together, but without the key nobody can test guesses.
//! Everything else in the record stays as it was received, byte for byte.
//!
//! Redaction fails closed. Paths are trusted only in a record that parses completely, which means
//! that it is one JSON value from its first byte to its last. No decoder accepts any other record,
//! and of such a record only the keys before the point of truncation are kept. A string within a
//! record may hold anything. JSON in a string is read like the record itself. In a string that is
//! not JSON, or that is truncated or surrounded by other text, everything after a key that a rule
//! could mean is taken for that key's value.
//!
//! ```text
//!  bytes ─► tape (read to the end)
//!             ├─ one JSON value ─► rewrite: paths, detectors
//!             │                       └─ strings: tape again, base64, mention
//!             └─ anything else ─► keys, if it is truncated; one mask, if not
//! ```

mod detect;
mod mention;
mod paths;
mod rewrite;
mod tape;
#[cfg(test)]
mod tests;

use crate::error::{Context, Error, ErrorKind, Result};
use detect::Detector;
use hmac::{Hmac, KeyInit, Mac};
use mention::Mentions;
use paths::PathPattern;
use rewrite::{LEVELS_MAX, Rewriter};
use serde::Deserialize;
use sha2::Sha256;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

/// The maximum number of rules.
const RULES_MAX: usize = 100;
/// The largest record that is read, in bytes. Decoders accept no record of this size, and redacted
/// records must not exceed it either.
const RECORD_BYTES_MAX: usize = 2 << 20;
/// The most values and keys that a truncated record may have for its keys to be kept.
const SKELETON_NODES_MAX: usize = 10_000;
/// Takes the place of a rule's name where a record that does not parse completely is replaced.
const UNREADABLE: &str = "unreadable";

/// The redaction rules of a store, and how often each has matched.
#[derive(Debug)]
pub struct Redactor {
    rules: Vec<RedactionRule>,
    patterns: Vec<PathPattern>,
    mentions: Mentions,
    key: [u8; 32],
}

#[derive(Debug)]
struct RedactionRule {
    name: String,
    detector: Option<Detector>,
    found: AtomicU64,
}

/// A record without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// The bytes of the record.
    pub bytes: Cow<'a, [u8]>,
    /// If the record is not one JSON value from its first byte to its last, the offset at which it
    /// stops being one: the record was masked instead of read.
    pub unreadable_at: Option<usize>,
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
    /// Parses rules: `{"rules":[{"name":"passwords","paths":["request.password","**.secret"]},
    /// {"name":"keys","detector":"access_key"}]}`.
    ///
    /// # Errors
    /// Malformed rules; the message names the faulty rule.
    pub fn parse(config: &[u8], key: [u8; 32]) -> Result<Self> {
        let config: Config = serde_json::from_slice(config)
            .context(ErrorKind::Invalid, || "the rules of redaction are wrong".to_owned())?;
        if config.rules.len() > RULES_MAX {
            return Err(Error::invalid(format!(
                "there may be at most {RULES_MAX} rules of redaction"
            )));
        }
        let (mut rules, mut patterns) = (Vec::with_capacity(config.rules.len()), Vec::new());
        for (index, rule) in config.rules.into_iter().enumerate() {
            let (rule, mut paths) = RedactionRule::new(index, rule)?;
            rules.push(rule);
            patterns.append(&mut paths);
        }
        let mentions = Mentions::of(&patterns)?;
        Ok(Self { rules, patterns, mentions, key })
    }

    /// Returns the record with its secrets replaced. A record that does not parse completely is
    /// masked if any rule names paths; if all rules are detectors, it is searched as plain text.
    pub fn redact<'a>(&self, record: &'a [u8]) -> Redacted<'a> {
        self.redact_as(record, false)
    }

    /// Returns a record that a decoder refused, with its secrets replaced. Its structure is
    /// unknown, and it may be a fragment of something larger, so a rule matches if only the end of
    /// its path does.
    pub fn redact_refused<'a>(&self, record: &'a [u8]) -> Cow<'a, [u8]> {
        self.redact_as(record, true).bytes
    }

    fn redact_as<'a>(&self, record: &'a [u8], refused: bool) -> Redacted<'a> {
        if self.rules.is_empty() {
            return Redacted { bytes: Cow::Borrowed(record), unreadable_at: None };
        }
        let text = std::str::from_utf8(record);
        let at = match text {
            Ok(text) if text.len() <= RECORD_BYTES_MAX => match self.redact_text(text, refused) {
                Ok(bytes) => return Redacted { bytes, unreadable_at: None },
                Err(masked) => return masked,
            },
            Ok(_) => 0,
            Err(error) => error.valid_up_to(),
        };
        if self.patterns.is_empty() {
            let text = String::from_utf8_lossy(record);
            let changed = Rewriter::new(self, refused).plain(&text);
            let bytes =
                changed.map_or(Cow::Borrowed(record), |changed| Cow::Owned(changed.into_bytes()));
            return Redacted { bytes, unreadable_at: None };
        }
        Redacted { bytes: Cow::Owned(self.mark(record).into_bytes()), unreadable_at: Some(at) }
    }

    /// Redacts the text, or keeps what can be kept of it.
    fn redact_text<'a>(&self, text: &'a str, refused: bool) -> Result<Cow<'a, [u8]>, Redacted<'a>> {
        let owned = |text: String| Cow::Owned(text.into_bytes());
        let tape = tape::read(text, LEVELS_MAX);
        let is_record = text.trim_ascii_start().starts_with(['{', '[']);
        let fault = match tape.fault {
            None if is_record || self.patterns.is_empty() => {
                let changed = Rewriter::new(self, refused).rewrite(text, &tape);
                match changed {
                    None => return Ok(Cow::Borrowed(text.as_bytes())),
                    Some(changed) if changed.len() <= RECORD_BYTES_MAX => {
                        return Ok(owned(changed));
                    }
                    Some(_) => tape::Fault { at: 0, is_cut: false },
                }
            }
            None => tape::Fault { at: 0, is_cut: false },
            Some(_) if self.patterns.is_empty() => {
                let changed = Rewriter::new(self, refused).plain(text);
                return Ok(changed.map_or(Cow::Borrowed(text.as_bytes()), owned));
            }
            Some(fault) => fault,
        };
        let mark = self.mark(text.as_bytes());
        let keeps_keys = fault.is_cut && is_record && tape.nodes.len() <= SKELETON_NODES_MAX;
        let left = if keeps_keys {
            Rewriter::new(self, true).skeleton(text, &tape, fault, &mark)
        } else {
            mark
        };
        Err(Redacted { bytes: owned(left), unreadable_at: Some(fault.at) })
    }

    /// Returns how often each rule has matched since the start, by rule name.
    pub fn found(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), rule.found.load(Ordering::Relaxed)))
    }

    /// Replaces what detectors find in a text; returns `None` if they find nothing.
    fn detected(&self, text: &str) -> Option<String> {
        let mut redacted: Option<String> = None;
        for (index, rule) in self.rules.iter().enumerate() {
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
                next.push_str(&self.mask(index, now[range.clone()].as_bytes()));
                copied = range.end;
            }
            next.push_str(&now[copied..]);
            redacted = Some(next);
        }
        redacted
    }

    /// Returns the first rule whose detector finds something in a text.
    fn finds(&self, text: &str) -> Option<usize> {
        self.rules.iter().position(|rule| {
            rule.detector.as_ref().is_some_and(|detector| !detector.find(text).is_empty())
        })
    }

    /// Returns the replacement for a value that a rule matched.
    fn mask(&self, rule: usize, value: &[u8]) -> String {
        let rule = &self.rules[rule];
        rule.found.fetch_add(1, Ordering::Relaxed);
        self.labelled(&rule.name, value)
    }

    /// Returns the replacement for a record that does not parse completely; its hash still tells
    /// one such record from another.
    fn mark(&self, record: &[u8]) -> String {
        self.labelled(UNREADABLE, record)
    }

    fn labelled(&self, name: &str, value: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any key will do");
        mac.update(value);
        format!("[redacted:{name}:{}]", crate::event::hex(&mac.finalize().into_bytes()[..8]))
    }
}

impl RedactionRule {
    /// Parses the rule at an index of the list, and the paths that it names.
    fn new(index: usize, config: RuleConfig) -> Result<(Self, Vec<PathPattern>)> {
        let RuleConfig { name, paths, detector } = config;
        let wrong =
            |what: String| Err(Error::invalid(format!("rule of redaction {name:?}: {what}")));
        if name.is_empty()
            || name.len() > 40
            || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
        {
            return wrong("a name is 1 to 40 letters, digits, _ or -".to_owned());
        }
        if paths.is_empty() && detector.is_none() {
            return wrong("has no effect: give it paths or a detector".to_owned());
        }
        let mut patterns = Vec::with_capacity(paths.len());
        for path in &paths {
            match PathPattern::parse(index, path) {
                Some(pattern) => patterns.push(pattern),
                None => {
                    return wrong(format!(
                        "{path:?} is no path such as request.password, *.secret or **.token"
                    ));
                }
            }
        }
        let detector = match detector {
            Some(named) => match Detector::from_name(&named) {
                Some(detector) => Some(detector),
                None => {
                    return wrong(format!(
                        "{named:?} is none of the detectors {}",
                        Detector::NAMES.join(", ")
                    ));
                }
            },
            None => None,
        };
        Ok((Self { name, detector, found: AtomicU64::new(0) }, patterns))
    }
}
