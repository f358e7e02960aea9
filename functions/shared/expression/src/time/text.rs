//! `toString()` of dates.

use super::{DAY_NS, SECOND_NS, civil};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(crate) fn month(month: i64) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).copied().unwrap_or("")
}

pub(crate) fn weekday(days: i64) -> &'static str {
    usize::try_from(super::Weekday::of(days).ordinal()).ok().and_then(|index| DAYS.get(index)).copied().unwrap_or("")
}

pub(crate) fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

/// `java.util.Date.toString()`
pub(crate) fn date(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(super::DAY_MS), ms.rem_euclid(super::DAY_MS) / 1_000);
    let (year, m, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{} {} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year:04}", short(weekday(days)), short(month(m)))
}

pub(crate) fn day(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn days_of(ns: i128) -> i64 {
    i64::try_from(ns.div_euclid(DAY_NS)).unwrap_or(0)
}

/// With the fraction in groups of three digits, as many as are needed.
fn fraction(ns: i128) -> String {
    let part = ns.rem_euclid(SECOND_NS);
    match part {
        0 => String::new(),
        _ if part % 1_000_000 == 0 => format!(".{:03}", part / 1_000_000),
        _ if part % 1_000 == 0 => format!(".{:06}", part / 1_000),
        _ => format!(".{part:09}"),
    }
}

pub(crate) fn instant(ns: i128) -> String {
    let of_day = ns.rem_euclid(DAY_NS) / SECOND_NS;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}{}Z", day(days_of(ns)), fraction(ns))
}

/// `LocalDateTime.toString()`: no seconds when they are zero.
pub(crate) fn day_time(ns: i128) -> String {
    let of_day = ns.rem_euclid(DAY_NS) / SECOND_NS;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let fraction = fraction(ns);
    let seconds = if second == 0 && fraction.is_empty() { String::new() } else { format!(":{second:02}{fraction}") };
    format!("{}T{hour:02}:{minute:02}{seconds}", day(days_of(ns)))
}
