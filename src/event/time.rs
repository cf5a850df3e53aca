//! Timestamps in UTC milliseconds, and every form in which real records write them.

use crate::error::{Error, Result};
use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeZone, Utc};
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

    /// Parses a number of seconds, milliseconds, microseconds or nanoseconds; its size tells the
    /// unit.
    ///
    /// Ten digits are seconds, thirteen milliseconds, sixteen microseconds, nineteen nanoseconds:
    /// real CTS records hold three of the four.
    fn from_number(number: i64) -> Self {
        let size = number.unsigned_abs();
        Self(match size {
            0..100_000_000_000 => number.saturating_mul(1_000),
            100_000_000_000..100_000_000_000_000 => number,
            100_000_000_000_000..100_000_000_000_000_000 => number / 1_000,
            _ => number / 1_000_000,
        })
    }

    /// Parses every form of time that records use: a number as text, RFC 3339, or one of the three
    /// `GMT+08:00` texts.
    ///
    /// A text without a zone is taken as UTC.
    ///
    /// # Errors
    /// Text in none of these forms.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_in(text, FixedOffset::east_opt(0).expect("zero is a valid offset"))
    }

    /// Parses like [`Timestamp::parse`], with the zone in which a text without a zone is written.
    ///
    /// # Errors
    /// Text in none of these forms.
    pub fn parse_in(text: &str, zone: FixedOffset) -> Result<Self> {
        let text = text.trim();
        if let Ok(number) = text.parse::<i64>() {
            return Ok(Self::from_number(number));
        }
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self(moment.timestamp_millis()));
        }
        let (local, zone) = match text.split_once(" GMT") {
            Some((local, offset)) => (local, parse_offset(offset).ok_or_else(|| unreadable(text))?),
            None => (text, zone),
        };
        for form in [
            "%Y/%m/%d %H:%M:%S",
            "%Y-%m-%d %H:%M:%S%.f",
            "%m/%d/%Y %H:%M:%S",
            "%Y-%m-%dT%H:%M:%S%.f",
            "%Y-%m-%dT%H:%M:%S%.fZ",
        ] {
            if let Ok(naive) = NaiveDateTime::parse_from_str(local, form) {
                return in_zone(naive, zone).ok_or_else(|| unreadable(text));
            }
        }
        if let Ok(date) = NaiveDate::parse_from_str(local, "%Y-%m-%d") {
            return date
                .and_hms_opt(0, 0, 0)
                .and_then(|naive| in_zone(naive, zone))
                .ok_or_else(|| unreadable(text));
        }
        Err(unreadable(text))
    }

    /// Converts to a chrono value, for calendars; `None` beyond the years that chrono supports.
    fn to_chrono(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.0)
    }
}

fn unreadable(text: &str) -> Error {
    Error::invalid(format!("time {:?} is in no known form", crate::event::clip(text, 60)))
}

fn parse_offset(text: &str) -> Option<FixedOffset> {
    let (hours, minutes) = text.split_once(':').unwrap_or((text, "0"));
    if hours.is_empty() {
        return FixedOffset::east_opt(0);
    }
    let hours: i32 = hours.parse().ok()?;
    let minutes: i32 = minutes.parse().ok()?;
    if !(-24..=24).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    FixedOffset::east_opt((hours.abs() * 3600 + minutes * 60) * if hours < 0 { -1 } else { 1 })
}

fn in_zone(naive: NaiveDateTime, zone: FixedOffset) -> Option<Timestamp> {
    let moment = zone.from_local_datetime(&naive).single()?;
    Some(Timestamp(moment.timestamp_millis()))
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
        let east8 = FixedOffset::east_opt(8 * 3600).expect("eight hours are a valid offset");
        assert_eq!(
            Timestamp::parse_in("2026-03-01", east8).expect("a date").to_string(),
            "2026-02-28T16:00:00.000Z"
        );
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
            "1e999999",
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
