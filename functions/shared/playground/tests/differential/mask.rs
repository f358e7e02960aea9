//! What no two clusters have in common: uids, versions, times, addresses, generated names.

use serde_json::Value;

/// Replaces what cannot be the same by what it is.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    /// Fields that are left out wherever they are.
    pub(crate) left_out: Vec<&'static str>,
}

/// Fields whose value is only said to be there.
const BY_NAME: [&str; 15] = [
    "resourceVersion",
    "uid",
    "clusterIP",
    "clusterIPs",
    "nodePort",
    "continue",
    "ca.crt",
    "nodeName",
    "pod-template-hash",
    "controller-revision-hash",
    "ip",
    "podIP",
    "podIPs",
    "hostIP",
    "hostIPs",
];

/// Names that end in letters of chance.
const GENERATED: [&str; 2] = ["made-", "kube-api-access-"];
const GENERATED_CHARS: usize = 5;

impl Mask {
    pub(crate) fn of(&self, value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let kept = fields.into_iter().filter(|(key, _)| !self.left_out.contains(&key.as_str()) && key != "storageVersionHash");
                kept.map(|(key, value)| {
                    let scalar = !value.is_object() && !value.is_null();
                    let value = if BY_NAME.contains(&key.as_str()) && scalar { named(&key) } else { self.of(value) };
                    (key, value)
                })
                .collect()
            }
            Value::Array(items) => {
                let mut items: Vec<Value> = items.into_iter().map(|item| self.of(item)).collect();
                // Conflicts are told in any order.
                if items.iter().any(|item| item["reason"] == "FieldManagerConflict") {
                    items.sort_by_key(ToString::to_string);
                }
                // By time, which may be the same second on one side and not on the other.
                if items.iter().any(|item| item["fieldsType"] == "FieldsV1") {
                    items.sort_by_key(|item| ["operation", "manager", "subresource", "apiVersion"].map(|key| item[key].to_string()));
                }
                Value::Array(items)
            }
            Value::String(text) => Value::String(words(&text)),
            scalar => scalar,
        }
    }
}

fn named(key: &str) -> Value {
    Value::String(format!("<{key}>"))
}

/// Times and uids, alone or within a sentence.
fn words(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == ':' || c == '.';
    let mut masked = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        masked.push_str(&rest[..start]);
        let word_on = &rest[start..];
        let end = word_on.find(|c| !is_word(c)).unwrap_or(word_on.len());
        // A sentence goes on after it.
        let end = word_on[..end].trim_end_matches([':', '.']).len().max(1);
        let number = masked.ends_with('(') && word_on[..end].bytes().all(|byte| byte.is_ascii_digit());
        masked.push_str(&if number { "<number>".to_owned() } else { word(&word_on[..end]) });
        rest = &word_on[end..];
    }
    masked + rest
}

fn word(word: &str) -> String {
    if is_time(word) {
        return "<time>".to_owned();
    }
    if is_uid(word) {
        return "<uid>".to_owned();
    }
    for prefix in GENERATED {
        if word.starts_with(prefix) && word.len() == prefix.len() + GENERATED_CHARS {
            return format!("{prefix}<generated>");
        }
    }
    match word.rsplit_once('-') {
        Some((name, hash)) if is_hash(hash) => format!("{name}-<hash>"),
        _ => word.to_owned(),
    }
}

/// What a pod template's hash is written with: no vowels, so that it is no word.
fn is_hash(text: &str) -> bool {
    (8..=10).contains(&text.len())
        && text.chars().any(|c| c.is_ascii_digit())
        && text.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c))
}

fn is_time(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[13] == b':' && word.ends_with('Z')
}

fn is_uid(word: &str) -> bool {
    let parts: Vec<usize> = word.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[test]
fn times_and_uids_are_masked_within_sentences() {
    let text = "UID in precondition: 123e4567-e89b-12d3-a456-426614174000, at 2024-01-01T00:00:00Z: ok";
    assert_eq!(words(text), "UID in precondition: <uid>, at <time>: ok");
}
