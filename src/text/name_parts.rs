//! The parts of names: `recallCouponQuota` is also found by `recall`, `coupon` and `quota`.
//!
//! Names of operations and fields join words by capitals (`deleteServer`, `EC2Instance`,
//! `HTTPSListener`). Who searches for a word does not think of that, so the parts are words beside
//! the whole. Signs between words (`delete_server`, an ARN's colons) separate words anyway.
//!
//! Ids and keys in base64 change their case at every other letter. Their parts say nothing and
//! would fill an index, so a run is only divided if its parts are long enough to be words.

use super::fold::{Class, class};
use super::tokens::{Token, kind_of, stands_in};

/// The longest run that is divided, in bytes.
const NAME_BYTES_MAX: usize = 96;
/// The least average length of parts, as letters for a number of parts.
const LETTERS_OF_PARTS: (usize, usize) = (5, 2);

/// Calls `visit` with the parts of every name in a text that was not folded, as they are written.
fn each_part<'a>(text: &'a str, visit: &mut dyn FnMut(&'a str)) {
    // A name has a capital behind another letter, which most texts do not have.
    let bytes = text.as_bytes();
    let joins = |pair: &[u8]| pair[0].is_ascii_alphanumeric() && pair[1].is_ascii_uppercase();
    if !bytes.windows(2).any(joins) {
        return;
    }
    let mut rest = text;
    while let Some(start) = rest.find(|letter| class(letter) == Class::Word) {
        rest = &rest[start..];
        let end = rest.find(|letter| class(letter) != Class::Word).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        if run.is_ascii() && run.len() <= NAME_BYTES_MAX {
            divide(run, visit);
        }
    }
}

/// Calls `visit` with the parts of a run of ASCII letters and digits, if it has several.
fn divide<'a>(run: &'a str, visit: &mut dyn FnMut(&'a str)) {
    let bytes = run.as_bytes();
    let begins_part = |at: &usize| {
        let (before, here, after) = (bytes[at - 1], bytes[*at], bytes.get(at + 1));
        // A row of capitals is one part, but its last capital begins the word that follows.
        let ends_row = before.is_ascii_uppercase() && after.is_some_and(u8::is_ascii_lowercase);
        here.is_ascii_uppercase() && (!before.is_ascii_uppercase() || ends_row)
    };
    let count = (1..run.len()).filter(begins_part).count() + 1;
    let (letters, parts) = LETTERS_OF_PARTS;
    let are_words = run.len() * parts >= count * letters;
    if count == 1 || !are_words || !bytes.iter().any(u8::is_ascii_lowercase) {
        return;
    }
    let mut start = 0;
    for end in (1..run.len()).filter(begins_part).chain([run.len()]) {
        visit(&run[start..end]);
        start = end;
    }
}

/// Calls `visit` with the tokens of the parts of names in a text that was not folded.
pub fn part_tokens(text: &str, visit: &mut dyn FnMut(Token<'_>)) {
    each_part(text, &mut |part| {
        let folded = part.to_ascii_lowercase();
        visit(Token { text: &folded, kind: kind_of(&folded) });
    });
}

/// Returns whether a folded needle occurs as words in a text, which is given as it is (`raw`) and
/// folded: it [`stands_in`] the text, or is a part of a name in it.
pub fn holds_words(needle: &str, raw: &str, folded: &str) -> bool {
    stands_in(needle, folded) || is_name_part(needle, raw)
}

fn is_name_part(needle: &str, raw: &str) -> bool {
    let may_be =
        needle.len() < raw.len() && needle.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut found = false;
    if may_be {
        each_part(raw, &mut |part| found |= part.eq_ignore_ascii_case(needle));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        let mut parts = Vec::new();
        each_part(text, &mut |part| parts.push(part));
        parts
    }

    #[test]
    fn names_are_divided_at_their_capitals() {
        for (text, expected) in [
            ("recallCouponQuota", &["recall", "Coupon", "Quota"][..]),
            ("RunInstances", &["Run", "Instances"]),
            ("EC2Instance", &["EC2", "Instance"]),
            ("HTTPSListener", &["HTTPS", "Listener"]),
            ("arn:aws:iam::1:role/AuditReader", &["Audit", "Reader"]),
            ("查询deleteServer操作", &["delete", "Server"]),
            ("PartnerCenter and DBInstance", &["Partner", "Center", "DB", "Instance"]),
            ("delete_server", &[]),
            ("DELETE", &[]),
            ("Delete", &[]),
            ("dGVzdEJhc2U2NA", &[]),
            ("F81D4FAE", &[]),
            ("AKIAIOSFODNN7EXAMPLE", &[]),
            ("VPCs", &[]),
            ("größeÄndern", &[]),
            ("", &[]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
        assert!(parts(&"longName".repeat(13)).is_empty());
    }

    #[test]
    fn a_part_is_found_whole_and_in_any_case() {
        assert!(is_name_part("coupon", "recallCouponQuota"));
        assert!(!is_name_part("coup", "recallCouponQuota"));
        assert!(!is_name_part("couponquota", "recallCouponQuota"));
        assert!(!is_name_part("recallcouponquota", "recallCouponQuota"));
    }
}
