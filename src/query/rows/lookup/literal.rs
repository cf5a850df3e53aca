//! Which words a record certainly has if a literal occurs in its texts or bytes.
//!
//! An index has the words of texts as they are read: with escapes resolved, folded, each text by
//! itself. But a literal may also occur in the bytes of a record, or in a text that is itself JSON,
//! as written there: then `\n` is two letters of the literal and the end of a word, `\u65e5` is six
//! letters and one letter of a word, and `null` is not a text at all. What can be read both ways
//! proves nothing, and only the rest is searched for.

use crate::text::{Glob, NeedleTerms, fold, melts, words_of};

/// Returns the words of a literal that was not folded, in the bytes or the texts of a record. At an
/// open end, more text may follow.
pub(super) fn raw_words(text: &str, open_left: bool, open_right: bool) -> Vec<NeedleTerms> {
    // A letter that could merge with its neighbour when the record is folded (kana, Hangul, an
    // accent) proves nothing at an open end; ASCII and ideographs never do.
    let firm = |letter: char| {
        letter.is_ascii() || matches!(letter, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
    };
    words_as_written(text, open_left, open_right, &|letter| !firm(letter))
}

/// Returns the words of the literals of a pattern; `cased` if it was not folded.
pub(super) fn words_of_glob(glob: &Glob, cased: bool) -> Vec<NeedleTerms> {
    let written = may_be_json(glob);
    let words = |(text, begins, ends): (&str, bool, bool)| match (cased, written) {
        (true, _) => raw_words(text, !begins, !ends),
        (false, true) => words_as_written(text, !begins, !ends, &melts),
        (false, false) => words_of(text, !begins, !ends).0,
    };
    glob.literals().flat_map(words).collect()
}

/// Returns whether a text that is JSON, an object or an array, could match.
fn may_be_json(glob: &Glob) -> bool {
    let space = [' ', '\t', '\n', '\r'];
    glob.literals().all(|(text, begins, ends)| {
        let (start, end) = (text.trim_start_matches(space), text.trim_end_matches(space));
        (!begins || start.is_empty() || start.starts_with(['{', '[']))
            && (!ends || end.is_empty() || end.ends_with(['}', ']']))
    })
}

/// Returns the words of a literal that may occur where escapes are not resolved; `melts` decides
/// which letters prove nothing at an open end.
fn words_as_written(
    text: &str,
    open_left: bool,
    open_right: bool,
    melts: &dyn Fn(char) -> bool,
) -> Vec<NeedleTerms> {
    let mut wanted = Vec::new();
    let pieces: Vec<&str> = text.split('\\').collect();
    for (index, piece) in pieces.iter().enumerate() {
        let after = &pieces[index + 1..];
        // Only `\u` can stand for a letter; the other escapes are signs and controls, which end a
        // word as the backslash does.
        let cut_right = match after.iter().find_map(|piece| piece.chars().next()) {
            Some(letter) => matches!(letter, 'u' | 'U'),
            None => open_right,
        };
        let cut_left = if index == 0 {
            open_left
        } else {
            piece.starts_with(|letter: char| !letter.is_ascii() || is_escape(letter))
        };
        let mut piece = *piece;
        if cut_left {
            // Skips the rest of an escape, or of a word.
            piece = piece
                .trim_start_matches(|letter: char| letter.is_ascii_alphanumeric())
                .trim_start_matches(melts);
        }
        if cut_right {
            piece = piece.trim_end_matches(melts);
        }
        wanted.extend(words_of(&fold(piece), cut_left, cut_right).0);
    }
    wanted.sort_unstable();
    wanted.dedup();
    // Unquoted, `null` is not a text of a record.
    wanted.retain(|wanted| *wanted != NeedleTerms::Term("null".to_owned()));
    wanted
}

/// Returns whether a letter after a backslash may be part of an escape.
fn is_escape(letter: char) -> bool {
    matches!(letter.to_ascii_lowercase(), 'b' | 'f' | 'n' | 'r' | 't' | 'u')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{TokenKind, tokens, walk_parts};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn terms(wanted: Vec<NeedleTerms>) -> Vec<String> {
        let text = |wanted: NeedleTerms| match wanted {
            NeedleTerms::Term(text) => text,
            NeedleTerms::Id(text) => format!("#{text}"),
            NeedleTerms::Beginning(letter) => format!("{letter}…"),
        };
        wanted.into_iter().map(text).collect()
    }

    #[test]
    fn what_may_be_an_escape_proves_nothing() {
        for (text, words) in [
            (r#"say a\nbc now"#, &["a"][..]),
            (r"x C:\Windows\System y", &["c", "system", "windows"]),
            (r"x ab\u0063 y", &[]),
            (r"x ab\\u0063 y", &[]),
            (r"x 操作\u65e5志 y", &["操作", "志…"]),
            (r#"x null "a" y"#, &["a"]),
            (r"x ab\", &[]),
            (r"x ab\\", &[]),
            ("x か y", &["か…"]),
        ] {
            assert_eq!(terms(raw_words(text, true, true)), words, "{text}");
        }
    }

    #[test]
    fn patterns_that_no_json_matches_keep_all_their_words() {
        let of = |pattern: &str| terms(words_of_glob(&Glob::literal(pattern), false));
        assert_eq!(of(r"c:\temp\new"), ["c", "new", "temp"]);
        assert_eq!(of("null"), ["null"]);
        assert_eq!(of(r#"{"a": null, "b": "x\ny"}"#), ["a", "b", "x"]);
        let within = |text: &str| {
            terms(words_of_glob(&Glob::literal(text).anything_before().anything_after(), false))
        };
        assert_eq!(within(r"\temp\new my dir"), ["my"]);
        assert_eq!(within(r"\system\drivers old"), ["drivers", "system"]);
    }

    /// Writes a text as a JSON string, with escapes where `choices` says so.
    fn written(text: &str, choices: &[u8]) -> String {
        let mut out = String::from("\"");
        let mut units = [0; 2];
        for (letter, choice) in text.chars().zip(choices.iter().cycle()) {
            match (letter, choice % 3) {
                ('"' | '\\', 1..) => out.extend(['\\', letter]),
                ('/', 1) => out.push_str("\\/"),
                ('\n', 1..) => out.push_str("\\n"),
                ('\t', 1..) => out.push_str("\\t"),
                (letter, 0) | (letter @ '\0'..' ', _) => {
                    letter
                        .encode_utf16(&mut units)
                        .iter()
                        .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
                }
                (letter, _) => out.push(letter),
            }
        }
        out.push('"');
        out
    }

    proptest! {
        /// Checks that whatever is cut out of a record's bytes, or of JSON within it, has only
        /// words that are words of the record.
        #[test]
        fn words_of_what_is_written_are_words_of_what_is_read(
            text in "([abnu0/\"\\\\\n\t .-]|日|志|か|\u{3099}|e|\u{301}|ﾞ|각|가|\u{11a8}|ＡＢ|null|f81d4fae-7dec-11d0-a765-00a0c91e6bf6){0,14}",
            choices in proptest::collection::vec(0_u8..6, 1..20),
            start in any::<prop::sample::Index>(),
            length in 1_usize..40,
            deep in any::<bool>(),
        ) {
            let inner = format!("{{\"k\":[{},null]}}", written(&text, &choices));
            let record = if deep {
                format!("{{\"r\":{}}}", written(&inner, &choices))
            } else {
                inner.clone()
            };
            let mut found = BTreeSet::new();
            walk_parts(&record, &mut |part| {
                if let crate::text::WalkStep::Key(text)
                | crate::text::WalkStep::Text(text)
                | crate::text::WalkStep::Literal(text) = part
                {
                    tokens(&fold(text), &mut |token| {
                        found.extend([(token.text.to_owned(), token.kind)])
                    });
                }
            });
            let has = |wanted: &NeedleTerms| match wanted {
                NeedleTerms::Term(term) => found.contains(&(term.clone(), TokenKind::Term)),
                NeedleTerms::Id(id) => found.contains(&(id.clone(), TokenKind::Id)),
                NeedleTerms::Beginning(letter) => {
                    found.iter().any(|(text, _)| text.starts_with(*letter))
                }
            };
            for whole in [&record, &inner] {
                let letters: Vec<char> = whole.chars().collect();
                let start = start.index(letters.len());
                let cut: String =
                    letters[start..letters.len().min(start + length)].iter().collect();
                for wanted in raw_words(&cut, true, true) {
                    prop_assert!(has(&wanted), "{:?} of {:?} in {}", wanted, cut, record);
                }
                let folded: Vec<char> = fold(whole).chars().collect();
                let end = folded.len().min(start.min(folded.len()) + length);
                let cut: String = folded[start.min(folded.len())..end].iter().collect();
                let patterns = [
                    Glob::literal(&cut).anything_before().anything_after(),
                    Glob::literal(&fold(whole)),
                ];
                for wanted in patterns.iter().flat_map(|glob| words_of_glob(glob, false)) {
                    prop_assert!(has(&wanted), "{:?} of {:?} in {}", wanted, cut, record);
                }
            }
        }
    }
}
