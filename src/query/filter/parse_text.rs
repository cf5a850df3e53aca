//! Parses `text=`: words, "quoted phrases" and `path:value`, separated by white space; all must
//! match.

use super::{Clause, RecordTest, ValueMatch, ValueTest};
use crate::error::{Error, Result};
use crate::text::{Glob, fold};

/// The longest `text` and `substring`, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Parses a text query into clauses, all of which must hold.
///
/// A word or phrase matches where it occurs in one of the record's texts and is not part of a
/// longer word. `path:value` matches if the value at the path equals it; `*` stands for any text,
/// and quotes take it literally. It also matches where the query itself occurs literally in the
/// record, so that `arn:aws:iam::1:user/x` and `12:30:00` need no quotes. Signs around a word that
/// come from a record's JSON (`"request_id": "…",`) are passed over.
///
/// # Errors
/// A text that is empty or too long, or an unclosed quote; `name` is the parameter.
pub(super) fn parse_text(name: &str, typed: &str) -> Result<Vec<Clause>> {
    check_length(name, typed)?;
    if typed.trim().is_empty() {
        return Err(Error::parameter(name, "is empty"));
    }
    let mut clauses = Vec::new();
    let mut rest = typed.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (phrase, after) = quoted(name, rest)?;
            if phrase.trim().is_empty() {
                return Err(Error::parameter(name, "a quoted phrase is empty"));
            }
            clauses.push(Clause::words(&phrase));
            rest = after.trim_start();
            continue;
        }
        let end =
            rest.find(|letter: char| letter.is_whitespace() || letter == '"').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        // What was pasted from a record comes with the signs that stood between its texts.
        if is_between_texts(word) {
            rest = after.trim_start();
            continue;
        }
        if let Some(path) =
            word.strip_suffix(':').filter(|path| !path.is_empty() && !path.contains(':'))
            && after.starts_with('"')
        {
            let (value, after) = quoted(name, after)?;
            clauses.push(value_at(path, Glob::literal(&value)));
            rest = after.trim_start();
            continue;
        }
        if after.starts_with('"') {
            return Err(Error::parameter(
                name,
                "a quote begins within a word: put white space before it, or a backslash within \
                quotes",
            ));
        }
        clauses.push(bare(without_signs(word)));
        rest = after.trim_start();
    }
    if clauses.is_empty() {
        clauses.push(Clause::words(typed));
    }
    Ok(clauses)
}

/// Returns whether a word has only signs that stand between the texts of a record.
fn is_between_texts(word: &str) -> bool {
    word.bytes().all(|byte| b"{}[](),;:".contains(&byte))
}

/// Returns a word without signs around it that are not its own: commas, and brackets that it does
/// not open or close itself.
fn without_signs(word: &str) -> &str {
    let mut word = word;
    loop {
        let closes = |open: char, close: char| {
            word.ends_with(close) && word.matches(close).count() > word.matches(open).count()
        };
        // Two colons are a part of the word: an address such as `::1` has them at its ends.
        let begins = word.starts_with(':') && !word.starts_with("::");
        let ends = word.ends_with(':') && !word.ends_with("::");
        let shorter = if begins || word.starts_with(['{', '[', '(', ',', ';']) {
            &word[1..]
        } else if ends
            || word.ends_with([',', ';'])
            || closes('(', ')')
            || closes('[', ']')
            || closes('{', '}')
        {
            &word[..word.len() - 1]
        } else {
            return word;
        };
        word = shorter;
    }
}

/// Parses `substring=`.
///
/// # Errors
/// A text that is empty or too long; `name` is the parameter.
pub(super) fn parse_substring(name: &str, typed: &str) -> Result<Clause> {
    check_length(name, typed)?;
    if typed.is_empty() {
        return Err(Error::parameter(name, "is empty"));
    }
    Ok(Clause::Record(RecordTest::Substring(typed.to_owned())))
}

fn check_length(name: &str, typed: &str) -> Result<()> {
    if typed.len() > TEXT_BYTES_MAX {
        return Err(Error::parameter(name, format!("may have at most {TEXT_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Returns the quoted text at the beginning of `rest`, and what follows it. A backslash escapes a
/// quote or a backslash.
fn quoted<'a>(name: &str, rest: &'a str) -> Result<(String, &'a str)> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((text, &rest[at + 1..])),
            '\\' => match letters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, next)) => text.push(next),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    Err(Error::parameter(name, "a quote is not closed"))
}

fn bare(word: &str) -> Clause {
    let literal = Clause::words(word);
    match word.split_once(':') {
        Some((path, value)) if !path.is_empty() && !value.is_empty() => {
            // Only `*` is special here, and quotes make it literal.
            let glob = Glob::parse(&value.replace('\\', r"\\").replace('?', r"\?"));
            // A pattern is not expected to occur literally in the record.
            if value.contains('*') {
                value_at(path, glob)
            } else {
                Clause::Any(vec![value_at(path, glob), literal])
            }
        }
        _ => literal,
    }
}

fn value_at(path: &str, glob: Glob) -> Clause {
    let wanted =
        if glob.is_anything() { ValueMatch::Exists } else { ValueMatch::Glob(glob.folded()) };
    let at = |path: &str| {
        let (path, any) = (Some(fold(path).into_owned()), vec![wanted.clone()]);
        Clause::Record(RecordTest::Value(ValueTest { path, any, cased: false }))
    };
    match through_lists(path) {
        None => at(path),
        Some(through) => Clause::Any(vec![at(path), at(&through)]),
    }
}

/// Returns a path without the numbers in it, which other programs write for items of lists; `None`
/// if it has none, or nothing else.
pub(super) fn through_lists(path: &str) -> Option<String> {
    let is_number = |key: &&str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    let keys: Vec<&str> = path.split('.').filter(|key| !is_number(key)).collect();
    let has_numbers = keys.len() < path.split('.').count();
    (has_numbers && !keys.is_empty()).then(|| keys.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(typed: &str) -> Vec<String> {
        parse_text("text", typed).expect(typed).iter().map(ToString::to_string).collect()
    }

    fn quoted_text(word: &str) -> String {
        format!("text={word:?}")
    }

    #[test]
    fn words_phrases_and_paths_are_told_apart() {
        assert_eq!(
            shown("  Delete  \"quota  grant\" ＥＣＳ"),
            ["text=\"delete\"", "text=\"quota grant\"", "text=\"ecs\""]
        );
        assert_eq!(
            shown("request.amount:5000"),
            ["(request.amount:5000 or text=\"request.amount:5000\")"]
        );
        assert_eq!(shown("user.name:\"a b*\""), [r"user.name:a b\*"]);
        assert_eq!(shown("a.b:x* c:*"), ["a.b:x*", "c:*"]);
        assert_eq!(shown("a.0.b:x* 5:y*"), ["(a.0.b:x* or a.b:x*)", "5:y*"]);
        assert_eq!(shown(r#""say \"hi\" C:\\x""#), [r#"text="say \"hi\" c:\\x""#]);
        assert_eq!(shown("a: :b"), ["text=\"a\"", "text=\"b\""]);
        assert_eq!(shown("\"id\": \"x-1\","), ["text=\"id\"", "text=\"x-1\""]);
        assert_eq!(shown("{\"id\":\"x\"}]"), ["text=\"id\"", "text=\"x\""]);
        assert_eq!(shown("(quota, f(x) a[1]),"), ["quota", "f(x)", "a[1]"].map(quoted_text));
        assert_eq!(shown("{}"), ["text=\"{}\""]);
        assert!(shown("::1, fe80::")[0].contains("text=\"::1\""));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for typed in ["", "  ", "\"open", "a\"b\"", "\"\"", "a:\"x", &"x".repeat(1025)] {
            assert_eq!(parse_text("text", typed).expect_err(typed).parameter_name(), Some("text"));
        }
        assert!(parse_substring("substring", "").is_err());
        assert!(parse_substring("substring", &"x".repeat(1024)).is_ok());
    }
}
