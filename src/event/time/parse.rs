//! Reads times as people and programs write them.
//!
//! * ISO 8601, as Java, Go, Icinga, journald and PowerShell 7 write it: `2026-03-01T08:00:00.123Z`,
//!   offsets `+08:00`, `+0800` and `+08`, a comma for the point, no seconds, `24:00:00`, and a zone
//!   in brackets behind the offset.
//! * Its basic, ordinal and week forms: `20260301T080000Z`, `20260301`, `2026-060`, `2026-W09-7`.
//! * With a blank, as Ruby, Go, BigQuery and CTS write it: `2026-03-01 08:00:00 +0800`, `… UTC`,
//!   `… +0800 CST`, `2026/03/01 08:00:00 GMT+08:00`.
//! * The month first, as CTS and Windows write it: `03/01/2026 08:00:00`, `3/1/2026 8:00:00 AM`.
//! * RFC 5322, C and web servers: `Sun, 01 Mar 2026 08:00:00 GMT`, `Sun Mar  1 08:00:00 2026`,
//!   `01/Mar/2026:08:00:00 +0000`.
//! * A number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its
//!   size: `1772352000`, `1772352000123`, `1.772352E9`, `1772352000.123`.
//! * `/Date(1772352000123)/`, as Windows PowerShell 5 writes it.
//!
//! Names of time zones other than UTC are not read: `CST` is three different zones.

use chrono::{Datelike, NaiveDate, Weekday};

/// Milliseconds in a minute.
const MINUTE_MS: i64 = 60_000;
/// The most digits of a number that are looked at; more are a number of no unit.
const DIGITS_MAX: usize = 40;

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrittenTime {
    /// Milliseconds since the epoch.
    Moment(i64),
    /// Milliseconds since the epoch as if its zone, which is not given, were UTC.
    Local(i64),
    /// A date alone, in milliseconds as [`WrittenTime::Local`].
    Date(i64),
}

/// Reads a time in any form; `None` if it has none of them.
pub(super) fn parse(text: &str) -> Option<WrittenTime> {
    let text = text.trim();
    if let Some(millis) = compact(text) {
        return Some(millis);
    }
    if let Some(millis) = number(text) {
        return Some(WrittenTime::Moment(millis));
    }
    if let Some(inner) = text.strip_prefix("/Date(") {
        let inner = inner.strip_suffix(")/")?;
        // The offset after the number says where it was written, not what it counts from.
        let end = inner.get(1..)?.find(['+', '-']).map_or(inner.len(), |end| end + 1);
        return inner[..end].parse().ok().map(WrittenTime::Moment);
    }
    Cursor { rest: text.as_bytes() }.date_and_time()
}

/// Reads a date, or a date and a time, without separators, as LDAP writes it. As a number of
/// seconds or milliseconds it would lie before 1971 or after 2500.
fn compact(text: &str) -> Option<WrittenTime> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    if !matches!(length, 8 | 14 | 17) || !(text.starts_with("19") || text.starts_with("20")) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().ok();
    let midnight = midnight(ymd(number(0, 4)?, number(4, 6)?, number(6, 8)?)?);
    if length == 8 {
        return (text.len() == 8).then_some(WrittenTime::Date(midnight));
    }
    let time = time_of_day(number(8, 10)?, number(10, 12)?, number(12, 14)?)?;
    let mut rest = Cursor { rest: &text.as_bytes()[length..] };
    let millis = if length == 17 { number(14, 17)? } else { rest.fraction()? };
    let offset = rest.zone()?;
    rest.rest.is_empty().then_some(at(midnight + time + millis, offset))
}

/// Returns a time whose offset from UTC is given in minutes, if it is given.
fn at(local: i64, offset: Option<i64>) -> WrittenTime {
    offset
        .map_or(WrittenTime::Local(local), |offset| WrittenTime::Moment(local - offset * MINUTE_MS))
}

/// Reads a number of seconds, milliseconds, microseconds or nanoseconds since the epoch, whole or
/// with a fraction or an exponent; its size tells the unit.
///
/// Ten digits are seconds, thirteen milliseconds, sixteen microseconds, nineteen nanoseconds: real
/// CTS records hold three of the four.
fn number(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.len() > DIGITS_MAX || exponent.unsigned_abs() as usize > DIGITS_MAX {
        return None;
    }
    let power = exponent - i32::try_from(fraction.len()).ok()?;
    let size = scaled(digits, power)?;
    // To milliseconds, from the unit that makes it a time of this age.
    let to_millis = match size {
        0..100_000_000_000 => 3,
        100_000_000_000..100_000_000_000_000 => 0,
        100_000_000_000_000..100_000_000_000_000_000 => -3,
        _ if size <= i128::from(i64::MAX) => -6,
        _ => return None,
    };
    let millis = i64::try_from(scaled(digits, power + to_millis)?).ok()?;
    Some(if negative { -millis } else { millis })
}

/// Returns `digits` × 10^`power`, without what comes after the point.
fn scaled(digits: &str, power: i32) -> Option<i128> {
    let kept = match usize::try_from(-power) {
        Ok(dropped) => &digits[..digits.len().saturating_sub(dropped)],
        Err(_) => digits,
    };
    let number: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    number.checked_mul(10_i128.checked_pow(power.max(0).unsigned_abs())?)
}

fn midnight(date: NaiveDate) -> i64 {
    i64::from(date.to_epoch_days()) * super::DAY_MS
}

/// Returns the milliseconds since midnight. The end of a day may be written as 24:00:00, and a leap
/// second as the second 60.
fn time_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    let is_end = hour == 24 && minute == 0 && second == 0;
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    (valid || is_end).then_some((hour * 3_600 + minute * 60 + second) * 1_000)
}

/// What has not been read yet.
#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn date_and_time(mut self) -> Option<WrittenTime> {
        self.weekday();
        let (date, year_is_last) = self.date()?;
        let time = if self.separator() { Some(self.time_and_zone()?) } else { None };
        let date = if year_is_last { self.last_year(date)? } else { date };
        self.comment();
        if !self.rest.is_empty() {
            return None;
        }
        let midnight = midnight(date);
        Some(time.map_or(WrittenTime::Date(midnight), |(time, offset)| at(midnight + time, offset)))
    }

    /// Reads a date. The second result tells that it has no year yet, which C writes at the end.
    fn date(&mut self) -> Option<(NaiveDate, bool)> {
        if let Some(month) = self.month_name() {
            self.blanks();
            let (day, _) = self.digits(2)?;
            self.eat(b',');
            let before = *self;
            self.blanks();
            match self.digits(4) {
                Some((year, 4)) => return Some((ymd(year, month, day)?, false)),
                _ => *self = before,
            }
            // A leap year, so that February 29 is kept until the year is known.
            return Some((ymd(2000, month, day)?, true));
        }
        let (first, length) = self.digits(8)?;
        let date = match (length, self.rest.first()?) {
            (4, b'-') => self.date_of_year(first),
            (4, b'/' | b'.') => self.month_and_day(first),
            (8, _) => ymd(first / 10_000, first / 100 % 100, first % 100),
            (1 | 2, b'/' | b'-' | b' ') => self.date_with_year_last(first),
            _ => None,
        };
        Some((date?, false))
    }

    /// Reads what follows the year and a hyphen: month and day, a week, or the day of the year.
    fn date_of_year(&mut self, year: i64) -> Option<NaiveDate> {
        let mut ahead = Cursor { rest: &self.rest[1..] };
        if ahead.eat(b'W') {
            let (week, _) = ahead.digits(2)?;
            ahead.eat(b'-');
            let (day, _) = ahead.digits(1)?;
            let day = Weekday::try_from(u8::try_from(day - 1).ok()?).ok()?;
            *self = ahead;
            return NaiveDate::from_isoywd_opt(year as i32, week.try_into().ok()?, day);
        }
        if let Some((day, 3)) = ahead.digits(3) {
            *self = ahead;
            return NaiveDate::from_yo_opt(year as i32, day.try_into().ok()?);
        }
        self.month_and_day(year)
    }

    fn month_and_day(&mut self, year: i64) -> Option<NaiveDate> {
        let separator = self.next()?;
        let (month, _) = self.digits(2)?;
        if !self.eat(separator) {
            return None;
        }
        let (day, _) = self.digits(2)?;
        ymd(year, month, day)
    }

    /// Reads `3/1/2026` (the month first), `01/Mar/2026`, `01-Mar-2026` or `1 March 2026`.
    fn date_with_year_last(&mut self, first: i64) -> Option<NaiveDate> {
        let separator = self.next()?;
        let (month, day) = match self.month_name() {
            Some(month) => (month, first),
            None if separator == b'/' => (first, self.digits(2)?.0),
            None => return None,
        };
        if !self.eat(separator) {
            return None;
        }
        match self.digits(4)? {
            (year, 4) => ymd(year, month, day),
            _ => None,
        }
    }

    /// Reads a time of day and its offset from UTC in minutes.
    fn time_and_zone(&mut self) -> Option<(i64, Option<i64>)> {
        let (first, length) = self.digits(6)?;
        let (hour, minute, second) = match length {
            1 | 2 if self.eat(b':') => {
                let (minute, _) = self.digits(2)?;
                let second = if self.eat(b':') { self.digits(2)?.0 } else { 0 };
                (first, minute, second)
            }
            1 | 2 => (first, 0, 0),
            4 => (first / 100, first % 100, 0),
            6 => (first / 10_000, first / 100 % 100, first % 100),
            _ => return None,
        };
        let millis = self.fraction()?;
        let hour = self.half_day(hour)?;
        let time = time_of_day(hour, minute, second)? + millis;
        Some((time, self.zone()?))
    }

    /// Reads a fraction of a second, in milliseconds; what is finer is left out.
    fn fraction(&mut self) -> Option<i64> {
        if !(self.eat(b'.') || self.eat(b',')) {
            return Some(0);
        }
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        let millis =
            (0..3).map(|index| digits.get(index).map_or(0, |digit| i64::from(digit - b'0')));
        (length > 0).then(|| millis.fold(0, |number, digit| number * 10 + digit))
    }

    fn half_day(&mut self, hour: i64) -> Option<i64> {
        let before = *self;
        self.blanks();
        let is_afternoon = match self.word().to_ascii_uppercase().as_slice() {
            b"AM" => false,
            b"PM" => true,
            _ => {
                *self = before;
                return Some(hour);
            }
        };
        (1..=12).contains(&hour).then_some(hour % 12 + if is_afternoon { 12 } else { 0 })
    }

    /// Reads a zone as minutes ahead of UTC; `Some(None)` if there is none.
    #[allow(clippy::option_option, reason = "unreadable, absent, given")]
    fn zone(&mut self) -> Option<Option<i64>> {
        let before = *self;
        self.blanks();
        let name = self.word().to_ascii_uppercase();
        match name.as_slice() {
            b"Z" => Some(Some(0)),
            b"UTC" | b"GMT" | b"UT" => match self.rest.first() {
                Some(b'+' | b'-') => self.offset(1).map(Some),
                _ => Some(Some(0)),
            },
            b"" if matches!(self.rest.first(), Some(b'+' | b'-')) => {
                let offset = self.offset(2)?;
                self.zone_name();
                Some(Some(offset))
            }
            b"" => {
                *self = before;
                Some(None)
            }
            _ => None,
        }
    }

    /// Reads `+08:00`, `+0800`, `+08` and, where one digit is enough, `+8`.
    fn offset(&mut self, hour_digits_min: usize) -> Option<i64> {
        let sign = if self.next()? == b'-' { -1 } else { 1 };
        let (number, length) = self.digits(4)?;
        let (hours, minutes) = match length {
            4 => (number / 100, number % 100),
            1 | 2 if length >= hour_digits_min => {
                let minutes = if self.eat(b':') { self.digits(2)?.0 } else { 0 };
                (number, minutes)
            }
            _ => return None,
        };
        let valid = hours < 24 && minutes < 60;
        valid.then_some(sign * (hours * 60 + minutes))
    }

    /// Passes over the name that Java and Go write after an offset.
    fn zone_name(&mut self) {
        if self.rest.starts_with(b"[") && self.rest.ends_with(b"]") {
            self.rest = &[];
        }
        let before = *self;
        self.blanks();
        if self.word().is_empty() {
            *self = before;
        }
    }

    /// Passes over what JavaScript writes after an offset, such as `(China Standard Time)`.
    fn comment(&mut self) {
        let mut ahead = *self;
        ahead.blanks();
        if ahead.rest.starts_with(b"(") && ahead.rest.ends_with(b")") {
            self.rest = &[];
        }
    }

    /// Reads the year that C writes after the time.
    fn last_year(&mut self, date: NaiveDate) -> Option<NaiveDate> {
        self.blanks();
        match self.digits(4)? {
            (year, 4) => ymd(year, date.month().into(), date.day().into()),
            _ => None,
        }
    }

    /// Reads what separates a date from its time; `false` if nothing follows the date.
    fn separator(&mut self) -> bool {
        if self.eat(b'T') || self.eat(b't') || self.eat(b':') {
            return true;
        }
        self.eat(b',');
        self.blanks();
        !self.rest.is_empty()
    }

    fn weekday(&mut self) {
        let mut ahead = *self;
        let word = ahead.word();
        if word.len() >= 3
            && std::str::from_utf8(word).is_ok_and(|word| word.parse::<Weekday>().is_ok())
        {
            ahead.eat(b',');
            ahead.blanks();
            *self = ahead;
        }
    }

    fn month_name(&mut self) -> Option<i64> {
        let mut ahead = *self;
        let word = std::str::from_utf8(ahead.word()).ok().filter(|word| word.len() >= 3)?;
        let month = word.parse::<chrono::Month>().ok()?;
        ahead.eat(b'.');
        *self = ahead;
        Some(i64::from(month.number_from_month()))
    }

    /// Reads up to `most` digits and tells how many there were; `None` if there is none, or more.
    fn digits(&mut self, most: usize) -> Option<(i64, usize)> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 || length > most {
            return None;
        }
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        Some((number, length))
    }

    fn word(&mut self) -> &'a [u8] {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        word
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        self.rest = &self.rest[usize::from(found)..];
        found
    }
}

fn ymd(year: i64, month: i64, day: i64) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(
        i32::try_from(year).ok()?,
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
    )
}
