//! Detectors of values that are secret wherever they occur.

use regex::Regex;
use std::ops::Range;

/// A detector, named after what it finds.
#[derive(Debug)]
pub(super) struct Detector {
    pattern: Regex,
    card: bool,
}

/// Names and patterns. Word boundaries exclude what is only part of something longer.
const DETECTORS: &[(&str, &str)] = &[
    // Identifiers of AWS (AKIA, ASIA …) and Huawei Cloud (HPUA, HST …) keys.
    ("access_key", r"\b(?:A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}|HPUA[0-9A-Z]{16}|HST[0-9A-Z]{17})\b"),
    // JSON Web Tokens (RFC 7519), bearer tokens (RFC 6750), and the well-known forms of providers.
    (
        "token",
        concat!(
            r"\beyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]*",
            r"|(?i:bearer\s+)[0-9A-Za-z._~+/-]{16,}=*",
            r"|\b(?:gh[pousr]_[0-9A-Za-z]{36,}|xox[abposr]-[0-9A-Za-z-]{10,}",
            r"|glpat-[0-9A-Za-z_-]{20,})",
        ),
    ),
    // Private keys (RFC 7468), complete or truncated.
    ("pem", r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)"),
    // Passwords in URLs (RFC 3986, userinfo).
    ("url_password", r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@"),
    // 13 to 19 digits, grouped or not, of which the last is the check digit (ISO/IEC 7812, Luhn).
    ("card", r"\b[0-9](?:[ -]?[0-9]){12,18}\b"),
];

impl Detector {
    pub(super) const NAMES: &[&str] = &["access_key", "token", "pem", "url_password", "card"];

    pub(super) fn from_name(name: &str) -> Option<Self> {
        let (_, pattern) = DETECTORS.iter().find(|(known, _)| *known == name)?;
        Some(Self {
            pattern: Regex::new(pattern).expect("the patterns are sound"),
            card: name == "card",
        })
    }

    /// Returns the ranges of all matches, in order.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let found =
            self.pattern.find_iter(text).filter(|found| !self.card || is_card(found.as_str()));
        found.map(|found| found.range()).collect()
    }
}

fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(10)).collect();
    let double = |(index, digit): (usize, &u32)| match (index % 2, digit * 2) {
        (1, twice) if twice > 9 => twice - 9,
        (1, twice) => twice,
        _ => *digit,
    };
    // Payment cards begin with 2 to 6; times in milliseconds begin with 1.
    (13..=19).contains(&digits.len())
        && (2..=6).contains(&digits[0])
        && digits.iter().rev().enumerate().map(double).sum::<u32>() % 10 == 0
}
