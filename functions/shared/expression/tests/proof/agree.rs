//! What was said to a text, by us or by the oracle, and whether both said the same.

use crate::host::Still;
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::fmt;

/// A value, or none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Value(Value),
    /// With our reason, or the oracle's code.
    Refused {
        reason: String,
        message: String,
    },
}

impl Said {
    /// What we say.
    pub(crate) fn by_us(text: &str, context: &Value) -> Self {
        let none = Map::new();
        match expression::evaluate_with(text, context.as_object().unwrap_or(&none), &Still) {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Refused { reason: error.reason.to_owned(), message: error.message },
        }
    }

    /// An answer of the real evaluator. Without a value a text stays as it is and counts as unresolved there.
    pub(crate) fn by_oracle(answer: &Value) -> Self {
        let word = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        match answer.get("value") {
            Some(value) => Self::Value(plain(value)),
            None => Self::Refused { reason: word("code"), message: word("error") },
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Refused { reason, message } => write!(f, "refused ({reason}: {message})"),
        }
    }
}

/// The types of Java whose values are texts for us.
const TEXTS: [&str; 7] = [
    "java.lang.Character",
    "java.util.UUID",
    "java.time.Instant",
    "java.time.LocalDate",
    "java.time.LocalDateTime",
    "java.time.DayOfWeek",
    "java.time.temporal.ChronoUnit",
];

/// As our results are: what JSON has no form for is a text, a moment its milliseconds.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => match map.get("$java").and_then(Value::as_str) {
            Some("java.util.Date") => map["millis"].clone(),
            Some("java.lang.Double" | "java.lang.Float" | "java.math.BigDecimal") => real(&map["text"]),
            Some(name) if TEXTS.contains(&name) => map["text"].clone(),
            Some(_) => value.clone(),
            None => map.iter().map(|(key, value)| (key.clone(), plain(value))).collect::<Map<_, _>>().into(),
        },
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// A number by its digits. What is not a number, and the infinities, stay texts.
fn real(text: &Value) -> Value {
    let number = text.as_str().unwrap_or_default().parse().ok().and_then(Number::from_f64);
    number.map_or_else(|| text.clone(), Value::Number)
}

/// How two answers stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    SameValue,
    BothRefuse,
    /// We refuse what the oracle has a value for.
    WeRefuse,
    /// We have a value for what the oracle refuses.
    WeAccept,
    OtherValue,
}

/// No value is a refusal there: the text stays as it is. We may say null or say what is missing.
pub(crate) fn verdict(ours: &Said, theirs: &Said) -> Verdict {
    match (ours, theirs) {
        (Said::Value(a), Said::Value(b)) if same(a, b) => Verdict::SameValue,
        (Said::Refused { .. }, Said::Refused { .. } | Said::Value(Value::Null)) => Verdict::BothRefuse,
        (Said::Value(Value::Null), Said::Refused { .. }) => Verdict::BothRefuse,
        (Said::Refused { .. }, Said::Value(_)) => Verdict::WeRefuse,
        (Said::Value(_), Said::Refused { .. }) => Verdict::WeAccept,
        (Said::Value(_), Said::Value(_)) => Verdict::OtherValue,
    }
}

/// Equal, with whole numbers and others kept apart, keys in any order.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            a.as_f64() == b.as_f64() || (short(a) && short(b) && single(a) == single(b))
        }
        (Value::Number(a), Value::Number(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b))),
        _ => a == b,
    }
}

/// Few enough digits for a 32-bit number. Java before 19 writes some of them with a digit more than it takes, so such two are
/// equal when they are the same 32-bit number.
fn short(number: &Number) -> bool {
    let text = number.to_string();
    let digits = text.split(['e', 'E']).next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect::<String>();
    digits.trim_matches('0').len() <= 9
}

#[expect(clippy::cast_possible_truncation, reason = "that is what is asked")]
fn single(number: &Number) -> f32 {
    number.as_f64().unwrap_or_default() as f32
}

/// What may differ, from `differences.md`: the heading says who says what, each entry begins with its class.
#[derive(Debug, Default)]
pub(crate) struct Differences(BTreeMap<String, String>);

impl Differences {
    pub(crate) fn read() -> Self {
        let mut all = BTreeMap::new();
        let mut heading = "";
        for line in include_str!("../differences.md").lines() {
            if let Some(title) = line.strip_prefix("## ") {
                heading = title;
            } else if let Some((class, _)) = line.strip_prefix("* `").and_then(|rest| rest.split_once('`')) {
                all.insert(class.to_owned(), heading.to_owned());
            }
        }
        Self(all)
    }

    /// Whether a class is listed, for this way of differing.
    pub(crate) fn has(&self, class: &str, verdict: Verdict) -> bool {
        let wanted = match verdict {
            Verdict::WeRefuse => "We refuse",
            Verdict::WeAccept => "We accept",
            Verdict::OtherValue => "Another value",
            Verdict::SameValue | Verdict::BothRefuse => return true,
        };
        self.0.get(class).is_some_and(|heading| heading.starts_with(wanted))
    }

    /// Whether we may refuse this text alone, for this reason.
    pub(crate) fn refusal(&self, reason: &str, text: &str) -> bool {
        self.0.keys().filter(|class| self.has(class, Verdict::WeRefuse)).any(|class| match class.split_once(' ') {
            Some((of, needed)) => of == reason && text.contains(needed),
            None => class == reason,
        })
    }
}
