//! Encoded forms of values: base64 at any offset, UTF-16, other dashes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// How a text is converted to bytes before it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextEncoding {
    Utf8,
    Utf16Little,
    Utf16Big,
    /// Little-endian with a byte order mark.
    Utf16Marked,
}

impl TextEncoding {
    pub(super) fn bytes(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16Little => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Big => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Utf16Marked => {
                [0xff, 0xfe].into_iter().chain(Self::Utf16Little.bytes(text)).collect()
            }
        }
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Returns three texts, one of which occurs in the base64 form of anything that contains `bytes`:
/// the characters that do not depend on what comes before or after.
pub(super) fn base64_at_any_offset(bytes: &[u8]) -> Vec<String> {
    let at = |offset: usize| {
        let shifted: Vec<u8> =
            std::iter::repeat_n(0, offset).chain(bytes.iter().copied()).collect();
        let letters = STANDARD_NO_PAD.encode(&shifted);
        let first = (offset * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        letters[first..last.max(first)].to_owned()
    };
    (0..3).map(at).filter(|letters| !letters.is_empty()).collect()
}

/// Returns the value with each kind of dash that Windows accepts before an option, where words
/// begin.
pub(super) fn dashes(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    for dash in ['-', '/', '–', '—', '―'] {
        let mut before = ' ';
        let mut form = String::with_capacity(value.len());
        let mut letters = value.chars().peekable();
        while let Some(letter) = letters.next() {
            let begins = !before.is_alphanumeric()
                && letters.peek().is_some_and(|next| next.is_alphanumeric());
            form.push(if begins && matches!(letter, '-' | '/') { dash } else { letter });
            before = letter;
        }
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}
