//! Time buckets of fixed width, in UTC or by the wall clock of a time zone.

use crate::error::{Error, Result};
use crate::event::{DAY_MS, Timestamp};
use crate::filter::parse_duration;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// The approximate number of buckets that `interval=auto` makes.
const BUCKETS_AUTO: i64 = 60;
/// The intervals that `interval=auto` chooses from, in the order in which they are tried.
const NICE: &[&str] = &[
    "1s", "5s", "10s", "30s", "1m", "5m", "10m", "30m", "1h", "3h", "6h", "12h", "1d", "2d", "1w",
    "2w", "4w", "12w", "52w",
];
/// Monday, 1970-01-05, where weeks begin.
const MONDAY_MS: i64 = 4 * DAY_MS;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// The longest gap that a change of clocks has produced: a day, when Samoa crossed the date line.
const GAP_MINUTES_MAX: i64 = 25 * 60;

/// The intervals of a calendar, and how many months they have.
const CALENDAR: &[(&str, i64)] = &[("month", 1), ("quarter", 3), ("year", 12)];
/// The shortest month.
const MONTH_MS_MIN: i64 = 28 * DAY_MS;

/// The width of a bucket. Buckets begin at multiples of it; weeks begin on Monday, and months,
/// quarters and years as the calendar says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    text: String,
    /// The width, or the shortest width that it can have.
    millis: i64,
    /// The months of an interval of the calendar; 0 for one of a fixed width.
    months: i64,
}

impl Interval {
    /// Parses `30s`, `5m`, `1h`, `1d`, `2w`, `month`, `quarter` or `year`.
    ///
    /// # Errors
    /// Any other text; the message names the parameter `interval`.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some((_, months)) = CALENDAR.iter().find(|(name, _)| *name == text) {
            let millis = months * MONTH_MS_MIN;
            return Ok(Self { text: text.to_owned(), millis, months: *months });
        }
        let millis = parse_duration(text).filter(|_| !text.ends_with('y')).ok_or_else(|| {
            Error::parameter(
                "interval",
                "write a number and s, m, h, d or w, or month, quarter, year or auto",
            )
        })?;
        Ok(Self { text: text.to_owned(), millis, months: 0 })
    }

    /// Chooses an interval that gives a readable number of buckets for a span in milliseconds.
    pub(in crate::query) fn auto(span: i64) -> Self {
        let interval = |text: &&str| Self {
            text: (*text).to_owned(),
            millis: parse_duration(text).expect("the list holds durations"),
            months: 0,
        };
        let fits = NICE.iter().map(interval).find(|interval| span / interval.millis < BUCKETS_AUTO);
        fits.unwrap_or_else(|| interval(&"52w"))
    }

    /// Returns the width as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::query) fn millis(&self) -> i64 {
        self.millis
    }

    /// Returns the multiple of the width at or before a number of milliseconds on some clock.
    fn floor(&self, millis: i64) -> i64 {
        if self.months > 0 {
            return self.floor_by_calendar(millis).unwrap_or(millis);
        }
        let origin = if self.text.ends_with('w') { MONDAY_MS } else { 0 };
        millis - (millis - origin).rem_euclid(self.millis)
    }

    fn floor_by_calendar(&self, millis: i64) -> Option<i64> {
        let date = DateTime::<Utc>::from_timestamp_millis(millis)?.date_naive();
        let months = i64::from(date.year()) * 12 + i64::from(date.month0());
        let start = months - months.rem_euclid(self.months);
        let (year, month) = (start.div_euclid(12), start.rem_euclid(12) + 1);
        let first = NaiveDate::from_ymd_opt(year.try_into().ok()?, month.try_into().ok()?, 1)?;
        Some(i64::from(first.to_epoch_days()) * DAY_MS)
    }
}

/// Parses the name of a time zone of the IANA database, such as `Asia/Shanghai`.
///
/// # Errors
/// An unknown name; the message names the parameter `time_zone`.
pub fn parse_time_zone(name: &str) -> Result<Tz> {
    let known = || {
        format!(
            "{:?} is not a time zone of the IANA database, such as Asia/Shanghai or UTC",
            crate::event::clip(name, 60)
        )
    };
    name.parse().map_err(|_| Error::parameter("time_zone", known()))
}

/// Finds where the buckets of an interval begin by the wall clock of a time zone.
#[derive(Debug, Clone)]
pub(in crate::query) struct Calendar {
    pub(in crate::query) interval: Interval,
    pub(in crate::query) zone: Tz,
}

impl Calendar {
    /// Returns the start of the bucket of a moment. It never descends while the moments ascend.
    ///
    /// Buckets wider than an hour begin at multiples on the wall clock, so a day has 23 or 25 hours
    /// when the clocks change. With buckets of up to an hour, the hour that occurs twice gives two
    /// buckets.
    pub(in crate::query) fn start(&self, millis: i64) -> i64 {
        let offset = self.offset(millis);
        let start = self.interval.floor(millis.saturating_add(offset)).saturating_sub(offset);
        let shift = self.offset(start) - offset;
        if shift == 0 || (self.interval.millis <= HOUR_MS && shift % self.interval.millis == 0) {
            return start;
        }
        self.moment_of(start + offset).min(millis)
    }

    /// Returns the start of the bucket after the one that begins at `start`.
    pub(in crate::query) fn next(&self, start: i64) -> i64 {
        let mut probe = start.saturating_add(self.interval.millis);
        // A month is longer than the shortest one.
        while self.interval.months > 0 && self.start(probe) <= start {
            probe = probe.saturating_add(DAY_MS);
        }
        // When the clocks go back, a bucket is longer than its width.
        for _ in 0..=GAP_MINUTES_MAX {
            let next = self.start(probe);
            if next > start {
                return next;
            }
            probe = probe.saturating_add(MINUTE_MS.min(self.interval.millis));
        }
        probe
    }

    /// Returns how many milliseconds the wall clock is ahead of UTC at a moment.
    fn offset(&self, millis: i64) -> i64 {
        if self.zone == Tz::UTC {
            return 0;
        }
        let moment = DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or_default();
        i64::from(self.zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc())
            * 1_000
    }

    /// Returns the first moment at which the wall clock shows a time, or the moment at which the
    /// clocks skipped that time.
    fn moment_of(&self, wall: i64) -> i64 {
        let naive = |wall: i64| {
            DateTime::<Utc>::from_timestamp_millis(wall)
                .map_or(NaiveDateTime::MIN, |moment| moment.naive_utc())
        };
        let resolve = |wall: i64| {
            self.zone
                .from_local_datetime(&naive(wall))
                .earliest()
                .map(|moment| moment.timestamp_millis())
        };
        (0..=GAP_MINUTES_MAX)
            .find_map(|minutes| resolve(wall + minutes * MINUTE_MS))
            .unwrap_or(wall)
    }
}

/// A bucket of a histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The start of the bucket.
    pub start: Timestamp,
    /// The number of events.
    pub count: u64,
    /// The number of events by value of the `by` field; an event without a value counts only in
    /// `count`.
    pub by: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_quarters_and_years_begin_as_the_calendar_says() {
        let moment = |text: &str| Timestamp::parse(text).expect("a time").millis();
        for (interval, zone, at, start, next) in [
            ("month", "UTC", "2026-02-17T10:00:00Z", "2026-02-01", "2026-03-01"),
            ("month", "UTC", "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01"),
            ("quarter", "UTC", "2026-05-01T00:00:00Z", "2026-04-01", "2026-07-01"),
            ("year", "UTC", "2024-12-31T23:59:59Z", "2024-01-01", "2025-01-01"),
            (
                "month",
                "Asia/Shanghai",
                "2026-02-28T16:00:00Z",
                "2026-02-28T16:00:00Z",
                "2026-03-31T16:00:00Z",
            ),
            (
                "month",
                "Europe/Berlin",
                "2026-03-29T12:00:00Z",
                "2026-02-28T23:00:00Z",
                "2026-03-31T22:00:00Z",
            ),
        ] {
            let calendar = Calendar {
                interval: Interval::parse(interval).expect("an interval"),
                zone: parse_time_zone(zone).expect("a zone"),
            };
            let begun = calendar.start(moment(at));
            assert_eq!(begun, moment(start), "{interval} {zone} {at}");
            assert_eq!(calendar.next(begun), moment(next), "{interval} {zone} {at}");
        }
        assert!(Interval::parse("1y").is_err() && Interval::parse("months").is_err());
    }
    use crate::event::Timestamp;
    use proptest::prelude::*;

    fn calendar(interval: &str, zone: &str) -> Calendar {
        Calendar {
            interval: Interval::parse(interval).expect("an interval"),
            zone: parse_time_zone(zone).expect("a zone"),
        }
    }

    fn start(interval: &str, zone: &str, moment: &str) -> String {
        let millis =
            calendar(interval, zone).start(Timestamp::parse(moment).expect("a time").millis());
        Timestamp::from_millis(millis).to_string()
    }

    #[test]
    fn buckets_begin_at_multiples_in_utc_and_weeks_on_monday() {
        assert_eq!(start("1h", "UTC", "2026-06-30T13:59:59.999Z"), "2026-06-30T13:00:00.000Z");
        assert_eq!(start("1d", "UTC", "2026-06-30T13:59:59.999Z"), "2026-06-30T00:00:00.000Z");
        assert_eq!(start("1w", "UTC", "2026-06-30T13:59:59.999Z"), "2026-06-29T00:00:00.000Z");
        assert_eq!(start("1d", "UTC", "1969-12-31T23:00:00Z"), "1969-12-31T00:00:00.000Z");
    }

    #[test]
    fn days_begin_at_midnight_of_the_wall_clock() {
        assert_eq!(
            start("1d", "Asia/Shanghai", "2026-06-30T15:59:59Z"),
            "2026-06-29T16:00:00.000Z"
        );
        assert_eq!(
            start("1d", "Asia/Shanghai", "2026-06-30T16:00:00Z"),
            "2026-06-30T16:00:00.000Z"
        );
        assert_eq!(
            start("1w", "America/New_York", "2026-06-30T00:00:00Z"),
            "2026-06-29T04:00:00.000Z"
        );
    }

    #[test]
    fn a_day_on_which_clocks_change_is_shorter_or_longer() {
        // New York, 2026-03-08: 02:00 becomes 03:00. 2026-11-01: 02:00 becomes 01:00.
        let day = |moment: &str| {
            let calendar = calendar("1d", "America/New_York");
            let start = calendar.start(Timestamp::parse(moment).expect("a time").millis());
            (calendar.next(start) - start) / HOUR_MS
        };
        assert_eq!(
            (day("2026-03-07T12:00:00Z"), day("2026-03-08T12:00:00Z"), day("2026-11-01T12:00:00Z")),
            (24, 23, 25)
        );
        // One o'clock comes twice, and is two buckets of an hour, but one of three.
        assert_eq!(
            start("1h", "America/New_York", "2026-11-01T05:30:00Z"),
            "2026-11-01T05:00:00.000Z"
        );
        assert_eq!(
            start("1h", "America/New_York", "2026-11-01T06:30:00Z"),
            "2026-11-01T06:00:00.000Z"
        );
        assert_eq!(
            start("3h", "America/New_York", "2026-11-01T06:30:00Z"),
            "2026-11-01T04:00:00.000Z"
        );
        // Two o'clock does not come, so what begins there begins at three.
        assert_eq!(
            start("2h", "America/New_York", "2026-03-08T07:30:00Z"),
            "2026-03-08T07:00:00.000Z"
        );
        // Midnight does not come in Beirut on 2026-03-29.
        assert_eq!(start("1d", "Asia/Beirut", "2026-03-29T12:00:00Z"), "2026-03-28T22:00:00.000Z");
        // Half an hour, on Lord Howe Island.
        assert_eq!(
            start("1d", "Australia/Lord_Howe", "2026-04-05T02:00:00Z"),
            "2026-04-04T13:00:00.000Z"
        );
    }

    #[test]
    fn auto_makes_a_readable_number_of_buckets() {
        assert_eq!(Interval::auto(3_600_000).text, "5m");
        assert_eq!(Interval::auto(120 * DAY_MS).text, "1w");
        assert_eq!(Interval::auto(0).text, "1s");
    }

    proptest! {
        #[test]
        fn buckets_tile_time(
            zone in proptest::sample::select(&["UTC", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"][..]),
            interval in proptest::sample::select(&["7m", "30m", "1h", "3h", "5h", "12h", "1d", "3d", "1w"][..]),
            millis in 1_300_000_000_000_i64..1_800_000_000_000,
            later in 0_i64..400_000_000,
        ) {
            let calendar = calendar(interval, zone);
            let start = calendar.start(millis);
            prop_assert!(start <= millis);
            prop_assert_eq!(calendar.start(start), start, "a bucket begins where it begins");
            let next = calendar.next(start);
            prop_assert!(next > millis, "{} {} {}", start, millis, next);
            prop_assert_eq!(calendar.start(next), next);
            prop_assert!(calendar.start(millis + later) >= start);
        }
    }
}
