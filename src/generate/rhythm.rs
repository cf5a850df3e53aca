//! The times of records: spreads them over the period, with more of them when people in Shanghai
//! are at work.

use super::pick::{Dice, mix};

const HOUR_MS: i64 = 3_600_000;
/// Shanghai is eight hours ahead of UTC, all year.
const SHANGHAI_HOURS: i64 = 8;
/// The longest period is a hundred years.
const DAYS_MAX: u32 = 36_500;
/// A period starts between the years 1 and 9800, which every calendar involved can write.
const START_MIN_MS: i64 = -62_135_596_800_000;
const START_MAX_MS: i64 = 247_091_212_800_000;
/// Chance, in ten thousandths, that a record is late.
const LATE_CHANCE: u32 = 300;
/// The latest a record is, in milliseconds.
const LATE_MS: u32 = 300_000;

/// Load of each hour of a working day in Shanghai; 2 o'clock is when backups run.
const WORKDAY: [u32; 24] = [
    16, 14, 30, 18, 12, 12, 16, 26, 60, 100, 108, 96, 62, 74, 104, 106, 98, 88, 58, 46, 48, 42, 32,
    22,
];
/// Load of each hour of a Saturday or Sunday.
const WEEKEND: [u32; 24] = [
    16, 13, 30, 18, 12, 12, 14, 18, 26, 38, 42, 40, 32, 32, 38, 38, 36, 34, 32, 32, 32, 28, 24, 18,
];

/// When one record happened, and when it was recorded; milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// When it happened.
    pub(super) time: i64,
    /// When it was recorded: never before `time`.
    pub(super) recorded: i64,
}

/// The times of all records, in order of arrival.
#[derive(Debug)]
pub(super) struct Slots {
    start: i64,
    end: i64,
    events: u64,
    given: u64,
    /// The load of the period up to the end of each hour.
    until: Vec<u64>,
    hour: usize,
}

impl Slots {
    /// Creates the times of `events` records in `days` days from `start` on.
    pub(super) fn new(events: u64, start: i64, days: u32, seed: u64) -> Self {
        let start = start.clamp(START_MIN_MS, START_MAX_MS);
        let hours = i64::from(days.clamp(1, DAYS_MAX)) * 24;
        let mut total = 0;
        let until = (0..hours)
            .map(|hour| {
                total += load(start + hour * HOUR_MS, seed);
                total
            })
            .collect();
        Self { start, end: start + hours * HOUR_MS, events, given: 0, until, hour: 0 }
    }

    /// Returns the next times, or `None` after the last.
    pub(super) fn next(&mut self, dice: &mut Dice) -> Option<Moment> {
        if self.given == self.events {
            return None;
        }
        let total = self.until[self.until.len() - 1] as f64;
        // Record n lies somewhere in the n-th of `events` equal parts of the load, so times only go
        // forward.
        let index = (self.given as f64 + dice.fraction()) / self.events as f64 * total;
        self.given += 1;
        while self.hour + 1 < self.until.len() && self.until[self.hour] as f64 <= index {
            self.hour += 1;
        }
        let before = if self.hour == 0 { 0 } else { self.until[self.hour - 1] };
        let share = (index - before as f64) / (self.until[self.hour] - before) as f64;
        let arrived = self.start + self.hour as i64 * HOUR_MS + (share * HOUR_MS as f64) as i64;
        // Rounding could reach the end itself, which is no longer in the period.
        let arrived = arrived.min(self.end - 1);
        let delay = i64::from(20 + dice.low(4000));
        let late = if dice.chance(LATE_CHANCE) { i64::from(dice.below(LATE_MS)) } else { 0 };
        let time = (arrived - late).max(self.start);
        Some(Moment { time, recorded: arrived + delay })
    }
}

/// Returns the load of the hour that begins at `start`: its hour of the week, and how busy that day
/// is.
fn load(start: i64, seed: u64) -> u64 {
    let hours = start.div_euclid(HOUR_MS) + SHANGHAI_HOURS;
    let day = hours.div_euclid(24);
    let hour = hours.rem_euclid(24) as usize;
    // 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
    let weekday = (day + 3).rem_euclid(7);
    let base = if weekday < 5 { WORKDAY[hour] } else { WEEKEND[hour] };
    let busy = 85 + mix(seed ^ day.unsigned_abs()) % 31;
    u64::from(base) * busy
}
