//! How a vendor's records are described.

use crate::decode::Format;
use crate::decode::paths::Paths;
use crate::error::Result;
use crate::event::{Event, Field};

/// Where a vendor's records have what an event has. Of several paths, the first that has a value
/// counts.
pub(super) struct Vendor {
    pub(super) format: Format,
    /// Where another record may be carried, which then counts, as an object or as text.
    pub(super) carried: &'static [&'static str],
    pub(super) times: &'static [&'static str],
    /// Where else the time may be; what is no time is passed over there.
    pub(super) other_times: &'static [&'static str],
    /// How many minutes the zone of times that name none is ahead of UTC.
    pub(super) zone_minutes: i64,
    /// The same, where the record itself tells it.
    pub(super) zone: fn(&Paths<'_>) -> Result<Option<i64>>,
    pub(super) texts: &'static [(Field, &'static [&'static str])],
    /// Words that stand for no value.
    pub(super) nothing: &'static [&'static str],
    /// The source, if the records do not name theirs.
    pub(super) source: &'static str,
    /// Paths and the words there that tell of a failure.
    pub(super) failed: &'static [(&'static str, FailureSign)],
    /// Where a severity is told in words.
    pub(super) levels: &'static [&'static str],
    pub(super) related: &'static [(&'static str, &'static str)],
    /// Where it is told whether something was only read, and the word for that.
    pub(super) reading: (&'static str, &'static str),
    /// Sets what no path alone tells; returns whether the record tells of a failure.
    pub(super) refine: fn(&Paths<'_>, &mut Event) -> Result<bool>,
}

/// A vendor of whose records nothing is known, for what a table leaves out.
pub(super) const VENDOR: Vendor = Vendor {
    format: Format::Document,
    carried: &[],
    times: &[],
    other_times: &[],
    zone_minutes: 0,
    zone: |_| Ok(None),
    texts: &[],
    nothing: &[],
    source: "",
    failed: &[],
    levels: &[],
    related: &[],
    reading: ("", ""),
    refine: |_, _| Ok(false),
};

/// What a value says about failure.
pub(super) enum FailureSign {
    /// Any of these words, whatever their case.
    Words(&'static [&'static str]),
    /// Any value but these.
    AllBut(&'static [&'static str]),
    /// A number from this one on.
    From(u32),
    /// A number that has this bit: decimal, with a sign or without, or hexadecimal behind `0x`.
    Bit(u64),
}

impl FailureSign {
    pub(super) fn is_told_by(&self, text: &str) -> bool {
        let is = |word: &&str| word.eq_ignore_ascii_case(text);
        match self {
            Self::Words(words) => words.iter().any(is),
            Self::AllBut(words) => !words.iter().any(is),
            Self::From(least) => text.parse::<u32>().is_ok_and(|number| number >= *least),
            Self::Bit(bit) => number_of(text).is_some_and(|number| rounded(number) & bit != 0),
        }
    }
}

/// Programs that keep numbers as doubles write them a few hundred off; the low bits mean nothing
/// here.
fn rounded(number: u64) -> u64 {
    const LOW: u64 = 0xffff;
    number.wrapping_add(LOW / 2 + 1) & !LOW
}

fn number_of(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    text.parse().ok().or_else(|| text.parse().ok().map(i64::cast_unsigned))
}
