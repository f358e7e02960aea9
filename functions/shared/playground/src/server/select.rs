//! Selectors of labels and fields. Pure.

use super::status::Refusal;
use crate::kinds::Row;
use crate::state::text;
use serde_json::Value;

/// Most conditions of one selector.
const CONDITIONS_MAX: usize = 100;

/// One condition on labels.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Above(String, i64),
    Below(String, i64),
}

/// What objects of a list or watch must be like.
#[derive(Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Wish>,
    /// A pointer, what it must be, and whether it must not.
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    pub(crate) fn of(row: &Row, labels: Option<&str>, fields: Option<&str>) -> Result<Self, Refusal> {
        let labels = labels.map(parse_labels).transpose()?.unwrap_or_default();
        let fields = fields.map(|text| parse_fields(row, text)).transpose()?.unwrap_or_default();
        if labels.len() + fields.len() > CONDITIONS_MAX {
            return Err(Refusal::bad("the selector has too many conditions"));
        }
        Ok(Self { labels, fields })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object.pointer("/metadata/labels").and_then(|labels| labels.get(key)).and_then(Value::as_str);
        let labels = self.labels.iter().all(|wish| match wish {
            Wish::Exists(key) => label(key).is_some(),
            Wish::Missing(key) => label(key).is_none(),
            Wish::In(key, values) => label(key).is_some_and(|own| values.iter().any(|value| value == own)),
            Wish::NotIn(key, values) => label(key).is_none_or(|own| values.iter().all(|value| value != own)),
            Wish::Above(key, than) => label(key).and_then(|own| own.parse::<i64>().ok()).is_some_and(|own| own > *than),
            Wish::Below(key, than) => label(key).and_then(|own| own.parse::<i64>().ok()).is_some_and(|own| own < *than),
        });
        labels && self.fields.iter().all(|(pointer, wanted, not)| (said(object, pointer) == *wanted) != *not)
    }
}

/// A field as field selectors compare it.
fn said(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer) {
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        _ => text(object, pointer).to_owned(),
    }
}

/// Splits at commas outside of parentheses.
fn split(selector: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_u32, 0);
    for (at, byte) in selector.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(selector.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(selector.get(from..).unwrap_or_default());
    parts.into_iter().map(str::trim).collect()
}

fn parse_labels(selector: &str) -> Result<Vec<Wish>, Refusal> {
    if selector.trim().is_empty() {
        return Ok(Vec::new());
    }
    split(selector).into_iter().map(parse_wish).collect()
}

fn parse_wish(part: &str) -> Result<Wish, Refusal> {
    let unread = || Refusal::bad(format!("unable to parse requirement: found {part:?}, expected: a label and what it must be"));
    let key = |text: &str| {
        let key = text.trim();
        let fine = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        if fine { Ok(key.to_owned()) } else { Err(unread()) }
    };
    let value = |text: &str| {
        let value = text.trim();
        let fine = value.len() <= 63 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if fine { Ok(value.to_owned()) } else { Err(unread()) }
    };
    if let Some(list) = part.strip_suffix(')') {
        let (head, values) = list.split_once('(').ok_or_else(unread)?;
        let values = values.split(',').map(value).collect::<Result<Vec<_>, _>>()?;
        let (name, word) = head.trim().rsplit_once(char::is_whitespace).ok_or_else(unread)?;
        return match word {
            "in" => Ok(Wish::In(key(name)?, values)),
            "notin" => Ok(Wish::NotIn(key(name)?, values)),
            _ => Err(unread()),
        };
    }
    if let Some(name) = part.strip_prefix('!').filter(|_| !part.contains('=')) {
        return Ok(Wish::Missing(key(name)?));
    }
    if let Some((name, wanted)) = part.split_once("!=") {
        return Ok(Wish::NotIn(key(name)?, vec![value(wanted)?]));
    }
    if let Some((name, than)) = part.split_once('>') {
        return Ok(Wish::Above(key(name)?, than.trim().parse().map_err(|_| unread())?));
    }
    if let Some((name, than)) = part.split_once('<') {
        return Ok(Wish::Below(key(name)?, than.trim().parse().map_err(|_| unread())?));
    }
    match part.split_once("==").or_else(|| part.split_once('=')) {
        Some((name, wanted)) => Ok(Wish::In(key(name)?, vec![value(wanted)?])),
        None => Ok(Wish::Exists(key(part)?)),
    }
}

fn parse_fields(row: &Row, selector: &str) -> Result<Vec<(String, String, bool)>, Refusal> {
    let mut found = Vec::new();
    for part in split_escaped(selector).into_iter().filter(|part| !part.is_empty()) {
        let (name, wanted, not) = if let Some((name, wanted)) = part.split_once("!=") {
            (name, wanted, true)
        } else if let Some((name, wanted)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (name, wanted, false)
        } else {
            return Err(Refusal::bad(format!("invalid selector: '{selector}'; can't understand '{part}'")));
        };
        if !selectable(row, name) {
            return Err(Refusal::bad(unknown_field(row, name)));
        }
        let wanted = wanted.replace("\\=", "=").replace("\\,", ",").replace("\\\\", "\\");
        found.push((format!("/{}", name.replace('.', "/")), wanted, not));
    }
    Ok(found)
}

fn split_escaped(selector: &str) -> Vec<&str> {
    let (mut parts, mut escaped, mut from) = (Vec::new(), false, 0);
    for (at, byte) in selector.bytes().enumerate() {
        match byte {
            b'\\' => {
                escaped = !escaped;
                continue;
            }
            b',' if !escaped => {
                parts.push(selector.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
        escaped = false;
    }
    parts.push(selector.get(from..).unwrap_or_default());
    parts
}

fn unknown_field(row: &Row, name: &str) -> String {
    match row.kind.kind {
        "Pod" | "Event" | "Namespace" | "Node" | "Secret" | "Job" | "ReplicaSet" => format!("field label not supported: {name}"),
        _ => format!("{name:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
    }
}

fn selectable(row: &Row, name: &str) -> bool {
    let own: &[&str] = match row.kind.kind {
        "Pod" => &[
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
        ],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "Namespace" => &["status.phase"],
        "Node" => &["spec.unschedulable"],
        "Secret" => &["type"],
        "Job" => &["status.successful"],
        "ReplicaSet" => &["status.replicas"],
        _ => &[],
    };
    matches!(name, "metadata.name" | "metadata.namespace") || own.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use serde_json::json;

    fn matches(labels: Option<&str>, fields: Option<&str>) -> Result<bool, u16> {
        let row = kinds::by_kind("v1", "Pod").unwrap();
        let pod = json!({"metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web", "tier": "front", "number": "5"}}, "status": {"phase": "Running"}});
        Selector::of(row, labels, fields).map(|selector| selector.matches(&pod)).map_err(|refusal| refusal.code)
    }

    #[test]
    fn labels_select() {
        for fine in [
            "app=web",
            "app==web",
            "app",
            "!other",
            "app!=api",
            "app in (web, api)",
            "app notin (api)",
            "app=web,tier in (front,back),!x",
            "other notin (a)",
            "number>4",
            "number<6",
            "",
        ] {
            assert_eq!(matches(Some(fine), None), Ok(true), "{fine}");
        }
        for other in ["app=api", "!app", "other", "app!=web", "app in (api)", "app notin (web)", "app=web,tier=back"] {
            assert_eq!(matches(Some(other), None), Ok(false), "{other}");
        }
        for wrong in ["a b", "app in web", "=x", "app=a b", "app ni (x)", ","] {
            assert_eq!(matches(Some(wrong), None), Err(400), "{wrong}");
        }
    }

    #[test]
    fn fields_select() {
        assert_eq!(matches(None, Some("metadata.name=web-1,status.phase=Running")), Ok(true));
        assert_eq!(matches(None, Some("status.phase!=Running")), Ok(false));
        assert_eq!(matches(None, Some("metadata.name=a\\,b")), Ok(false));
        assert_eq!(matches(None, Some("spec.color=red")), Err(400));
        assert_eq!(matches(None, Some("metadata.name")), Err(400));
    }
}
