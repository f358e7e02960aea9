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

    /// Those of a text that is JSON. Of a text that is not, whatever can be told.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Scan { text, at: 0, pointer: String::new(), found: Self::default() }.document()
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

/// Goes through a text that is known to be JSON, for the numbers alone. It never recurses, so depth does it no harm.
struct Scan<'t> {
    text: &'t str,
    at: usize,
    pointer: String,
    found: Spellings,
}

/// Where within a list or an object the scan is.
enum Within {
    List(usize),
    Object,
}

impl<'t> Scan<'t> {
    fn document(mut self) -> Spellings {
        // How long the pointer is outside of each list or object that is open.
        let mut open: Vec<(Within, usize)> = Vec::new();
        while let Some(byte) = self.text.as_bytes().get(self.at).copied() {
            match byte {
                b'{' => open.push((Within::Object, self.pointer.len())),
                b'[' => {
                    open.push((Within::List(0), self.pointer.len()));
                    self.pointer.push_str("/0");
                }
                b'}' | b']' => {
                    if let Some((_, outside)) = open.pop() {
                        self.pointer.truncate(outside);
                    }
                }
                b',' => match open.last_mut() {
                    Some((Within::List(index), outside)) => {
                        *index += 1;
                        let step = format!("/{index}");
                        self.pointer.truncate(*outside);
                        self.pointer.push_str(&step);
                    }
                    Some((Within::Object, outside)) => self.pointer.truncate(*outside),
                    None => {}
                },
                b'"' => {
                    let literal = self.string();
                    if matches!(open.last(), Some((Within::Object, outside)) if self.pointer.len() == *outside) {
                        let key: String = serde_json::from_str(literal).unwrap_or_default();
                        self.pointer.push('/');
                        self.pointer.push_str(&token(&key));
                    }
                    continue;
                }
                b'-' | b'0'..=b'9' => {
                    self.number();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.found
    }

    fn string(&mut self) -> &'t str {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                break;
            }
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn number(&mut self) {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
        let literal = self.text.get(start..self.at).unwrap_or_default();
        // Most numbers are plain; those that are not are read once, to see.
        let plain = literal.len() < 16 && literal.bytes().all(|b| b.is_ascii_digit());
        let respelt = |value: Value| serde_json::to_string(&value).is_ok_and(|spelt| spelt != literal);
        if !plain && serde_json::from_str::<Value>(literal).is_ok_and(respelt) {
            self.found.remember(self.pointer.clone(), literal);
        }
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
    fn they_are_read_from_a_text() {
        let text = r#"{"a/b": 1.00, "s\"{[": [[1e2], {"x": -0.0}, "2.00", 7], "t": "\\", "big": 123456789012345678901234567890, "n": null, "c": 3.10}"#;
        let spellings = Spellings::read(text);
        let wanted = [("/a~1b", "1.00"), ("/big", "123456789012345678901234567890"), ("/c", "3.10"), ("/s\"{[/0/0", "1e2")];
        assert_eq!(spellings.iter().collect::<Vec<_>>(), wanted);
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Spellings::read(&spellings.write(&value)), spellings);
        assert_eq!(Spellings::read("[1.0,1.50]").iter().collect::<Vec<_>>(), [("/1", "1.50")]);
        assert_eq!(Spellings::read("1.50").iter().collect::<Vec<_>>(), [("", "1.50")]);
        for broken in ["", "\"", "\"\\", "{\"a", "]]}},", "[1.50", "{\"a\":\"b\",1.50"] {
            let _ = Spellings::read(broken);
        }
        let _ = Spellings::read(&"[".repeat(100_000));
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
