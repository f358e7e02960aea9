//! The values an expression works on: those of JSON, and the Java ones that show.

pub(crate) mod json;
pub(crate) mod spell;
pub(crate) mod write;

use crate::error::{Fallible, fault};
use crate::machine::Machine;
use crate::time::{Chrono, Format, Weekday};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::rc::Rc;

/// A text, borrowed from the scope or the tree, or made here.
#[derive(Debug, Clone)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<str>),
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

/// What a list is in Java: it shows in text forms, equality and methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    List,
    Set,
    /// Keys with their values.
    Entries,
    /// A view that equals only itself.
    View,
    Array,
    Bytes,
}

impl Sort {
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Sort::List)
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Sort::Set | Sort::Entries)
    }

    pub(crate) fn is_array(self) -> bool {
        matches!(self, Sort::Array | Sort::Bytes)
    }

    pub(crate) fn is_entries(self) -> bool {
        matches!(self, Sort::Entries)
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Items<'a> {
    Json(&'a [Value]),
    Own(Rc<Vec<Val<'a>>>),
}

#[derive(Debug, Clone)]
pub(crate) enum Pairs<'a> {
    Json(&'a Map<String, Value>),
    Own(Rc<Vec<(Val<'a>, Val<'a>)>>),
    /// Everything the template may see.
    Root,
}

/// A Java type that expressions may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Type {
    Text,
    Int,
    Long,
    Double,
    Byte,
    Bool,
    Math,
    Random,
    Uuid,
    Date,
    SimpleDateFormat,
    Instant,
    LocalDate,
    LocalDateTime,
    DayOfWeek,
    ChronoUnit,
    Adjusters,
    UrlEncoder,
}

#[derive(Debug, Clone)]
pub(crate) enum Val<'a> {
    Null,
    Bool(bool),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    /// `BigInteger`, as far as 128 bits go.
    Big(i128),
    /// Half of a character, as Java has it.
    Char(u16),
    Text(Text<'a>),
    /// How a stage stands: a constant of Java's, and yet equal to its text.
    Status(Text<'a>),
    /// What `#doNotEval` keeps from being looked at again.
    Kept(Rc<Val<'a>>),
    List(Sort, Items<'a>),
    Map(Pairs<'a>),
    Entry(Rc<(Val<'a>, Val<'a>)>),
    Uuid(u128),
    /// Milliseconds since 1970.
    Date(i64),
    /// Nanoseconds since 1970.
    Instant(i128),
    /// Days since 1970.
    Day(i64),
    /// Nanoseconds since 1970, of a clock without a zone.
    DayTime(i128),
    Weekday(Weekday),
    Unit(Chrono),
    Format(Rc<Format>),
    Random(Rc<Cell<i64>>),
    Type(Type),
}

impl<'a> Val<'a> {
    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Val::Text(Text::Shared(text.into()))
    }

    pub(crate) fn list(items: Vec<Val<'a>>) -> Self {
        Val::List(Sort::List, Items::Own(Rc::new(items)))
    }

    pub(crate) fn map(pairs: Vec<(Val<'a>, Val<'a>)>) -> Self {
        Val::Map(Pairs::Own(Rc::new(pairs)))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Val::Null)
    }

    pub(crate) fn is_number(&self) -> bool {
        use Val::{Big, Byte, Double, Float, Int, Long, Short};
        matches!(self, Byte(_) | Short(_) | Int(_) | Long(_) | Float(_) | Double(_) | Big(_))
    }

    /// A value of JSON, as Java's JSON reader makes it.
    pub(crate) fn borrowed(value: &'a Value) -> Self {
        match value {
            Value::Null => Val::Null,
            Value::Bool(b) => Val::Bool(*b),
            Value::Number(n) => number(n),
            Value::String(text) => Val::Text(Text::Borrowed(text)),
            Value::Array(items) => Val::List(Sort::List, Items::Json(items)),
            Value::Object(map) => Val::Map(Pairs::Json(map)),
        }
    }

    /// The same of a value that nobody keeps.
    pub(crate) fn owned(value: Value) -> Self {
        match value {
            Value::Null => Val::Null,
            Value::Bool(b) => Val::Bool(b),
            Value::Number(n) => number(&n),
            Value::String(text) => Val::text(text),
            Value::Array(items) => Val::list(items.into_iter().map(Val::owned).collect()),
            Value::Object(map) => Val::map(map.into_iter().map(|(key, value)| (Val::text(key), Val::owned(value))).collect()),
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Val::Null => "null",
            Val::Bool(_) => "a boolean",
            Val::Byte(_) | Val::Short(_) | Val::Int(_) | Val::Long(_) | Val::Float(_) | Val::Double(_) | Val::Big(_) => "a number",
            Val::Char(_) => "a character",
            Val::Text(_) => "a text",
            Val::Status(_) => "a status",
            Val::Kept(_) => "a value that is not evaluated",
            Val::List(sort, _) if sort.is_list() => "a list",
            Val::List(sort, _) if sort.is_set() => "a set",
            Val::List(sort, _) if sort.is_array() => "an array",
            Val::List(..) => "a collection",
            Val::Map(_) => "an object",
            Val::Entry(_) => "an entry of an object",
            Val::Uuid(_) => "a UUID",
            Val::Date(_) => "a date",
            Val::Instant(_) => "an instant",
            Val::Day(_) => "a day",
            Val::DayTime(_) => "a day and time",
            Val::Weekday(_) => "a day of the week",
            Val::Unit(_) => "a unit of time",
            Val::Format(_) => "a date format",
            Val::Random(_) => "a source of random numbers",
            Val::Type(_) => "a type",
        }
    }
}

fn number<'a>(n: &serde_json::Number) -> Val<'a> {
    if let Some(n) = n.as_i64() {
        i32::try_from(n).map_or(Val::Long(n), Val::Int)
    } else if let Some(n) = n.as_u64() {
        Val::Big(i128::from(n))
    } else {
        Val::Double(n.as_f64().unwrap_or(f64::NAN))
    }
}

impl<'a> Items<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Items::Json(items) => items.len(),
            Items::Own(items) => items.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Items::Json(items) => items.get(index).map(Val::borrowed),
            Items::Own(items) => items.get(index).cloned(),
        }
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Val<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> Pairs<'a> {
    pub(crate) fn len(&self, machine: &Machine<'a>) -> usize {
        match self {
            Pairs::Json(map) => map.len(),
            Pairs::Own(pairs) => pairs.len(),
            Pairs::Root => machine.names().len(),
        }
    }

    /// By name, the way most keys are.
    pub(crate) fn named(&self, name: &str, machine: &Machine<'a>) -> Fallible<Option<Val<'a>>> {
        match self {
            Pairs::Json(map) => Ok(map.get(name).map(Val::borrowed)),
            Pairs::Own(pairs) => {
                machine.meter.steps(pairs.len() / 16)?;
                let found = pairs.iter().find(|(key, _)| matches!(key, Val::Text(text) if text.as_str() == name));
                Ok(found.map(|(_, value)| value.clone()))
            }
            Pairs::Root => machine.root(name),
        }
    }

    /// By a key of any type; what is not a text finds nothing among texts.
    pub(crate) fn get(&self, key: &Val<'a>, machine: &Machine<'a>) -> Fallible<Option<Val<'a>>> {
        match (key, self) {
            (Val::Text(text), _) => self.named(text.as_str(), machine),
            (_, Pairs::Own(pairs)) => {
                for (each, value) in pairs.iter() {
                    if crate::compare::equals(each, key, machine)? {
                        return Ok(Some(value.clone()));
                    }
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// All of them, in their order.
    pub(crate) fn all(&self, machine: &Machine<'a>) -> Fallible<Vec<(Val<'a>, Val<'a>)>> {
        machine.meter.steps(self.len(machine) / 8)?;
        Ok(match self {
            Pairs::Json(map) => map.iter().map(|(key, value)| (Val::Text(Text::Borrowed(key)), Val::borrowed(value))).collect(),
            Pairs::Own(pairs) => pairs.to_vec(),
            Pairs::Root => {
                let mut pairs = Vec::new();
                for name in machine.names() {
                    let value = machine.root(&name)?.unwrap_or(Val::Null);
                    pairs.push((Val::text(name), value));
                }
                pairs
            }
        })
    }

    /// Names that a mistyped one may have meant.
    pub(crate) fn names(&self, machine: &Machine<'a>) -> Vec<String> {
        match self {
            Pairs::Json(map) => map.keys().take(crate::suggest::NAMES_MAX).cloned().collect(),
            Pairs::Own(pairs) => {
                let texts = pairs.iter().filter_map(|(key, _)| match key {
                    Val::Text(text) => Some(text.as_str().to_owned()),
                    _ => None,
                });
                texts.take(crate::suggest::NAMES_MAX).collect()
            }
            Pairs::Root => machine.names(),
        }
    }
}

/// Puts a pair in, in the place of an equal key when there is one.
pub(crate) fn put<'a>(pairs: &mut Vec<(Val<'a>, Val<'a>)>, key: Val<'a>, value: Val<'a>, machine: &Machine<'a>) -> Fallible<()> {
    machine.meter.steps(1 + pairs.len() / 16)?;
    for (each, old) in pairs.iter_mut() {
        if crate::compare::equals(each, &key, machine)? {
            *old = value;
            return Ok(());
        }
    }
    pairs.push((key, value));
    Ok(())
}

/// A position in a list, or the refusal of it.
pub(crate) fn position(index: i32, length: usize) -> Fallible<usize> {
    usize::try_from(index)
        .ok()
        .filter(|index| *index < length)
        .ok_or_else(|| fault("index-out-of-range", format!("there are {length} elements, none at {index}")))
}
