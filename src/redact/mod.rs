//! Redaction: secrets are replaced before anything is durable.
//!
//! Rules name paths of the record, or detectors of things that are secret wherever they stand. What
//! they find is replaced by `[redacted:RULE:HASH]`, where the hash is keyed (HMAC-SHA256 of the
//! value, its first 16 hexadecimal digits): the same secret has the same hash, so events that used
//! it are still found together, and nobody without the key can try values. Everything else of the
//! record stays as it was received, byte for byte.
//!
//! It fails closed. Paths lead somewhere only in a record that is read surely, one JSON value from
//! its first byte to its last. Of any other record, which no decoder accepts, nothing stays but the
//! keys before the place where it was cut off. A text within a record may be anything: JSON in a
//! string is read like the record; in what is no JSON, or is cut off, or has something around it,
//! all that follows a key that a rule could mean is taken for its value.
//!
//! ```text
//!  bytes ─► tape (read to the end) ─┬─ one JSON value ─► rewrite: paths, detectors ─► strings: tape again, base64, mention
//!                                   └─ anything else ─► keys, if it was cut off; one mask, if not
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

/// Rules at most.
const RULES_MAX: usize = 100;
/// The largest record that is read, in bytes; decoders accept none of this size. Redacted ones must
/// not be larger either.
const RECORD_BYTES_MAX: usize = 2 << 20;
/// The most values and keys of a record that is cut off of which the keys are kept.
const SKELETON_NODES_MAX: usize = 10_000;
/// What stands for a record that is not read surely, where a rule's name would stand.
const UNREADABLE: &str = "unreadable";

/// The rules of a store, and how often each has found something.
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

/// A record that holds no secret any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted<'a> {
    /// Its bytes.
    pub bytes: Cow<'a, [u8]>,
    /// The record is not one JSON value from its first byte to its last, only up to here: it was
    /// not read but masked.
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
    /// Reads rules:
    /// `{"rules":[{"name":"passwords","paths":["request.password","**.secret"]},{"name":"keys","detector":"access_key"}]}`.
    ///
    /// # Errors
    /// Rules that are malformed; the message says which.
    pub fn parse(config: &[u8], key: [u8; 32]) -> Result<Self> {
        let config: Config = serde_json::from_slice(config)
            .context(ErrorKind::Invalid, || "the rules of redaction are wrong".to_owned())?;
        if config.rules.len() > RULES_MAX {
            return Err(Error::invalid(format!("there may be {RULES_MAX} rules of redaction")));
        }
        let (mut rules, mut patterns) = (Vec::with_capacity(config.rules.len()), Vec::new());
        for (place, rule) in config.rules.into_iter().enumerate() {
            let (rule, mut paths) = RedactionRule::new(place, rule)?;
            rules.push(rule);
            patterns.append(&mut paths);
        }
        let mentions = Mentions::of(&patterns)?;
        Ok(Self { rules, patterns, mentions, key })
    }

    /// The record with its secrets replaced. Where rules name paths and the record is not read
    /// surely, it is masked; where they are detectors only, it is searched as one text.
    pub fn redact<'a>(&self, record: &'a [u8]) -> Redacted<'a> {
        self.redact_as(record, false)
    }

    /// The record that a decoder refused with its secrets replaced. Nobody knows its form, and it
    /// may be a part of something larger: so the end of a path is enough for a rule to find it.
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

    /// The text redacted, or what is left of it.
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

    /// How often each rule has found something since the start, by its name.
    pub fn found(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rules.iter().map(|rule| (rule.name.as_str(), rule.found.load(Ordering::Relaxed)))
    }

    /// A text with what detectors find in it replaced; nothing if they find nothing.
    fn detected(&self, text: &str) -> Option<String> {
        let mut redacted: Option<String> = None;
        for (place, rule) in self.rules.iter().enumerate() {
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
                next.push_str(&self.mask(place, now[range.clone()].as_bytes()));
                copied = range.end;
            }
            next.push_str(&now[copied..]);
            redacted = Some(next);
        }
        redacted
    }

    /// The first rule whose detector finds something in a text.
    fn finds(&self, text: &str) -> Option<usize> {
        self.rules.iter().position(|rule| {
            rule.detector.as_ref().is_some_and(|detector| !detector.find(text).is_empty())
        })
    }

    /// What stands for a value that a rule found.
    fn mask(&self, rule: usize, value: &[u8]) -> String {
        let rule = &self.rules[rule];
        rule.found.fetch_add(1, Ordering::Relaxed);
        self.labelled(&rule.name, value)
    }

    /// What stands for a record that is not read surely: it still tells one from another.
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
    /// The rule of a place in the list, and the paths that it names.
    fn new(place: usize, config: RuleConfig) -> Result<(Self, Vec<PathPattern>)> {
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
            return wrong("says nothing: give it paths or a detector".to_owned());
        }
        let mut patterns = Vec::with_capacity(paths.len());
        for path in &paths {
            match PathPattern::parse(place, path) {
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
