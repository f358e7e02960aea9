//! What the API answers, as text for people. Pure: values in, text out.

mod account;
mod changes;
mod detail;
mod lists;
mod plan;
mod reasons;
mod tree;

pub(crate) use account::account;
pub(crate) use changes::{Watcher, is_complete};
pub(crate) use detail::{execution, order, order_name, stage_objects};
pub(crate) use lists::{accounts, applications, executions, log, orders, pipelines, projects, revisions, secrets, tags, tokens, triggers};

pub(crate) use plan::plan;

use crate::time;
use reasons::{code, reason};
use serde_json::Value;

/// A text; empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A list; empty when there is none.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// An instant or another number.
pub(crate) fn number(value: &Value, key: &str) -> Option<i64> {
    value.get(key).and_then(Value::as_i64)
}

/// An instant; a dash when there is none.
fn when(value: &Value, key: &str) -> String {
    number(value, key).map_or_else(|| "-".to_owned(), time::instant)
}

/// How long something took, as far as it has gone.
fn took(value: &Value) -> Option<String> {
    let started = number(value, "startedMs")?;
    Some(time::duration(number(value, "endedMs")? - started))
}

/// A value in a line: texts without quotes.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `name:version` of an artifact, with its digest when it is known.
fn artifact(value: &Value) -> String {
    let named = match (text(value, "name"), text(value, "version")) {
        ("", "") => text(value, "reference").to_owned(),
        (name, "") => name.to_owned(),
        (name, version) if version.starts_with("sha256:") => format!("{name}@{version}"),
        (name, version) => format!("{name}:{version}"),
    };
    match value.pointer("/metadata/digest").and_then(Value::as_str) {
        Some(digest) => format!("{named}  {digest}"),
        None => named,
    }
}

/// Words of a list, with commas.
fn words(value: &Value, key: &str) -> String {
    list(value, key).iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Moves every line to the right.
fn indent(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}
