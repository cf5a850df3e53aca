//! Exact decimal amounts of money, at the scale that the columns store.

use crate::error::{Error, Result};
use std::fmt;

/// Digits after the decimal point that an [`Amount`] holds.
pub const AMOUNT_SCALE: i8 = 8;
/// Total digits that the `amount` column holds (Arrow `Decimal128`).
pub const AMOUNT_PRECISION: u8 = 38;
const UNIT: i128 = 10_i128.pow(AMOUNT_SCALE as u32);
const DIGITS_MAX: usize = 38;

/// An exact decimal number, counted in units of 10⁻⁸. Never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

impl Amount {
    /// Creates the amount that is `units` times 10⁻⁸.
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// Returns the amount as a count of 10⁻⁸, the form of the `amount` column.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Parses plain decimal text such as `-12.50` or JSON's `1.25e3`.
    ///
    /// # Errors
    /// Text that is not a number, or has more than 30 digits before the point or 8 after it: an
    /// amount is never rounded.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse =
            |why: &str| Error::invalid(format!("amount {:?} {why}", crate::event::clip(text, 40)));
        let text = text.trim();
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => {
                let exponent: i32 =
                    text[at + 1..].parse().map_err(|_| refuse("is not a decimal number"))?;
                (&text[..at], exponent)
            }
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return Err(refuse("is not a decimal number"));
        }
        let significant: String = format!("{whole}{fraction}").trim_start_matches('0').to_owned();
        if significant.is_empty() {
            return Ok(Self(0));
        }
        // value = significant × 10^(exponent − fraction digits); units = value × 10^scale
        let shift = i64::from(exponent) - fraction.len() as i64 + i64::from(AMOUNT_SCALE);
        let trimmed = significant.trim_end_matches('0');
        let shift = shift + (significant.len() - trimmed.len()) as i64;
        if shift < 0 {
            return Err(refuse("has more than 8 digits after the point"));
        }
        if trimmed.len() as i64 + shift > DIGITS_MAX as i64 {
            return Err(refuse("is larger than 30 digits"));
        }
        let value: i128 = trimmed.parse().map_err(|_| refuse("is not a decimal number"))?;
        let units = value * 10_i128.pow(shift as u32);
        Ok(Self(if negative { -units } else { units }))
    }
}

impl fmt::Display for Amount {
    /// Writes plain decimal text with at least two digits after the point, as money is written:
    /// `5000.00`, `0.125`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let units = self.0.unsigned_abs();
        let (whole, fraction) = (units / UNIT as u128, units % UNIT as u128);
        let fraction = format!("{fraction:08}");
        let kept = fraction.trim_end_matches('0').len().max(2);
        write!(out, "{sign}{whole}.{}", &fraction[..kept])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_and_written_as_money() {
        for (text, written) in [
            ("5000", "5000.00"),
            ("0.1", "0.10"),
            ("-12.345", "-12.345"),
            ("1.25e3", "1250.00"),
            ("1E-8", "0.00000001"),
            ("0", "0.00"),
            ("000.500", "0.50"),
            ("99999999999999999999999999.99", "99999999999999999999999999.99"),
            ("100000000000000000e-12", "100000.00"),
        ] {
            assert_eq!(Amount::parse(text).expect(text).to_string(), written);
        }
    }

    #[test]
    fn amounts_that_would_be_rounded_or_overflow_are_refused() {
        for text in [
            "",
            ".",
            "-",
            "1e999999",
            "0.000000001",
            "1e31",
            "abc",
            "1 000",
            "NaN",
            "1e",
            "0x10",
            "1e99999999999",
        ] {
            assert!(Amount::parse(text).is_err(), "{text}");
        }
    }
}
