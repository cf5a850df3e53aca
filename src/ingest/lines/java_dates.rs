//! Times in a form that a pattern of Java's `SimpleDateFormat` describes, which LEEF names in
//! `devTimeFormat` beside `devTime`.
//!
//! The letters that loggers use are known. A pattern with another letter describes nothing that can
//! be read here, and the caller then tries the usual forms.

use super::text_cursor::TextCursor;
use super::times::{WrittenDate, month_of, nanos_of, zone};
use chrono::{DateTime, Utc};

/// Reads a whole text as the time that the pattern describes.
pub(super) fn of_pattern(pattern: &str, text: &str, now_ms: i64) -> Option<DateTime<Utc>> {
    let mut pattern = TextCursor::new(pattern.trim());
    let mut text = TextCursor::new(text.trim());
    let mut date = WrittenDate { month: 1, day: 1, ..WrittenDate::default() };
    let mut is_afternoon = None;
    while let Some(letter) = pattern.rest.chars().next() {
        if !letter.is_ascii_alphabetic() {
            literal(&mut pattern, &mut text, letter)?;
            continue;
        }
        let length = pattern.take_while(|found| found == letter).len();
        // Numbers that follow each other without anything between have exactly these digits.
        let is_closed = pattern.rest.starts_with(|next: char| next.is_ascii_alphabetic());
        match letter {
            'a' => is_afternoon = Some(half_of_day(&mut text)?),
            _ => part(letter, if is_closed { length } else { length.max(9) }, &mut text)?
                .put(letter, length, &mut date)?,
        }
    }
    if let Some(is_afternoon) = is_afternoon {
        date.hour = date.hour % 12 + if is_afternoon { 12 } else { 0 };
    }
    text.rest.is_empty().then(|| date.instant(now_ms)).flatten()
}

/// Moves over text that stands for itself, which may be quoted.
fn literal(pattern: &mut TextCursor<'_>, text: &mut TextCursor<'_>, first: char) -> Option<()> {
    if pattern.skip("''").is_some() {
        return text.skip("'");
    }
    if pattern.skip("'").is_some() {
        let quoted = pattern.take_while(|found| found != '\'');
        pattern.skip("'")?;
        return text.skip(quoted);
    }
    pattern.rest = &pattern.rest[first.len_utf8()..];
    match first {
        ' ' => text.blanks(),
        _ => return text.rest.strip_prefix(first).map(|rest| text.rest = rest),
    }
    Some(())
}

fn half_of_day(text: &mut TextCursor<'_>) -> Option<bool> {
    match text.take_while(|found| found.is_ascii_alphabetic()).to_ascii_lowercase().as_str() {
        "am" => Some(false),
        "pm" => Some(true),
        _ => None,
    }
}

/// A part of a date as it was read.
#[derive(Debug, Clone, Copy)]
enum DatePart<'a> {
    Digits(&'a str),
    Name(&'a str),
    Zone(i32),
}

/// Reads the part that this letter of a pattern stands for.
fn part<'a>(letter: char, most: usize, text: &mut TextCursor<'a>) -> Option<DatePart<'a>> {
    Some(match letter {
        'z' | 'Z' | 'X' => DatePart::Zone(zone(text)?),
        'E' => DatePart::Name(text.take_while(|found| found.is_ascii_alphabetic())),
        'M' if text.rest.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            DatePart::Name(text.take_while(|found| found.is_ascii_alphabetic()))
        }
        _ => DatePart::Digits(text.digits(most)?),
    })
}

impl DatePart<'_> {
    /// Puts the part where it belongs.
    fn put(self, letter: char, length: usize, date: &mut WrittenDate) -> Option<()> {
        let digits = match self {
            Self::Zone(seconds) => {
                date.zone = seconds;
                return Some(());
            }
            Self::Name(name) => {
                if letter == 'M' {
                    date.month = month_of(name)?;
                }
                return Some(());
            }
            Self::Digits(digits) => digits,
        };
        let number: u32 = digits.parse().ok()?;
        match letter {
            'y' | 'u' => {
                let century = if length == 2 && digits.len() == 2 { 2_000 } else { 0 };
                date.year = Some(i32::try_from(number).ok()?.checked_add(century)?);
            }
            'M' => date.month = number,
            'd' => date.day = number,
            'H' | 'h' | 'K' => date.hour = number,
            'k' => date.hour = number % 24,
            'm' => date.minute = number,
            's' => date.second = number,
            'S' => date.nanos = nanos_of(digits),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, text: &str) -> Option<String> {
        // 2026-11-29T02:00:00Z
        let time = of_pattern(pattern, text, 1_795_917_600_000)?;
        Some(time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string())
    }

    #[test]
    fn patterns_of_the_documents() {
        for (pattern, text, expected) in [
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSZ",
                "2017-10-18T11:26:03.060+0200",
                "2017-10-18T09:26:03.060Z",
            ),
            ("MMM dd yyyy HH:mm:ss z", "Jan 28 2015 02:00:36 GMT+00:00", "2015-01-28T02:00:36Z"),
            ("MMM dd HH:mm:ss", "Jun  6 10:00:00", "2026-06-06T10:00:00Z"),
            ("MM/dd/yy hh:mm:ss a", "06/06/16 01:05:09 PM", "2016-06-06T13:05:09Z"),
            ("yyyyMMddHHmmss", "20160606100000", "2016-06-06T10:00:00Z"),
            ("EEE, d MMMM yyyy HH:mm:ss", "Mon, 6 June 2016 10:00:00", "2016-06-06T10:00:00Z"),
            ("yyyy-MM-dd HH:mm:ss,SSS", "2016-06-06 10:00:00,5", "2016-06-06T10:00:00.500Z"),
            ("yyyy.MM.dd 'at' HH 'o''clock'", "2016.06.06 at 10 o'clock", ""),
        ] {
            let expected = Some(expected).filter(|expected| !expected.is_empty());
            assert_eq!(read(pattern, text).as_deref(), expected, "{pattern}");
        }
    }

    #[test]
    fn what_does_not_fit() {
        for (pattern, text) in [
            ("yyyy-MM-dd", "2016-06"),
            ("yyyy-MM-dd", "2016-06-06 10:00"),
            ("yyyy-QQ", "2016-01"),
            ("HH:mm a", "10:00 xx"),
            ("'open", "open"),
            ("yyyy漢MM", "2016é06"),
            ("yyyyy", "99999999999"),
            ("", "x"),
        ] {
            assert_eq!(read(pattern, text), None, "{pattern}");
        }
    }
}
