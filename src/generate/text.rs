//! Appends numbers, ids and dates to a text without formatting machinery: the generator is measured
//! in records a second.

use super::pick::mix;

const BASE32: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const DAY_MS: i64 = 86_400_000;

/// Appends a whole number.
pub(super) fn push_int(out: &mut String, value: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut rest = value;
    loop {
        start -= 1;
        digits[start] = digit(rest % 10);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    push_ascii(out, &digits[start..]);
}

/// Appends milliseconds since 1970, which may be before it.
pub(super) fn push_millis(out: &mut String, millis: i64) {
    if millis < 0 {
        out.push('-');
    }
    push_int(out, millis.unsigned_abs());
}

/// Appends an amount of hundredths with a point and two decimals.
pub(super) fn push_amount(out: &mut String, hundredths: u64) {
    push_int(out, hundredths / 100);
    push_ascii(out, &[b'.', digit(hundredths / 10 % 10), digit(hundredths % 10)]);
}

/// Appends exactly 19 decimal digits made from `key`, the first of them not zero.
pub(super) fn push_long_decimal(out: &mut String, key: u64) {
    const SMALLEST: u64 = 1_000_000_000_000_000_000;
    push_int(out, SMALLEST + mix(key) % (9 * SMALLEST));
}

/// Appends 32 hexadecimal digits made from `key`.
pub(super) fn push_hex_id(out: &mut String, key: u64) {
    let mut digits = [0_u8; 32];
    digits[..16].copy_from_slice(&hex(mix(key)));
    digits[16..].copy_from_slice(&hex(mix(key ^ 0x5bd1_e995)));
    push_ascii(out, &digits);
}

/// Appends a version 4 uuid made from `key`.
pub(super) fn push_uuid_of(out: &mut String, key: u64) {
    push_uuid(out, (mix(key), mix(key ^ 0x5bd1_e995)));
}

/// Appends a version 4 uuid with these halves; its six fixed bits overwrite theirs.
pub(super) fn push_uuid(out: &mut String, halves: (u64, u64)) {
    let first = hex((halves.0 & !0xf000) | 0x4000);
    let second = hex((halves.1 & !(0b11 << 62)) | (0b10 << 62));
    let mut digits = [b'-'; 36];
    digits[..8].copy_from_slice(&first[..8]);
    digits[9..13].copy_from_slice(&first[8..12]);
    digits[14..18].copy_from_slice(&first[12..]);
    digits[19..23].copy_from_slice(&second[..4]);
    digits[24..].copy_from_slice(&second[4..]);
    push_ascii(out, &digits);
}

/// Appends 16 capital letters and digits made from `key`, as in an access key id.
pub(super) fn push_key_id(out: &mut String, key: u64) {
    let mut letters = [0_u8; 16];
    let (mut low, mut high) = (mix(key), mix(key ^ 0x27d4_eb2f));
    for pair in letters.chunks_exact_mut(2) {
        pair[0] = BASE32[(low & 31) as usize];
        pair[1] = BASE32[(high & 31) as usize];
        low >>= 5;
        high >>= 5;
    }
    push_ascii(out, &letters);
}

/// Writes times as `2026-06-30T00:00:00Z`, and remembers the last day written, because the next
/// is nearly always the same.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    day: Option<i64>,
    date: String,
}

impl Stamp {
    /// Appends the time, cut to the second.
    pub(super) fn push(&mut self, out: &mut String, millis: i64) {
        let day = millis.div_euclid(DAY_MS);
        if self.day != Some(day) {
            // A plan may start anywhere in 64 bits; a day no calendar has is written as the first
            // one.
            let date = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
            self.date = date.format("%Y-%m-%d").to_string();
            self.day = Some(day);
        }
        let seconds = millis.rem_euclid(DAY_MS).unsigned_abs() / 1000;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        out.push_str(&self.date);
        let time = [
            b'T',
            digit(hour / 10),
            digit(hour % 10),
            b':',
            digit(minute / 10),
            digit(minute % 10),
            b':',
            digit(second / 10),
            digit(second % 10),
            b'Z',
        ];
        push_ascii(out, &time);
    }
}

fn digit(value: u64) -> u8 {
    // Callers pass 0 to 9.
    b'0' + value as u8
}

/// The 16 hexadecimal digits of a number, eight at a time: each nibble becomes a byte, and bytes
/// above 9 move on to the letters.
fn hex(value: u64) -> [u8; 16] {
    let mut digits = [0_u8; 16];
    for (half, target) in
        [value >> 32, value & 0xffff_ffff].into_iter().zip(digits.chunks_exact_mut(8))
    {
        let mut bytes = (half | half << 16) & 0x0000_ffff_0000_ffff;
        bytes = (bytes | bytes << 8) & 0x00ff_00ff_00ff_00ff;
        bytes = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        let letters = ((bytes + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
        bytes += 0x3030_3030_3030_3030 + letters * 39;
        target.copy_from_slice(&bytes.to_be_bytes());
    }
    digits
}

fn push_ascii(out: &mut String, bytes: &[u8]) {
    out.push_str(std::str::from_utf8(bytes).expect("callers pass ASCII only"));
}
