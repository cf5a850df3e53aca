//! The kind of a reason: its text without the parts that are specific to one record.

/// The maximum length of a kind, in characters.
const KIND_CHARS: usize = 120;
/// Replaces what was left out.
const LEFT_OUT: &str = "…";

/// Returns the kind of a reason. Quoted texts, numbers and ids are left out of it, so that records
/// refused for the same cause have the same kind.
pub fn kind_of(reason: &str) -> String {
    // A trace id is not quoted, and may look like any word.
    if let Some((before, rest)) = reason.split_once("trace id ")
        && let Some((_, after)) = rest.split_once(" was taken by another record")
        && before.is_empty()
    {
        return format!("trace id {LEFT_OUT} was taken by another record{after}");
    }
    let unquoted = without_quoted(reason);
    let words = unquoted
        .split_whitespace()
        .map(|word| if is_particular(word) { masked(word) } else { word.to_owned() });
    crate::event::clip(&words.collect::<Vec<_>>().join(" "), KIND_CHARS)
}

/// Leaves out everything between quotes. A quote that is not closed, such as the last one of a text
/// that was clipped, leaves out the rest.
fn without_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        // An apostrophe within a word is not a quote.
        if letter == '"' || letter == '`' || (letter == '\'' && !before.is_alphanumeric()) {
            let mut escaped = false;
            for inner in letters.by_ref() {
                if inner == letter && !escaped {
                    break;
                }
                escaped = inner == '\\' && !escaped;
            }
            out.push_str(LEFT_OUT);
        } else {
            out.push(letter);
        }
        before = letter;
    }
    out
}

/// Returns whether a word is a number, a time or an id: at least a third of it is digits. `UTF-8`
/// and `base64` are words.
fn is_particular(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.chars().filter(|letter| letter.is_alphabetic()).count();
    digits > 0
        && (digits * 2 >= letters || (digits > 1 && word.len() > 16))
        && !word.eq_ignore_ascii_case("base64")
}

/// Replaces a word that is left out, keeping the punctuation behind it.
fn masked(word: &str) -> String {
    let body = word.trim_end_matches([',', ':', ';', '.', ')']);
    format!("{LEFT_OUT}{}", &word[body.len()..])
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn what_is_of_the_one_record_is_not_in_the_kind() {
        for (reason, kind) in [
            ("record has the keys of no known format", "record has the keys of no known format"),
            ("record is no JSON object", "record is no JSON object"),
            ("invalid UTF-8 after 15 bytes", "invalid UTF-8 after … bytes"),
            ("expected value at byte 12", "expected value at byte …"),
            (
                "the record has 70000000 bytes, more than 67108864",
                "the record has … bytes, more than …",
            ),
            (
                "native: time: \"12:61 \\\"x\\\" it's\" is in no known form",
                "native: time: … is in no known form",
            ),
            ("duplicate field `a1`", "duplicate field …"),
            (
                "trace id ab was taken by another record of the same time: a trace id is accepted \
                once",
                "trace id … was taken by another record of the same time: a trace id is accepted \
                once",
            ),
            ("quota 8d7e1f00-9a4b-4c1d-8e2f-001122334455: isn't one", "quota …: isn't one"),
            ("native: level: \"cut off in the mid", "native: level: …"),
            ("", ""),
        ] {
            assert_eq!(kind_of(reason), kind);
        }
    }
}
