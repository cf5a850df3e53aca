//! Moments and durations as filters write them.

use crate::error::{Error, Result};
use crate::event::Timestamp;

/// Parses `90s`, `15m`, `24h`, `7d`, `2w` or `1y` (365 days) as milliseconds.
pub fn parse_duration(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok().filter(|number| *number > 0)?;
    let unit = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 604_800_000,
        'y' => 365 * 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// The fewest digits of a number that is a time: fewer would lie before 1973, and are meant as a
/// year or as milliseconds ago.
const NUMBER_DIGITS_MIN: usize = 9;

/// Parses a moment in any form that records use.
pub(super) fn parse_time(name: &str, value: &str) -> Result<Timestamp> {
    // Eight digits are a date.
    let short = value.len() < NUMBER_DIGITS_MIN && value.len() != 8 && value.parse::<f64>().is_ok();
    if short {
        let what = format!("{value:?} is too short for a time: write 2026-03-01T08:00:00Z");
        return Err(Error::parameter(name, what));
    }
    Timestamp::parse(value).map_err(|error| {
        // In the query of a URL, a plus sign is a blank.
        let is_blank = value
            .rsplit_once(' ')
            .is_some_and(|(time, zone)| Timestamp::parse(&format!("{time}+{zone}")).is_ok());
        let hint = if is_blank { "; in a URL, + is written as %2B" } else { "" };
        Error::parameter(name, format!("{error}{hint}"))
    })
}
