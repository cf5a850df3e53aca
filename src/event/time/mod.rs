//! Timestamps in UTC milliseconds, and every form in which real records write them.

mod parse;

use crate::error::{Error, Result};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use parse::WrittenTime;
use std::fmt;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The earliest time at which an event is still filed under its own date: 2000-01-01T00:00:00Z.
pub const EARLIEST_PLAUSIBLE: Timestamp = Timestamp(946_684_800_000);
/// How far after its acceptance an event may claim to be and still be filed under its own date: one
/// day.
pub const AHEAD_MAX_MS: i64 = 86_400_000;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    /// Creates the timestamp `millis` after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Returns whether an event of this time, accepted at `now`, cannot be filed under it: before
    /// 2000 or more than a day ahead.
    pub fn is_suspect(self, now: Timestamp) -> bool {
        self < EARLIEST_PLAUSIBLE || self.0 > now.0.saturating_add(AHEAD_MAX_MS)
    }

    /// Returns the UTC date as `YYYY-MM-DD`, the partition value.
    pub fn date(self) -> String {
        let days = self.0.div_euclid(DAY_MS);
        match NaiveDate::from_epoch_days(days as i32) {
            Some(date) => date.format("%Y-%m-%d").to_string(),
            None => "1970-01-01".to_owned(),
        }
    }

    /// Parses every form of time that records use; `parse.rs` lists them. A text without a zone is
    /// UTC.
    ///
    /// # Errors
    /// Text in none of these forms.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_with_date_zone(text, 0)
    }

    /// Parses like [`Timestamp::parse`], but a date without a time of day begins
    /// `minutes_ahead` of UTC.
    ///
    /// # Errors
    /// Text in none of these forms.
    pub fn parse_with_date_zone(text: &str, minutes_ahead: i64) -> Result<Self> {
        // Most records use this form, and chrono reads it faster.
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self(moment.timestamp_millis()));
        }
        match parse::parse(text) {
            Some(WrittenTime::Moment(millis) | WrittenTime::Local(millis)) => Ok(Self(millis)),
            Some(WrittenTime::Date(millis)) => Ok(Self(millis - minutes_ahead * 60_000)),
            None => Err(Error::invalid(format!(
                "{:?} is in no known form: write it as 2026-03-01T08:00:00Z, or as seconds or \
                milliseconds since 1970",
                crate::event::clip(text.trim(), 60)
            ))),
        }
    }

    /// Parses like [`Timestamp::parse`], but a text without a zone is `minutes_ahead` of UTC.
    ///
    /// # Errors
    /// Text in none of these forms.
    pub fn parse_local(text: &str, minutes_ahead: i64) -> Result<Self> {
        match parse::parse(text) {
            Some(WrittenTime::Local(millis)) => Ok(Self(millis - minutes_ahead * 60_000)),
            _ => Self::parse_with_date_zone(text, minutes_ahead),
        }
    }

    /// Converts to a chrono value, for calendars; `None` beyond the years that chrono supports.
    fn to_chrono(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.0)
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC with milliseconds; years outside 0 to 9999 as a plain number of
    /// milliseconds.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_chrono() {
            Some(moment) if (0..=9999).contains(&moment.year()) => {
                // Formatted by hand, because an answer may hold thousands: chrono parses its format
                // string each time, which costs several times as much.
                let mut text = *b"0000-00-00T00:00:00.000Z";
                let mut put = |index: usize, digits: usize, mut number: u32| {
                    for index in (index..index + digits).rev() {
                        text[index] = b'0' + (number % 10) as u8;
                        number /= 10;
                    }
                };
                put(0, 4, moment.year() as u32);
                put(5, 2, moment.month());
                put(8, 2, moment.day());
                let millis = self.0.rem_euclid(DAY_MS) as u32;
                put(11, 2, millis / 3_600_000);
                put(14, 2, millis / 60_000 % 60);
                put(17, 2, millis / 1_000 % 60);
                put(20, 3, millis % 1_000);
                out.write_str(std::str::from_utf8(&text).unwrap_or_default())
            }
            _ => write!(out, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(Timestamp::parse(text).expect(text).to_string(), expected, "{text}");
    }

    #[test]
    fn every_form_seen_in_records_is_read() {
        check("1472148708232", "2016-08-25T18:11:48.232Z");
        check("1472148708", "2016-08-25T18:11:48.000Z");
        check("1472148708232123456", "2016-08-25T18:11:48.232Z");
        check("1472148708232123", "2016-08-25T18:11:48.232Z");
        check("2016/12/08 11:07:28 GMT+08:00", "2016-12-08T03:07:28.000Z");
        check("2016-12-15 15:27:40 GMT+08:00", "2016-12-15T07:27:40.000Z");
        check("12/01/2016 11:07:28 GMT+08:00", "2016-12-01T03:07:28.000Z");
        check("2019-08-01T11:50:44.900727394Z", "2019-08-01T11:50:44.900Z");
        check("2019-08-01T11:50:44+08:00", "2019-08-01T03:50:44.000Z");
        check("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z");
        check("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_date_is_midnight_in_the_zone_of_its_record() {
        for text in ["2026-03-01", "20260301", "2026/03/01", "2026-060", "2026-W09-7"] {
            let moment = Timestamp::parse_with_date_zone(text, 8 * 60).expect("a date");
            assert_eq!(moment.to_string(), "2026-02-28T16:00:00.000Z", "{text}");
        }
    }

    #[test]
    fn every_iso_8601_form_is_read() {
        for text in [
            "2026-03-01T08:00:00+0000",
            "2026-03-01T08:00Z",
            "2026-03-01T16:00+08:00",
            "2026-03-01T16:00:00+08",
            "2026-03-01T09:00+01:00[Europe/Paris]",
            "2026-03-01 16:00:00 +0800",
            "2026-03-01 16:00:00.000000000 +0800 CST",
            "2026-03-01 08:00:00 UTC",
            "2026-03-01 08:00:00,000",
            "2026-03-01T08:00:00,000Z",
            "20260301T080000Z",
            "20260301T08Z",
            "20260301080000",
            "20260301080000Z",
            "20260301080000.0Z",
            "20260301160000+0800",
            "20260301080000000",
            "2026-060T08:00:00Z",
            "2026-W09-7T08:00:00Z",
            "2026-3-1 8:0:0",
            " 2026-03-01T08:00:00z ",
            "2026-03-01T03:00:00-05:00",
        ] {
            check(text, "2026-03-01T08:00:00.000Z");
        }
        check("2026-02-28T24:00:00Z", "2026-03-01T00:00:00.000Z");
        check("2026-03-01T08:00:00,9779999Z", "2026-03-01T08:00:00.977Z");
        check("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z");
    }

    #[test]
    fn times_of_other_programs_are_read() {
        for text in [
            "Sun, 01 Mar 2026 08:00:00 GMT",
            "Sun, 1 Mar 2026 16:00:00 +0800",
            "Sun Mar  1 08:00:00 2026",
            "Sun Mar  1 08:00:00 UTC 2026",
            "Sun Mar 01 2026 16:00:00 GMT+0800 (China Standard Time)",
            "01/Mar/2026:08:00:00 +0000",
            "01-Mar-2026 08:00:00",
            "1 March 2026 08:00",
            "March 1, 2026 8:00 AM",
            "3/1/2026 8:00:00 AM",
            "03/01/2026 16:00:00 GMT+08:00",
            "2026/03/01 16:00:00 GMT+8",
            "/Date(1772352000000)/",
            "/Date(1772352000000+0800)/",
        ] {
            check(text, "2026-03-01T08:00:00.000Z");
        }
        check("3/1/2026 12:30:00 AM", "2026-03-01T00:30:00.000Z");
        check("3/1/2026 12:30:00 pm", "2026-03-01T12:30:00.000Z");
        check("Sat Feb 29 08:00:00 2020", "2020-02-29T08:00:00.000Z");
    }

    #[test]
    fn the_size_of_a_number_tells_its_unit() {
        for text in [
            "1793623440.123",
            "1793623440123",
            "1793623440123.0",
            "1.793623440123E12",
            "1.793623440123e+9",
            "1793623440123.456",
            "1793623440123456",
            "1793623440123456789",
            "1793623440.1234567890123",
        ] {
            check(text, "2026-11-02T12:44:00.123Z");
        }
        check("0", "1970-01-01T00:00:00.000Z");
        check("-1.5", "1969-12-31T23:59:58.500Z");
    }

    #[test]
    fn other_text_is_refused_without_panic() {
        for text in [
            "",
            "yesterday",
            "2016-13-01T00:00:00Z",
            "99999999999999999999",
            "2016-12-15 15:27:40 GMT+99:99",
            "2016-12-15 15:27:40 GMT+2147483647",
            "2016-12-15 15:27:40 GMT999999",
            "2016-12-15 15:27:40 CST",
            "2026-03-01T25:00:00Z",
            "2026-03-01T24:00:01Z",
            "2026-02-30",
            "13/01/2026",
            "3/1/2026 13:00:00 AM",
            "Sat Feb 29 08:00:00 2026",
            "2026-03-01T08:00:00Z junk",
            "2026-03-01T",
            "2026-03-01T08:00:00.",
            "/Date()/",
            "/Date(é)/",
            "1e999999",
            "1e-999999",
            "1.2.3",
            ".",
            "-",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn absurd_times_are_suspect() {
        let now = Timestamp::parse("2026-06-01T00:00:00Z").expect("a time");
        assert!(Timestamp::parse("1999-12-31T23:59:59Z").expect("a time").is_suspect(now));
        assert!(!Timestamp::parse("2000-01-01T00:00:00Z").expect("a time").is_suspect(now));
        assert!(!Timestamp::parse("2026-06-02T00:00:00Z").expect("a time").is_suspect(now));
        assert!(Timestamp::parse("2026-06-02T00:00:00.001Z").expect("a time").is_suspect(now));
        assert!(Timestamp::from_millis(i64::MAX).is_suspect(now));
        assert!(Timestamp::from_millis(i64::MIN).is_suspect(now));
    }
}
