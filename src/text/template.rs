//! The shape of a text: every word that contains a digit, or is very long, is replaced by one mark.
//!
//! Numbers, dates and ids make nearly every text of a record unique. Without them only a few
//! thousand shapes remain, and whether a phrase without such words occurs in a text can be decided
//! from the text's shape.

use crate::text::fold::Class;
use crate::text::tokens::{LONG, runs, spaced};

/// Replaces a word that was left out. It is a letter, so that a word next to it is known to be part
/// of a longer one. A word of the text that contains this letter is left out too.
const MARK: char = '\u{16a0}';

/// Returns whether a shape leaves this word out.
fn is_left_out(word: &str) -> bool {
    word.len() > LONG || word.bytes().any(|byte| byte.is_ascii_digit()) || word.contains(MARK)
}

/// Returns the shape of a folded text. Returns `None` if the text contains no phrase that shapes
/// can decide, except phrases of a single token.
pub fn shape(folded: &str) -> Option<String> {
    let mut out = String::new();
    let (mut end, mut told) = (0, false);
    for (run, start, class) in runs(folded) {
        if run.len() == folded.len() && (class == Class::Word || run.chars().nth(2).is_none()) {
            return None;
        }
        out.push_str(&folded[end..start]);
        end = start + run.len();
        if class == Class::Word && is_left_out(run) {
            out.push(MARK);
        } else {
            out.push_str(run);
            told = true;
        }
    }
    out.push_str(&folded[end..]);
    told.then(|| spaced(&out).into_owned())
}

/// Returns whether shapes can decide which texts contain a folded phrase.
pub fn decided_by_shape(needle: &str) -> bool {
    let mut words = runs(needle).peekable();
    words.peek().is_some() && words.all(|(run, _, class)| class != Class::Word || !is_left_out(run))
}

/// Returns the longest word, or run of wide characters, of a folded text.
pub fn longest_run(folded: &str) -> &str {
    runs(folded).map(|(run, ..)| run).max_by_key(|run| run.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::fold::fold;
    use crate::text::tokens::{stands_in, words_of};
    use proptest::prelude::*;

    #[test]
    fn numbers_and_ids_are_left_out() {
        let shaped = |text: &str| shape(&fold(text)).map(|shape| shape.replace(MARK, "#"));
        assert_eq!(
            shaped("Rollback  after CHG-12345\n(ecs01)").as_deref(),
            Some("rollback after chg-# (#)")
        );
        assert_eq!(shaped("查询ecs01实例").as_deref(), Some("查询#实例"));
        assert_eq!(shaped("of f81d4fae-7dec-11d0-a765-00a0c91e6bf6").as_deref(), Some("of #"));
        for text in ["createServer", "2026-06-30T10:00:00Z", "10.0.0.1", "日志", "--", ""] {
            assert_eq!(shaped(text), None, "{text}");
        }
        assert!(
            decided_by_shape("after failed")
                && !decided_by_shape("ecs 01")
                && !decided_by_shape("--")
        );
        assert_eq!(longest_run("a 测试 bb"), "测试");
    }

    proptest! {
        /// A phrase stands in the shape where it stands in the text, and only there.
        #[test]
        fn a_phrase_stands_in_a_text_as_in_its_shape(
            text in "([a1 日志ᚠ-]|  |\n|dead|f81d4fae-7dec-11d0-a765-00a0c91e6bf6|dead-beef){0,10}",
            start in any::<prop::sample::Index>(),
            length in 1_usize..30,
            other in "[a日志 -]{1,6}",
            cut in any::<bool>(),
        ) {
            let text = fold(&text).into_owned();
            let letters: Vec<char> = text.chars().collect();
            let needle: String = if cut && !letters.is_empty() {
                let start = start.index(letters.len());
                letters[start..letters.len().min(start + length)].iter().collect()
            } else {
                other
            };
            let needle = spaced(fold(needle.trim()).trim()).into_owned();
            prop_assume!(decided_by_shape(&needle));
            let one_token = words_of(&needle, false, false).1;
            let stands = stands_in(&needle, &text);
            match shape(&text) {
                Some(shape) => {
                    prop_assert_eq!(
                        stands,
                        stands_in(&needle, &shape),
                        "{:?} {:?} \
                                {:?}",
                        needle,
                        text,
                        shape
                    );
                    prop_assert_eq!(crate::text::template::shape(&shape), Some(shape));
                }
                None => prop_assert!(!stands || one_token, "{:?} {:?}", needle, text),
            }
        }
    }
}
