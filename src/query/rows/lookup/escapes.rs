//! Decides whether a text that is not in the bytes of a record may still occur in its texts,
//! written with escapes. This is asked of every record that is searched for a substring, so it must
//! cost less than parsing the record as JSON.

use crate::filter::hiding_escape;
use memchr::memmem::Finder;

/// How many levels of JSON in strings in JSON are searched by their bytes; deeper escapes have so
/// many consecutive backslashes that [`EscapeSearch::is_possible`] sees them.
const LEVELS: usize = 3;
/// A newline four levels deep has this many backslashes; quotes and backslashes have more.
const DEEPER: &[u8] = br"\\\\\\\\";

/// How a text may be hidden by escapes.
pub(super) struct EscapeSearch {
    /// What a record must contain for any part of the text to be hidden.
    escape: Finder<'static>,
    /// How else the text is written at each level; `None` if there is more than one way.
    forms: Option<Vec<Finder<'static>>>,
    unicode: Finder<'static>,
    deeper: Finder<'static>,
}

impl EscapeSearch {
    pub(super) fn of(text: &str) -> Self {
        let mut forms = Vec::new();
        let mut written = Some(text.to_owned());
        for _ in 0..LEVELS {
            written = written.and_then(|text| escaped(&text));
            forms.extend(written.as_ref().map(|text| Finder::new(text.as_bytes()).into_owned()));
        }
        // Without a character that must be escaped, the forms equal the text itself, and only `\u`
        // can hide it.
        let several = escaped(text).is_some_and(|form| form != text) && forms.len() == LEVELS;
        Self {
            escape: Finder::new(hiding_escape(text)),
            forms: several.then_some(forms),
            unicode: Finder::new(br"\u"),
            deeper: Finder::new(DEEPER),
        }
    }

    /// Returns whether the text may occur in the texts of a record whose bytes do not contain it.
    /// `false` is certain.
    pub(super) fn is_possible(&self, record: &[u8]) -> bool {
        if self.escape.find(record).is_none() {
            return false;
        }
        match &self.forms {
            Some(forms) => {
                forms.iter().any(|form| form.find(record).is_some())
                    || self.unicode.find(record).is_some()
                    || self.deeper.find(record).is_some()
            }
            None => true,
        }
    }
}

/// Returns a text as it is written in a JSON string without `\u`, if there is only one way to write
/// it.
fn escaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            // A slash is written with or without a backslash; other controls need `\u`, which is
            // searched for.
            '/' => return None,
            _ => out.push(letter),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn escapes_that_cannot_hide_a_text_are_passed_over() {
        let possible =
            |text: &str, record: &str| EscapeSearch::of(text).is_possible(record.as_bytes());
        let nested = json!({ "request": json!({ "enabled": true }).to_string() }).to_string();
        assert!(!possible("plain", &nested) && !possible("disabled\":true", &nested), "{nested}");
        assert!(possible("enabled\":true", &nested), "it stands in the text of the request");
        assert!(!possible("enabled\\\":true", &nested), "there is no backslash in it");
        assert!(possible("a/b", r#"{"k":"\/"}"#) && possible("plain", r#"{"k":"\u0070lain"}"#));
    }

    /// Nests the text as JSON in strings in JSON.
    fn nested(text: &str, levels: usize) -> String {
        let mut value = json!({ "k": format!("before {text} after") });
        for _ in 1..levels {
            value = json!({ "k": value.to_string(), "n": 1 });
        }
        value.to_string()
    }

    proptest! {
        /// Checks that a text that occurs in a record, however deep, is in its bytes or may be
        /// hidden there.
        #[test]
        fn what_stands_in_a_record_is_never_passed_over(
            text in r#"["\\\n\t/a日\u{1}]{1,6}"#,
            levels in 1_usize..7,
        ) {
            let record = nested(&text, levels);
            prop_assert!(serde_json::from_str::<Value>(&record).is_ok());
            prop_assert!(
                record.contains(&text) || EscapeSearch::of(&text).is_possible(record.as_bytes()),
                "{text:?} in {record}"
            );
        }
    }
}
