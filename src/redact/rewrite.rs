//! Rewrites a record in place: values that rules find are replaced, every other byte stays.

use super::Redactor;
use super::mention::{CODINGS_MAX, decoded, is_coded};
use super::paths::{Lead, PatternPositions, key_form};
use super::tape::{Fault, Node, Tape, TapeTokenKind, read};
use crate::text::Lexer;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// Levels of objects and arrays that are entered, of the record and of what is written into its
/// strings together. Decoders refuse records that nest deeper.
pub(super) const LEVELS_MAX: usize = 256;
/// How often JSON may be written into a string of JSON.
const EMBEDDED_MAX: usize = 8;
/// Keys under which producers name what the value beside them is.
const NAMES: &[&str] = &["key", "name"];
/// Keys of the value beside a name.
const VALUES: &[&str] = &["value", "values"];
/// Keys of bytes in base64, whatever these are.
const BINARY: &[&str] = &["data_base64", "bytesvalue"];
/// Nothing shorter is found by a detector, but for passwords in URLs, and these are no plain words.
const DETECTED_MIN: usize = 13;
/// What stands for a value of a record that is not read surely.
const MASK: &str = "[redacted]";

/// A reader of one record.
pub(super) struct Rewriter<'r> {
    redactor: &'r Redactor,
    places: PatternPositions<'r>,
    /// How many objects and arrays it is in.
    level: usize,
    /// How many strings it is in.
    embedded: usize,
}

/// A JSON text, and what has been made of it.
struct Document<'a> {
    json: &'a str,
    nodes: &'a [Node],
    out: String,
    /// Up to where the text is in `out`.
    copied: usize,
    /// Every value is replaced, and only keys stay.
    masked: bool,
}

impl<'a> Document<'a> {
    fn raw(&self, node: Node) -> &'a str {
        &self.json[node.start as usize..node.end as usize]
    }

    /// What a string or a literal says.
    fn text(&self, node: Node) -> Cow<'a, str> {
        let raw = self.raw(node);
        if raw.starts_with('"')
            && let Some(string) = Lexer::new(raw).string()
        {
            return string.text();
        }
        Cow::Borrowed(raw)
    }

    /// Puts a text in the place of a key or a value.
    fn replace(&mut self, node: Node, text: &str) {
        self.out.push_str(&self.json[self.copied..node.start as usize]);
        self.out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| format!("\"{MASK}\"")));
        self.copied = node.end as usize;
    }
}

impl<'r> Rewriter<'r> {
    /// One that begins at the beginning of a record; `astray` if its rules are to be taken as of
    /// any part of one.
    pub(super) fn new(redactor: &'r Redactor, astray: bool) -> Self {
        Self {
            redactor,
            places: PatternPositions::new(&redactor.patterns, astray),
            level: 0,
            embedded: 0,
        }
    }

    /// JSON that was read surely, rewritten; nothing if nothing is found.
    pub(super) fn rewrite(&mut self, json: &str, tape: &Tape) -> Option<String> {
        let mut document =
            Document { json, nodes: &tape.nodes, out: String::new(), copied: 0, masked: false };
        self.value(&mut document, 0);
        (document.copied > 0).then(|| document.out + &json[document.copied..])
    }

    /// What may be kept of JSON that is cut off: its keys. `mark` stands where it was cut off.
    pub(super) fn skeleton(&mut self, json: &str, tape: &Tape, fault: Fault, mark: &str) -> String {
        let mut document =
            Document { json, nodes: &tape.nodes, out: String::new(), copied: 0, masked: true };
        self.value(&mut document, 0);
        let copied = document.copied.min(fault.at);
        document.out + &json[copied..fault.at] + mark
    }

    fn value(&mut self, document: &mut Document<'_>, place: usize) {
        let node = document.nodes[place];
        let raw = document.raw(node);
        if let Some(pattern) = self.places.matched().filter(|_| raw != "null") {
            let text = self.redactor.mask(pattern.rule, document.text(node).as_bytes());
            return document.replace(node, &text);
        }
        match node.kind {
            TapeTokenKind::Object => {
                self.within_levels(|rewriter| rewriter.object(document, place))
            }
            TapeTokenKind::Array if !document.masked => {
                self.within_levels(|rewriter| rewriter.array(document, place))
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

    fn array(&mut self, document: &mut Document<'_>, place: usize) {
        let end = document.nodes[place].next as usize;
        let mut item = place + 1;
        while item < end {
            self.value(document, item);
            item = document.nodes[item].next as usize;
        }
    }

    fn object(&mut self, document: &mut Document<'_>, place: usize) {
        let end = document.nodes[place].next as usize;
        let named = self.named(document, place);
        let mut member = place + 1;
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
            self.places.leave();
            member = document.nodes[value].next as usize;
        }
    }

    fn enter(&mut self, name: &str, named: &[u64]) {
        self.places.enter(name);
        let form = key_form(name);
        match &*form {
            // The event's data, in another form.
            "data_base64" => {
                self.places.leave();
                let data = self.places.after_any(std::iter::once(Cow::Borrowed("data")));
                self.places.enter(name);
                self.places.be_also(&data);
            }
            // OTLP's form of a value that is bytes.
            "bytesvalue" => {
                let above = self.places.above();
                self.places.be_also(&above);
            }
            form if VALUES.contains(&form) => self.places.be_also(named),
            _ => {}
        }
    }

    /// Where the value of `{"key":"password","value":"x"}` is by its name; nowhere if the object is
    /// no such pair.
    fn named(&self, document: &Document<'_>, place: usize) -> Vec<u64> {
        let end = document.nodes[place].next as usize;
        if self.redactor.patterns.is_empty() {
            return Vec::new();
        }
        let mut members = Vec::new();
        let mut member = place + 1;
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
        self.places.after_any(names.map(|(_, value)| document.text(*value)))
    }

    /// A key with what is secret in it replaced.
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

    /// A number or a truth value with what is secret in it replaced.
    fn literal(&self, raw: &str) -> Option<String> {
        self.redactor.detected(raw).or_else(|| {
            // The same number without its exponent.
            let number = raw.parse::<f64>().ok().filter(|_| raw.contains(['e', 'E']))?;
            let plain = format!("{number:.0}");
            self.redactor.finds(&plain).map(|rule| self.redactor.mask(rule, plain.as_bytes()))
        })
    }

    /// A string with what is secret in it replaced: JSON in a string is rewritten as the record is.
    fn text(&mut self, text: &str) -> Option<String> {
        let core = trimmed(text);
        if core.len() > 1 && core.starts_with(['{', '[', '"']) {
            let tape = read(core, LEVELS_MAX - self.level);
            if tape.fault.is_none() {
                return self.embedded(text, core, &tape);
            }
        }
        if let Some(bytes) = base64_document(text) {
            return self.encoded(text, &bytes);
        }
        self.plain(text)
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

    /// What is written deeper than is read goes whole, if anything could be in it.
    fn beyond(&self, text: &str) -> Option<String> {
        self.any().map(|rule| self.redactor.mask(rule, text.as_bytes()))
    }

    /// A value that is bytes in base64.
    fn binary(&mut self, document: &mut Document<'_>, place: usize) {
        let node = document.nodes[place];
        if self.places.matched().is_some() || document.masked {
            return self.value(document, place);
        }
        let text = document.text(node);
        let changed = match base64_bytes(&text) {
            Some(bytes) => self.encoded(&text, &bytes),
            None => self.text(&text),
        };
        if let Some(changed) = changed {
            document.replace(node, &changed);
        }
    }

    /// A text in base64 whose content is rewritten.
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

    /// A text that is no JSON, with what is secret in it replaced.
    pub(super) fn plain(&self, text: &str) -> Option<String> {
        let mentioned = self.mentioned(text);
        let (head, rest) = text.split_at(mentioned.map_or(text.len(), |(end, _)| end));
        let changed = self.redactor.detected(head);
        let hidden = self.hidden(head, |text| self.mentioned(text).map(|(_, rule)| rule));
        let hidden = hidden.or_else(|| {
            self.hidden(changed.as_deref().unwrap_or(head), |text| self.redactor.finds(text))
        });
        let anywhere = self
            .places
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

    /// Where the first key ends that a rule could mean here and that gets a value, and the rule.
    fn mentioned(&self, text: &str) -> Option<(usize, usize)> {
        let wanted = |key: &str| {
            self.places
                .leads()
                .find(|(pattern, _)| pattern.key() == key)
                .map(|(pattern, _)| pattern.rule)
        };
        self.redactor.mentions.find(text, wanted)
    }

    /// The rule that finds something in a text only when its codings are undone.
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

    /// A rule that could find something here, whatever it is.
    fn any(&self) -> Option<usize> {
        let rules = self.places.leads().map(|(pattern, _)| pattern.rule);
        rules.chain(self.redactor.rules.iter().position(|rule| rule.detector.is_some())).next()
    }
}

/// A text without its white space and byte order mark.
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

/// What a text stands for that is base64 in either alphabet.
fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let text: Cow<'_, str> = if text.contains(char::is_whitespace) {
        text.split_whitespace().collect::<String>().into()
    } else {
        text.into()
    };
    let engine = if text.contains(['-', '_']) { READ_URL_SAFE } else { READ };
    engine.decode(&*text).ok()
}

/// The same for a text of which nothing but its beginning says that it is base64 of JSON.
fn base64_document(text: &str) -> Option<Vec<u8>> {
    let start = text.trim_start().get(..4).filter(|_| text.len() >= 8)?;
    let start = base64_bytes(start)?;
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if !matches!(first, b'{' | b'[' | b'"' | 0xef) {
        return None;
    }
    base64_bytes(text)
}
