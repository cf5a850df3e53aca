//! Times as text logs write them: RFC 3339, the `Oct 11 22:14:15` of RFC 3164 with its many
//! additions, and counts of seconds or finer units since 1970.
//!
//! A time without a zone is one in UTC, because a line does not say where it was written. A zone
//! that is written but not known gives no time at all: a wrong time is worse than none. A time
//! without a year is in the year that brings it nearest before the present; a day is granted for
//! clocks that are ahead and for zones.

use super::text_cursor::TextCursor;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

/// How far after the present a time without a year may be.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1_000;
/// How many years are looked through for one that has a 29th of February: around 1900 and 2100
/// there are eight years between two of them.
const YEARS_BACK: i32 = 8;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A date and time as it is written, whose parts may not exist.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WrittenDate {
    pub(super) year: Option<i32>,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) nanos: u32,
    /// Seconds ahead of UTC.
    pub(super) zone: i32,
}

impl WrittenDate {
    /// Returns the instant; none if there is no such day or time of day.
    pub(super) fn instant(&self, now_ms: i64) -> Option<DateTime<Utc>> {
        if let Some(year) = self.year {
            return self.in_year(year);
        }
        let latest = DateTime::from_timestamp_millis(now_ms.saturating_add(AHEAD_MS))?;
        (0..=YEARS_BACK)
            .filter_map(|back| self.in_year(latest.year() - back))
            .find(|time| *time <= latest)
    }

    fn in_year(&self, year: i32) -> Option<DateTime<Utc>> {
        let day = NaiveDate::from_ymd_opt(year, self.month, self.day)?;
        // A leap second is written as the 61st of its minute and counts as the next one.
        let second = self.second.min(59);
        let leap = i64::from(self.second.checked_sub(second).filter(|extra| *extra < 2)?);
        let local = day.and_hms_nano_opt(self.hour, self.minute, second, self.nanos)?;
        let moved = TimeDelta::try_seconds(leap - i64::from(self.zone))?;
        let time = local.checked_add_signed(moved)?.and_utc();
        // A year of RFC 3339 has four digits.
        (0..=9_999).contains(&time.year()).then_some(time)
    }
}

/// Reads a whole text as a time in any of the forms.
pub(super) fn of_text(text: &str, now_ms: i64) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return of_count(text);
    }
    let mut cursor = TextCursor::new(text);
    let mut date = year_first(&mut cursor).or_else(|| month_first(&mut cursor))?;
    cursor.blanks();
    if !cursor.rest.is_empty() {
        date.zone = zone(&mut cursor)?;
    }
    cursor.rest.is_empty().then(|| date.instant(now_ms)).flatten()
}

/// Reads a time of RFC 3339, whose zone must be there.
pub(super) fn rfc3339(cursor: &mut TextCursor<'_>) -> Option<DateTime<Utc>> {
    let mut ahead = *cursor;
    let mut date = year_first(&mut ahead)?;
    date.zone = numeric_zone(&mut ahead)?;
    let time = date.instant(0)?;
    *cursor = ahead;
    Some(time)
}

/// Reads `2026-11-28T10:00:00.123` without a zone; a blank may stand for the `T`.
pub(super) fn year_first(cursor: &mut TextCursor<'_>) -> Option<WrittenDate> {
    let mut ahead = *cursor;
    let mut date = WrittenDate { year: ahead.number(4, 4)?.try_into().ok(), ..Default::default() };
    ahead.one_of(&['-', '/'])?;
    date.month = ahead.number(2, 2)?;
    ahead.one_of(&['-', '/'])?;
    date.day = ahead.number(2, 2)?;
    ahead.one_of(&['T', 't', ' '])?;
    time_of_day(&mut ahead, &mut date)?;
    *cursor = ahead;
    Some(date)
}

/// Reads `Oct 11 22:14:15.123` without a zone; the year may stand before the month, after the day
/// or after the time.
pub(super) fn month_first(cursor: &mut TextCursor<'_>) -> Option<WrittenDate> {
    let mut ahead = *cursor;
    let mut date = WrittenDate::default();
    if let Some(year) = ahead.number(4, 4) {
        date.year = year.try_into().ok();
        ahead.gap()?;
    }
    let month = ahead.take_while(|found| found.is_ascii_alphabetic());
    date.month = month_of(month).filter(|_| month.len() == 3)?;
    ahead.gap()?;
    date.day = ahead.number(1, 2)?;
    ahead.gap()?;
    let mut year = ahead;
    if let Some(number) = year.number(4, 4).filter(|_| date.year.is_none())
        && year.gap().is_some()
    {
        date.year = number.try_into().ok();
        ahead = year;
    }
    time_of_day(&mut ahead, &mut date)?;
    let mut year = ahead;
    if date.year.is_none()
        && year.gap().is_some()
        && let Some(number) = year.number(4, 4).filter(|number| (1_970..2_200).contains(number))
        && (year.rest.is_empty() || year.rest.starts_with([' ', ':']))
    {
        date.year = number.try_into().ok();
        ahead = year;
    }
    *cursor = ahead;
    Some(date)
}

fn time_of_day(cursor: &mut TextCursor<'_>, date: &mut WrittenDate) -> Option<()> {
    date.hour = cursor.number(2, 2)?;
    cursor.skip(":")?;
    date.minute = cursor.number(2, 2)?;
    cursor.skip(":")?;
    date.second = cursor.number(2, 2)?;
    let mut fraction = *cursor;
    if fraction.one_of(&['.', ',']).is_some()
        && let Some(digits) = fraction.digits(usize::MAX)
    {
        date.nanos = nanos_of(digits);
        *cursor = fraction;
    }
    Some(())
}

/// Returns the number of a month by its English name or the first three letters of it.
pub(super) fn month_of(name: &str) -> Option<u32> {
    let name = name.to_ascii_lowercase();
    let index = MONTHS
        .iter()
        .position(|month| *month == name || name.len() == 3 && month.starts_with(&name))?;
    u32::try_from(index + 1).ok()
}

/// Returns the nanoseconds of a decimal fraction; digits after the ninth are cut off.
pub(super) fn nanos_of(digits: &str) -> u32 {
    let digits = &digits[..digits.len().min(9)];
    let missing = u32::try_from(9 - digits.len()).unwrap_or_default();
    digits.parse::<u32>().unwrap_or_default() * 10_u32.pow(missing)
}

/// Reads a zone by its name, its distance from UTC, or both as in `GMT+08:00`. Returns the
/// seconds that it is ahead of UTC.
pub(super) fn zone(cursor: &mut TextCursor<'_>) -> Option<i32> {
    let mut ahead = *cursor;
    let name = ahead.take_while(|found| found.is_ascii_alphabetic());
    let hours = match name {
        "" => return numeric_zone(cursor),
        "UTC" | "GMT" | "UT" => {
            let mut distance = ahead;
            let seconds = match numeric_zone(&mut distance) {
                Some(seconds) => {
                    ahead = distance;
                    seconds
                }
                None => 0,
            };
            *cursor = ahead;
            return Some(seconds);
        }
        "Z" | "WET" => 0,
        "CET" | "MEZ" | "WEST" => 1,
        "CEST" | "MESZ" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "HKT" | "SGT" => 8,
        "JST" | "KST" => 9,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return None,
    };
    *cursor = ahead;
    Some(hours * 3_600)
}

fn numeric_zone(cursor: &mut TextCursor<'_>) -> Option<i32> {
    let mut ahead = *cursor;
    let sign = match ahead.one_of(&['Z', 'z', '+', '-'])? {
        '+' => 1,
        '-' => -1,
        _ => {
            *cursor = ahead;
            return Some(0);
        }
    };
    let hours = ahead.number(1, 2).filter(|hours| *hours <= 18)?;
    let has_colon = ahead.skip(":").is_some();
    let minutes = match ahead.number(2, 2) {
        None if has_colon => return None,
        minutes => minutes.unwrap_or_default(),
    };
    let seconds = i32::try_from(hours * 3_600 + minutes.min(59) * 60).ok()?;
    *cursor = ahead;
    Some(sign * seconds)
}

/// Reads a count since 1970: of seconds, perhaps with a fraction, or of milliseconds,
/// microseconds or nanoseconds, which the number of digits tells apart.
fn of_count(text: &str) -> Option<DateTime<Utc>> {
    if let Some((seconds, fraction)) = text.split_once('.') {
        let is_fraction = !fraction.is_empty() && !fraction.contains('.');
        let is_count = (9..=11).contains(&seconds.len()) && is_fraction;
        let seconds = seconds.parse().ok().filter(|_| is_count)?;
        return DateTime::from_timestamp(seconds, nanos_of(fraction));
    }
    let count: i64 = text.parse().ok()?;
    match text.len() {
        9..=10 => DateTime::from_timestamp(count, 0),
        11..=13 => DateTime::from_timestamp_millis(count),
        16 => DateTime::from_timestamp_micros(count),
        19 => Some(DateTime::from_timestamp_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-29T02:00:00Z
    const NOW_MS: i64 = 1_795_917_600_000;

    fn read(text: &str) -> Option<String> {
        of_text(text, NOW_MS).map(|time| time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string())
    }

    #[test]
    fn forms_of_times() {
        for (text, expected) in [
            ("1364481363243", "2013-03-28T14:36:03.243Z"),
            ("1364481363", "2013-03-28T14:36:03Z"),
            ("1364481363.25", "2013-03-28T14:36:03.250Z"),
            ("1364481363243001", "2013-03-28T14:36:03.243001Z"),
            ("1364481363243001002", "2013-03-28T14:36:03.243001002Z"),
            ("Mar 24 2015 08:43:35 GMT+00:00", "2015-03-24T08:43:35Z"),
            ("Mar 03 2016 16:28:20 GMT+08:00", "2016-03-03T08:28:20Z"),
            ("Apr 16 2018 10:35:09.123 EDT", "2018-04-16T14:35:09.123Z"),
            ("2018-06-28 03:22:31", "2018-06-28T03:22:31Z"),
            ("2017-10-18T11:26:03.060+0200", "2017-10-18T09:26:03.060Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("Oct 11 22:14:15 2003", "2003-10-11T22:14:15Z"),
            ("2018 Mar 10 16:00:00", "2018-03-10T16:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_year_is_the_nearest_before_tomorrow() {
        for (text, expected) in [
            ("Nov 29 01:00:00", "2026-11-29T01:00:00Z"),
            ("Nov 30 02:00:00", "2026-11-30T02:00:00Z"),
            ("Nov 30 02:00:01", "2025-11-30T02:00:01Z"),
            ("Dec 31 23:59:59", "2025-12-31T23:59:59Z"),
            ("Feb 29 12:00:00", "2024-02-29T12:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        let new_year = of_text("Jan  1 00:10:00", 1_798_761_000_000).expect("a time");
        assert_eq!(new_year.to_rfc3339(), "2027-01-01T00:10:00+00:00");
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            ".",
            "1.2.3",
            "99999999999999999999",
            "Oct 32 22:14:15",
            "Foo 11 22:14:15",
            "Oct 11 25:14:15",
            "Oct 11 22:14:62",
            "Oct 11 22:14",
            "Apr 16 2018 10:35:09 XYZ",
            "2018-02-30 00:00:00",
            "2018-06-28T03:22:31+99:00",
            "2018-06-28T03:22:31+01:",
            "Octé 11 22:14:15",
            "Oct 11 22:14:15 and more",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(of_text("Oct 11 22:14:15", i64::MAX), None);
        assert_eq!(of_text("Feb 30 22:14:15", i64::MIN), None);
    }
}
