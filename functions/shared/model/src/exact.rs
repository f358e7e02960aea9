//! Numbers as they were written: `1.0`, `1e3` and integers of any length have one value and many spellings, and a document that
//! is given back keeps the one it came with. Kept beside the value, by pointer, and only where the plain form differs.
//!
//! Nothing here changes a value; a spelling whose value is gone is left out.

use crate::problem::token;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The spellings of a document's numbers that its value alone would not give back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spellings(BTreeMap<String, String>);

impl Spellings {
    /// Remembers how the number at a pointer is written.
    pub fn remember(&mut self, pointer: String, literal: &str) {
        self.0.insert(pointer, literal.to_owned());
    }

    /// True when every number is written as its value alone would be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Pointer and spelling, in the order of the pointers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(pointer, literal)| (pointer.as_str(), literal.as_str()))
    }

    /// Those of the value at a pointer, as that value's own.
    #[must_use]
    pub fn below(&self, pointer: &str) -> Self {
        if pointer.is_empty() {
            return self.clone();
        }
        let own = |(at, literal): (&String, &String)| {
            let rest = at.strip_prefix(pointer)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (rest.to_owned(), literal.clone()))
        };
        Self(self.0.iter().filter_map(own).collect())
    }

    /// The document on one line, its numbers as they were written.
    #[must_use]
    pub fn write(&self, value: &Value) -> String {
        if self.0.is_empty() {
            return value.to_string();
        }
        self.written(value, None)
    }

    /// The same over several lines, for people.
    #[must_use]
    pub fn write_pretty(&self, value: &Value) -> String {
        self.written(value, Some(0))
    }

    fn written(&self, value: &Value, indent: Option<usize>) -> String {
        let mut writer = Writer { spellings: self, out: String::new(), pointer: String::new() };
        writer.value(value, indent);
        writer.out
    }
}

struct Writer<'s> {
    spellings: &'s Spellings,
    out: String,
    pointer: String,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, indent: Option<usize>) {
        match value {
            Value::Number(_) => {
                let literal = self.spellings.0.get(&self.pointer);
                let same = |literal: &&String| serde_json::from_str::<Value>(literal).is_ok_and(|read| read == *value);
                match literal.filter(same) {
                    Some(literal) => self.out.push_str(literal),
                    None => self.out.push_str(&value.to_string()),
                }
            }
            Value::Array(items) => {
                let items = items.iter().enumerate().map(|(at, item)| (at.to_string(), None, item));
                self.many('[', ']', items, indent);
            }
            Value::Object(map) => {
                let items = map.iter().map(|(key, item)| (token(key), Some(key), item));
                self.many('{', '}', items, indent);
            }
            Value::Null | Value::Bool(_) | Value::String(_) => self.out.push_str(&value.to_string()),
        }
    }

    fn many<'v>(
        &mut self,
        open: char,
        close: char,
        items: impl Iterator<Item = (String, Option<&'v String>, &'v Value)>,
        indent: Option<usize>,
    ) {
        self.out.push(open);
        let inner = indent.map(|columns| columns + 2);
        let mut any = false;
        for (token, key, item) in items {
            if any {
                self.out.push(',');
            }
            any = true;
            self.line(inner);
            if let Some(key) = key {
                self.out.push_str(&Value::String(key.clone()).to_string());
                self.out.push(':');
                if inner.is_some() {
                    self.out.push(' ');
                }
            }
            let length = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&token);
            self.value(item, inner);
            self.pointer.truncate(length);
        }
        if any {
            self.line(indent);
        }
        self.out.push(close);
    }

    fn line(&mut self, indent: Option<usize>) {
        if let Some(columns) = indent {
            self.out.push('\n');
            self.out.push_str(&" ".repeat(columns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spelled(pairs: &[(&str, &str)]) -> Spellings {
        let mut spellings = Spellings::default();
        for (pointer, literal) in pairs {
            spellings.remember((*pointer).to_owned(), literal);
        }
        spellings
    }

    #[test]
    fn numbers_come_back_as_they_were_written() {
        let text = r#"{"a/b":1.00,"big":123456789012345678901234567890,"list":[1e2,7]}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let spellings = spelled(&[("/a~1b", "1.00"), ("/big", "123456789012345678901234567890"), ("/list/0", "1e2")]);
        assert_eq!(spellings.write(&value), text);
        assert_eq!(serde_json::from_str::<Value>(&spellings.write_pretty(&value)).unwrap(), value);
        assert!(spellings.write_pretty(&value).contains("\n  \"a/b\": 1.00,"));
        assert_eq!(spellings.below("/list").iter().collect::<Vec<_>>(), [("/0", "1e2")]);
    }

    #[test]
    fn a_spelling_of_another_value_is_left_out() {
        let spellings = spelled(&[("/a", "1.00"), ("/gone", "2.00"), ("/text", "3.00")]);
        assert_eq!(spellings.write(&json!({"a": 4, "text": "x"})), r#"{"a":4,"text":"x"}"#);
    }

    #[test]
    fn empty_ones_stay_on_their_line() {
        assert_eq!(Spellings::default().write_pretty(&json!({"a": [], "b": {}})), "{\n  \"a\": [],\n  \"b\": {}\n}");
    }
}
