//! Rewrites a record in place: values that rules find are replaced, every other byte stays.

use super::Redactor;
use std::fmt::Write;

/// Levels of objects and arrays that are entered; records that nest deeper are refused by the decoders.
const DEPTH_MAX: usize = 256;

/// The record with secrets replaced; nothing within if there are none, nothing at all if it is no JSON.
pub(super) fn rewrite(redactor: &Redactor, record: &str) -> Option<Option<String>> {
    let mut rewriter = Rewriter { redactor, json: record, at: 0, out: String::new(), copied: 0 };
    let mut path = Vec::new();
    rewriter.value(&mut path, 0)?;
    rewriter.space();
    if rewriter.at != record.len() {
        return None;
    }
    if rewriter.copied == 0 {
        return Some(None);
    }
    rewriter.out.push_str(&record[rewriter.copied..]);
    Some(Some(rewriter.out))
}

struct Rewriter<'a> {
    redactor: &'a Redactor,
    json: &'a str,
    at: usize,
    out: String,
    /// Up to where the record is in `out`.
    copied: usize,
}

impl Rewriter<'_> {
    fn byte(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while self.byte().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Puts a text in the place of a value.
    fn replace(&mut self, start: usize, end: usize, text: &str) {
        self.out.push_str(&self.json[self.copied..start]);
        let quoted = serde_json::to_string(text).unwrap_or_else(|_| "\"[redacted]\"".to_owned());
        let _ = self.out.write_str(&quoted);
        self.copied = end;
    }

    fn value(&mut self, path: &mut Vec<String>, depth: usize) -> Option<()> {
        self.space();
        let start = self.at;
        match self.byte()? {
            b'{' | b'[' if depth >= DEPTH_MAX => None,
            b'{' | b'[' => {
                // A rule that names an object or array takes it whole: what is within must not be rewritten first.
                let (kept, length) = (self.copied, self.out.len());
                self.container(path, depth)?;
                if let Some(text) = self.redactor.at_path(path, &self.json[start..self.at]) {
                    self.copied = kept;
                    self.out.truncate(length);
                    self.replace(start, self.at, &text);
                }
                Some(())
            }
            b'"' => {
                let text = self.string()?;
                let end = self.at;
                let changed = self.redactor.at_path(path, &text).or_else(|| self.within(&text, path, depth));
                if let Some(changed) = changed {
                    self.replace(start, end, &changed);
                }
                Some(())
            }
            _ => {
                while self.byte().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
                    self.at += 1;
                }
                let literal = &self.json[start..self.at];
                serde_json::from_str::<serde::de::IgnoredAny>(literal).ok()?;
                let (literal, end) = (literal.to_owned(), self.at);
                let changed = if literal == "null" { None } else { self.redactor.at_path(path, &literal) };
                if let Some(changed) = changed.or_else(|| self.redactor.detected(&literal)) {
                    self.replace(start, end, &changed);
                }
                Some(())
            }
        }
    }

    /// A string with what is secret within it replaced: JSON in a string is rewritten as the record is.
    fn within(&self, text: &str, path: &[String], depth: usize) -> Option<String> {
        if matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[')) && depth < DEPTH_MAX {
            let mut inner = Rewriter { redactor: self.redactor, json: text, at: 0, out: String::new(), copied: 0 };
            let mut path = path.to_vec();
            if inner.container_at_start(&mut path, depth + 1).is_some() {
                return (inner.copied > 0).then(|| inner.out + &text[inner.copied..]);
            }
        }
        self.redactor.detected(text)
    }

    fn container_at_start(&mut self, path: &mut Vec<String>, depth: usize) -> Option<()> {
        self.space();
        self.container(path, depth)?;
        self.space();
        (self.at == self.json.len()).then_some(())
    }

    fn container(&mut self, path: &mut Vec<String>, depth: usize) -> Option<()> {
        let object = self.byte()? == b'{';
        let close = if object { b'}' } else { b']' };
        self.at += 1;
        self.space();
        if self.byte()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            if object {
                self.space();
                let key = self.string()?;
                self.space();
                if self.byte()? != b':' {
                    return None;
                }
                self.at += 1;
                path.push(key.to_lowercase());
            }
            let value = self.value(path, depth + 1);
            if object {
                path.pop();
            }
            value?;
            self.space();
            match self.byte()? {
                b',' => self.at += 1,
                byte if byte == close => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// The string that begins here, with its escapes resolved.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        if self.byte()? != b'"' {
            return None;
        }
        self.at += 1;
        loop {
            match self.byte()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.json.get(start..self.at)?).ok()
    }
}
