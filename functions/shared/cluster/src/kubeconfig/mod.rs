//! Kubeconfig text, or address, authority and token, to a [`ClusterConnection`]. Pure: opens no file, reads no
//! environment, runs nothing, connects nowhere. What would need any of that is refused, with the way out. Problems
//! point at the place and hold no secret.

mod address;
mod document;
pub(crate) mod pem;
#[cfg(test)]
mod tests;

use model::account::{ClusterConnection, ClusterCredentials};
use model::problem::{Problem, Problems};
use serde_json::{Map, Value};

/// The way out for every kubeconfig that does not carry its credentials in itself.
const ADVICE: &str = "register the cluster by its API server address, certificate authority and a service account's token instead";
/// Fields of a user that say who it is; those that are not supported have had their own problem.
const CREDENTIALS: [&str; 9] = [
    "exec",
    "auth-provider",
    "tokenFile",
    "client-certificate",
    "client-key",
    "username",
    "token",
    "client-certificate-data",
    "client-key-data",
];
/// Most contexts named in a message.
const NAMES_SHOWN_MAX: usize = 20;

/// Reads a kubeconfig: the connection of the chosen context (`context`, else `current-context`, else the only one) and
/// that context's name.
///
/// # Errors
/// Everything found wrong in one pass, as (JSON pointer, code, message).
pub fn read(text: &str, context: Option<&str>, allow_insecure: bool) -> Result<(ClusterConnection, String), Vec<Problem>> {
    let document = document::parse(text)?;
    let mut reader = Reader { problems: Problems::default(), root: &document };
    match reader.connection(context, allow_insecure) {
        Some(found) if !reader.problems.has_errors() => Ok(found),
        _ => Err(reader.problems.into_vec()),
    }
}

/// Builds a connection from what a person typed in: address, certificate authority (PEM, or its base64; none means the
/// public ones) and token.
///
/// # Errors
/// Problems at `/server`, `/caPem` and `/token`.
pub fn from_address(
    server: &str,
    ca_pem: Option<&str>,
    token: &str,
    insecure_skip_tls_verify: bool,
) -> Result<ClusterConnection, Vec<Problem>> {
    let mut problems = Problems::default();
    let server = address::server(server).map_err(|message| problems.error("/server", "server-invalid", message)).ok();
    let token = address::token(token).map_err(|message| problems.error("/token", "token-invalid", message)).ok();
    let mut ca = None;
    if let Some(text) = ca_pem.map(str::trim).filter(|text| !text.is_empty()) {
        let decoded = if text.contains("-----BEGIN") { Ok(text.to_owned()) } else { pem::from_base64(text) };
        match decoded.and_then(|pem| pem::authorities(&pem)) {
            Ok(clean) => ca = Some(clean),
            Err(why) => problems.error("/caPem", "ca-invalid", format!("the certificate authority {why}")),
        }
    }
    match (server, token) {
        (Some(server), Some(token)) if !problems.has_errors() => Ok(ClusterConnection {
            server,
            ca_pem: ca.filter(|_| !insecure_skip_tls_verify),
            insecure_skip_tls_verify,
            tls_server_name: None,
            credentials: ClusterCredentials::Token(token),
        }),
        _ => Err(problems.into_vec()),
    }
}

/// An entry of `clusters` or `users`, and where it stands.
struct Entry<'a> {
    pointer: String,
    fields: &'a Map<String, Value>,
}

struct Reader<'a> {
    problems: Problems,
    root: &'a Value,
}

impl<'a> Reader<'a> {
    fn connection(&mut self, context: Option<&str>, allow_insecure: bool) -> Option<(ClusterConnection, String)> {
        let Value::Object(root) = self.root else {
            self.problems.error("", "not-a-kubeconfig", "a kubeconfig is a mapping with clusters, users and contexts");
            return None;
        };
        if root.get("kind").is_some_and(|kind| kind != "Config") {
            self.problems.error("/kind", "not-a-kubeconfig", "a kubeconfig has kind Config");
            return None;
        }
        let (name, context) = self.choose(context)?;
        let cluster = self.referred(&context, "cluster", "clusters");
        let user = self.referred(&context, "user", "users");
        let cluster = cluster.map(|entry| self.cluster(&entry, allow_insecure));
        let user = user.map(|entry| self.credentials(&entry));
        let (server, ca_pem, insecure_skip_tls_verify, tls_server_name) = cluster??;
        let credentials = user??;
        Some((ClusterConnection { server, ca_pem, insecure_skip_tls_verify, tls_server_name, credentials }, name))
    }

    /// The items of a list of named entries: (index, name, what the entry holds under `inner`).
    fn named(&mut self, list: &str) -> Vec<(usize, &'a str, &'a Value)> {
        let inner = list.trim_end_matches('s');
        let items = match self.root.get(list) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.problems.error(format!("/{list}"), "wrong-type", format!("{list} is a list"));
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get("name").and_then(Value::as_str) {
                Some(name) => found.push((index, name, item.get(inner).unwrap_or(&Value::Null))),
                None => self.problems.error(format!("/{list}/{index}"), "wrong-type", "an entry has a name"),
            }
        }
        found
    }

    fn choose(&mut self, wanted: Option<&str>) -> Option<(String, Entry<'a>)> {
        let contexts = self.named("contexts");
        let names: Vec<&str> = contexts.iter().map(|(_, name, _)| *name).collect();
        let current = self.root.get("current-context").and_then(Value::as_str).filter(|name| !name.is_empty());
        let (name, pointer) = match (wanted.filter(|name| !name.is_empty()), current, names.as_slice()) {
            (Some(name), ..) => (name, ""),
            (None, Some(name), _) => (name, "/current-context"),
            (None, None, [only]) => (*only, ""),
            (None, None, []) => {
                self.problems.error(
                    "/contexts",
                    "context-required",
                    "this kubeconfig has no context, so nothing says which cluster and user to take",
                );
                return None;
            }
            (None, None, _) => {
                let message = format!("this kubeconfig has several contexts and none is chosen: {}", listed(&names));
                self.problems.error("/contexts", "context-required", message);
                return None;
            }
        };
        let chosen = self.only(&contexts, name, "contexts");
        if chosen.is_none() && !self.problems.has_errors() {
            let message = if names.is_empty() {
                format!("there is no context {name:?}: this kubeconfig has none")
            } else {
                format!("there is no context {name:?}, only: {}", listed(&names))
            };
            self.problems.error(pointer, "context-unknown", message);
        }
        Some((name.to_owned(), chosen?))
    }

    /// The one entry of that name; two of a name are refused.
    fn only(&mut self, entries: &[(usize, &'a str, &'a Value)], name: &str, list: &str) -> Option<Entry<'a>> {
        let mut same = entries.iter().filter(|(_, other, _)| *other == name);
        let (index, _, value) = same.next()?;
        if let Some((second, ..)) = same.next() {
            let message = format!("two entries of {list} have the name {name:?}");
            self.problems.error(format!("/{list}/{second}/name"), "duplicate-name", message);
            return None;
        }
        let inner = list.trim_end_matches('s');
        let pointer = format!("/{list}/{index}/{inner}");
        match value {
            Value::Object(fields) => Some(Entry { pointer, fields }),
            _ => {
                self.problems.error(pointer, "wrong-type", format!("{inner} is a mapping"));
                None
            }
        }
    }

    /// The cluster or user that the context names.
    fn referred(&mut self, context: &Entry<'a>, field: &str, list: &str) -> Option<Entry<'a>> {
        let Some(name) = self.text(context, field) else {
            self.missing(context, field, &format!("{field}-missing"), &format!("the context names no {field}"));
            return None;
        };
        let entries = self.named(list);
        if !entries.iter().any(|(_, other, _)| *other == name) {
            let message = format!("the context names the {field} {name:?}, which this kubeconfig does not have");
            self.problems.error(format!("{}/{field}", context.pointer), &format!("{field}-unknown"), message);
            return None;
        }
        self.only(&entries, name, list)
    }

    /// A text field; absent, null and empty are the same.
    fn text(&mut self, entry: &Entry<'a>, field: &str) -> Option<&'a str> {
        match entry.fields.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.as_str()).filter(|text| !text.is_empty()),
            Some(_) => {
                self.problems.error(format!("{}/{field}", entry.pointer), "wrong-type", format!("{field} is text"));
                None
            }
        }
    }

    fn missing(&mut self, entry: &Entry<'a>, field: &str, code: &str, message: &str) {
        let wrong_type = entry.fields.get(field).is_some_and(|value| !value.is_null() && !value.is_string());
        if !wrong_type {
            self.problems.error(&entry.pointer, code, message);
        }
    }

    /// Refuses a field that is there with any content.
    fn refuse(&mut self, entry: &Entry<'a>, field: &str, code: &str, message: &str) {
        let empty = match entry.fields.get(field) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(_) => false,
        };
        if !empty {
            self.problems.error(format!("{}/{field}", entry.pointer), code, message);
        }
    }

    /// Address, certificate authority, whether to skip its check, and the name to expect.
    fn cluster(&mut self, entry: &Entry<'a>, allow_insecure: bool) -> Option<(String, Option<String>, bool, Option<String>)> {
        self.refuse(
            entry,
            "certificate-authority",
            "file-path",
            "this names a file of another machine; put the certificate itself into certificate-authority-data (`kubectl config view --raw --flatten` does)",
        );
        self.refuse(entry, "proxy-url", "proxy-not-supported", "clusters are reached directly, never through a proxy");
        let insecure = match entry.fields.get("insecure-skip-tls-verify") {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => {
                let pointer = format!("{}/insecure-skip-tls-verify", entry.pointer);
                self.problems.error(pointer, "wrong-type", "insecure-skip-tls-verify is true or false");
                false
            }
        };
        if insecure && !allow_insecure {
            let pointer = format!("{}/insecure-skip-tls-verify", entry.pointer);
            let message = "this skips the check of the server's certificate; allow that explicitly for the account, or give the certificate authority";
            self.problems.error(pointer, "insecure-not-allowed", message);
        }
        let ca = self.data(entry, "certificate-authority-data").and_then(|(pointer, pem)| match pem::authorities(&pem) {
            Ok(clean) => Some(clean),
            Err(why) => {
                self.problems.error(pointer, "ca-invalid", format!("certificate-authority-data {why}"));
                None
            }
        });
        let name = self.text(entry, "tls-server-name").map(str::to_owned);
        let Some(server) = self.text(entry, "server") else {
            self.missing(entry, "server", "server-invalid", "the API server's address is missing");
            return None;
        };
        match address::server(server) {
            Ok(server) => Some((server, ca.filter(|_| !insecure), insecure, name)),
            Err(message) => {
                self.problems.error(format!("{}/server", entry.pointer), "server-invalid", message);
                None
            }
        }
    }

    /// A `*-data` field, decoded, and where it stands.
    fn data(&mut self, entry: &Entry<'a>, field: &str) -> Option<(String, String)> {
        let text = self.text(entry, field)?;
        let pointer = format!("{}/{field}", entry.pointer);
        match pem::from_base64(text) {
            Ok(pem) => Some((pointer, pem)),
            Err(why) => {
                self.problems.error(pointer, "not-base64", format!("{field} {why}"));
                None
            }
        }
    }

    fn refuse_foreign(&mut self, entry: &Entry<'a>) {
        let ran = format!("these credentials come from running a command, which is never done here; {ADVICE}");
        let provider = format!("auth-provider plugins are not supported; {ADVICE}");
        let basic = format!("API servers no longer know user name and password; {ADVICE}");
        let acting = "acting as somebody else is not supported; give the credentials of the one who is to deploy";
        let file = "this names a file of another machine; put its content into";
        self.refuse(entry, "exec", "exec-not-supported", &ran);
        self.refuse(entry, "auth-provider", "auth-provider-not-supported", &provider);
        self.refuse(entry, "tokenFile", "file-path", &format!("{file} token"));
        self.refuse(entry, "client-certificate", "file-path", &format!("{file} client-certificate-data"));
        self.refuse(entry, "client-key", "file-path", &format!("{file} client-key-data"));
        for field in ["username", "password"] {
            self.refuse(entry, field, "basic-auth-not-supported", &basic);
        }
        for field in ["as", "as-uid", "as-groups", "as-user-extra"] {
            self.refuse(entry, field, "impersonation-not-supported", acting);
        }
    }

    /// Certificate and token may both be there; the API server looks at the certificate first, so it wins here too.
    fn credentials(&mut self, entry: &Entry<'a>) -> Option<ClusterCredentials> {
        self.refuse_foreign(entry);
        let certificate = self.data(entry, "client-certificate-data");
        let key = self.data(entry, "client-key-data");
        let token = self.text(entry, "token");
        match (certificate, key, token) {
            (Some((pointer, certificate)), Some((_, key)), _) => {
                match pem::identity(&certificate, &key, &rustls::crypto::ring::default_provider()) {
                    Ok((certificate_pem, key_pem)) => Some(ClusterCredentials::Certificate { certificate_pem, key_pem }),
                    Err(why) => {
                        self.problems.error(pointer, "certificate-invalid", format!("the client certificate: {why}"));
                        None
                    }
                }
            }
            (None, None, Some(token)) => match address::token(token) {
                Ok(token) => Some(ClusterCredentials::Token(token)),
                Err(message) => {
                    self.problems.error(format!("{}/token", entry.pointer), "token-invalid", message);
                    None
                }
            },
            _ => {
                let given = |field: &&str| entry.fields.get(*field).is_some_and(|value| !value.is_null() && value != "");
                let half = ["client-certificate-data", "client-key-data"].iter().filter(|field| given(field)).count() == 1;
                if half {
                    let message = "a client certificate needs both client-certificate-data and client-key-data";
                    self.problems.error(&entry.pointer, "certificate-invalid", message);
                } else if !CREDENTIALS.iter().any(given) {
                    let message = "this user has no credentials: neither a token nor a client certificate";
                    self.problems.error(&entry.pointer, "credentials-missing", message);
                }
                None
            }
        }
    }
}

fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(NAMES_SHOWN_MAX).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_SHOWN_MAX {
        text.push_str(&format!(" and {} more", names.len() - NAMES_SHOWN_MAX));
    }
    text
}
