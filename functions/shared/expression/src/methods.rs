//! Methods: which there are for a value or a type, which of several of one name is meant, and the call. Nothing outside the tables
//! can be called.

mod collections;
mod dates;
mod days;
mod math;
mod numbers;
mod statics;
mod text;

use crate::ast::Slot;
use crate::convert;
use crate::error::{Fallible, Fault, fault};
use crate::machine::{Call, Machine};
use crate::suggest;
use crate::value::{Items, Sort, Type, Val};
use std::rc::Rc;

/// What a parameter asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum P {
    Text,
    /// A text, and nothing that would have to become one.
    Chars,
    Int,
    Long,
    Float,
    Double,
    Char,
    Bool,
    /// Anything.
    Any,
    Collection,
    /// A collection, and nothing that would have to become one.
    Iterable,
    Date,
    Instant,
    Day,
    DayTime,
    Moment,
    Unit,
    Weekday,
    Uuid,
    /// The name of a way to encode, which a text becomes.
    Charset,
    /// The remaining arguments, any.
    Rest,
    /// The remaining arguments, texts.
    RestChars,
}

type Body = for<'c, 'a> fn(&Call<'c, 'a>) -> Fallible<Val<'a>>;

/// A row of a method table.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) takes: &'static [P],
    pub(crate) doc: &'static str,
    /// An expression, ` → `, and its value as JSON.
    pub(crate) example: &'static str,
    body: Body,
}

const fn row(name: &'static str, takes: &'static [P], doc: &'static str, example: &'static str, body: Body) -> Method {
    Method { name, takes, doc, example, body }
}

/// All tables with their titles, for the reference page.
pub(crate) const TABLES: &[(&str, &[&[Method]])] = &[
    ("everything", &[OBJECT]),
    ("texts", &[text::TEXT, text::PATTERNS]),
    ("a stage's status", &[text::STATUS]),
    ("lists and other collections", &[collections::COLLECTION, collections::LIST]),
    ("objects", &[collections::MAP]),
    ("entries of objects", &[collections::ENTRY]),
    ("numbers", &[numbers::NUMBER]),
    ("real numbers", &[numbers::REAL]),
    ("booleans", &[numbers::BOOLEAN]),
    ("characters", &[numbers::CHARACTER]),
    ("java.util.Date", &[dates::DATE]),
    ("java.text.SimpleDateFormat", &[dates::FORMAT]),
    ("java.time.Instant", &[dates::INSTANT]),
    ("java.time.LocalDate", &[days::DAY]),
    ("java.time.LocalDateTime", &[days::DAY_TIME]),
    ("java.time.DayOfWeek", &[dates::WEEKDAY]),
    ("java.time.temporal.ChronoUnit", &[dates::UNIT]),
    ("java.util.UUID", &[numbers::UUID]),
    ("java.util.Random", &[math::RANDOM]),
];

/// Methods of types, with `T(…)`.
pub(crate) const STATICS: &[(Type, &[Method])] = &[
    (Type::Text, statics::TEXT),
    (Type::Int, statics::INT),
    (Type::Long, statics::LONG),
    (Type::Double, statics::DOUBLE),
    (Type::Byte, statics::BYTE),
    (Type::Bool, statics::BOOL),
    (Type::Math, math::MATH),
    (Type::Uuid, statics::UUID),
    (Type::Instant, dates::INSTANTS),
    (Type::LocalDate, days::DAYS),
    (Type::LocalDateTime, days::DAY_TIMES),
    (Type::DayOfWeek, dates::WEEKDAYS_OF),
    (Type::ChronoUnit, dates::UNITS_OF),
    (Type::UrlEncoder, statics::URL_ENCODER),
];

/// Constructors, with `new …(…)`; their name is empty.
pub(crate) const CONSTRUCTORS: &[(Type, &[Method])] = &[
    (Type::Text, statics::NEW_TEXT),
    (Type::Int, statics::NEW_INT),
    (Type::Long, statics::NEW_LONG),
    (Type::Double, statics::NEW_DOUBLE),
    (Type::Byte, statics::NEW_BYTE),
    (Type::Bool, statics::NEW_BOOL),
    (Type::Uuid, statics::NEW_UUID),
    (Type::Date, dates::NEW_DATE),
    (Type::SimpleDateFormat, dates::NEW_FORMAT),
    (Type::Random, math::NEW_RANDOM),
];

/// Methods that change what they are called on.
const CHANGING: [&str; 22] = [
    "add",
    "addAll",
    "addFirst",
    "addLast",
    "clear",
    "compute",
    "computeIfAbsent",
    "computeIfPresent",
    "merge",
    "put",
    "putAll",
    "putIfAbsent",
    "remove",
    "removeAll",
    "removeIf",
    "replaceAll",
    "retainAll",
    "set",
    "setLength",
    "setSeed",
    "setTime",
    "sort",
];
/// Methods that look at what is behind a value.
const REFLECTING: [&str; 10] =
    ["getClass", "forName", "class", "getDeclaredMethods", "getMethods", "invoke", "newInstance", "getClassLoader", "wait", "notify"];

fn statics_of(of: Type) -> &'static [Method] {
    STATICS.iter().find(|(each, _)| *each == of).map_or(&[], |(_, table)| table)
}

/// The tables of what a value is.
fn tables(value: &Val<'_>) -> Vec<&'static [Method]> {
    let mut tables = own_tables(value);
    if !matches!(value, Val::Null | Val::Type(_)) {
        tables.push(OBJECT);
    }
    tables
}

fn own_tables(value: &Val<'_>) -> Vec<&'static [Method]> {
    match value {
        Val::Null => vec![],
        Val::Text(_) => vec![text::TEXT, text::PATTERNS, statics_of(Type::Text)],
        Val::Status(_) => vec![text::STATUS],
        Val::Kept(_) => vec![],
        Val::Bool(_) => vec![numbers::BOOLEAN, statics_of(Type::Bool)],
        Val::Int(_) => vec![numbers::NUMBER, statics_of(Type::Int)],
        Val::Long(_) => vec![numbers::NUMBER, statics_of(Type::Long)],
        Val::Byte(_) | Val::Short(_) | Val::Big(_) => vec![numbers::NUMBER],
        Val::Double(_) => vec![numbers::NUMBER, numbers::REAL, statics_of(Type::Double)],
        Val::Float(_) => vec![numbers::NUMBER, numbers::REAL],
        Val::Char(_) => vec![numbers::CHARACTER],
        Val::List(sort, _) if sort.is_list() => vec![collections::COLLECTION, collections::LIST],
        Val::List(sort, _) if sort.is_array() => vec![],
        Val::List(..) => vec![collections::COLLECTION],
        Val::Map(_) => vec![collections::MAP],
        Val::Entry(_) => vec![collections::ENTRY],
        Val::Uuid(_) => vec![numbers::UUID, statics_of(Type::Uuid)],
        Val::Date(_) => vec![dates::DATE],
        Val::Instant(_) => vec![dates::INSTANT, statics_of(Type::Instant)],
        Val::Day(_) => vec![days::DAY, statics_of(Type::LocalDate)],
        Val::DayTime(_) => vec![days::DAY_TIME, statics_of(Type::LocalDateTime)],
        Val::Weekday(_) => vec![dates::WEEKDAY, statics_of(Type::DayOfWeek)],
        Val::Unit(_) => vec![dates::UNIT, statics_of(Type::ChronoUnit)],
        Val::Format(_) => vec![dates::FORMAT],
        Val::Random(_) => vec![math::RANDOM],
        Val::Type(of) => vec![statics_of(*of)],
    }
}

/// Names of the methods of a value.
pub(crate) fn names(value: &Val<'_>) -> Vec<&'static str> {
    tables(value).into_iter().flatten().map(|method| method.name).collect()
}

/// Calls a method.
pub(crate) fn call<'a>(this: Val<'a>, name: &str, arguments: Vec<Val<'a>>, slot: &Slot, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let tables = tables(&this);
    let same: Vec<&'static Method> = tables.into_iter().flatten().filter(|method| method.name == name).collect();
    if same.is_empty() {
        return Err(unknown(&this, name));
    }
    let method = choose(&same, &arguments).ok_or_else(|| wrong(name, &arguments, &same))?;
    let method = method?;
    machine.reads(&this)?;
    let arguments = fit(method, arguments, machine)?;
    (method.body)(&Call { machine, this, arguments, slot })
}

/// Calls a constructor.
pub(crate) fn construct<'a>(of: Type, arguments: Vec<Val<'a>>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    let name = crate::types::name(of);
    let table: &'static [Method] = CONSTRUCTORS.iter().find(|(each, _)| *each == of).map_or(&[], |(_, table)| table);
    if table.is_empty() {
        return Err(fault("refused-constructor", format!("`new {name}(…)` is refused")));
    }
    if of == Type::Date && matches!(arguments.as_slice(), [Val::Text(_)]) {
        let message = "a date is not made of a text; `new java.text.SimpleDateFormat('…').parse('…')` reads one";
        return Err(fault("refused-constructor", message));
    }
    let all: Vec<&'static Method> = table.iter().collect();
    let method = choose(&all, &arguments).ok_or_else(|| wrong(name, &arguments, &all))??;
    let arguments = fit(method, arguments, machine)?;
    (method.body)(&Call { machine, this: Val::Null, arguments, slot: &Slot::default() })
}

/// A property that is a getter: `text.empty` is `text.isEmpty()`, `date.time` is `date.getTime()`.
pub(crate) fn property<'a>(value: &Val<'a>, name: &str, machine: &Machine<'a>) -> Fallible<Option<Val<'a>>> {
    if let Val::List(sort, items) = value
        && sort.is_array()
        && name == "length"
    {
        return Ok(Some(Val::Int(i32::try_from(items.len()).unwrap_or(i32::MAX))));
    }
    let mut capital = name.to_owned();
    if let Some(first) = capital.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    // A getter with its prefix comes before a method of the very name.
    let getters = [format!("get{capital}"), format!("is{capital}"), name.to_owned()];
    let methods = || tables(value).into_iter().flatten().filter(|method| method.takes.is_empty());
    let found = getters.iter().find_map(|getter| methods().find(|method| method.name == getter));
    match found {
        Some(method) => {
            let call = Call { machine, this: value.clone(), arguments: Vec::new(), slot: &Slot::default() };
            (method.body)(&call).map(Some)
        }
        None => Ok(None),
    }
}

fn unknown(this: &Val<'_>, name: &str) -> Fault {
    let said: String = name.chars().take(60).collect();
    if REFLECTING.contains(&name) {
        return fault("refused-reflection", format!("`{said}` is refused: an expression does not look behind values"));
    }
    if CHANGING.contains(&name) {
        return fault("refused-change", format!("`{said}` is refused: an expression changes nothing"));
    }
    let near = suggest::nearest(name, names(this).into_iter());
    fault("unknown-method", format!("{} has no method `{said}`", this.kind())).suggest(near)
}

fn wrong(name: &str, arguments: &[Val<'_>], same: &[&Method]) -> Fault {
    let given: Vec<&str> = arguments.iter().map(Val::kind).collect();
    let takes: Vec<String> = same.iter().map(|method| signature(method.takes)).collect();
    let given = if given.is_empty() { "nothing".to_owned() } else { given.join(", ") };
    fault("wrong-arguments", format!("`{name}` takes {}, not ({given})", takes.join(" or ")))
}

/// What a method takes, for people.
pub(crate) fn signature(takes: &[P]) -> String {
    let names: Vec<&str> = takes
        .iter()
        .map(|p| match p {
            P::Text | P::Chars => "text",
            P::Int | P::Long => "whole number",
            P::Float | P::Double => "number",
            P::Char => "character",
            P::Bool => "boolean",
            P::Any => "value",
            P::Collection | P::Iterable => "list",
            P::Date => "date",
            P::Instant => "instant",
            P::Day => "day",
            P::DayTime => "day and time",
            P::Moment => "moment",
            P::Unit => "unit of time",
            P::Weekday => "day of the week",
            P::Uuid => "UUID",
            P::Charset => "encoding",
            P::Rest | P::RestChars => "…",
        })
        .collect();
    format!("({})", names.join(", "))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Exact,
    Close(u32),
    Converted,
}

/// Which method is meant, by Spring's rules; two that both need conversion are one too many.
fn choose(same: &[&'static Method], arguments: &[Val<'_>]) -> Option<Fallible<&'static Method>> {
    let mut close: Option<(u32, &'static Method)> = None;
    let mut converted: Option<&'static Method> = None;
    let mut several = false;
    for method in same {
        match matching(method.takes, arguments) {
            Some(Match::Exact) => return Some(Ok(method)),
            Some(Match::Close(distance)) if close.is_none_or(|(best, _)| distance < best) => close = Some((distance, method)),
            Some(Match::Close(_)) => {}
            Some(Match::Converted) => {
                several |= converted.is_some();
                converted = Some(method);
            }
            None => {}
        }
    }
    match (close, converted) {
        (Some((_, method)), _) => Some(Ok(method)),
        (None, Some(method)) if several => {
            Some(Err(fault("ambiguous", format!("several methods `{}` fit these arguments equally", method.name))))
        }
        (None, Some(method)) => Some(Ok(method)),
        (None, None) => None,
    }
}

fn matching(takes: &[P], arguments: &[Val<'_>]) -> Option<Match> {
    let (fixed, rest) = match takes.split_last() {
        Some((last @ (P::Rest | P::RestChars), fixed)) => (fixed, Some(*last)),
        _ => (takes, None),
    };
    if arguments.len() < fixed.len() || (rest.is_none() && arguments.len() > fixed.len()) {
        return None;
    }
    let mut worst = Match::Exact;
    let mut distance = 0;
    for (index, argument) in arguments.iter().enumerate() {
        let one = match (fixed.get(index), rest) {
            (Some(p), _) => one(*p, argument)?,
            (None, Some(P::RestChars)) => one(P::Chars, argument)?,
            (None, _) => Match::Close(2),
        };
        match one {
            Match::Exact => {}
            Match::Close(more) => {
                distance += more;
                worst = worst.max(Match::Close(distance));
            }
            Match::Converted => worst = Match::Converted,
        }
    }
    Some(if worst == Match::Converted {
        worst
    } else if distance > 0 {
        Match::Close(distance)
    } else {
        worst
    })
}

fn one(p: P, value: &Val<'_>) -> Option<Match> {
    use Match::{Close, Converted, Exact};
    let number = value.is_number();
    let many = matches!(value, Val::List(..));
    Some(match (p, value) {
        (P::Int | P::Long | P::Float | P::Double | P::Char | P::Bool, Val::Null) => return None,
        (_, Val::Null) => Exact,
        (P::Any, Val::Text(_)) => Close(2),
        (P::Any, _) => Close(4),
        (P::Text, Val::Text(_)) => Exact,
        (P::Text, Val::Status(_) | Val::Char(_) | Val::Bool(_) | Val::Uuid(_) | Val::Date(_) | Val::Weekday(_) | Val::Unit(_)) => Converted,
        (P::Text, Val::List(sort, _)) if sort.is_entries() => return None,
        (P::Text, _) if number || many => Converted,
        (P::Charset, Val::Text(_)) => Converted,
        (P::Chars, Val::Text(_)) => Close(1),
        (P::Chars, Val::List(..)) => Converted,
        (P::Int, Val::Int(_)) | (P::Long, Val::Long(_)) | (P::Float, Val::Float(_)) | (P::Double, Val::Double(_)) => Close(4),
        (P::Char, Val::Char(_)) | (P::Bool, Val::Bool(_)) => Close(2),
        (P::Int | P::Long | P::Float | P::Double, Val::Text(_) | Val::Char(_)) => Converted,
        (P::Int | P::Long | P::Float | P::Double | P::Char, _) if number || many => Converted,
        (P::Char, Val::Text(_)) => Converted,
        (P::Bool, Val::Text(_) | Val::List(..)) => Converted,
        (P::Collection | P::Iterable, Val::List(sort, _)) if !sort.is_array() => Close(1),
        (P::Collection, _) => Converted,
        (P::Date, Val::Date(_)) | (P::Instant, Val::Instant(_)) | (P::Uuid, Val::Uuid(_)) => Exact,
        (P::Day, Val::Day(_)) | (P::DayTime, Val::DayTime(_)) | (P::Weekday, Val::Weekday(_)) => Exact,
        (P::Unit, Val::Unit(_)) | (P::Moment, Val::Instant(_) | Val::Day(_) | Val::DayTime(_)) => Close(1),
        _ => return None,
    })
}

/// A single argument in the place of several becomes an array, as Spring does it: a text is split at its commas.
fn spread<'a>(takes: &[P], mut arguments: Vec<Val<'a>>) -> Vec<Val<'a>> {
    let rest = matches!(takes.last(), Some(P::Rest | P::RestChars));
    if rest && arguments.len() == takes.len() && matches!(arguments.last(), Some(Val::Text(_) | Val::List(..))) {
        let last = arguments.pop().unwrap_or(Val::Null);
        if let Val::List(_, items) = convert::collection(&last) {
            arguments.extend(items.iter());
        }
    }
    arguments
}

/// Makes the arguments what the method takes.
fn fit<'a>(method: &Method, arguments: Vec<Val<'a>>, machine: &Machine<'a>) -> Fallible<Vec<Val<'a>>> {
    arguments.iter().try_for_each(|argument| machine.reads(argument))?;
    let arguments = spread(method.takes, arguments);
    let fitted = arguments.into_iter().enumerate().map(|(index, argument)| match method.takes.get(index) {
        Some(p) => converted(*p, argument, machine),
        None => Ok(argument),
    });
    fitted.collect()
}

pub(crate) fn converted<'a>(p: P, value: Val<'a>, machine: &Machine<'a>) -> Fallible<Val<'a>> {
    Ok(match (p, value) {
        (_, Val::Null) => Val::Null,
        (P::Text, value @ Val::Text(_)) => value,
        (P::Text, value) => Val::text(convert::text(&value, machine)?),
        (P::Int, value) => Val::Int(convert::int(&value)?),
        (P::Long, value) => Val::Long(convert::long(&value)?),
        (P::Float, value) => Val::Float(match value {
            Val::Float(n) => n,
            value => convert::double(&value)? as f32,
        }),
        (P::Double, value) => Val::Double(convert::double(&value)?),
        (P::Char, value) => Val::Char(convert::character(&value)?),
        (P::Bool, value) => Val::Bool(convert::boolean(&value)?),
        // A list in the place of a text is its first element.
        (P::Chars, Val::List(_, items)) => match items.get(0) {
            Some(text @ (Val::Text(_) | Val::Null)) => text,
            None => Val::Null,
            Some(other) => return Err(fault("no-conversion", format!("{} is not a text", other.kind()))),
        },
        (P::Collection, value) => convert::collection(&value),
        (_, value) => value,
    })
}

/// A fixed array.
fn array(items: Vec<Val<'_>>) -> Val<'_> {
    Val::List(Sort::Array, Items::Own(Rc::new(items)))
}

fn count<'a>(length: usize) -> Val<'a> {
    Val::Int(i32::try_from(length).unwrap_or(i32::MAX))
}

/// What everything has.
pub(crate) const OBJECT: &[Method] = &[
    row("equals", &[P::Any], "True when it is equal to another value of the same type", "1.equals(1) → true", |c| {
        crate::compare::equals(&c.this, &c.argument(0), c.machine).map(Val::Bool)
    }),
    row("hashCode", &[], "Java's hash code", "'a'.hashCode() → 97", |c| crate::compare::hash(&c.this, c.machine).map(Val::Int)),
    row("toString", &[], "Its text", "1.5.toString() → \"1.5\"", |c| crate::value::spell::spell(&c.this, c.machine).map(Val::text)),
];
