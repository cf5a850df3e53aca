//! Moments and durations as filters write them.

use crate::error::{Error, Result};
use crate::event::Timestamp;

/// Parses `90s`, `15m`, `24h`, `7d` or `2w` as milliseconds.
pub fn parse_duration(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok().filter(|number| *number > 0)?;
    let unit = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 604_800_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Parses a moment: RFC 3339, or milliseconds since the epoch.
pub(super) fn parse_time(name: &str, value: &str) -> Result<Timestamp> {
    let known = value.len() == 13 || !value.bytes().all(|byte| byte.is_ascii_digit());
    if !known {
        return Err(Error::parameter(name, "write RFC 3339, or milliseconds in 13 digits"));
    }
    Timestamp::parse(value).map_err(|error| Error::parameter(name, error.to_string()))
}
