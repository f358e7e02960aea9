//! The Java types that expressions may name, and their constants. Every other type is refused.

use crate::error::{Fallible, fault};
use crate::suggest;
use crate::time::{UNITS, WEEKDAYS};
use crate::value::{Type, Val};

/// Types by their full names.
pub(crate) const TYPES: &[(&str, Type)] = &[
    ("java.lang.String", Type::Text),
    ("java.lang.Integer", Type::Int),
    ("java.lang.Long", Type::Long),
    ("java.lang.Double", Type::Double),
    ("java.lang.Byte", Type::Byte),
    ("java.lang.Boolean", Type::Bool),
    ("java.lang.Math", Type::Math),
    ("java.util.Random", Type::Random),
    ("java.util.UUID", Type::Uuid),
    ("java.util.Date", Type::Date),
    ("java.text.SimpleDateFormat", Type::SimpleDateFormat),
    ("java.time.Instant", Type::Instant),
    ("java.time.LocalDate", Type::LocalDate),
    ("java.time.LocalDateTime", Type::LocalDateTime),
    ("java.time.DayOfWeek", Type::DayOfWeek),
    ("java.time.temporal.ChronoUnit", Type::ChronoUnit),
    ("java.time.temporal.TemporalAdjusters", Type::Adjusters),
    ("java.net.URLEncoder", Type::UrlEncoder),
];

/// A type by its full name; those of `java.lang` also by their short one.
pub(crate) fn named(name: &str) -> Fallible<Type> {
    let found = TYPES.iter().find(|(full, _)| *full == name || full.strip_prefix("java.lang.") == Some(name));
    match found {
        Some((_, of)) => Ok(*of),
        None => {
            let said: String = name.chars().take(80).collect();
            let short = TYPES.iter().find(|(full, _)| full.rsplit('.').next() == Some(name)).map(|(full, _)| (*full).to_owned());
            let near = short.or_else(|| suggest::nearest(name, TYPES.iter().map(|(full, _)| *full)));
            Err(fault("refused-type", format!("the type `{said}` is refused")).suggest(near))
        }
    }
}

/// The full name of a type.
pub(crate) fn name(of: Type) -> &'static str {
    TYPES.iter().find(|(_, each)| *each == of).map_or("", |(name, _)| name)
}

/// Constants of a type.
pub(crate) fn constant<'a>(of: Type, name: &str) -> Option<Val<'a>> {
    Some(match (of, name) {
        (Type::Int, "MAX_VALUE") => Val::Int(i32::MAX),
        (Type::Int, "MIN_VALUE") => Val::Int(i32::MIN),
        (Type::Int, "SIZE") => Val::Int(32),
        (Type::Int, "BYTES") => Val::Int(4),
        (Type::Long, "MAX_VALUE") => Val::Long(i64::MAX),
        (Type::Long, "MIN_VALUE") => Val::Long(i64::MIN),
        (Type::Long, "SIZE") => Val::Int(64),
        (Type::Long, "BYTES") => Val::Int(8),
        (Type::Byte, "MAX_VALUE") => Val::Byte(i8::MAX),
        (Type::Byte, "MIN_VALUE") => Val::Byte(i8::MIN),
        (Type::Double, "MAX_VALUE") => Val::Double(f64::MAX),
        (Type::Double, "MIN_VALUE") => Val::Double(f64::from_bits(1)),
        (Type::Double, "MIN_NORMAL") => Val::Double(f64::MIN_POSITIVE),
        (Type::Double, "NaN") => Val::Double(f64::NAN),
        (Type::Double, "POSITIVE_INFINITY") => Val::Double(f64::INFINITY),
        (Type::Double, "NEGATIVE_INFINITY") => Val::Double(f64::NEG_INFINITY),
        (Type::Bool, "TRUE") => Val::Bool(true),
        (Type::Bool, "FALSE") => Val::Bool(false),
        (Type::Math, "PI") => Val::Double(std::f64::consts::PI),
        (Type::Math, "E") => Val::Double(std::f64::consts::E),
        (Type::Instant, "EPOCH") => Val::Instant(0),
        (Type::LocalDate, "EPOCH") => Val::Day(0),
        (Type::DayOfWeek, name) => Val::Weekday(WEEKDAYS.iter().find(|(_, each)| *each == name)?.0),
        (Type::ChronoUnit, name) => Val::Unit(UNITS.iter().find(|(_, each, _)| *each == name)?.0),
        _ => return None,
    })
}
