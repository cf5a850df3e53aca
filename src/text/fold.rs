//! Folding: the normal form in which searches compare texts.

use caseless::Caseless;
use std::borrow::Cow;
use std::iter::once;
use std::sync::LazyLock;
use unicode_normalization::char::{canonical_combining_class, compose};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Folds a text: compatibility forms become plain ones (NFKC, so full-width `ＥＣＳ` becomes `ECS`),
/// and letters lose their case by Unicode's full case folding (section 3.13 of the standard): `ß`
/// becomes `ss`, and both forms of the small sigma become one. The dotted and the dotless i of
/// Turkish become `i` like any other: who searches does not know in which language a name was
/// written in capitals.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    // Most texts that are not ASCII are Chinese: ideographs have neither case nor other forms.
    let is_plain = |letter: char| letter.is_ascii() || matches!(letter, '\u{4e00}'..='\u{9fff}');
    if text.chars().all(is_plain) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    // Folding can undo composition, so the result is composed again, and what that made is folded.
    let letters = text.nfkc().map(plain_i).default_case_fold().nfkc();
    Cow::Owned(letters.map(plain_i).default_case_fold().nfkc().collect())
}

fn plain_i(letter: char) -> char {
    if matches!(letter, 'İ' | 'ı') { 'i' } else { letter }
}

/// Returns whether a neighbouring character can change what this character of a folded text
/// becomes. That is true of marks, of kana that take a mark, and of parts of Hangul syllables.
pub fn melts(letter: char) -> bool {
    static SECONDS: LazyLock<Vec<char>> = LazyLock::new(|| {
        let all = ('\u{300}'..'\u{20000}')
            .filter(|letter| is_nfkc_quick(once(*letter)) == IsNormalized::Maybe);
        all.collect()
    });
    !matches!(letter, '\u{3400}'..='\u{9fff}')
        && (canonical_combining_class(letter) != 0
            || SECONDS.binary_search(&letter).is_ok()
            || SECONDS.iter().any(|second| compose(letter, *second).is_some()))
}

/// Replaces compatibility forms by plain ones (NFKC), keeping the case.
pub fn plain_forms(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfkc().collect()) }
}

/// The role of a character in the words of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Part of a word: a letter or a digit of a script that separates its words.
    Word,
    /// A word by itself: an ideograph, kana, a letter of a script without spaces, a symbol such as
    /// an emoji.
    Wide,
    /// Between words: ASCII punctuation, `_` included, white space, controls.
    Gap,
}

pub(super) fn class(letter: char) -> Class {
    match letter {
        '0'..='9' | 'a'..='z' | 'A'..='Z' => Class::Word,
        '\0'..='\u{7f}' => Class::Gap,
        _ if letter.is_whitespace() || letter.is_control() => Class::Gap,
        // Thai to Myanmar, Khmer, and everything from the Chinese radicals on is written without
        // spaces.
        '\u{e00}'..='\u{eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{2e80}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}' => Class::Wide,
        '\u{20000}'..='\u{3ffff}' => Class::Wide,
        _ if letter.is_alphanumeric() => Class::Word,
        _ => Class::Wide,
    }
}

/// Returns whether a character is part of a word, so that a match of a word must not end next to
/// it.
pub fn is_word(letter: char) -> bool {
    class(letter) == Class::Word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_and_width_do_not_matter() {
        assert_eq!(fold("DeleteServer"), "deleteserver");
        assert_eq!(fold("ＥＣＳ　１２３"), "ecs 123");
        assert_eq!(fold("ÀÉ 操作日志"), "àé 操作日志");
        for (one, other) in [
            ("Straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            ("οδοσ", "οδος"),
            ("İstanbul", "istanbul"),
            ("ISPARTA", "ısparta"),
            ("ﬁle", "FILE"),
            ("Ǆ", "ǆ"),
            ("ŉ", "ʼN"),
            ("ᏸ", "Ᏸ"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert!(matches!(fold("plain text"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC*") {
            let once = fold(&text).into_owned();
            prop_assert_eq!(fold(&once).into_owned(), once);
        }
    }
}
