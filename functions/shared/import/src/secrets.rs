//! Secrets in clear text: found by the names they stand under and by how they look, told by their place alone, and on request
//! taken out of the document with a reference left behind.
//!
//! A value that is found never stands in a report, a message or a `Debug`.

mod looks;
mod names;

use crate::limits::BASE64_BYTES_MAX;
use crate::walk::step;
use base64::Engine as _;
use serde::Serialize;
use serde_json::{Map, Value};

/// What a reference begins with; the secret's name follows.
pub const REFERENCE_PREFIX: &str = "secret://";

/// Whether a name speaks of a secret anywhere: for hiding, where too much is better than too little. By the same list of names as the
/// search, which only goes by how a name ends, since it accuses.
#[must_use]
pub fn speaks_of_one(name: &str) -> bool {
    names::speaks_of_one(name)
}

/// A secret in clear text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// Where it stands.
    pub pointer: String,
    /// What it looks like: `password`, `token`, `authorization-header`, `private-key`, `git-trigger-secret`, `kubeconfig`,
    /// `secret-object`, `secret`.
    pub kind: &'static str,
}

/// A secret that was taken out of a document.
#[derive(Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where it stood.
    pub pointer: String,
    /// Its name, as the reference says it.
    pub name: String,
    /// The value.
    pub value: String,
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").field("pointer", &self.pointer).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Finds them all, in the order of the document.
#[must_use]
pub fn find(document: &Value) -> Vec<Secret> {
    let mut search = Search { found: Vec::new(), pointer: String::new() };
    search.any(document, None);
    search.found
}

/// Takes them out; `name` gives each the name under which it is stored. The document then holds references.
pub fn take(document: &mut Value, found: &[Secret], name: &mut dyn FnMut(&Secret) -> String) -> Vec<Taken> {
    let mut taken = Vec::new();
    for secret in found {
        if let Some(Value::String(value)) = document.pointer_mut(&secret.pointer) {
            let name = name(secret);
            let value = std::mem::replace(value, format!("{REFERENCE_PREFIX}{name}"));
            taken.push(Taken { pointer: secret.pointer.clone(), name, value });
        }
    }
    taken
}

/// The name that a secret is stored under when nobody gives it one: the same for the same place of the same pipeline, so that a second
/// time finds it again, and told apart from all others by its end.
#[must_use]
pub fn name_for(pipeline: &str, pointer: &str) -> String {
    let last = pointer.rsplit('/').find(|step| !step.bytes().all(|b| b.is_ascii_digit())).unwrap_or_default();
    let parts = [slug(pipeline), slug(last)];
    let hash = [pipeline, pointer]
        .join("\n")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let parts = parts.iter().filter(|part| !part.is_empty()).cloned().chain([format!("{hash:016x}")]);
    parts.collect::<Vec<_>>().join("-")
}

/// At most 40 letters and digits in lower case, a dash for whatever else stands between them.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if slug.len() >= 40 {
            break;
        }
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_end_matches('-').to_owned()
}

struct Search {
    found: Vec<Secret>,
    pointer: String,
}

impl Search {
    fn add(&mut self, kind: &'static str) {
        self.found.push(Secret { pointer: self.pointer.clone(), kind });
    }

    fn within(&mut self, key: &str, go: impl FnOnce(&mut Self)) {
        let mut pointer = std::mem::take(&mut self.pointer);
        step(&mut pointer, key, |pointer| {
            self.pointer = std::mem::take(pointer);
            go(self);
            *pointer = std::mem::take(&mut self.pointer);
        });
        self.pointer = pointer;
    }

    fn any(&mut self, value: &Value, key: Option<&str>) {
        match value {
            Value::String(text) => self.text(text, key.and_then(names::kind)),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    // What a header says may be a list of texts.
                    let key = key.filter(|_| item.is_string());
                    self.within(&index.to_string(), |search| search.any(item, key));
                }
            }
            Value::Object(map) => self.object(map),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn object(&mut self, map: &Map<String, Value>) {
        let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
        let secret_object = text("kind") == "Secret" && (map.contains_key("apiVersion") || map.contains_key("metadata"));
        let named = names::kind_of_variable(text("name"));
        let git = text("type") == "git" && map.contains_key("slug");
        let embedded = text("type") == "embedded/base64";
        for (key, value) in map {
            self.within(key, |search| match (key.as_str(), value) {
                ("data" | "stringData", Value::Object(entries)) if secret_object => search.entries(entries),
                ("value" | "default" | "defaultValue", Value::String(text)) if named.is_some() => search.text(text, named),
                ("secret", Value::String(text)) if git => search.text(text, Some("git-trigger-secret")),
                ("reference", Value::String(text)) if embedded => search.base64(text),
                _ => search.any(value, Some(key)),
            });
        }
    }

    fn entries(&mut self, entries: &Map<String, Value>) {
        for (key, value) in entries {
            if value.as_str().is_some_and(names::could_be_one) {
                self.within(key, |search| search.add("secret-object"));
            }
        }
    }

    fn text(&mut self, text: &str, named: Option<&'static str>) {
        if text.starts_with(REFERENCE_PREFIX) {
            return;
        }
        // A path to a file is none.
        let named = named.filter(|kind| *kind != "kubeconfig" || text.contains('\n'));
        if let Some(kind) = named.filter(|_| names::could_be_one(text)).or_else(|| looks::kind(text)) {
            self.add(kind);
        }
    }

    fn base64(&mut self, text: &str) {
        if text.len() > BASE64_BYTES_MAX {
            return;
        }
        let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let decoded = base64::engine::general_purpose::STANDARD.decode(packed).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(kind) = decoded.and_then(|inner| looks::kind(&inner)) {
            self.add(kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(document: Value) -> Vec<(String, &'static str)> {
        find(&document).into_iter().map(|secret| (secret.pointer, secret.kind)).collect()
    }

    #[test]
    fn by_the_names_they_stand_under() {
        let is = |document: Value, pointer: &str, kind: &'static str| assert_eq!(found(document), [(pointer.to_owned(), kind)]);
        is(json!({"customHeaders": {"Authorization": ["Basic dXNlcjpwYXNz"]}}), "/customHeaders/Authorization/0", "authorization-header");
        is(json!({"customHeaders": {"X-Api-Key": "k3y-value"}}), "/customHeaders/X-Api-Key", "token");
        is(json!({"triggers": [{"type": "git", "slug": "s", "secret": "hush"}]}), "/triggers/0/secret", "git-trigger-secret");
        is(json!({"payloadConstraints": {"token": "abc123"}}), "/payloadConstraints/token", "token");
        is(json!({"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}), "/env/0/value", "password");
        is(json!({"parameterConfig": [{"name": "apiToken", "default": "t0ken"}]}), "/parameterConfig/0/default", "token");
        is(json!({"env": [{"name": "SESSION_COOKIE_SECRET", "value": "hush"}]}), "/env/0/value", "secret");
        is(json!({"clientSecret": "hush"}), "/clientSecret", "secret");
        is(json!({"kind": "Secret", "metadata": {}, "data": {"a": "aGk="}}), "/data/a", "secret-object");
        is(json!({"kind": "Secret", "apiVersion": "v1", "stringData": {"a": "hush"}}), "/stringData/a", "secret-object");
    }

    #[test]
    fn by_how_they_look() {
        let is = |text: &str, kind: &'static str| assert_eq!(found(json!({ "x": text })), [("/x".to_owned(), kind)], "{text}");
        is("-----BEGIN RSA PRIVATE KEY-----\nMII", "private-key");
        is("apiVersion: v1\nkind: Config\nusers:\n- user:\n    client-key-data: LS0=", "kubeconfig");
        is("apiVersion: v1\nkind: Secret\nmetadata: {}\ndata:\n  a: b\n", "secret-object");
        is(&format!("curl -H {}{}", "ghp", "_0123456789abcdef0123456789abcdef0123"), "token");
        is(&format!("https://{}.slack.com/services/T0/B0/xyz", "hooks"), "token");
        is("https://bob:hunter2@git.example/x.git", "password");
        is("url=x\nDB_PASSWORD=hunter2\n", "password");
        is("Bearer abcdefgh12345678", "authorization-header");
        let inner = base64::engine::general_purpose::STANDARD.encode("kind: Secret\nstringData:\n  a: b\n");
        assert_eq!(found(json!({"type": "embedded/base64", "reference": inner})), [("/reference".to_owned(), "secret-object")]);
    }

    #[test]
    fn what_only_speaks_of_secrets_is_none() {
        for plain in [
            json!({"Authorization": "${#secret}"}),
            json!({"Authorization": "Bearer ${parameters.token}"}),
            json!({"password": "", "token": null, "secret": {"secretName": "x"}}),
            json!({"secretName": "db", "secretKeyRef": {"name": "db", "key": "password"}}),
            json!({"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}]}),
            json!({"password": "secret://stored", "token": "encrypted:s3!k:x", "x": "password: ${PASSWORD}"}),
            json!({"description": "the token is given by a person", "kind": "Secret"}),
            json!({"existingSecret": "db", "imagePullSecret": "hub", "kubeconfig": "/etc/kube/config", "env": [{"name": "PWD", "value": "/app"}]}),
            json!({"token": "<your token>", "password": "******"}),
        ] {
            assert_eq!(found(plain.clone()), vec![], "{plain}");
        }
    }

    #[test]
    fn a_secret_has_a_name_that_stays() {
        let name = name_for("Deploy to 生产", "/stages/0/manifests/1/stringData/DB_PASSWORD");
        assert!(name.starts_with("deploy-to-db-password-") && name.len() == "deploy-to-db-password-".len() + 16, "{name}");
        assert_eq!(name, name_for("Deploy to 生产", "/stages/0/manifests/1/stringData/DB_PASSWORD"));
        assert_ne!(name, name_for("Deploy to 测试", "/stages/0/manifests/1/stringData/DB_PASSWORD"));
        assert!(name_for("部署", "/0").bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn what_is_taken_out_leaves_a_reference_and_is_not_shown() {
        let mut document = json!({"a": {"password": "hunter2"}});
        let secrets = find(&document);
        let taken = take(&mut document, &secrets, &mut |_| "p-1".to_owned());
        assert_eq!(document, json!({"a": {"password": "secret://p-1"}}));
        assert_eq!((taken[0].value.as_str(), find(&document).len()), ("hunter2", 0));
        assert!(!format!("{taken:?}").contains("hunter2"));
    }
}
