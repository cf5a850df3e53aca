//! Parses `text=`: words, "quoted phrases" and `path:value`, separated by white space; all must
//! match.

use super::{Clause, RecordTest, ValueMatch, ValueTest};
use crate::error::{Error, Result};
use crate::event::clip;
use crate::text::{Glob, fold};

/// The longest `text` and `substring`, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Parses a text query into clauses, all of which must hold.
///
/// A word or phrase matches where it occurs in one of the record's texts and is not part of a
/// longer word. `path:value` matches if the value at the path equals it; `*` stands for any text,
/// and quotes take it literally. It also matches where the query itself occurs literally in the
/// record, so that `arn:aws:iam::1:user/x` and `12:30:00` need no quotes. Signs around a word that
/// come from a record's JSON (`"request_id": "…",`) are passed over, and so is a `null` there,
/// which is no text.
///
/// # Errors
/// A text that is empty or too long, an unclosed quote, or a path with an empty key; `name` is the
/// parameter.
pub(super) fn parse_text(name: &str, typed: &str) -> Result<Vec<Clause>> {
    check_length(name, typed)?;
    if typed.trim().is_empty() {
        return Err(Error::parameter(name, "is empty"));
    }
    let mut clauses = Vec::new();
    let mut after_key = false;
    let mut rest = typed.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (phrase, after) = quoted(name, rest)?;
            if phrase.trim().is_empty() {
                return Err(Error::parameter(name, "a quoted phrase is empty"));
            }
            clauses.push(Clause::words(&phrase));
            after_key = false;
            rest = after.trim_start();
            continue;
        }
        let end =
            rest.find(|letter: char| letter.is_whitespace() || letter == '"').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        // What was pasted from a record comes with the signs that stood between its texts.
        if is_between_texts(word) {
            after_key = word.ends_with(':');
            rest = after.trim_start();
            continue;
        }
        if let Some(path) =
            word.strip_suffix(':').filter(|path| !path.is_empty() && !path.contains(':'))
            && after.starts_with('"')
        {
            let (value, after) = quoted(name, after)?;
            check_path(name, path)?;
            clauses.push(value_at(path, Glob::literal(&value)));
            rest = after.trim_start();
            continue;
        }
        // The value of a key, with the quote of the next key behind it.
        let bare_word = without_signs(word.trim_end_matches(is_opening));
        if after.starts_with('"') && !word.ends_with(is_opening) {
            return Err(Error::parameter(
                name,
                "a quote begins within a word: put white space before it, or a backslash within \
                quotes",
            ));
        }
        let is_value = std::mem::take(&mut after_key) || word.starts_with(':');
        if !(is_value && bare_word == "null") {
            clauses.push(bare(name, bare_word)?);
        }
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

/// Returns whether a sign ends a text of a record, so that a quote may follow it at once.
fn is_opening(sign: char) -> bool {
    ",;:{[(".contains(sign)
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

fn bare(name: &str, word: &str) -> Result<Clause> {
    let literal = Clause::words(word);
    Ok(match word.split_once(':') {
        Some((path, value)) if !path.is_empty() && !value.is_empty() => {
            check_path(name, path)?;
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
    })
}

/// Fails if a path has an empty key: nothing can be meant by it.
///
/// # Errors
/// Such a path; `name` is the parameter.
pub(super) fn check_path(name: &str, path: &str) -> Result<()> {
    if path.split('.').any(str::is_empty) {
        let path = clip(path, 100);
        let what = format!(
            "the path {path:?} has an empty key: leave out the dot, or put what is no path within \
             quotes"
        );
        return Err(Error::parameter(name, what));
    }
    Ok(())
}

fn value_at(path: &str, glob: Glob) -> Clause {
    let wanted =
        if glob.is_anything() { ValueMatch::Exists } else { ValueMatch::Glob(glob.folded()) };
    let path = fold(path).into_owned();
    let through = paths_through_lists(&path);
    let paths = std::iter::once(path).chain(through).collect();
    Clause::Record(RecordTest::Value(ValueTest { paths, any: vec![wanted], cased: false }))
}

/// The most numbers in a path of which each may be a key or the number of an item.
const NUMBERS_MAX: usize = 4;

/// Returns a path without numbers in it, which other programs write for items of lists. A number
/// may also be a key, so all ways to read the path are returned besides the path itself; if there
/// are very many numbers, only the one without any. None if it has nothing else.
pub(super) fn paths_through_lists(path: &str) -> Vec<String> {
    let is_number = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    let keys: Vec<&str> = path.split('.').collect();
    let numbers: Vec<usize> = (0..keys.len()).filter(|at| is_number(keys[*at])).collect();
    if numbers.is_empty() || numbers.len() == keys.len() {
        return Vec::new();
    }
    let all: u32 = if numbers.len() > NUMBERS_MAX { 1 } else { (1 << numbers.len()) - 1 };
    let without = |left_out: u32| {
        let stays = |at: &usize| match numbers.iter().position(|number| number == at) {
            Some(_) if numbers.len() > NUMBERS_MAX => false,
            Some(place) => left_out & (1 << place) == 0,
            None => true,
        };
        let keys: Vec<&str> = (0..keys.len()).filter(stays).map(|at| keys[at]).collect();
        keys.join(".")
    };
    let mut paths: Vec<String> = (1..=all).map(without).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
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
        assert_eq!(shown("a.0.b:x* 5:y*"), [r#"["a.0.b", "a.b"]:x*"#, "5:y*"]);
        assert_eq!(shown(r#""say \"hi\" C:\\x""#), [r#"text="say \"hi\" c:\\x""#]);
        assert_eq!(
            shown("a.0.1.b:x*"),
            [r#"["a.0.1.b", "a.0.b", "a.1.b", "a.b"]:x*"#],
            "each number is an item of a list or a key"
        );
        assert_eq!(shown("a: :b"), ["text=\"a\"", "text=\"b\""]);
        assert_eq!(shown("\"id\": \"x-1\","), ["text=\"id\"", "text=\"x-1\""]);
        assert_eq!(shown("{\"id\":\"x\"}]"), ["text=\"id\"", "text=\"x\""]);
        assert_eq!(shown("(quota, f(x) a[1]),"), ["quota", "f(x)", "a[1]"].map(quoted_text));
        assert_eq!(shown(r#""code":200,"x""#), ["code", "200", "x"].map(quoted_text));
        assert_eq!(
            shown(r#"{"a":1.5,"b":[true,"c"],"d":null,"e":{"f":-1},"g": null}"#),
            ["a", "1.5", "b", "true", "c", "d", "e", "f", "-1", "g"].map(quoted_text)
        );
        assert_eq!(shown("null a:null,")[0], quoted_text("null"));
        assert_eq!(shown("{}"), ["text=\"{}\""]);
        assert!(shown("::1, fe80::")[0].contains("text=\"::1\""));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for typed in ["", "  ", "\"open", "a\"b\"", "\"\"", "a:\"x", &"x".repeat(1025)] {
            assert_eq!(parse_text("text", typed).expect_err(typed).parameter_name(), Some("text"));
        }
        for path in ["a..b", ".0", "a.", ".", "a...1.b"] {
            for typed in [format!("{path}:x"), format!("{path}:x*"), format!("{path}:\"x y\"")] {
                let error = parse_text("text", &typed).expect_err(&typed);
                assert!(error.to_string().contains(&format!("{path:?}")), "{typed}: {error}");
            }
        }
        assert!(parse_substring("substring", "").is_err());
        assert!(parse_substring("substring", &"x".repeat(1024)).is_ok());
    }
}
