//! Rewrites a record in place: values that rules match are replaced, every other byte stays.

use super::Redactor;
use super::mention::{CODINGS_MAX, decoded, is_coded};
use super::paths::{Lead, PatternPositions, key_form};
use super::tape::{Fault, Node, Tape, TapeTokenKind, read};
use crate::text::Lexer;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// The maximum nesting of objects and arrays that is read, counting the record and the JSON within
/// its strings together. Decoders refuse records that nest deeper.
pub(super) const LEVELS_MAX: usize = 256;
/// How many times JSON may be nested in strings of JSON.
const EMBEDDED_MAX: usize = 8;
/// Keys under which producers write the name of the value in the same object.
const NAMES: &[&str] = &["key", "name"];
/// Keys of that value.
const VALUES: &[&str] = &["value", "values"];
/// Keys of values in base64, whatever their bytes hold.
const BINARY: &[&str] = &["data_base64", "bytesvalue"];
/// Keys of values that may be a record of their own, which is decoded as one: paths begin there
/// too.
const CARRIERS: &[&str] = &[
    "message",
    "original",
    "log",
    "body",
    "data",
    "detail",
    "event",
    "cloudtrailevent",
    "cloudauditevent",
    "auditdata",
    "logcontent",
];
/// The length below which no detector matches, except for passwords in URLs; those are not plain
/// words.
const DETECTED_MIN: usize = 13;
/// Replaces a value of a record that does not parse completely.
const MASK: &str = "[redacted]";

/// Returns whether a text is `[redacted:RULE:HASH]`.
fn is_replacement(text: &str) -> bool {
    let inner = text.strip_prefix("[redacted:").and_then(|rest| rest.strip_suffix(']'));
    inner.and_then(|inner| inner.rsplit_once(':')).is_some_and(|(rule, hash)| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        !rule.contains(['[', ']', ':']) && hash.len() == 16 && hash.bytes().all(is_digit)
    })
}

/// Rewrites one record.
pub(super) struct Rewriter<'r> {
    redactor: &'r Redactor,
    indexes: PatternPositions<'r>,
    /// How many objects and arrays enclose the current value.
    level: usize,
    /// How many strings of JSON enclose it.
    embedded: usize,
}

/// A JSON text and its rewritten form.
struct Document<'a> {
    json: &'a str,
    nodes: &'a [Node],
    out: String,
    /// The offset up to which the text has been copied to `out`.
    copied: usize,
    /// Whether every value is replaced, so that only keys stay.
    masked: bool,
}

impl<'a> Document<'a> {
    fn raw(&self, node: Node) -> &'a str {
        &self.json[node.start as usize..node.end as usize]
    }

    /// Returns the content of a string or a literal.
    fn text(&self, node: Node) -> Cow<'a, str> {
        let raw = self.raw(node);
        if raw.starts_with('"')
            && let Some(string) = Lexer::new(raw).string()
        {
            return string.text();
        }
        Cow::Borrowed(raw)
    }

    /// Replaces a key or a value by a text.
    fn replace(&mut self, node: Node, text: &str) {
        self.out.push_str(&self.json[self.copied..node.start as usize]);
        self.out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| format!("\"{MASK}\"")));
        self.copied = node.end as usize;
    }
}

impl<'r> Rewriter<'r> {
    /// Creates a rewriter at the beginning of a record. With `astray`, the rules apply as if the
    /// text could be any fragment of a record.
    pub(super) fn new(redactor: &'r Redactor, astray: bool) -> Self {
        Self {
            redactor,
            indexes: PatternPositions::new(&redactor.patterns, astray),
            level: 0,
            embedded: 0,
        }
    }

    /// Rewrites JSON that parses completely; returns `None` if no rule matches.
    pub(super) fn rewrite(&mut self, json: &str, tape: &Tape) -> Option<String> {
        let mut document =
            Document { json, nodes: &tape.nodes, out: String::new(), copied: 0, masked: false };
        self.value(&mut document, 0);
        (document.copied > 0).then(|| document.out + &json[document.copied..])
    }

    /// Returns what may be kept of truncated JSON: its keys. `mark` is appended at the point of
    /// truncation.
    pub(super) fn skeleton(&mut self, json: &str, tape: &Tape, fault: Fault, mark: &str) -> String {
        let mut document =
            Document { json, nodes: &tape.nodes, out: String::new(), copied: 0, masked: true };
        self.value(&mut document, 0);
        let copied = document.copied.min(fault.at);
        document.out + &json[copied..fault.at] + mark
    }

    fn value(&mut self, document: &mut Document<'_>, index: usize) {
        let node = document.nodes[index];
        let raw = document.raw(node);
        if let Some(pattern) = self.indexes.matched().filter(|_| raw != "null") {
            // What is replaced already, as in a record that is decoded again, keeps its hash.
            if is_replacement(&document.text(node)) {
                return;
            }
            let text = self.redactor.mask(pattern.rule, document.text(node).as_bytes());
            return document.replace(node, &text);
        }
        match node.kind {
            TapeTokenKind::Object => {
                self.within_levels(|rewriter| rewriter.object(document, index))
            }
            TapeTokenKind::Array if !document.masked => {
                self.within_levels(|rewriter| rewriter.array(document, index))
            }
            _ if document.masked => document.replace(node, MASK),
            TapeTokenKind::Literal => {
                if let Some(changed) = self.literal(raw) {
                    document.replace(node, &changed);
                }
            }
            _ => {
                if let Some(changed) = self.text(&document.text(node)) {
                    document.replace(node, &changed);
                }
            }
        }
    }

    fn within_levels(&mut self, enter: impl FnOnce(&mut Self)) {
        self.level += 1;
        enter(self);
        self.level -= 1;
    }

    fn array(&mut self, document: &mut Document<'_>, index: usize) {
        let end = document.nodes[index].next as usize;
        let mut item = index + 1;
        while item < end {
            self.value(document, item);
            item = document.nodes[item].next as usize;
        }
    }

    fn object(&mut self, document: &mut Document<'_>, index: usize) {
        let end = document.nodes[index].next as usize;
        let named = self.named(document, index);
        let mut member = index + 1;
        while member < end {
            let (key, value) = (document.nodes[member], member + 1);
            let name = document.text(key).into_owned();
            if let Some(changed) = self.key(&name) {
                document.replace(key, &changed);
            }
            if value >= end {
                break;
            }
            self.enter(&name, &named);
            match document.nodes[value].kind {
                TapeTokenKind::Text if BINARY.contains(&&*key_form(&name)) => {
                    self.binary(document, value)
                }
                _ => self.value(document, value),
            }
            self.indexes.leave();
            member = document.nodes[value].next as usize;
        }
    }

    fn enter(&mut self, name: &str, named: &[u64]) {
        self.indexes.enter(name);
        let form = key_form(name);
        match &*form {
            // CloudEvents' form of event data that is binary.
            "data_base64" => {
                self.indexes.leave();
                let data = self.indexes.after_any(std::iter::once(Cow::Borrowed("data")));
                self.indexes.enter(name);
                self.indexes.be_also(&data);
            }
            // OTLP's form of a value that consists of bytes.
            "bytesvalue" => {
                let above = self.indexes.above();
                self.indexes.be_also(&above);
            }
            form if VALUES.contains(&form) => self.indexes.be_also(named),
            _ => {}
        }
        let last = form.rsplit('.').next().unwrap_or_default();
        if CARRIERS.contains(&last) {
            let beginning = self.indexes.beginning();
            self.indexes.be_also(&beginning);
        }
    }

    /// Returns the positions that the value of `{"key":"password","value":"x"}` has by its name;
    /// empty if the object is not such a pair.
    fn named(&self, document: &Document<'_>, index: usize) -> Vec<u64> {
        let end = document.nodes[index].next as usize;
        if self.redactor.patterns.is_empty() {
            return Vec::new();
        }
        let mut members = Vec::new();
        let mut member = index + 1;
        while member + 1 < end {
            members.push((document.nodes[member], document.nodes[member + 1]));
            member = document.nodes[member + 1].next as usize;
        }
        let is_one_of = |key: Node, keys: &[&str]| keys.contains(&&*key_form(&document.text(key)));
        if !members.iter().any(|(key, _)| is_one_of(*key, VALUES)) {
            return Vec::new();
        }
        let names = members
            .iter()
            .filter(|(key, value)| value.kind == TapeTokenKind::Text && is_one_of(*key, NAMES));
        self.indexes.after_any(names.map(|(_, value)| document.text(*value)))
    }

    /// Replaces the secrets in a key.
    fn key(&mut self, name: &str) -> Option<String> {
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        match () {
            () if !is_plain => self.text(name),
            () if name.len() < DETECTED_MIN => None,
            () => self.redactor.detected(name),
        }
    }

    /// Replaces a number or a truth value that holds a secret.
    fn literal(&self, raw: &str) -> Option<String> {
        self.redactor.detected(raw).or_else(|| {
            // Try the same number written without its exponent.
            let number = raw.parse::<f64>().ok().filter(|_| raw.contains(['e', 'E']))?;
            let plain = format!("{number:.0}");
            self.redactor.finds(&plain).map(|rule| self.redactor.mask(rule, plain.as_bytes()))
        })
    }

    /// Replaces the secrets in a string. JSON in a string is rewritten like the record.
    fn text(&mut self, text: &str) -> Option<String> {
        let core = trimmed(text);
        if core.len() > 1 && core.starts_with(['{', '[', '"']) {
            let tape = read(core, LEVELS_MAX - self.level);
            if tape.fault.is_none() {
                return self.embedded(text, core, &tape);
            }
        }
        match base64_document(text) {
            Some(bytes) => self.encoded_or_plain(text, &bytes),
            None => self.plain(text),
        }
    }

    /// Rewrites a text that decodes as base64, and the result as the text that it may be after all:
    /// words and a key with spaces between them decode as well.
    fn encoded_or_plain(&mut self, text: &str, bytes: &[u8]) -> Option<String> {
        let changed = self.encoded(text, bytes);
        self.plain(changed.as_deref().unwrap_or(text)).or(changed)
    }

    fn embedded(&mut self, text: &str, core: &str, tape: &Tape) -> Option<String> {
        if self.embedded >= EMBEDDED_MAX {
            return self.beyond(text);
        }
        self.embedded += 1;
        let changed = self.rewrite(core, tape);
        self.embedded -= 1;
        let start = core.as_ptr().addr() - text.as_ptr().addr();
        changed.map(|changed| [&text[..start], &changed, &text[start + core.len()..]].concat())
    }

    /// Masks a whole text that is nested deeper than is read, if a rule could match in it.
    fn beyond(&self, text: &str) -> Option<String> {
        self.any().map(|rule| self.redactor.mask(rule, text.as_bytes()))
    }

    /// Rewrites a value that is bytes in base64.
    fn binary(&mut self, document: &mut Document<'_>, index: usize) {
        let node = document.nodes[index];
        if self.indexes.matched().is_some() || document.masked {
            return self.value(document, index);
        }
        let text = document.text(node);
        let changed = match base64_bytes(&text) {
            Some(bytes) => self.encoded_or_plain(&text, &bytes),
            None => self.text(&text),
        };
        if let Some(changed) = changed {
            document.replace(node, &changed);
        }
    }

    /// Rewrites the content of a base64 text.
    fn encoded(&mut self, text: &str, bytes: &[u8]) -> Option<String> {
        if self.embedded >= EMBEDDED_MAX {
            return self.beyond(text);
        }
        self.embedded += 1;
        let content = String::from_utf8_lossy(bytes);
        let changed = self.text(&content);
        self.embedded -= 1;
        changed.map(|changed| STANDARD.encode(changed))
    }

    /// Replaces the secrets in a text that is not JSON.
    pub(super) fn plain(&self, text: &str) -> Option<String> {
        let mentioned = self.mentioned(text);
        let (head, rest) = text.split_at(mentioned.map_or(text.len(), |(end, _)| end));
        let changed = self.redactor.detected(head);
        let hidden = self.hidden(head, |text| self.mentioned(text).map(|(_, rule)| rule));
        let hidden = hidden.or_else(|| {
            self.hidden(changed.as_deref().unwrap_or(head), |text| self.redactor.finds(text))
        });
        let anywhere = self
            .indexes
            .leads()
            .find(|(_, lead)| *lead == Lead::Anywhere)
            .filter(|_| text.contains([':', '=']));
        if let Some(rule) = hidden.or(anywhere.map(|(pattern, _)| pattern.rule)) {
            return Some(self.redactor.mask(rule, text.as_bytes()));
        }
        match mentioned {
            Some((_, rule)) => Some(
                changed.unwrap_or_else(|| head.to_owned())
                    + &self.redactor.mask(rule, rest.as_bytes()),
            ),
            None => changed,
        }
    }

    /// Finds the first key that a rule could mean here and that is given a value. Returns the
    /// offset of its end, and the rule.
    fn mentioned(&self, text: &str) -> Option<(usize, usize)> {
        let wanted = |key: &str| {
            self.indexes
                .leads()
                .find(|(pattern, _)| pattern.key() == key)
                .map(|(pattern, _)| pattern.rule)
        };
        self.redactor.mentions.find(text, wanted)
    }

    /// Returns the rule that matches a text only once its encodings are undone.
    fn hidden(&self, text: &str, find: impl Fn(&str) -> Option<usize>) -> Option<usize> {
        if !is_coded(text) {
            return None;
        }
        let mut text = Cow::Borrowed(text);
        for _ in 0..CODINGS_MAX {
            let next = decoded(&text);
            if next == text {
                return None;
            }
            if let Some(rule) = find(&next) {
                return Some(rule);
            }
            text = Cow::Owned(next);
        }
        self.any()
    }

    /// Returns any rule that could match something here.
    fn any(&self) -> Option<usize> {
        let rules = self.indexes.leads().map(|(pattern, _)| pattern.rule);
        rules.chain(self.redactor.rules.iter().position(|rule| rule.detector.is_some())).next()
    }
}

/// Trims white space and byte order marks.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, base64::engine::general_purpose::PAD);
const READ: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const READ_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// Decodes base64 in either alphabet.
fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let text: Cow<'_, str> = if text.contains(char::is_whitespace) {
        text.split_whitespace().collect::<String>().into()
    } else {
        text.into()
    };
    let engine = if text.contains(['-', '_']) { READ_URL_SAFE } else { READ };
    engine.decode(&*text).ok()
}

/// Decodes a text whose beginning looks like base64 of JSON; nothing else marks it as base64.
fn base64_document(text: &str) -> Option<Vec<u8>> {
    let start = text.trim_start().get(..4).filter(|_| text.len() >= 8)?;
    let start = base64_bytes(start)?;
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if !matches!(first, b'{' | b'[' | b'"' | 0xef) {
        return None;
    }
    base64_bytes(text)
}
