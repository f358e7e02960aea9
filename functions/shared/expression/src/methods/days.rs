//! Methods of days, and of days with their time.

use super::dates::{after, before, days, earlier, equal, field, later, now_ms, now_ns, ns, of_day, order, other, truncated, unit, until};
use super::{Method, P, row};
use crate::error::fault;
use crate::time::{self, Chrono, DAY_MS, DAY_NS, SECOND_NS, Weekday};
use crate::value::Val;

pub(crate) const DAY: &[Method] = &[
    row(
        "plusDays",
        &[P::Long],
        "Days later",
        "T(java.time.LocalDate).parse('2024-02-28').plusDays(2).toString() → \"2024-03-01\"",
        |c| later(c, Chrono::Days),
    ),
    row(
        "plusWeeks",
        &[P::Long],
        "Weeks later",
        "T(java.time.LocalDate).parse('2024-01-01').plusWeeks(1).toString() → \"2024-01-08\"",
        |c| later(c, Chrono::Weeks),
    ),
    row(
        "plusMonths",
        &[P::Long],
        "Months later",
        "T(java.time.LocalDate).parse('2024-01-31').plusMonths(1).toString() → \"2024-02-29\"",
        |c| later(c, Chrono::Months),
    ),
    row(
        "plusYears",
        &[P::Long],
        "Years later",
        "T(java.time.LocalDate).parse('2024-02-29').plusYears(1).toString() → \"2025-02-28\"",
        |c| later(c, Chrono::Years),
    ),
    row(
        "minusDays",
        &[P::Long],
        "Days earlier",
        "T(java.time.LocalDate).parse('2024-03-01').minusDays(1).toString() → \"2024-02-29\"",
        |c| earlier(c, Chrono::Days),
    ),
    row(
        "minusWeeks",
        &[P::Long],
        "Weeks earlier",
        "T(java.time.LocalDate).parse('2024-01-08').minusWeeks(1).toString() → \"2024-01-01\"",
        |c| earlier(c, Chrono::Weeks),
    ),
    row(
        "minusMonths",
        &[P::Long],
        "Months earlier",
        "T(java.time.LocalDate).parse('2024-03-31').minusMonths(1).toString() → \"2024-02-29\"",
        |c| earlier(c, Chrono::Months),
    ),
    row(
        "minusYears",
        &[P::Long],
        "Years earlier",
        "T(java.time.LocalDate).parse('2024-01-01').minusYears(1).toString() → \"2023-01-01\"",
        |c| earlier(c, Chrono::Years),
    ),
    row(
        "plus",
        &[P::Long, P::Unit],
        "Later by a number of units",
        "T(java.time.LocalDate).parse('2024-01-01').plus(1, T(java.time.temporal.ChronoUnit).DAYS).toString() → \"2024-01-02\"",
        |c| later(c, unit(c, 1)?),
    ),
    row(
        "minus",
        &[P::Long, P::Unit],
        "Earlier by a number of units",
        "T(java.time.LocalDate).parse('2024-01-02').minus(1, T(java.time.temporal.ChronoUnit).DAYS).toString() → \"2024-01-01\"",
        |c| earlier(c, unit(c, 1)?),
    ),
    row("getYear", &[], "The year", "T(java.time.LocalDate).parse('2024-02-03').getYear() → 2024", |c| {
        field(time::civil(days(&c.this)).0)
    }),
    row("getMonthValue", &[], "The month, from 1", "T(java.time.LocalDate).parse('2024-02-03').getMonthValue() → 2", |c| {
        field(time::civil(days(&c.this)).1)
    }),
    row("getDayOfMonth", &[], "The day of the month", "T(java.time.LocalDate).parse('2024-02-03').getDayOfMonth() → 3", |c| {
        field(time::civil(days(&c.this)).2)
    }),
    row("getDayOfYear", &[], "The day of the year", "T(java.time.LocalDate).parse('2024-02-03').getDayOfYear() → 34", |c| {
        field(time::day_of_year(days(&c.this)))
    }),
    row(
        "getDayOfWeek",
        &[],
        "The day of the week",
        "T(java.time.LocalDate).parse('2024-02-03').getDayOfWeek().toString() → \"SATURDAY\"",
        |c| Ok(Val::Weekday(Weekday::of(days(&c.this)))),
    ),
    row("isLeapYear", &[], "True in a leap year", "T(java.time.LocalDate).parse('2024-02-03').isLeapYear() → true", |c| {
        Ok(Val::Bool(time::is_leap(time::civil(days(&c.this)).0)))
    }),
    row("lengthOfMonth", &[], "How many days its month has", "T(java.time.LocalDate).parse('2024-02-03').lengthOfMonth() → 29", |c| {
        let (year, month, _) = time::civil(days(&c.this));
        field(time::month_length(year, month))
    }),
    row(
        "withDayOfMonth",
        &[P::Int],
        "The same with another day of the month",
        "T(java.time.LocalDate).parse('2024-02-03').withDayOfMonth(1).toString() → \"2024-02-01\"",
        |c| {
            let (year, month, _) = time::civil(days(&c.this));
            time::date(year, month, i64::from(c.int(0)?)).map(Val::Day)
        },
    ),
    row(
        "atStartOfDay",
        &[],
        "Its first moment",
        "T(java.time.LocalDate).parse('2024-02-03').atStartOfDay().toString() → \"2024-02-03T00:00\"",
        |c| Ok(Val::DayTime(ns(&c.this))),
    ),
    row("toEpochDay", &[], "Days since 1970", "T(java.time.LocalDate).parse('1970-01-03').toEpochDay() → 2", |c| {
        Ok(Val::Long(days(&c.this)))
    }),
    row(
        "until",
        &[P::Moment, P::Unit],
        "How many units it is to another",
        "T(java.time.LocalDate).parse('2024-01-01').until(T(java.time.LocalDate).parse('2024-03-01'), T(java.time.temporal.ChronoUnit).MONTHS) → 2",
        |c| until(&c.this, &other(c)?, unit(c, 1)?),
    ),
    row(
        "isBefore",
        &[P::Day],
        "True when it is earlier than another",
        "T(java.time.LocalDate).parse('2024-01-01').isBefore(T(java.time.LocalDate).parse('2024-01-02')) → true",
        before,
    ),
    row(
        "isAfter",
        &[P::Day],
        "True when it is later than another",
        "T(java.time.LocalDate).parse('2024-01-01').isAfter(T(java.time.LocalDate).parse('2024-01-02')) → false",
        after,
    ),
    row(
        "isEqual",
        &[P::Day],
        "True when it is the same day as another",
        "T(java.time.LocalDate).parse('2024-01-01').isEqual(T(java.time.LocalDate).parse('2024-01-01')) → true",
        equal,
    ),
    row(
        "compareTo",
        &[P::Day],
        "Less than zero when it is earlier than another",
        "T(java.time.LocalDate).parse('2024-01-01').compareTo(T(java.time.LocalDate).parse('2024-01-03')) → -2",
        order,
    ),
];

pub(crate) const DAYS: &[Method] = &[
    row(
        "now",
        &[],
        "Today in UTC; the host's clock says when that is",
        "T(java.time.LocalDate).now().toString() → \"2020-09-13\"",
        |c| Ok(Val::Day(now_ms(c)?.div_euclid(DAY_MS))),
    ),
    row(
        "parse",
        &[P::Chars],
        "The day of a text in ISO 8601",
        "T(java.time.LocalDate).parse('2024-02-03').toString() → \"2024-02-03\"",
        |c| time::parse::day(c.text(0)?).map(Val::Day),
    ),
    row(
        "of",
        &[P::Int, P::Int, P::Int],
        "The day of a year, month and day",
        "T(java.time.LocalDate).of(2024, 2, 3).toString() → \"2024-02-03\"",
        |c| time::date(i64::from(c.int(0)?), i64::from(c.int(1)?), i64::from(c.int(2)?)).map(Val::Day),
    ),
    row("ofEpochDay", &[P::Long], "From days since 1970", "T(java.time.LocalDate).ofEpochDay(2).toString() → \"1970-01-03\"", |c| {
        time::checked(i128::from(c.long(0)?)).map(Val::Day)
    }),
];

pub(crate) const DAY_TIME: &[Method] = &[
    row(
        "plusSeconds",
        &[P::Long],
        "Seconds later",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00:00').plusSeconds(5).toString() → \"2024-01-01T00:00:05\"",
        |c| later(c, Chrono::Seconds),
    ),
    row(
        "plusMinutes",
        &[P::Long],
        "Minutes later",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').plusMinutes(5).toString() → \"2024-01-01T00:05\"",
        |c| later(c, Chrono::Minutes),
    ),
    row(
        "plusHours",
        &[P::Long],
        "Hours later",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').plusHours(25).toString() → \"2024-01-02T01:00\"",
        |c| later(c, Chrono::Hours),
    ),
    row(
        "plusDays",
        &[P::Long],
        "Days later",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').plusDays(1).toString() → \"2024-01-02T00:00\"",
        |c| later(c, Chrono::Days),
    ),
    row(
        "plusWeeks",
        &[P::Long],
        "Weeks later",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').plusWeeks(1).toString() → \"2024-01-08T00:00\"",
        |c| later(c, Chrono::Weeks),
    ),
    row(
        "plusMonths",
        &[P::Long],
        "Months later",
        "T(java.time.LocalDateTime).parse('2024-01-31T00:00').plusMonths(1).toString() → \"2024-02-29T00:00\"",
        |c| later(c, Chrono::Months),
    ),
    row(
        "plusYears",
        &[P::Long],
        "Years later",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').plusYears(1).toString() → \"2025-01-01T00:00\"",
        |c| later(c, Chrono::Years),
    ),
    row(
        "minusSeconds",
        &[P::Long],
        "Seconds earlier",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00:05').minusSeconds(5).toString() → \"2024-01-01T00:00\"",
        |c| earlier(c, Chrono::Seconds),
    ),
    row(
        "minusMinutes",
        &[P::Long],
        "Minutes earlier",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:05').minusMinutes(5).toString() → \"2024-01-01T00:00\"",
        |c| earlier(c, Chrono::Minutes),
    ),
    row(
        "minusHours",
        &[P::Long],
        "Hours earlier",
        "T(java.time.LocalDateTime).parse('2024-01-01T05:00').minusHours(5).toString() → \"2024-01-01T00:00\"",
        |c| earlier(c, Chrono::Hours),
    ),
    row(
        "minusDays",
        &[P::Long],
        "Days earlier",
        "T(java.time.LocalDateTime).parse('2024-01-02T00:00').minusDays(1).toString() → \"2024-01-01T00:00\"",
        |c| earlier(c, Chrono::Days),
    ),
    row(
        "minusWeeks",
        &[P::Long],
        "Weeks earlier",
        "T(java.time.LocalDateTime).parse('2024-01-08T00:00').minusWeeks(1).toString() → \"2024-01-01T00:00\"",
        |c| earlier(c, Chrono::Weeks),
    ),
    row(
        "minusMonths",
        &[P::Long],
        "Months earlier",
        "T(java.time.LocalDateTime).parse('2024-02-01T00:00').minusMonths(1).toString() → \"2024-01-01T00:00\"",
        |c| earlier(c, Chrono::Months),
    ),
    row(
        "minusYears",
        &[P::Long],
        "Years earlier",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').minusYears(1).toString() → \"2023-01-01T00:00\"",
        |c| earlier(c, Chrono::Years),
    ),
    row(
        "plus",
        &[P::Long, P::Unit],
        "Later by a number of units",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').plus(1, T(java.time.temporal.ChronoUnit).HOURS).toString() → \"2024-01-01T01:00\"",
        |c| later(c, unit(c, 1)?),
    ),
    row(
        "minus",
        &[P::Long, P::Unit],
        "Earlier by a number of units",
        "T(java.time.LocalDateTime).parse('2024-01-01T01:00').minus(1, T(java.time.temporal.ChronoUnit).HOURS).toString() → \"2024-01-01T00:00\"",
        |c| earlier(c, unit(c, 1)?),
    ),
    row("getYear", &[], "The year", "T(java.time.LocalDateTime).parse('2024-02-03T04:05').getYear() → 2024", |c| {
        field(time::civil(days(&c.this)).0)
    }),
    row("getMonthValue", &[], "The month, from 1", "T(java.time.LocalDateTime).parse('2024-02-03T04:05').getMonthValue() → 2", |c| {
        field(time::civil(days(&c.this)).1)
    }),
    row("getDayOfMonth", &[], "The day of the month", "T(java.time.LocalDateTime).parse('2024-02-03T04:05').getDayOfMonth() → 3", |c| {
        field(time::civil(days(&c.this)).2)
    }),
    row("getDayOfYear", &[], "The day of the year", "T(java.time.LocalDateTime).parse('2024-02-03T04:05').getDayOfYear() → 34", |c| {
        field(time::day_of_year(days(&c.this)))
    }),
    row(
        "getDayOfWeek",
        &[],
        "The day of the week",
        "T(java.time.LocalDateTime).parse('2024-02-03T04:05').getDayOfWeek().toString() → \"SATURDAY\"",
        |c| Ok(Val::Weekday(Weekday::of(days(&c.this)))),
    ),
    row("getHour", &[], "The hour", "T(java.time.LocalDateTime).parse('2024-02-03T04:05').getHour() → 4", |c| {
        field(of_day(c, 3_600 * SECOND_NS, 24))
    }),
    row("getMinute", &[], "The minute", "T(java.time.LocalDateTime).parse('2024-02-03T04:05').getMinute() → 5", |c| {
        field(of_day(c, 60 * SECOND_NS, 60))
    }),
    row("getSecond", &[], "The second", "T(java.time.LocalDateTime).parse('2024-02-03T04:05:06').getSecond() → 6", |c| {
        field(of_day(c, SECOND_NS, 60))
    }),
    row(
        "toLocalDate",
        &[],
        "Its day",
        "T(java.time.LocalDateTime).parse('2024-02-03T04:05').toLocalDate().toString() → \"2024-02-03\"",
        |c| Ok(Val::Day(days(&c.this))),
    ),
    row(
        "truncatedTo",
        &[P::Unit],
        "Without what is smaller than a unit",
        "T(java.time.LocalDateTime).parse('2024-02-03T04:05').truncatedTo(T(java.time.temporal.ChronoUnit).HOURS).toString() → \"2024-02-03T04:00\"",
        truncated,
    ),
    row(
        "until",
        &[P::Moment, P::Unit],
        "How many units it is to another",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').until(T(java.time.LocalDateTime).parse('2024-01-01T05:30'), T(java.time.temporal.ChronoUnit).HOURS) → 5",
        |c| until(&c.this, &other(c)?, unit(c, 1)?),
    ),
    row(
        "isBefore",
        &[P::DayTime],
        "True when it is earlier than another",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').isBefore(T(java.time.LocalDateTime).parse('2024-01-01T00:01')) → true",
        before,
    ),
    row(
        "isAfter",
        &[P::DayTime],
        "True when it is later than another",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').isAfter(T(java.time.LocalDateTime).parse('2024-01-01T00:01')) → false",
        after,
    ),
    row(
        "isEqual",
        &[P::DayTime],
        "True when it is the same moment as another",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').isEqual(T(java.time.LocalDateTime).parse('2024-01-01T00:00')) → true",
        equal,
    ),
    row(
        "compareTo",
        &[P::DayTime],
        "Less than zero when it is earlier than another",
        "T(java.time.LocalDateTime).parse('2024-01-01T00:00').compareTo(T(java.time.LocalDateTime).parse('2024-01-03T00:00')) → -2",
        order,
    ),
];

pub(crate) const DAY_TIMES: &[Method] = &[
    row(
        "now",
        &[],
        "Now in UTC; the host's clock says when that is",
        "T(java.time.LocalDateTime).now().toString() → \"2020-09-13T12:26:40\"",
        |c| now_ns(c).map(Val::DayTime),
    ),
    row(
        "parse",
        &[P::Chars],
        "The day and time of a text in ISO 8601",
        "T(java.time.LocalDateTime).parse('2024-02-03T04:05').toString() → \"2024-02-03T04:05\"",
        |c| time::parse::day_time(c.text(0)?).map(Val::DayTime),
    ),
    row(
        "of",
        &[P::Int, P::Int, P::Int, P::Int, P::Int],
        "Of a year, month, day, hour and minute",
        "T(java.time.LocalDateTime).of(2024, 2, 3, 4, 5).toString() → \"2024-02-03T04:05\"",
        |c| {
            let day = time::date(i64::from(c.int(0)?), i64::from(c.int(1)?), i64::from(c.int(2)?))?;
            let (hour, minute) = (c.int(3)?, c.int(4)?);
            if !(0..24).contains(&hour) || !(0..60).contains(&minute) {
                return Err(fault("not-a-date", "there is no such time of day"));
            }
            Ok(Val::DayTime(i128::from(day) * DAY_NS + i128::from(hour * 60 + minute) * 60 * SECOND_NS))
        },
    ),
];
