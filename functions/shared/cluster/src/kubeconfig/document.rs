//! Kubeconfig text to a bounded JSON value: YAML or JSON, with a limit on size, depth and what aliases expand to, and
//! with every duplicate key found. It never looks at what the values mean, and its problems never quote them.

use model::problem::{Problem, Problems, token};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::{Cell, RefCell};
use std::fmt;

/// Longest kubeconfig that is read.
pub(crate) const TEXT_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting; a kubeconfig has five levels.
const DEPTH_MAX: usize = 32;
/// Most values after aliases are expanded.
const NODES_MAX: u32 = 100_000;
/// Most text after aliases are expanded.
const EXPANDED_BYTES_MAX: usize = 4 << 20;

const BAD_NEST: &str = "nested too deeply";
const BAD_SIZE: &str = "too much content";

/// Reads the document, or says why it cannot be read.
pub(super) fn parse(text: &str) -> Result<Value, Vec<Problem>> {
    let mut problems = Problems::default();
    if text.len() > TEXT_BYTES_MAX {
        problems.error("", "too-large", format!("a kubeconfig has at most {TEXT_BYTES_MAX} bytes, this has {}", text.len()));
        return Err(problems.into_vec());
    }
    // Before the parser sees it: its time grows with the square of the nesting.
    if nesting(text) > DEPTH_MAX * 4 {
        problems.error("", "not-a-kubeconfig", format!("the document is {BAD_NEST}"));
        return Err(problems.into_vec());
    }
    let reading = Reading::default();
    let value = match reading.read(text) {
        Ok(value) => value,
        Err(message) => {
            problems.error("", "not-a-kubeconfig", message);
            return Err(problems.into_vec());
        }
    };
    for pointer in reading.duplicates.into_inner() {
        problems.error(pointer, "duplicate-key", "this key stands here twice; which one counts cannot be told");
    }
    if problems.has_errors() { Err(problems.into_vec()) } else { Ok(value) }
}

/// Deepest run of brackets that are open at once, strings included: a bound, not a parse.
fn nesting(text: &str) -> usize {
    let (mut open, mut deepest) = (0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// What is left of the limits while a document is read, and what was found.
struct Reading {
    nodes_left: Cell<u32>,
    bytes_left: Cell<usize>,
    path: RefCell<Vec<String>>,
    duplicates: RefCell<Vec<String>>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            nodes_left: Cell::new(NODES_MAX),
            bytes_left: Cell::new(EXPANDED_BYTES_MAX),
            path: RefCell::default(),
            duplicates: RefCell::default(),
        }
    }
}

impl Reading {
    fn read(&self, text: &str) -> Result<Value, String> {
        if text.trim_start().starts_with('{') {
            let mut json = serde_json::Deserializer::from_str(text);
            if let Ok(value) = Node(self).deserialize(&mut json)
                && json.end().is_ok()
            {
                return Ok(value);
            }
            self.reset();
        }
        Node(self).deserialize(serde_norway::Deserializer::from_str(text)).map_err(|error| explain(&error))
    }

    fn reset(&self) {
        let fresh = Self::default();
        self.nodes_left.set(fresh.nodes_left.get());
        self.bytes_left.set(fresh.bytes_left.get());
        self.path.borrow_mut().clear();
        self.duplicates.borrow_mut().clear();
    }

    fn spend<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        let nodes = self.nodes_left.get().checked_sub(1).ok_or_else(|| E::custom(BAD_SIZE))?;
        let left = self.bytes_left.get().checked_sub(bytes).ok_or_else(|| E::custom(BAD_SIZE))?;
        self.nodes_left.set(nodes);
        self.bytes_left.set(left);
        Ok(())
    }

    /// Reads one child under its name in the path.
    fn child<E: serde::de::Error, T>(&self, name: String, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if self.path.borrow().len() >= DEPTH_MAX {
            return Err(E::custom(BAD_NEST));
        }
        self.path.borrow_mut().push(name);
        let value = read();
        self.path.borrow_mut().pop();
        value
    }

    fn pointer(&self, last: &str) -> String {
        let path = self.path.borrow();
        path.iter().map(String::as_str).chain([last]).map(|part| format!("/{}", token(part))).collect()
    }
}

/// Says where the text stops being YAML. The parser's own words may quote the text, which may be a secret.
fn explain(error: &serde_norway::Error) -> String {
    let words = error.to_string();
    if words.contains(BAD_NEST) || words.contains("recursion limit") {
        return format!("the document is {BAD_NEST}");
    }
    if words.contains(BAD_SIZE) || words.contains("repetition limit") {
        return "the document expands to far more than a kubeconfig holds".to_owned();
    }
    match error.location() {
        Some(at) => format!("this is neither YAML nor JSON: see line {}, column {}", at.line(), at.column()),
        None => "this is not one YAML or JSON document".to_owned(),
    }
}

struct Node<'a>(&'a Reading);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping, a list, text, a number, true, false or null")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.0.spend(1)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.0.spend(8)?;
        Ok(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.0.spend(8)?;
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.0.spend(8)?;
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.0.spend(value.len())?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut list = Vec::new();
        while let Some(item) = self.0.child(list.len().to_string(), || items.next_element_seed(Node(self.0)))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.0.spend(key.len())?;
            let value = self.0.child(key.clone(), || entries.next_value_seed(Node(self.0)))?;
            if map.contains_key(&key) {
                let pointer = self.0.pointer(&key);
                let mut duplicates = self.0.duplicates.borrow_mut();
                if duplicates.len() > model::problem::PROBLEMS_MAX {
                    return Err(A::Error::custom(BAD_SIZE));
                }
                duplicates.push(pointer);
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(text: &str) -> String {
        let problems = parse(text).unwrap_err();
        format!("{} {}: {}", problems[0].pointer, problems[0].code, problems[0].message)
    }

    #[test]
    fn yaml_and_json_are_read() {
        assert_eq!(parse("a: {b: [1, 'x', true, null, 1.5]}").unwrap(), json!({"a": {"b": [1, "x", true, null, 1.5]}}));
        assert_eq!(parse("\t{\"a\":\n\t{\"b\": [1]}}").unwrap(), json!({"a": {"b": [1]}}));
        assert_eq!(parse("{a: b}").unwrap(), json!({"a": "b"}), "YAML in flow style begins like JSON");
    }

    #[test]
    fn what_is_no_document_is_refused_without_quoting_it() {
        assert!(code("").starts_with(" not-a-kubeconfig"));
        assert_eq!(code("a: [s3cret"), " not-a-kubeconfig: this is neither YAML nor JSON: see line 2, column 1");
        assert!(code("{\"a\": s3cret\"").starts_with(" not-a-kubeconfig"));
        assert_eq!(code("a: 1\n---\nb: 2"), " not-a-kubeconfig: this is not one YAML or JSON document");
        assert!(!code("token: !s3cret s3cret").contains("s3cret"));
    }

    #[test]
    fn two_megabytes_are_refused() {
        assert!(code(&"a".repeat(2 << 20)).starts_with(" too-large"));
    }

    #[test]
    fn duplicate_keys_are_all_found() {
        let problems = parse("a: 1\na: 2\nlist:\n- {x: 1, x/y: 2, x/y: 3}").unwrap_err();
        let at: Vec<_> = problems.iter().map(|p| (p.pointer.as_str(), p.code.as_str())).collect();
        assert_eq!(at, [("/a", "duplicate-key"), ("/list/0/x~1y", "duplicate-key")]);
        assert_eq!(parse(r#"{"a": 1, "a": 2}"#).unwrap_err()[0].pointer, "/a");
    }

    #[test]
    fn bombs_are_defused() {
        let mut doubling = "a0: &a0 [x, x]\n".to_owned();
        for level in 1..40 {
            doubling += &format!("a{level}: &a{level} [*a{}, *a{}]\n", level - 1, level - 1);
        }
        assert!(code(&doubling).contains("far more"), "{}", code(&doubling));
        let wide = format!("a: &a [{}]\nb: [{}]", "x,".repeat(90_000), "*a,".repeat(90_000));
        assert!(code(&wide).contains("far more"));
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(500_000), "*a,".repeat(1_000));
        assert!(code(&long).contains("far more"));
        assert!(code(&"[".repeat(1 << 20)).contains("too deeply"));
        assert!(code(&"{a: ".repeat(60)).contains("not-a-kubeconfig"));
        assert!(code(&"- ".repeat(200)).contains("too deeply"));
        assert!(code("a: &a [*a]").contains("not-a-kubeconfig"));
    }

    #[test]
    fn deep_blocks_end_soon() {
        let started = std::time::Instant::now();
        assert!(parse(&"- ".repeat(1 << 19)).is_err());
        assert!(parse(&"? ".repeat(1 << 19)).is_err());
        assert!(parse(&"&a ".repeat(1 << 18)).is_err());
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
