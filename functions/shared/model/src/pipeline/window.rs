//! Execution windows: on which days and between which times of day a stage may start, and when that is the case next.
//!
//! Days and times of day are those of a clock on the wall in one time zone; the zones come from a database inside the
//! program, so every machine gives the same answer. Nothing here waits, draws lots or reads a clock.

use crate::Millis;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most ranges of one window.
pub const RANGES_MAX: usize = 50;
/// Longest delay that jitter may add.
pub const JITTER_S_MAX: u64 = 7 * 24 * 60 * 60;

const DAY_MINUTES: i64 = 24 * 60;
const MINUTE_MS: i64 = 60_000;
/// A week and a day: every weekday from its first minute, whatever the time is now.
const DAYS_AHEAD: i64 = 8;
/// A window holds in every week, so only changes of the clock within days of each other could need more.
const CHANGES_MAX: usize = 32;

/// When a stage may start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ExecutionWindow {
    /// Times of day; none means the whole day.
    pub whitelist: Vec<Range>,
    /// Days of the week, 1 = Sunday to 7 = Saturday; none means every day.
    pub days: BTreeSet<u8>,
    /// A delay of random length once the window is open, be it open from the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Jitter>,
}

/// From one minute of the day up to and including another.
///
/// One whose end is before its start goes on after midnight. What is after midnight belongs to the day it falls on, so
/// with days given it needs that day too, as in Spinnaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// The first minute, 0 to 1439.
    pub start_min_of_day: u16,
    /// The last minute, 0 to 1439; all its sixty seconds belong to the range.
    pub end_min_of_day: u16,
}

/// A delay of random length, so that not everything starts when a window opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Jitter {
    /// Not for executions that a person started.
    pub skip_manual: bool,
    /// Shortest delay.
    pub min_delay_s: u64,
    /// Longest delay.
    pub max_delay_s: u64,
}

/// What a window says of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The stage may start.
    Open,
    /// It may start then, and not before.
    At(Millis),
    /// It can never start: the window has no minute, or time ends first.
    Never,
}

/// No such time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{name}`; give a name of the IANA database, such as `Asia/Shanghai`")]
pub struct UnknownZone {
    /// What was asked for.
    pub name: String,
}

/// The time zone of this IANA name, in any spelling of capitals. The same on every machine.
pub fn zone(name: &str) -> Result<TimeZone, UnknownZone> {
    let found = TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown());
    found.ok_or_else(|| UnknownZone { name: name.chars().take(100).collect() })
}

impl ExecutionWindow {
    /// Is it open now, and if not, when? The answer is the first instant at which the clock on the wall shows a minute of
    /// the window: times that a change of the clock leaves out open nothing, those that it repeats are open twice.
    #[must_use]
    pub fn opening(&self, zone: &TimeZone, now_ms: Millis) -> Opening {
        self.first_open(zone, now_ms).unwrap_or(Opening::Never)
    }

    fn first_open(&self, zone: &TimeZone, now_ms: Millis) -> Option<Opening> {
        let now_ms = i64::try_from(now_ms).ok()?;
        let mut from = Timestamp::from_millisecond(now_ms).ok()?;
        // Between two changes of the clock the wall is a constant away from UTC, and the search is plain arithmetic.
        for _ in 0..CHANGES_MAX {
            let offset_ms = i64::from(zone.to_offset(from).seconds()) * 1_000;
            let minute = (from.as_millisecond() + offset_ms).div_euclid(MINUTE_MS);
            let found = self.next_minute(minute)?;
            let found_ms = if found == minute { from.as_millisecond() } else { found * MINUTE_MS - offset_ms };
            match zone.following(from).next().map(|change| change.timestamp()) {
                Some(change) if change.as_millisecond() <= found_ms => from = change,
                _ if found_ms <= now_ms => return Some(Opening::Open),
                _ => return Some(Opening::At(Timestamp::from_millisecond(found_ms).ok()?.as_millisecond().try_into().ok()?)),
            }
        }
        None
    }

    /// The first minute of the window from this one on, in minutes of the wall since 1970.
    fn next_minute(&self, from: i64) -> Option<i64> {
        let today = from.div_euclid(DAY_MINUTES);
        (today..today + DAYS_AHEAD).filter(|day| self.has_day(*day)).find_map(|day| {
            let start = day * DAY_MINUTES;
            let earliest = (from - start).max(0);
            if self.whitelist.is_empty() {
                return Some(start + earliest);
            }
            self.whitelist.iter().filter_map(|range| range.first_from(earliest)).min().map(|minute| start + minute)
        })
    }

    fn has_day(&self, day: i64) -> bool {
        // 1970 began on a Thursday.
        let weekday = (day + 4).rem_euclid(7) + 1;
        self.days.is_empty() || self.days.iter().any(|d| i64::from(*d) == weekday)
    }
}

impl Range {
    /// Its first minute of a day from this one on.
    fn first_from(self, minute: i64) -> Option<i64> {
        let (start, end) = (i64::from(self.start_min_of_day), i64::from(self.end_min_of_day));
        if start.max(end) >= DAY_MINUTES {
            return None;
        }
        if start <= end {
            return Some(minute.max(start)).filter(|m| *m <= end);
        }
        Some(if minute <= end { minute } else { minute.max(start) })
    }
}

impl Jitter {
    /// How long to wait, given a random number; every whole second from the shortest to the longest is as likely.
    #[must_use]
    pub fn delay_ms(self, chance: u64) -> Millis {
        let choices = self.max_delay_s.saturating_sub(self.min_delay_s).saturating_add(1);
        self.min_delay_s.saturating_add(chance % choices).min(JITTER_S_MAX) * 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LA: &str = "America/Los_Angeles";

    fn window(ranges: &[(u16, u16)], days: &[u8]) -> ExecutionWindow {
        let whitelist = ranges.iter().map(|(s, e)| Range { start_min_of_day: *s, end_min_of_day: *e }).collect();
        ExecutionWindow { whitelist, days: days.iter().copied().collect(), jitter: None }
    }

    fn at(hour: u16, minute: u16) -> u16 {
        hour * 60 + minute
    }

    fn ms(text: &str) -> Millis {
        text.parse::<Timestamp>().unwrap().as_millisecond().try_into().unwrap()
    }

    fn opening(window: &ExecutionWindow, name: &str, now: &str) -> Opening {
        window.opening(&zone(name).unwrap(), ms(now))
    }

    fn opens(window: &ExecutionWindow, name: &str, now: &str, then: &str) {
        assert_eq!(opening(window, name, now), Opening::At(ms(then)), "{window:?} {now}");
    }

    // Rule 2.7: Minutes belong to their range to their last second; a range may cross midnight
    #[test]
    fn the_last_minute_belongs_to_the_range() {
        let w = window(&[(at(9, 0), at(10, 0))], &[]);
        opens(&w, "Asia/Shanghai", "2026-05-04T08:59:59.999+08:00", "2026-05-04T09:00:00+08:00");
        for now in ["2026-05-04T09:00:00+08:00", "2026-05-04T10:00:59.999+08:00"] {
            assert_eq!(opening(&w, "Asia/Shanghai", now), Opening::Open, "{now}");
        }
        opens(&w, "Asia/Shanghai", "2026-05-04T10:01:00+08:00", "2026-05-05T09:00:00+08:00");
    }

    // Rule 2.7: No days is every day; days without times are whole days
    #[test]
    fn days_alone_mean_whole_days() {
        // 2026-05-04 is a Monday.
        let w = window(&[], &[1, 2]);
        assert_eq!(opening(&w, "UTC", "2026-05-04T23:59:59.999Z"), Opening::Open);
        opens(&w, "UTC", "2026-05-05T00:00:00Z", "2026-05-10T00:00:00Z");
        assert_eq!(opening(&window(&[], &[]), "UTC", "2026-05-05T00:00:00Z"), Opening::Open);
    }

    // Rule 2.7: Minutes belong to their range to their last second; a range may cross midnight
    #[test]
    fn a_range_may_cross_midnight_and_its_halves_belong_to_their_own_days() {
        let w = window(&[(at(22, 0), at(2, 0))], &[2]);
        opens(&w, "UTC", "2026-05-03T23:00:00Z", "2026-05-04T00:00:00Z");
        assert_eq!(opening(&w, "UTC", "2026-05-04T02:00:59Z"), Opening::Open);
        opens(&w, "UTC", "2026-05-04T02:01:00Z", "2026-05-04T22:00:00Z");
        opens(&w, "UTC", "2026-05-05T00:00:00Z", "2026-05-11T00:00:00Z");
        let same_hour = window(&[(at(9, 30), at(9, 10))], &[]);
        opens(&same_hour, "UTC", "2026-05-04T09:11:00Z", "2026-05-04T09:30:00Z");
    }

    #[test]
    fn the_weekday_comes_round_to_itself() {
        let w = window(&[(at(9, 0), at(9, 59))], &[2]);
        opens(&w, "UTC", "2026-05-04T10:00:00Z", "2026-05-11T09:00:00Z");
    }

    #[test]
    fn times_left_out_by_the_clock_open_right_after_it_or_not_that_day() {
        // The clock goes from 01:59 to 03:00 on 2026-03-08.
        opens(&window(&[(at(2, 30), at(4, 0))], &[]), LA, "2026-03-08T00:00:00-08:00", "2026-03-08T03:00:00-07:00");
        opens(&window(&[(at(2, 0), at(2, 59))], &[]), LA, "2026-03-08T00:00:00-08:00", "2026-03-09T02:00:00-07:00");
        opens(&window(&[(at(2, 0), at(2, 59))], &[1]), LA, "2026-03-08T00:00:00-08:00", "2026-03-15T02:00:00-07:00");
    }

    #[test]
    fn times_repeated_by_the_clock_open_at_the_earlier() {
        // 01:00 to 01:59 happen twice on 2026-11-01.
        let w = window(&[(at(1, 30), at(1, 39))], &[]);
        opens(&w, LA, "2026-11-01T00:00:00-07:00", "2026-11-01T01:30:00-07:00");
        opens(&w, LA, "2026-11-01T01:40:00-07:00", "2026-11-01T01:30:00-08:00");
        opens(&w, LA, "2026-11-01T01:40:00-08:00", "2026-11-02T01:30:00-08:00");
        // The later half of a window that the change cuts is the first thing open after it.
        opens(&window(&[(at(1, 0), at(1, 9))], &[]), LA, "2026-11-01T01:10:00-07:00", "2026-11-01T01:00:00-08:00");
    }

    #[test]
    fn what_has_no_minute_never_opens() {
        assert_eq!(opening(&window(&[(1_440, 1_500)], &[]), "UTC", "2026-05-04T00:00:00Z"), Opening::Never);
        assert_eq!(opening(&window(&[], &[8]), "UTC", "2026-05-04T00:00:00Z"), Opening::Never);
        let always = window(&[(0, 1_439)], &[]);
        assert_eq!(always.opening(&zone("UTC").unwrap(), u64::MAX), Opening::Never);
        assert_eq!(always.opening(&zone("UTC").unwrap(), i64::MAX as u64), Opening::Never);
    }

    #[test]
    fn zones_are_known_by_their_iana_names_only() {
        assert_eq!(zone("america/los_angeles").unwrap().iana_name(), Some(LA));
        for name in ["", "Mars/Olympus", "Etc/Unknown", "+08:00", "../etc/passwd", " UTC"] {
            assert!(zone(name).is_err(), "{name}");
        }
    }

    #[test]
    fn jitter_reaches_both_ends_and_nothing_beyond() {
        let jitter = Jitter { skip_manual: false, min_delay_s: 3, max_delay_s: 5 };
        let drawn: BTreeSet<_> = (0..100).map(|chance| jitter.delay_ms(chance)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3_000, 4_000, 5_000]);
        let huge = Jitter { skip_manual: false, min_delay_s: 0, max_delay_s: u64::MAX };
        assert_eq!(huge.delay_ms(u64::MAX - 1), JITTER_S_MAX * 1_000);
    }

    #[test]
    fn a_window_survives_the_plan() {
        let mut w = window(&[(at(22, 0), at(2, 0))], &[7, 1]);
        w.jitter = Some(Jitter { skip_manual: true, min_delay_s: 1, max_delay_s: 2 });
        let text = serde_json::to_string(&w).unwrap();
        assert_eq!(
            text,
            r#"{"whitelist":[{"startMinOfDay":1320,"endMinOfDay":120}],"days":[1,7],"jitter":{"skipManual":true,"minDelayS":1,"maxDelayS":2}}"#
        );
        assert_eq!(serde_json::from_str::<ExecutionWindow>(&text).unwrap(), w);
    }

    /// The meaning, said the slow way: what the clock on the wall shows.
    fn shows_open(window: &ExecutionWindow, zone: &TimeZone, minute: i64) -> bool {
        let wall = zone.to_datetime(Timestamp::from_millisecond(minute * MINUTE_MS).unwrap());
        let now = u16::try_from(wall.hour()).unwrap() * 60 + u16::try_from(wall.minute()).unwrap();
        let weekday = u8::try_from(wall.weekday().to_sunday_one_offset()).unwrap();
        let within = |r: &Range| {
            let (start, end) = (r.start_min_of_day, r.end_min_of_day);
            if start <= end { start <= now && now <= end } else { now >= start || now <= end }
        };
        (window.days.is_empty() || window.days.contains(&weekday)) && (window.whitelist.is_empty() || window.whitelist.iter().any(within))
    }

    fn minute_of_day() -> impl Strategy<Value = u16> {
        // Half of them near the changes of the clock.
        prop_oneof![0..1_440_u16, 50..190_u16]
    }

    fn windows() -> impl Strategy<Value = ExecutionWindow> {
        let ranges = prop::collection::vec((minute_of_day(), minute_of_day()), 0..4);
        let days = prop_oneof![Just(Vec::new()), prop::collection::vec(1..=7_u8, 1..4), Just(vec![1])];
        (ranges, days).prop_map(|(ranges, days)| window(&ranges, &days))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_agrees_with_a_walk_over_every_minute(
            window in windows(),
            name in prop::sample::select(vec![LA, "Europe/Berlin", "Asia/Shanghai", "Australia/Lord_Howe"]),
            second_ms in 0..60_000_u64,
        ) {
            let zone = zone(name).unwrap();
            // Both changes of 2026, or any two days where there is none.
            let mut changes: Vec<i64> =
                zone.following("2026-01-01T00:00:00Z".parse().unwrap()).take(2).map(|c| c.timestamp().as_millisecond() / MINUTE_MS).collect();
            changes.resize(2, 29_700_000);
            for change in changes {
                let (first, last) = (change - 3 * DAY_MINUTES, change + 18 * DAY_MINUTES);
                let mut next: Option<i64> = None;
                // Backwards, so that each minute knows the next open one.
                for minute in (first..last).rev() {
                    let open = shows_open(&window, &zone, minute);
                    if open {
                        next = Some(minute);
                    }
                    let Some(next) = next else { continue };
                    if minute > change + 8 * DAY_MINUTES {
                        continue;
                    }
                    let within_ms = if minute % 2 == 0 { 0 } else { second_ms };
                    let now_ms = u64::try_from(minute * MINUTE_MS).unwrap() + within_ms;
                    let expected = if open { Opening::Open } else { Opening::At(u64::try_from(next * MINUTE_MS).unwrap()) };
                    prop_assert_eq!(window.opening(&zone, now_ms), expected, "{} {}", name, now_ms);
                }
            }
        }
    }
}
