//! Days and clocks without a machine's clock: the calendar, units of time, and Java's names for them. Everything is in UTC.

pub(crate) mod format;
pub(crate) mod parse;
pub(crate) mod text;

pub(crate) use format::Format;

use crate::error::{Fallible, fault};

pub(crate) const SECOND_NS: i128 = 1_000_000_000;
pub(crate) const DAY_MS: i64 = 86_400_000;
pub(crate) const DAY_NS: i128 = 86_400 * SECOND_NS;
/// Years that are served: the calendar of ISO 8601, and nothing before our era.
const YEARS: std::ops::RangeInclusive<i64> = 1..=9999;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

pub(crate) const WEEKDAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "MONDAY"),
    (Weekday::Tuesday, "TUESDAY"),
    (Weekday::Wednesday, "WEDNESDAY"),
    (Weekday::Thursday, "THURSDAY"),
    (Weekday::Friday, "FRIDAY"),
    (Weekday::Saturday, "SATURDAY"),
    (Weekday::Sunday, "SUNDAY"),
];

impl Weekday {
    pub(crate) fn name(self) -> &'static str {
        WEEKDAYS.iter().find(|(day, _)| *day == self).map_or("", |(_, name)| name)
    }

    pub(crate) fn ordinal(self) -> i32 {
        self as i32
    }

    pub(crate) fn plus(self, days: i64) -> Self {
        let index = usize::try_from((i64::from(self.ordinal()) + days.rem_euclid(7)).rem_euclid(7)).unwrap_or(0);
        WEEKDAYS.get(index).map_or(self, |(day, _)| *day)
    }

    pub(crate) fn of(days: i64) -> Self {
        // 1970-01-01 was a Thursday.
        Weekday::Thursday.plus(days)
    }
}

/// `ChronoUnit`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chrono {
    Nanos,
    Micros,
    Millis,
    Seconds,
    Minutes,
    Hours,
    HalfDays,
    Days,
    Weeks,
    Months,
    Years,
    Decades,
    Centuries,
}

/// Unit, name, text.
pub(crate) const UNITS: [(Chrono, &str, &str); 13] = [
    (Chrono::Nanos, "NANOS", "Nanos"),
    (Chrono::Micros, "MICROS", "Micros"),
    (Chrono::Millis, "MILLIS", "Millis"),
    (Chrono::Seconds, "SECONDS", "Seconds"),
    (Chrono::Minutes, "MINUTES", "Minutes"),
    (Chrono::Hours, "HOURS", "Hours"),
    (Chrono::HalfDays, "HALF_DAYS", "HalfDays"),
    (Chrono::Days, "DAYS", "Days"),
    (Chrono::Weeks, "WEEKS", "Weeks"),
    (Chrono::Months, "MONTHS", "Months"),
    (Chrono::Years, "YEARS", "Years"),
    (Chrono::Decades, "DECADES", "Decades"),
    (Chrono::Centuries, "CENTURIES", "Centuries"),
];

impl Chrono {
    pub(crate) fn name(self) -> &'static str {
        UNITS.iter().find(|(unit, ..)| *unit == self).map_or("", |(_, name, _)| name)
    }

    pub(crate) fn text(self) -> &'static str {
        UNITS.iter().find(|(unit, ..)| *unit == self).map_or("", |(.., text)| text)
    }

    pub(crate) fn ordinal(self) -> i32 {
        self as i32
    }

    /// Its length, when that is always the same.
    pub(crate) fn nanos(self) -> Option<i128> {
        Some(match self {
            Chrono::Nanos => 1,
            Chrono::Micros => 1_000,
            Chrono::Millis => 1_000_000,
            Chrono::Seconds => SECOND_NS,
            Chrono::Minutes => 60 * SECOND_NS,
            Chrono::Hours => 3_600 * SECOND_NS,
            Chrono::HalfDays => DAY_NS / 2,
            Chrono::Days => DAY_NS,
            Chrono::Weeks => 7 * DAY_NS,
            Chrono::Months | Chrono::Years | Chrono::Decades | Chrono::Centuries => return None,
        })
    }

    /// Its length in months, when it is a number of months.
    pub(crate) fn months(self) -> Option<i64> {
        match self {
            Chrono::Months => Some(1),
            Chrono::Years => Some(12),
            Chrono::Decades => Some(120),
            Chrono::Centuries => Some(1_200),
            _ => None,
        }
    }
}

/// Year, month and day of a day since 1970.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970 of a date, which may have days beyond its month.
pub(crate) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(crate) fn day_of_year(days: i64) -> i64 {
    days - days_of(civil(days).0, 1, 1) + 1
}

/// A date that exists.
pub(crate) fn date(year: i64, month: i64, day: i64) -> Fallible<i64> {
    let exists = YEARS.contains(&year) && (1..=12).contains(&month) && day >= 1 && day <= month_length(year, month);
    if exists { Ok(days_of(year, month, day)) } else { Err(outside()) }
}

fn outside() -> crate::error::Fault {
    fault("not-a-date", "there is no such date, or it is outside the years 1 to 9999")
}

/// Keeps a day within the years that are served.
pub(crate) fn checked(days: i128) -> Fallible<i64> {
    let days = i64::try_from(days).map_err(|_| outside())?;
    let within = days_of(*YEARS.start(), 1, 1)..days_of(*YEARS.end() + 1, 1, 1);
    if within.contains(&days) { Ok(days) } else { Err(outside()) }
}

/// The same of nanoseconds.
pub(crate) fn checked_ns(ns: i128) -> Fallible<i128> {
    checked(ns.div_euclid(DAY_NS)).map(|_| ns)
}

/// Months later; the day is the month's last when it has not so many.
pub(crate) fn plus_months(days: i64, months: i64) -> Fallible<i64> {
    let (year, month, day) = civil(days);
    let all = year.checked_mul(12).and_then(|all| all.checked_add(month - 1)).and_then(|all| all.checked_add(months));
    let all = all.ok_or_else(outside)?;
    let (year, month) = (all.div_euclid(12), all.rem_euclid(12) + 1);
    if !YEARS.contains(&year) {
        return Err(outside());
    }
    date(year, month, day.min(month_length(year, month)))
}

/// `LocalDate.compareTo`: the difference in years, or months, or days.
pub(crate) fn day_difference(a: i64, b: i64) -> i32 {
    let ((y, m, d), (v, n, e)) = (civil(a), civil(b));
    let difference = [y - v, m - n, d - e].into_iter().find(|x| *x != 0).unwrap_or(0);
    i32::try_from(difference).unwrap_or(0)
}

/// `LocalDateTime.compareTo`
pub(crate) fn days(a: i128, b: i128) -> i32 {
    let day = |ns: i128| i64::try_from(ns.div_euclid(DAY_NS)).unwrap_or(0);
    match day_difference(day(a), day(b)) {
        0 => a.cmp(&b) as i32,
        other => other,
    }
}

/// Whole months from one day and time to another.
pub(crate) fn months_between(a: i128, b: i128) -> i64 {
    let packed = |ns: i128| {
        let (year, month, day) = civil(i64::try_from(ns.div_euclid(DAY_NS)).unwrap_or(0));
        (i128::from(year * 12 + month - 1) * 32 + i128::from(day)) * DAY_NS + ns.rem_euclid(DAY_NS)
    };
    i64::try_from((packed(b) - packed(a)) / (32 * DAY_NS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_the_same() {
        for days in [-719_162, -1, 0, 59, 60, 11_016, 19_782, 2_932_896] {
            let (year, month, day) = civil(days);
            assert_eq!(date(year, month, day).ok(), Some(days), "{days}");
        }
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(Weekday::of(19_782), Weekday::Thursday);
        assert!(date(2023, 2, 29).is_err() && date(0, 1, 1).is_err() && date(2023, 13, 1).is_err() && date(10_000, 1, 1).is_err());
        assert_eq!(plus_months(19_782, 12).ok().map(civil), Some((2025, 2, 28)));
        assert!(plus_months(0, i64::MAX).is_err() && checked(i128::MAX).is_err());
        assert_eq!(months_between(0, i128::from(days_of(1970, 3, 1)) * DAY_NS), 2);
    }
}
