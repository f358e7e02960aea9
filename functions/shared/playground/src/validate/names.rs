//! Names, labels, annotations and the rest of `metadata`.

use super::report::{Report, items, pairs, text};
use serde_json::Value;

pub(super) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
    with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
pub(super) const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
    start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_PART: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
    (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and \
    end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const ANNOTATIONS_BYTES_MAX: usize = 262_144;
const FINALIZERS: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];

fn edges(text: &str, alphanumeric: fn(u8) -> bool) -> bool {
    text.bytes().next().is_some_and(alphanumeric) && text.bytes().next_back().is_some_and(alphanumeric)
}

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

pub(super) fn is_label(name: &str) -> bool {
    edges(name, is_lower) && name.bytes().all(|byte| is_lower(byte) || byte == b'-')
}

fn is_subdomain(name: &str) -> bool {
    name.split('.').all(is_label)
}

fn is_qualified(name: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    edges(name, alphanumeric) && name.bytes().all(|byte| alphanumeric(byte) || b"-_.".contains(&byte))
}

/// What is wrong with a DNS label.
pub(super) fn label_problems(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if name.len() > 63 {
        problems.push("must be no more than 63 characters".to_owned());
    }
    if name.contains('.') {
        problems.push("must not contain dots".to_owned());
    } else if !is_label(name) {
        problems.push(LABEL.to_owned());
    }
    problems
}

/// What is wrong with a DNS subdomain.
pub(super) fn subdomain_problems(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if name.len() > 253 {
        problems.push("must be no more than 253 characters".to_owned());
    }
    if !is_subdomain(name) {
        problems.push(SUBDOMAIN.to_owned());
    }
    problems
}

/// What is wrong with the key of a label or an annotation.
pub(super) fn key_problems(key: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let name = match key.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".to_owned());
            } else {
                problems.extend(subdomain_problems(prefix).into_iter().map(|problem| format!("prefix part {problem}")));
            }
            *name
        }
        _ => {
            return vec![format!(
                "a valid label key {NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        problems.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_qualified(name) {
        problems.push(format!("name part {NAME_PART}"));
    }
    problems
}

fn value_problems(value: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if value.len() > 63 {
        problems.push("must be no more than 63 bytes".to_owned());
    }
    if !value.is_empty() && !is_qualified(value) {
        problems.push(LABEL_VALUE.to_owned());
    }
    problems
}

/// Labels, or a selector that is a map.
pub(super) fn labels(report: &mut Report, object: &Value, pointer: &str, field: &str) {
    for (key, value) in pairs(object, pointer) {
        key_problems(key).iter().for_each(|problem| report.invalid_text(field, key, problem));
        let value = value.as_str().unwrap_or_default();
        value_problems(value).iter().for_each(|problem| report.invalid_text(field, value, problem));
    }
}

pub(super) fn annotations(report: &mut Report, object: &Value, pointer: &str, field: &str) {
    let mut bytes = 0;
    for (key, value) in pairs(object, pointer) {
        key_problems(&key.to_lowercase()).iter().for_each(|problem| report.invalid_text(field, key, problem));
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        report.too_long(field, ANNOTATIONS_BYTES_MAX);
    }
}

/// How an object of a kind may be named.
fn name_problems(object: &Value, name: &str) -> Vec<String> {
    match (text(object, "/apiVersion"), text(object, "/kind")) {
        ("v1", "Service" | "Namespace") | ("apps/v1", "StatefulSet") => label_problems(name),
        ("rbac.authorization.k8s.io/v1", _) => path_problems(name),
        _ => subdomain_problems(name),
    }
}

/// Names that need only fit into a path.
fn path_problems(name: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if matches!(name, "." | "..") {
        problems.push(format!("may not be '{name}'"));
    }
    for part in ["/", "%"].iter().filter(|part| name.contains(*part)) {
        problems.push(format!("may not contain '{part}'"));
    }
    problems
}

pub(super) fn metadata(report: &mut Report, object: &Value) {
    let (name, prefix) = (text(object, "/metadata/name"), text(object, "/metadata/generateName"));
    if !prefix.is_empty() {
        // A prefix may end where a name must not.
        let masked = format!("{}a", prefix.trim_end_matches('-'));
        name_problems(object, &masked).iter().for_each(|problem| report.invalid_text("metadata.generateName", prefix, problem));
    }
    if !name.is_empty() {
        name_problems(object, name).iter().for_each(|problem| report.invalid_text("metadata.name", name, problem));
    } else if prefix.is_empty() {
        report.required("metadata.name", "name or generateName is required");
    }
    labels(report, object, "/metadata/labels", "metadata.labels");
    annotations(report, object, "/metadata/annotations", "metadata.annotations");
    for (_, owner) in items(object, "/metadata/ownerReferences") {
        for part in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, &format!("/{part}")).is_empty() {
                let why = if part == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                report.invalid_text(format!("metadata.ownerReferences.{part}"), "", why);
            }
        }
    }
    for (index, finalizer) in items(object, "/metadata/finalizers") {
        let finalizer = finalizer.as_str().unwrap_or_default();
        key_problems(finalizer).iter().for_each(|problem| report.invalid_text("metadata.finalizers", finalizer, problem));
        if !finalizer.contains('/') && !FINALIZERS.contains(&finalizer) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            report.invalid_text(format!("metadata.finalizers[{index}]"), finalizer, why);
        }
    }
}
