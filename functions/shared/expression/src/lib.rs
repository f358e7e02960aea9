//! Expressions in pipeline JSON: `${parameters.x}`, `${trigger['tag']}` and other paths through what a stage may see.
//!
//! Pure: a template and a scope in, a value or an error with its place out. Never silent: what cannot be evaluated is an
//! error, not the text itself. Operators, functions and method calls are not served yet and are refused as such.

mod path;

use path::Step;
use serde_json::{Map, Value};

/// Longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 100_000;
/// Longest expression between `${` and `}`, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 10_000;
/// Deepest document that is resolved.
pub const DEPTH_MAX: usize = 128;

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Byte in the template.
    pub position: u32,
    /// Stable, kebab-case: `unterminated`, `not-supported`, `unknown-name`, `unknown-key`, `not-an-object`, `index-out-of-range`,
    /// `too-long`, `too-deep`, `syntax`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// An error and where in a document its template stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// JSON pointer.
    pub pointer: String,
    /// What is wrong there.
    pub error: Error,
}

/// What a template may see: root names to values.
pub trait Scope {
    /// The value of a root name.
    fn root(&self, name: &str) -> Option<Value>;
    /// All root names, for suggestions.
    fn names(&self) -> Vec<String>;
}

impl Scope for Map<String, Value> {
    fn root(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

enum Part<'a> {
    Text(String),
    Expression { at: usize, text: &'a str },
}

/// Evaluates a template: exactly one expression keeps its type, mixed text concatenates, `$${` stands for `${`.
pub fn evaluate(template: &str, scope: &dyn Scope) -> Result<Value, Error> {
    if template.len() > TEMPLATE_BYTES_MAX {
        let message = format!("the text is longer than {TEMPLATE_BYTES_MAX} bytes");
        return Err(Error { position: 0, reason: "too-long", message });
    }
    let parts = split(template)?;
    if let [Part::Expression { at, text }] = parts.as_slice() {
        return expression(text, *at, scope);
    }
    let mut out = String::new();
    for part in &parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Expression { at, text } => out.push_str(&spelled(&expression(text, *at, scope)?)),
        }
    }
    Ok(Value::String(out))
}

/// Evaluates a condition, bare or wrapped in `${}`: true or false, and nothing else.
pub fn condition(text: &str, scope: &dyn Scope) -> Result<bool, Error> {
    let value = if text.contains("${") { evaluate(text, scope)? } else { expression(text, 0, scope)? };
    let said = spelled(&value);
    match said.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error { position: 0, reason: "not-a-condition", message: format!("a condition is true or false, here it is `{said}`") }),
    }
}

/// Resolves every text and key of a document; all errors at once.
pub fn resolve(document: &Value, scope: &dyn Scope) -> Result<Value, Vec<Located>> {
    let mut errors = Vec::new();
    let value = walk(document, scope, &mut String::new(), 0, &mut errors);
    if errors.is_empty() { Ok(value) } else { Err(errors) }
}

/// True when the text holds an expression.
#[must_use]
pub fn has_expression(text: &str) -> bool {
    text.contains("${")
}

fn walk(value: &Value, scope: &dyn Scope, pointer: &mut String, depth: usize, errors: &mut Vec<Located>) -> Value {
    if depth > DEPTH_MAX {
        let error = Error { position: 0, reason: "too-deep", message: format!("nested deeper than {DEPTH_MAX}") };
        errors.push(Located { pointer: pointer.clone(), error });
        return Value::Null;
    }
    let length = pointer.len();
    match value {
        Value::String(text) if has_expression(text) => evaluate(text, scope).unwrap_or_else(|error| {
            errors.push(Located { pointer: pointer.clone(), error });
            Value::Null
        }),
        Value::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                out.push(walk(item, scope, pointer, depth + 1, errors));
                pointer.truncate(length);
            }
            Value::Array(out)
        }
        Value::Object(map) => {
            let mut out = Map::with_capacity(map.len());
            for (key, item) in map {
                pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
                let name =
                    if has_expression(key) { walk(&Value::String(key.clone()), scope, pointer, depth + 1, errors) } else { Value::Null };
                let name = if name.is_null() { key.clone() } else { spelled(&name) };
                out.insert(name, walk(item, scope, pointer, depth + 1, errors));
                pointer.truncate(length);
            }
            Value::Object(out)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn spelled(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn split(template: &str) -> Result<Vec<Part<'_>>, Error> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    let mut at = 0;
    while let Some(found) = rest.find("${") {
        let (before, after) = (rest.get(..found).unwrap_or_default(), rest.get(found + 2..).unwrap_or_default());
        if let Some(head) = before.strip_suffix('$') {
            text.push_str(head);
            text.push_str("${");
            at += found + 2;
            rest = after;
            continue;
        }
        text.push_str(before);
        let start = at + found + 2;
        let end = closing(after).ok_or_else(|| error(at + found, "unterminated", "`${` without its `}`"))?;
        if end > EXPRESSION_BYTES_MAX {
            return Err(error(start, "too-long", format!("an expression has at most {EXPRESSION_BYTES_MAX} bytes")));
        }
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(Part::Expression { at: start, text: after.get(..end).unwrap_or_default() });
        rest = after.get(end + 1..).unwrap_or_default();
        at = start + end + 1;
    }
    text.push_str(rest);
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

/// Where the expression's `}` stands; braces in quotes and pairs of braces do not count.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

pub(crate) fn error(position: usize, reason: &'static str, message: impl Into<String>) -> Error {
    Error { position: u32::try_from(position).unwrap_or(u32::MAX), reason, message: message.into() }
}

fn expression(text: &str, at: usize, scope: &dyn Scope) -> Result<Value, Error> {
    let parsed = path::parse(text, at)?;
    let (name, steps) = match parsed {
        path::Expression::Literal(value) => return Ok(value),
        path::Expression::Path { name, steps } => (name, steps),
    };
    let mut value = scope.root(&name).ok_or_else(|| {
        let near = nearest(&name, &scope.names());
        error(at, "unknown-name", format!("nothing here is called `{name}`{near}"))
    })?;
    for step in steps {
        value = follow(&value, &step)?;
    }
    Ok(value)
}

fn follow(value: &Value, step: &Step) -> Result<Value, Error> {
    match (value, step) {
        (Value::Object(map), Step::Key { at, key }) => map.get(key).cloned().ok_or_else(|| {
            let near = nearest(key, &map.keys().cloned().collect::<Vec<_>>());
            error(*at, "unknown-key", format!("there is no `{key}`{near}"))
        }),
        (Value::Array(items), Step::Key { at, key }) if key.bytes().all(|b| b.is_ascii_digit()) && !key.is_empty() => {
            let index = key.parse().unwrap_or(usize::MAX);
            follow(&Value::Array(items.clone()), &Step::Index { at: *at, index })
        }
        (Value::Array(items), Step::Index { at, index }) => {
            let found = items.get(*index).cloned();
            found.ok_or_else(|| error(*at, "index-out-of-range", format!("the list has {} elements, none at {index}", items.len())))
        }
        (Value::Object(map), Step::Index { at, index }) => {
            map.get(&index.to_string()).cloned().ok_or_else(|| error(*at, "unknown-key", format!("there is no `{index}`")))
        }
        (other, Step::Key { at, key }) => {
            Err(error(*at, "not-an-object", format!("`{key}` is asked of {}, which has no keys", kind(other))))
        }
        (other, Step::Index { at, .. }) => Err(error(*at, "not-a-list", format!("an element is asked of {}", kind(other)))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// `; did you mean …?` when a name is close enough.
fn nearest(name: &str, names: &[String]) -> String {
    let best = names.iter().take(1_000).map(|n| (distance(name, n), n)).min();
    match best {
        Some((distance, near)) if distance <= 1 + name.len() / 4 => format!("; did you mean `{near}`?"),
        _ => String::new(),
    }
}

/// Edit distance with neighbouring letters swapped counted once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at =
                |back: usize, column: usize| rows.len().checked_sub(back).and_then(|r| rows.get(r)).and_then(|r| r.get(column)).copied();
            let replace = at(1, j).unwrap_or(usize::MAX - 1) + usize::from(x != y);
            let remove = at(1, j + 1).unwrap_or(usize::MAX - 1) + 1;
            let insert = row.last().copied().unwrap_or(usize::MAX - 1) + 1;
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            let swap = if swapped { at(2, j - 1).unwrap_or(usize::MAX - 1) + 1 } else { usize::MAX };
            row.push(replace.min(remove).min(insert).min(swap));
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
