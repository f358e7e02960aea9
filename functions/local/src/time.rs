//! Instants and durations as people read them, in the time zone of this machine.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A bare number below this is no instant, but something whose unit was forgotten.
const INSTANT_MS_MIN: i64 = 100_000_000_000;

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

/// `2026-01-02 12:03:04 Asia/Shanghai`, in that time zone; in that of this machine where the name means nothing here.
pub(crate) fn instant_in(ms: i64, zone: &str) -> String {
    match TimeZone::get(zone) {
        Ok(known) => format!("{} {zone}", format(ms, known, "%Y-%m-%d %H:%M:%S")),
        Err(_) => instant(ms),
    }
}

/// An instant as people say it: `10m` from now, an instant with its offset, or its milliseconds since 1970.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    if let Ok(ms) = text.parse::<i64>() {
        let short = || format!("{text} of what? Say 10m for ten minutes from now, or an instant in milliseconds since 1970");
        return Some(ms).filter(|ms| *ms >= INSTANT_MS_MIN).ok_or_else(short);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let after = text.parse::<SignedDuration>().ok().filter(|after| !after.is_negative());
    let at = after.and_then(|after| Timestamp::now().checked_add(after).ok());
    at.map(Timestamp::as_millisecond).ok_or_else(|| "say for example 10m for ten minutes from now, or 2026-01-02T03:04:05Z".to_owned())
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
    fn instants_are_said_in_three_ways() {
        assert_eq!(parse("1700000000000"), Ok(1_700_000_000_000));
        assert_eq!(parse("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
        assert_eq!(parse("2023-11-15T06:13:20+08:00"), Ok(1_700_000_000_000));
        let ahead = parse("2h30m").unwrap() - now_ms();
        assert!((8_990_000..=9_000_000).contains(&ahead), "{ahead}");
        for bad in ["10", "-5", "soon", "", "-10m", "2023-11-14"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_zone_is_told() {
        assert_eq!(instant_in(1_700_000_000_000, "Asia/Shanghai"), "2023-11-15 06:13:20 Asia/Shanghai");
        assert!(!instant_in(1_700_000_000_000, "Mars/Base").contains("Mars"));
    }

    #[test]
    fn instants_are_formatted() {
        assert_eq!(format(1_700_000_000_000, TimeZone::UTC, "%Y-%m-%d %H:%M:%S"), "2023-11-14 22:13:20");
        assert_eq!(format(i64::MAX, TimeZone::UTC, "%H"), "?");
    }
}
