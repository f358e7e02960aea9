//! Parameters as pipelines declare them.

use crate::lenient;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A declared parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Parameter {
    /// Key under `parameters`.
    #[serde(deserialize_with = "lenient::text")]
    pub name: String,
    /// Form label.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Help text.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Must be given when there is no default.
    #[serde(deserialize_with = "lenient::flag")]
    pub required: bool,
    /// Used when the parameter is not given; an explicit empty string stays.
    pub default: Value,
    /// Only the options may be given.
    #[serde(deserialize_with = "lenient::flag")]
    pub has_options: bool,
    /// The options' values.
    #[serde(deserialize_with = "lenient::values")]
    pub options: Vec<Value>,
    /// Shown in the head of an execution.
    #[serde(deserialize_with = "lenient::flag", skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// `date`: must be one.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "String::is_empty")]
    pub constraint: String,
    /// Asked for only where another parameter has a certain value.
    #[serde(deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub conditional: Option<Conditional>,
}

/// When a parameter is asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Conditional {
    /// The other parameter.
    #[serde(deserialize_with = "lenient::text")]
    pub parameter: String,
    /// How its value is compared; see [`Comparator`].
    #[serde(deserialize_with = "lenient::text")]
    pub comparator: String,
    /// With what.
    pub comparator_value: Value,
}

/// How two values are compared: as numbers where both are, else as texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparator {
    /// By its sign.
    #[must_use]
    pub fn parse(sign: &str) -> Option<Self> {
        Some(match sign.trim() {
            "=" | "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(self, left: &Value, right: &Value) -> bool {
        let text = |value: &Value| lenient::as_text(value).unwrap_or_else(|| value.to_string());
        let (left, right) = (text(left), text(right));
        let numbers = left.trim().parse::<f64>().ok().zip(right.trim().parse::<f64>().ok());
        let order = numbers.map_or_else(|| Some(left.cmp(&right)), |(left, right)| left.partial_cmp(&right));
        order.is_some_and(|order| match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        })
    }
}

impl Conditional {
    /// Whether the parameter is asked for, the other one having this value. A comparison that nobody knows always holds.
    #[must_use]
    pub fn holds(&self, other: Option<&Value>) -> bool {
        Comparator::parse(&self.comparator).is_none_or(|comparator| comparator.holds(other.unwrap_or(&Value::Null), &self.comparator_value))
    }
}
