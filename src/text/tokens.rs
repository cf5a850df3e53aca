//! The tokens of a text: the terms by which an index finds it, and the terms that a search for a
//! word or phrase requires.
//!
//! * A run of letters and digits is a token, and a uuid is one token, not five. What looks like an
//!   id (it contains a digit, or is very long) is nearly unique, so an index keeps its hash and not
//!   its text.
//! * In a run of wide characters (Chinese, Japanese, symbols …) every two neighbours are a token,
//!   and so is the last character alone. So one or two of them are found by one token or a range of
//!   tokens, and longer sequences by all their pairs.
//! * The parts of names ([`super::name_parts`]) are tokens beside the names.

use super::fold::{Class, class, is_word};
use std::borrow::Cow;

/// Words up to this length are dictionary terms whatever they contain: short numbers are few.
const SHORT: usize = 4;
/// Runs longer than this are not treated as words.
pub(super) const LONG: usize = 32;

/// How an index keeps a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// In the dictionary of terms, because there are few distinct ones.
    Term,
    /// As a hash, because nearly every one is distinct.
    Id,
}

/// A token of a folded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token<'a> {
    /// The token.
    pub text: &'a str,
    /// How an index keeps it.
    pub kind: TokenKind,
}

/// Calls `visit` with every token of a folded text.
pub fn tokens<'a>(folded: &'a str, visit: &mut dyn FnMut(Token<'a>)) {
    for (run, _, run_class) in runs(folded) {
        if run_class == Class::Word {
            visit(Token { text: run, kind: kind_of(run) });
            continue;
        }
        let mut letters = run.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            let end = letters
                .peek()
                .map_or(at + letter.len_utf8(), |(next, letter)| next + letter.len_utf8());
            visit(Token { text: &run[at..end], kind: TokenKind::Term });
        }
    }
}

pub(super) fn kind_of(word: &str) -> TokenKind {
    let digits = word.len() > SHORT && word.bytes().any(|byte| byte.is_ascii_digit());
    if digits || word.len() > LONG { TokenKind::Id } else { TokenKind::Term }
}

/// The length of a uuid in bytes.
const UUID: usize = 36;

/// Returns whether a uuid starts at an offset of a folded text: 8, 4, 4, 4 and 12 hexadecimal
/// digits that are not part of a longer word.
fn is_uuid_at(text: &str, at: usize) -> bool {
    let Some(piece) = text.as_bytes().get(at..at + UUID) else { return false };
    // The dashes alone nearly always decide.
    let dash = |index: usize| matches!(index, 8 | 13 | 18 | 23);
    dash(8)
        && piece[8] == b'-'
        && piece
            .iter()
            .enumerate()
            .all(|(index, byte)| if dash(index) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
        && !text[..at].chars().next_back().is_some_and(is_word)
        && !text[at + UUID..].chars().next().is_some_and(is_word)
}

/// Returns whether an offset lies strictly inside a uuid.
fn within_uuid(text: &str, at: usize) -> bool {
    (1..UUID).any(|back| at.checked_sub(back).is_some_and(|start| is_uuid_at(text, start)))
}

/// Returns whether a folded text is a single token that is an id. This is a quick test for the most
/// frequent kind of text that does not repeat; `false` is not certain.
pub fn is_lone_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut digits = false;
    let plain = bytes.iter().all(|byte| {
        digits |= byte.is_ascii_digit();
        byte.is_ascii_alphanumeric()
    });
    plain && digits && bytes.len() > SHORT || bytes.len() == UUID && is_uuid_at(text, 0)
}

/// Iterates over runs of word characters (a uuid is one run) and of wide characters, with their
/// offsets.
pub(super) fn runs(text: &str) -> impl Iterator<Item = (&str, usize, Class)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &text[at..];
            let first = class(rest.chars().next()?);
            let mut length = rest
                .char_indices()
                .find(|(_, letter)| class(*letter) != first)
                .map_or(rest.len(), |(end, _)| end);
            let start = at;
            if length == 8 && first == Class::Word && is_uuid_at(text, start) {
                length = UUID;
            }
            at += length;
            if first != Class::Gap {
                return Some((&rest[..length], start, first));
            }
        }
    })
}

/// What an index must contain for a text to contain a needle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NeedleTerms {
    /// This dictionary term.
    Term(String),
    /// Any dictionary term that begins with this wide character.
    Beginning(char),
    /// This id.
    Id(String),
}

/// Returns the tokens that every text must have in which the folded needle [`stands_in`], and
/// whether a text that has them is certain to contain the needle. `open_left` and `open_right` say
/// that the needle may be part of a longer word on that side.
pub fn words_of(needle: &str, open_left: bool, open_right: bool) -> (Vec<NeedleTerms>, bool) {
    let mut wanted = Vec::new();
    let mut exact = true;
    for (run, start, run_class) in runs(needle) {
        let whole = run.len() == needle.len();
        exact &= whole;
        if run_class == Class::Word {
            let end = start + run.len();
            let cut = open_left && start == 0 || open_right && end == needle.len();
            // If the needle is part of a longer word, this may be a piece of a uuid.
            let dashed = needle[..start].ends_with('-') || needle[end..].starts_with('-');
            let piece = (open_left || open_right) && dashed && matches!(run.len(), 4 | 8 | 12);
            if cut || piece {
                exact = false;
                continue;
            }
            wanted.push(match kind_of(run) {
                TokenKind::Term => NeedleTerms::Term(run.to_owned()),
                TokenKind::Id => NeedleTerms::Id(run.to_owned()),
            });
            continue;
        }
        let letters: Vec<char> = run.chars().collect();
        if let [single] = letters.as_slice() {
            wanted.push(NeedleTerms::Beginning(*single));
        }
        exact &= letters.len() <= 2;
        wanted.extend(letters.windows(2).map(|pair| NeedleTerms::Term(pair.iter().collect())));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let exact = exact
        && wanted.len() == 1
        && matches!(wanted[0], NeedleTerms::Term(_) | NeedleTerms::Beginning(_));
    (wanted, exact)
}

/// Replaces each run of white space by a single space.
pub fn spaced(text: &str) -> Cow<'_, str> {
    let plain =
        !text.contains("  ") && text.chars().all(|letter| letter == ' ' || !letter.is_whitespace());
    if plain {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            _ if !letter.is_whitespace() => out.push(letter),
            _ if out.ends_with(' ') => {}
            _ => out.push(' '),
        }
    }
    Cow::Owned(out)
}

/// Returns whether a folded needle (spaced, if it contains spaces) occurs in a folded text as
/// words: literally, and not as part of a longer word.
pub fn stands_in(needle: &str, text: &str) -> bool {
    let text = if needle.contains(' ') { spaced(text) } else { Cow::Borrowed(text) };
    let (Some(first), Some(last)) = (needle.chars().next(), needle.chars().next_back()) else {
        return true;
    };
    let mut from = 0;
    while let Some(found) = text[from..].find(needle) {
        let at = from + found;
        let before = text[..at].chars().next_back();
        let after = text[at + needle.len()..].chars().next();
        let joined =
            |inner: char, outer: Option<char>| is_word(inner) && outer.is_some_and(is_word);
        let whole = !joined(first, before) && !joined(last, after);
        // A piece of a uuid is not a word. Only a dash can have made it look like one.
        let dashed = |inner: char, outer: Option<char>| inner == '-' || outer == Some('-');
        let piece = dashed(first, before) && within_uuid(&text, at)
            || dashed(last, after) && within_uuid(&text, at + needle.len());
        if whole && !piece {
            return true;
        }
        from = at + first.len_utf8();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::fold::fold;
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        tokens(text, &mut |token| {
            found.push(format!(
                "{}{}",
                if token.kind == TokenKind::Id { "#" } else { "" },
                token.text
            ))
        });
        found
    }

    #[test]
    fn words_ids_and_pairs() {
        assert_eq!(of("delete_server ecs-01"), ["delete", "server", "ecs", "01"]);
        assert_eq!(of("操作日志ecs"), ["操作", "作日", "日志", "志", "ecs"]);
        assert_eq!(
            of("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            ["#f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]
        );
        assert_eq!(
            of("xf81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            ["#xf81d4fae", "7dec", "11d0", "a765", "#00a0c91e6bf6"]
        );
        assert_eq!(of("5000 50000 🚀"), ["5000", "#50000", "🚀"]);
    }

    #[test]
    fn a_word_is_found_whole_and_wide_text_anywhere() {
        for (needle, text, expected) in [
            ("ecs", "the ecs-01", true),
            ("ecs", "ecsx", false),
            ("ecs", "查询ecs实例", true),
            ("日志", "操作日志表", true),
            ("志", "操作日志", true),
            ("a b", "x a \n b y", true),
            ("a b", "aa b", false),
            ("ecs-01", "ecs-011 ecs-01", true),
            ("--", "a--b", true),
            ("🚀", "go🚀go", true),
            ("aa", "aaa aa", true),
            (
                "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                "id=f81d4fae-7dec-11d0-a765-00a0c91e6bf6;",
                true,
            ),
            ("f81d4fae", "id=f81d4fae-7dec-11d0-a765-00a0c91e6bf6;", false),
            ("7dec", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6 7dec", true),
            ("11d0", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", false),
            ("id=f81d4fae-7dec", "id=f81d4fae-7dec-11d0-a765-00a0c91e6bf6", false),
            ("f81d4fae-7dec", "f81d4fae-7dec-11d0", true),
        ] {
            assert_eq!(stands_in(needle, text), expected, "{needle:?} in {text:?}");
        }
    }

    proptest! {
        /// What an index says by tokens is never less than the truth, and the truth where it claims
        /// so.
        #[test]
        fn tokens_find_every_text_that_holds_the_needle(
            text in "([a1Ａ日志🚀 -]|f81d4fae-7dec-11d0-a765-00a0c91e6bf6){0,12}",
            start in any::<prop::sample::Index>(),
            length in 1_usize..50,
            other in "[a1日志🚀 -]{1,6}",
            cut in any::<bool>(),
        ) {
            let text = fold(&text).into_owned();
            // Half of the needles are cut out of the text.
            let letters: Vec<char> = text.chars().collect();
            let needle: String = if cut && !letters.is_empty() {
                let start = start.index(letters.len());
                letters[start..letters.len().min(start + length)].iter().collect()
            } else {
                other
            };
            let needle = spaced(fold(needle.trim()).trim()).into_owned();
            prop_assume!(!needle.is_empty());
            if is_lone_id(&text) {
                prop_assert_eq!(of(&text), [format!("#{text}")]);
            }
            let mut found = Vec::new();
            tokens(&text, &mut |token| found.push(token));
            let has = |text: &str, kind: TokenKind| {
                found.iter().any(|token| token.text == text && token.kind == kind)
            };
            let all = |wanted: &[NeedleTerms]| {
                wanted.iter().all(|wanted| match wanted {
                    NeedleTerms::Term(term) => has(term, TokenKind::Term),
                    NeedleTerms::Beginning(letter) => {
                        found.iter().any(|token| token.text.starts_with(*letter))
                    }
                    NeedleTerms::Id(id) => has(id, TokenKind::Id),
                })
            };
            let (wanted, exact) = words_of(&needle, false, false);
            let stands = stands_in(&needle, &text);
            prop_assert!(all(&wanted) || !stands, "{:?} {:?} {:?}", needle, text, wanted);
            prop_assert!(!exact || all(&wanted) == stands, "{:?} {:?} {:?}", needle, text, wanted);
            let (wanted, _) = words_of(&needle, true, true);
            prop_assert!(
                all(&wanted) || !text.contains(&needle),
                "{:?} {:?} \
                        {:?}",
                needle,
                text,
                wanted
            );
            let (wanted, _) = words_of(&needle, false, true);
            prop_assert!(
                all(&wanted) || !text.starts_with(&needle),
                "{:?} {:?} \
                        {:?}",
                needle,
                text,
                wanted
            );
        }
    }
}
