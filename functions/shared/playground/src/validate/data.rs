//! ConfigMaps and Secrets.

use super::report::{Report, pairs, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const BYTES_MAX: usize = 1_048_576;
const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
    'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn keys(report: &mut Report, object: &Value, list: &str) {
    for (key, _) in pairs(object, &format!("/{list}")) {
        let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if key.len() > 253 {
            report.invalid_text(format!("{list}[{key}]"), key, "must be no more than 253 characters");
        }
        if !plain {
            report.invalid_text(format!("{list}[{key}]"), key, KEY);
        } else if matches!(key.as_str(), "." | "..") {
            report.invalid_text(format!("{list}[{key}]"), key, &format!("must not be '{key}'"));
        } else if key.starts_with("..") {
            report.invalid_text(format!("{list}[{key}]"), key, "must not start with '..'");
        }
    }
}

fn bytes(object: &Value, list: &str, encoded: bool) -> usize {
    pairs(object, list).filter_map(|(_, value)| value.as_str()).map(|value| if encoded { value.len() / 4 * 3 } else { value.len() }).sum()
}

pub(super) fn config_map(report: &mut Report, object: &Value) {
    keys(report, object, "data");
    keys(report, object, "binaryData");
    for (key, _) in pairs(object, "/data") {
        if object.pointer("/binaryData").and_then(|binary| binary.get(key)).is_some() {
            report.invalid_text(format!("data[{key}]"), key, "duplicate of key present in binaryData");
        }
    }
    if bytes(object, "/data", false) + bytes(object, "/binaryData", true) > BYTES_MAX {
        report.too_long("[]", BYTES_MAX);
    }
}

pub(super) fn secret(report: &mut Report, object: &Value) {
    keys(report, object, "data");
    if bytes(object, "/data", true) > BYTES_MAX {
        report.too_long("data", BYTES_MAX);
    }
    let kind = text(object, "/type");
    let has = |key: &str| object.get("data").and_then(|data| data.get(key)).is_some();
    let wanted: &[&str] = match kind {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => &["username", "password"],
        _ => &[],
    };
    for key in wanted.iter().filter(|key| !has(key)) {
        report.required(format!("data[{key}]"), "");
    }
    for key in [".dockerconfigjson", ".dockercfg"].iter().filter(|key| wanted.contains(*key) && has(key)) {
        let content = object.get("data").and_then(|data| data.get(*key)).and_then(Value::as_str).unwrap_or_default();
        let content = STANDARD.decode(content).unwrap_or_default();
        if serde_json::from_slice::<Value>(&content).is_err() {
            let first = content.iter().find(|byte| !byte.is_ascii_whitespace()).map(|byte| char::from(*byte));
            let why = match first {
                Some(first) if !"{[\"0123456789-tfn".contains(first) => {
                    format!("invalid character '{first}' looking for beginning of value")
                }
                _ => "unexpected end of JSON input".to_owned(),
            };
            report.invalid_text(format!("data[{key}]"), "<secret contents redacted>", &why);
        }
    }
    let account = "kubernetes.io/service-account.name";
    if kind == "kubernetes.io/service-account-token"
        && object.pointer("/metadata/annotations").and_then(|annotations| annotations.get(account)).is_none()
    {
        report.required(format!("metadata.annotations[{account}]"), "");
    }
}
