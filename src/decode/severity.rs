//! Severities of other systems, mapped to our three levels.

/// Returns the level of a word that loggers and syslog use; `None` for any other word.
pub(super) fn of_word(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "emerg" | "emergency" | "panic" | "alert" | "crit" | "critical" | "fatal" | "err"
        | "error" | "severe" | "incident" => "incident",
        "warn" | "warning" => "warning",
        "notice" | "info" | "information" | "informational" | "debug" | "trace" | "normal" => {
            "normal"
        }
        digits => return of_syslog(digits),
    })
}

/// Returns the level of a syslog severity (RFC 5424): 0 to 3 are incidents, 4 is a warning.
pub(super) fn of_syslog(code: &str) -> Option<&'static str> {
    Some(match code.parse::<u8>().ok()? {
        0..=3 => "incident",
        4 => "warning",
        5..=7 => "normal",
        _ => return None,
    })
}

/// Returns the level of an OpenTelemetry severity number: 13 to 16 are warnings, 17 to 24 errors
/// and fatal errors.
pub(super) fn of_otel(number: &str) -> Option<&'static str> {
    Some(match number.parse::<u8>().ok()? {
        1..=12 => "normal",
        13..=16 => "warning",
        17..=24 => "incident",
        _ => return None,
    })
}
