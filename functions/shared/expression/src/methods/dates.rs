//! Methods of dates, moments and units of time. The present moment is the host's, and everything is in UTC.

use super::{Method, P, row};
use crate::compare;
use crate::error::{Fallible, Fault, fault};
use crate::machine::Call;
use crate::time::{self, Chrono, DAY_NS, Format, SECOND_NS, UNITS, WEEKDAYS, Weekday};
use crate::value::Val;
use std::rc::Rc;

pub(super) fn now_ms(c: &Call<'_, '_>) -> Fallible<i64> {
    let now = c.machine.host.now_ms().ok_or_else(|| fault("refused-clock", "there is no clock here"))?;
    time::checked_ns(i128::from(now) * 1_000_000).map(|_| now)
}

pub(super) fn now_ns(c: &Call<'_, '_>) -> Fallible<i128> {
    Ok(i128::from(now_ms(c)?) * 1_000_000)
}

/// What `this` is, in nanoseconds.
pub(super) fn ns(value: &Val<'_>) -> i128 {
    match value {
        Val::Instant(ns) | Val::DayTime(ns) => *ns,
        Val::Day(days) => i128::from(*days) * DAY_NS,
        Val::Date(ms) => i128::from(*ms) * 1_000_000,
        _ => 0,
    }
}

pub(super) fn days(value: &Val<'_>) -> i64 {
    i64::try_from(ns(value).div_euclid(DAY_NS)).unwrap_or(0)
}

/// A value of the type of `like`.
fn at<'a>(like: &Val<'_>, ns: i128) -> Fallible<Val<'a>> {
    time::checked_ns(ns)?;
    Ok(match like {
        Val::Instant(_) => Val::Instant(ns),
        Val::DayTime(_) => Val::DayTime(ns),
        Val::Date(_) => Val::Date(i64::try_from(ns / 1_000_000).unwrap_or(0)),
        _ => Val::Day(i64::try_from(ns.div_euclid(DAY_NS)).unwrap_or(0)),
    })
}

fn unfit(unit: Chrono, value: &Val<'_>) -> Fault {
    fault("wrong-arguments", format!("{} does not count in {}", value.kind(), unit.text()))
}

fn plus<'a>(value: &Val<'a>, amount: i64, unit: Chrono) -> Fallible<Val<'a>> {
    let small = unit.nanos().is_some_and(|length| length < DAY_NS);
    let fits = match value {
        Val::Day(_) => !small,
        Val::Instant(_) => small || unit == Chrono::Days,
        _ => true,
    };
    if !fits {
        return Err(unfit(unit, value));
    }
    if let Some(length) = unit.nanos() {
        return at(value, ns(value) + length * i128::from(amount));
    }
    let months = unit.months().and_then(|months| months.checked_mul(amount)).ok_or_else(|| unfit(unit, value))?;
    let moved = time::plus_months(days(value), months)?;
    at(value, i128::from(moved) * DAY_NS + ns(value).rem_euclid(DAY_NS))
}

pub(super) fn unit(c: &Call<'_, '_>, index: usize) -> Fallible<Chrono> {
    match c.argument(index) {
        Val::Unit(unit) => Ok(unit),
        _ => Err(fault("null", "a unit of time is expected here, not null")),
    }
}

pub(super) fn later<'a>(c: &Call<'_, 'a>, unit: Chrono) -> Fallible<Val<'a>> {
    plus(&c.this, c.long(0)?, unit)
}

pub(super) fn earlier<'a>(c: &Call<'_, 'a>, unit: Chrono) -> Fallible<Val<'a>> {
    plus(&c.this, c.long(0)?.checked_neg().ok_or_else(|| fault("number-too-large", "the number is too large"))?, unit)
}

pub(super) fn before<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    other(c).map(|other| Val::Bool(ns(&c.this) < ns(&other)))
}

pub(super) fn after<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    other(c).map(|other| Val::Bool(ns(&c.this) > ns(&other)))
}

pub(super) fn equal<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    other(c).map(|other| Val::Bool(ns(&c.this) == ns(&other)))
}

pub(super) fn other<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    match c.argument(0) {
        Val::Null => Err(fault("null", "a date is expected here, not null")),
        other => Ok(other),
    }
}

pub(super) fn order<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    compare::compare(&c.this, &other(c)?).map(Val::Int)
}

/// A number that a date is made of.
pub(super) fn field<'a>(n: i64) -> Fallible<Val<'a>> {
    Ok(Val::Int(i32::try_from(n).unwrap_or(0)))
}

pub(super) fn of_day(c: &Call<'_, '_>, unit_ns: i128, most: i128) -> i64 {
    i64::try_from(ns(&c.this).rem_euclid(DAY_NS) / unit_ns % most).unwrap_or(0)
}

pub(super) fn truncated<'a>(c: &Call<'_, 'a>) -> Fallible<Val<'a>> {
    let unit = unit(c, 0)?;
    let length = unit.nanos().filter(|length| *length <= DAY_NS).ok_or_else(|| unfit(unit, &c.this))?;
    at(&c.this, ns(&c.this).div_euclid(length) * length)
}

/// Whole units from one moment to another.
pub(super) fn until<'a>(from: &Val<'a>, to: &Val<'a>, unit: Chrono) -> Fallible<Val<'a>> {
    let same = std::mem::discriminant(from) == std::mem::discriminant(to);
    let small = unit.nanos().is_some_and(|length| length < DAY_NS);
    let fits = match from {
        Val::Day(_) => !small,
        Val::Instant(_) => small || unit == Chrono::Days,
        _ => true,
    };
    if !same || !fits {
        return Err(unfit(unit, from));
    }
    let count = match (unit.nanos(), unit.months()) {
        (Some(length), _) => i64::try_from((ns(to) - ns(from)) / length).unwrap_or(i64::MAX),
        (None, months) => time::months_between(ns(from), ns(to)) / months.unwrap_or(1),
    };
    Ok(Val::Long(count))
}

pub(crate) const DATE: &[Method] = &[
    row("getTime", &[], "Milliseconds since 1970", "new java.util.Date(5L).getTime() → 5", |c| {
        Ok(Val::Long(i64::try_from(ns(&c.this) / 1_000_000).unwrap_or(0)))
    }),
    row(
        "before",
        &[P::Date],
        "True when it is earlier than another",
        "new java.util.Date(1L).before(new java.util.Date(2L)) → true",
        before,
    ),
    row("after", &[P::Date], "True when it is later than another", "new java.util.Date(1L).after(new java.util.Date(2L)) → false", after),
    row(
        "compareTo",
        &[P::Date],
        "Less than zero when it is earlier than another",
        "new java.util.Date(1L).compareTo(new java.util.Date(2L)) → -1",
        order,
    ),
    row(
        "toInstant",
        &[],
        "The same moment as an instant",
        "new java.util.Date(0L).toInstant().toString() → \"1970-01-01T00:00:00Z\"",
        |c| Ok(Val::Instant(ns(&c.this))),
    ),
];

pub(crate) const NEW_DATE: &[Method] = &[
    row("", &[], "Now; the host's clock says when that is", "new java.util.Date().getTime() → 1600000000000", |c| {
        now_ms(c).map(Val::Date)
    }),
    row("", &[P::Long], "Milliseconds since 1970; as a field's value a date is that number", "new java.util.Date(5L) → 5", |c| {
        time::checked_ns(i128::from(c.long(0)?) * 1_000_000)?;
        Ok(Val::Date(c.long(0)?))
    }),
];

fn pattern(c: &Call<'_, '_>) -> Fallible<Rc<Format>> {
    match &c.this {
        Val::Format(format) => Ok(format.clone()),
        other => Err(fault("no-conversion", format!("{} is no date format", other.kind()))),
    }
}

pub(crate) const FORMAT: &[Method] = &[
    row(
        "format",
        &[P::Date],
        "A date as text",
        "new java.text.SimpleDateFormat('yyyy-MM-dd').format(new java.util.Date(0L)) → \"1970-01-01\"",
        |c| {
            let ms = i64::try_from(ns(&other(c)?) / 1_000_000).unwrap_or(0);
            Ok(Val::text(pattern(c)?.write(ms)))
        },
    ),
    row("format", &[P::Any], "Milliseconds since 1970 as text", "new java.text.SimpleDateFormat('yyyy').format(0L) → \"1970\"", |c| {
        let value = other(c)?;
        if !value.is_number() {
            return Err(fault("wrong-arguments", format!("a date is expected here, not {}", value.kind())));
        }
        let ms = crate::number::long(&value);
        time::checked_ns(i128::from(ms) * 1_000_000)?;
        Ok(Val::text(pattern(c)?.write(ms)))
    }),
    row(
        "parse",
        &[P::Text],
        "The date of a text",
        "new java.text.SimpleDateFormat('yyyy-MM-dd').parse('1970-01-02').getTime() → 86400000",
        |c| pattern(c)?.read(c.text(0)?).map(Val::Date),
    ),
    row("toPattern", &[], "The pattern", "new java.text.SimpleDateFormat('yyyy').toPattern() → \"yyyy\"", |c| {
        Ok(Val::text(pattern(c)?.pattern()))
    }),
];

pub(crate) const NEW_FORMAT: &[Method] = &[row(
    "",
    &[P::Text],
    "How dates are written and read: y M d H m s S, E a and others",
    "new java.text.SimpleDateFormat('HH:mm').format(new java.util.Date(0L)) → \"00:00\"",
    |c| Format::new(c.text(0)?).map(|format| Val::Format(Rc::new(format))),
)];

pub(crate) const INSTANT: &[Method] = &[
    row("toEpochMilli", &[], "Milliseconds since 1970", "T(java.time.Instant).ofEpochMilli(5).toEpochMilli() → 5", |c| {
        Ok(Val::Long(i64::try_from(ns(&c.this).div_euclid(1_000_000)).unwrap_or(0)))
    }),
    row("getEpochSecond", &[], "Seconds since 1970", "T(java.time.Instant).ofEpochMilli(5000).getEpochSecond() → 5", |c| {
        Ok(Val::Long(i64::try_from(ns(&c.this).div_euclid(SECOND_NS)).unwrap_or(0)))
    }),
    row("getNano", &[], "Nanoseconds of the second", "T(java.time.Instant).ofEpochMilli(5).getNano() → 5000000", |c| {
        field(i64::try_from(ns(&c.this).rem_euclid(SECOND_NS)).unwrap_or(0))
    }),
    row(
        "plusSeconds",
        &[P::Long],
        "Seconds later",
        "T(java.time.Instant).EPOCH.plusSeconds(60).toString() → \"1970-01-01T00:01:00Z\"",
        |c| later(c, Chrono::Seconds),
    ),
    row("plusMillis", &[P::Long], "Milliseconds later", "T(java.time.Instant).EPOCH.plusMillis(5).toEpochMilli() → 5", |c| {
        later(c, Chrono::Millis)
    }),
    row("plusNanos", &[P::Long], "Nanoseconds later", "T(java.time.Instant).EPOCH.plusNanos(5).getNano() → 5", |c| {
        later(c, Chrono::Nanos)
    }),
    row(
        "minusSeconds",
        &[P::Long],
        "Seconds earlier",
        "T(java.time.Instant).ofEpochMilli(5000).minusSeconds(5).toEpochMilli() → 0",
        |c| earlier(c, Chrono::Seconds),
    ),
    row(
        "minusMillis",
        &[P::Long],
        "Milliseconds earlier",
        "T(java.time.Instant).ofEpochMilli(5).minusMillis(5).toEpochMilli() → 0",
        |c| earlier(c, Chrono::Millis),
    ),
    row(
        "minusNanos",
        &[P::Long],
        "Nanoseconds earlier",
        "T(java.time.Instant).ofEpochMilli(1).minusNanos(1000000).toEpochMilli() → 0",
        |c| earlier(c, Chrono::Nanos),
    ),
    row(
        "plus",
        &[P::Long, P::Unit],
        "Later by a number of units",
        "T(java.time.Instant).EPOCH.plus(2, T(java.time.temporal.ChronoUnit).DAYS).toString() → \"1970-01-03T00:00:00Z\"",
        |c| later(c, unit(c, 1)?),
    ),
    row(
        "minus",
        &[P::Long, P::Unit],
        "Earlier by a number of units",
        "T(java.time.Instant).ofEpochMilli(60000).minus(1, T(java.time.temporal.ChronoUnit).MINUTES).toEpochMilli() → 0",
        |c| earlier(c, unit(c, 1)?),
    ),
    row(
        "truncatedTo",
        &[P::Unit],
        "Without what is smaller than a unit",
        "T(java.time.Instant).ofEpochMilli(61000).truncatedTo(T(java.time.temporal.ChronoUnit).MINUTES).toEpochMilli() → 60000",
        truncated,
    ),
    row(
        "until",
        &[P::Moment, P::Unit],
        "How many units it is to another",
        "T(java.time.Instant).EPOCH.until(T(java.time.Instant).ofEpochMilli(9000), T(java.time.temporal.ChronoUnit).SECONDS) → 9",
        |c| until(&c.this, &other(c)?, unit(c, 1)?),
    ),
    row(
        "isBefore",
        &[P::Instant],
        "True when it is earlier than another",
        "T(java.time.Instant).EPOCH.isBefore(T(java.time.Instant).ofEpochMilli(1)) → true",
        before,
    ),
    row(
        "isAfter",
        &[P::Instant],
        "True when it is later than another",
        "T(java.time.Instant).EPOCH.isAfter(T(java.time.Instant).ofEpochMilli(1)) → false",
        after,
    ),
    row(
        "compareTo",
        &[P::Instant],
        "Less than zero when it is earlier than another",
        "T(java.time.Instant).EPOCH.compareTo(T(java.time.Instant).ofEpochMilli(1)) → -1",
        order,
    ),
];

pub(crate) const INSTANTS: &[Method] = &[
    row("now", &[], "Now; the host's clock says when that is", "T(java.time.Instant).now().toString() → \"2020-09-13T12:26:40Z\"", |c| {
        now_ns(c).map(Val::Instant)
    }),
    row(
        "parse",
        &[P::Chars],
        "The instant of a text in ISO 8601",
        "T(java.time.Instant).parse('1970-01-01T00:00:01Z').toEpochMilli() → 1000",
        |c| time::parse::instant(c.text(0)?).map(Val::Instant),
    ),
    row(
        "ofEpochMilli",
        &[P::Long],
        "From milliseconds since 1970",
        "T(java.time.Instant).ofEpochMilli(0).toString() → \"1970-01-01T00:00:00Z\"",
        |c| time::checked_ns(i128::from(c.long(0)?) * 1_000_000).map(Val::Instant),
    ),
    row("ofEpochSecond", &[P::Long], "From seconds since 1970", "T(java.time.Instant).ofEpochSecond(1).toEpochMilli() → 1000", |c| {
        time::checked_ns(i128::from(c.long(0)?) * SECOND_NS).map(Val::Instant)
    }),
];

fn weekday(c: &Call<'_, '_>) -> Weekday {
    match c.this {
        Val::Weekday(day) => day,
        _ => Weekday::Monday,
    }
}

pub(crate) const WEEKDAY: &[Method] = &[
    row("name", &[], "Its name", "T(java.time.DayOfWeek).MONDAY.name() → \"MONDAY\"", |c| Ok(Val::text(weekday(c).name()))),
    row("ordinal", &[], "Its number, Monday is 0", "T(java.time.DayOfWeek).MONDAY.ordinal() → 0", |c| Ok(Val::Int(weekday(c).ordinal()))),
    row("getValue", &[], "Its number, Monday is 1", "T(java.time.DayOfWeek).MONDAY.getValue() → 1", |c| {
        Ok(Val::Int(weekday(c).ordinal() + 1))
    }),
    row("plus", &[P::Long], "Days later", "T(java.time.DayOfWeek).MONDAY.plus(8).name() → \"TUESDAY\"", |c| {
        Ok(Val::Weekday(weekday(c).plus(c.long(0)? % 7)))
    }),
    row("minus", &[P::Long], "Days earlier", "T(java.time.DayOfWeek).MONDAY.minus(1).name() → \"SUNDAY\"", |c| {
        Ok(Val::Weekday(weekday(c).plus(-(c.long(0)? % 7))))
    }),
    row(
        "compareTo",
        &[P::Weekday],
        "The difference of the numbers",
        "T(java.time.DayOfWeek).MONDAY.compareTo(T(java.time.DayOfWeek).TUESDAY) → -1",
        order,
    ),
];

pub(crate) const WEEKDAYS_OF: &[Method] = &[
    row("valueOf", &[P::Text], "The day of a name", "T(java.time.DayOfWeek).valueOf('MONDAY').getValue() → 1", |c| {
        let found = WEEKDAYS.iter().find(|(_, name)| c.text(0).is_ok_and(|text| text == *name));
        found.map(|(day, _)| Val::Weekday(*day)).ok_or_else(|| fault("wrong-arguments", "there is no such day of the week"))
    }),
    row("of", &[P::Int], "The day of a number, Monday is 1", "T(java.time.DayOfWeek).of(1).name() → \"MONDAY\"", |c| {
        let found = usize::try_from(c.int(0)?).ok().and_then(|n| n.checked_sub(1)).and_then(|index| WEEKDAYS.get(index));
        found.map(|(day, _)| Val::Weekday(*day)).ok_or_else(|| fault("wrong-arguments", "there is no such day of the week"))
    }),
];

fn chrono(c: &Call<'_, '_>) -> Chrono {
    match c.this {
        Val::Unit(unit) => unit,
        _ => Chrono::Nanos,
    }
}

pub(crate) const UNIT: &[Method] = &[
    row("name", &[], "Its name", "T(java.time.temporal.ChronoUnit).DAYS.name() → \"DAYS\"", |c| Ok(Val::text(chrono(c).name()))),
    row("ordinal", &[], "Its number", "T(java.time.temporal.ChronoUnit).NANOS.ordinal() → 0", |c| Ok(Val::Int(chrono(c).ordinal()))),
    row(
        "between",
        &[P::Moment, P::Moment],
        "How many of it are between two moments",
        "T(java.time.temporal.ChronoUnit).DAYS.between(T(java.time.LocalDate).of(2024, 1, 1), T(java.time.LocalDate).of(2024, 3, 1)) → 60",
        |c| until(&other(c)?, &c.argument(1), chrono(c)),
    ),
    row("isDateBased", &[], "True for days and more", "T(java.time.temporal.ChronoUnit).DAYS.isDateBased() → true", |c| {
        Ok(Val::Bool(chrono(c).ordinal() >= Chrono::Days.ordinal()))
    }),
    row("isTimeBased", &[], "True for less than a day", "T(java.time.temporal.ChronoUnit).DAYS.isTimeBased() → false", |c| {
        Ok(Val::Bool(chrono(c).ordinal() < Chrono::Days.ordinal()))
    }),
];

pub(crate) const UNITS_OF: &[Method] =
    &[row("valueOf", &[P::Text], "The unit of a name", "T(java.time.temporal.ChronoUnit).valueOf('DAYS').name() → \"DAYS\"", |c| {
        let found = UNITS.iter().find(|(_, name, _)| c.text(0).is_ok_and(|text| text == *name));
        found.map(|(unit, ..)| Val::Unit(*unit)).ok_or_else(|| fault("wrong-arguments", "there is no such unit of time"))
    })];
