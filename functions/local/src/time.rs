//! Instants and durations as people read them, in the time zone of this machine.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Milliseconds since 1970, now.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

fn format(ms: i64, zone: TimeZone, pattern: &str) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| "?".to_owned(), |at| at.to_zoned(zone).strftime(pattern).to_string())
}

/// `12:03:04`.
pub(crate) fn clock(ms: i64) -> String {
    format(ms, TimeZone::system(), "%H:%M:%S")
}

/// `2026-01-02 12:03:04`.
pub(crate) fn instant(ms: i64) -> String {
    format(ms, TimeZone::system(), "%Y-%m-%d %H:%M:%S")
}

/// `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`.
pub(crate) fn duration(ms: i64) -> String {
    let s = ms.max(0) / 1_000;
    match s {
        0..10 => format!("{}.{} s", s, ms.max(0) % 1_000 / 100),
        10..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_exact_as_is_of_use() {
        let cases = [(0, "0.0 s"), (412, "0.4 s"), (9_999, "9.9 s"), (12_345, "12 s"), (185_000, "3 min 5 s"), (7_800_000, "2 h 10 min")];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(duration(-5), "0.0 s");
    }

    #[test]
    fn instants_are_formatted() {
        assert_eq!(format(1_700_000_000_000, TimeZone::UTC, "%Y-%m-%d %H:%M:%S"), "2023-11-14 22:13:20");
        assert_eq!(format(i64::MAX, TimeZone::UTC, "%H"), "?");
    }
}
