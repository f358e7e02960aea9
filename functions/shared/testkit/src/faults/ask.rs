//! What a request asks of a Kubernetes API server, read from its method, path and query. Pure.

use http::Method;
use serde::{Deserialize, Serialize};

/// What is done, in the words of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// One object, or something that is no object, such as what the server knows.
    Get,
    /// Objects of a kind.
    List,
    /// What becomes of them.
    Watch,
    /// A new object.
    Create,
    /// Server-side apply.
    Apply,
    /// Any other patch.
    Patch,
    /// An object in place of another.
    Update,
    /// One object or many, gone.
    Delete,
    /// A container's log.
    Log,
    /// Into a container.
    Connect,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 10] =
        [Self::Get, Self::List, Self::Watch, Self::Create, Self::Apply, Self::Patch, Self::Update, Self::Delete, Self::Log, Self::Connect];

    /// As scripts and records write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Apply => "apply",
            Self::Patch => "patch",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Log => "log",
            Self::Connect => "connect",
        }
    }

    /// Whether it changes anything.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Apply | Self::Patch | Self::Update | Self::Delete)
    }
}

/// A request, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) verb: Verb,
    /// The plural, as in the path; blank where the path names none.
    pub(super) resource: String,
    pub(super) namespace: String,
    /// The object's name: that of the path, or what a list or watch selects by name.
    pub(super) name: String,
    pub(super) dry_run: bool,
}

impl Ask {
    pub(super) fn of(method: &Method, path: &str, query: &str, content_type: &str) -> Self {
        let place = Place::of(path);
        let value = |key: &str| pairs(query).find(|(k, _)| k == key).map(|(_, value)| value);
        let selected = value("fieldSelector").and_then(|text| text.strip_prefix("metadata.name=").map(str::to_owned));
        let watched = value("watch").is_some_and(|value| value == "true" || value == "1");
        let verb = verb(method, &place, watched, content_type);
        let name = if place.name.is_empty() { selected.unwrap_or_default() } else { place.name.to_owned() };
        let dry_run = value("dryRun").is_some_and(|value| value == "All");
        Self { verb, resource: place.resource.to_owned(), namespace: place.namespace.to_owned(), name, dry_run }
    }

    /// Whether a script's word means this resource: its plural, its kind, or either with its group after a dot.
    pub(super) fn is_resource(&self, word: &str) -> bool {
        let word = word.split_once('.').map_or(word, |(head, _)| head).to_ascii_lowercase();
        let plural = |word: &str| match word.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None if word.ends_with('s') => format!("{word}es"),
            None => format!("{word}s"),
        };
        !self.resource.is_empty() && (word == self.resource || plural(&word) == self.resource)
    }
}

fn verb(method: &Method, place: &Place<'_>, watched: bool, content_type: &str) -> Verb {
    match (method.as_str(), place.subresource) {
        (_, "exec" | "attach" | "portforward" | "proxy") => Verb::Connect,
        ("GET", "log") => Verb::Log,
        ("GET" | "HEAD", _) if watched => Verb::Watch,
        ("GET" | "HEAD", _) if place.name.is_empty() && !place.resource.is_empty() => Verb::List,
        ("POST", _) => Verb::Create,
        ("PUT", _) => Verb::Update,
        ("PATCH", _) if content_type.starts_with("application/apply-patch") => Verb::Apply,
        ("PATCH", _) => Verb::Patch,
        ("DELETE", _) => Verb::Delete,
        _ => Verb::Get,
    }
}

/// The parts of a path.
#[derive(Default)]
struct Place<'a> {
    resource: &'a str,
    namespace: &'a str,
    name: &'a str,
    subresource: &'a str,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Self {
        let mut parts = path.trim_matches('/').split('/');
        // `/api/v1/…` and `/apis/GROUP/VERSION/…`; anything else is no object.
        let version = match parts.next() {
            Some("api") => parts.next(),
            Some("apis") => parts.next().and_then(|_| parts.next()),
            _ => None,
        };
        if version.is_none() {
            return Self::default();
        }
        let rest: Vec<&str> = parts.collect();
        let part = |at: usize| rest.get(at).copied().unwrap_or_default();
        match part(0) {
            "namespaces" if rest.len() > 2 && part(2) != "status" && part(2) != "finalize" => {
                Self { namespace: part(1), resource: part(2), name: part(3), subresource: part(4) }
            }
            resource => Self { namespace: "", resource, name: part(1), subresource: part(2) },
        }
    }
}

/// The pairs of a query, decoded.
fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (!key.is_empty()).then(|| (decoded(key), decoded(value)))
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => bytes.extend(u8::try_from(high * 16 + low)),
                _ => bytes.push(b'?'),
            },
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, target: &str, content_type: &str) -> Ask {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ask::of(&method.parse().unwrap(), path, query, content_type)
    }

    #[test]
    fn requests_are_understood() {
        let cases = [
            ("GET", "/api", Verb::Get, "", "", ""),
            ("GET", "/apis/apps/v1", Verb::Get, "", "", ""),
            ("GET", "/api/v1/namespaces/shop", Verb::Get, "namespaces", "", "shop"),
            ("GET", "/api/v1/namespaces/shop/pods", Verb::List, "pods", "shop", ""),
            ("GET", "/api/v1/namespaces/shop/pods/a/log?container=b", Verb::Log, "pods", "shop", "a"),
            ("GET", "/api/v1/namespaces/shop/pods?watch=true", Verb::Watch, "pods", "shop", ""),
            (
                "GET",
                "/apis/apps/v1/namespaces/shop/deployments?fieldSelector=metadata.name%3Dweb",
                Verb::List,
                "deployments",
                "shop",
                "web",
            ),
            ("POST", "/api/v1/namespaces/shop/services", Verb::Create, "services", "shop", ""),
            ("PUT", "/api/v1/namespaces/shop/services/web", Verb::Update, "services", "shop", "web"),
            ("DELETE", "/api/v1/namespaces/shop/services/web", Verb::Delete, "services", "shop", "web"),
            ("POST", "/api/v1/namespaces/shop/pods/a/exec", Verb::Connect, "pods", "shop", "a"),
            ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/edit", Verb::Get, "clusterroles", "", "edit"),
        ];
        for (method, target, verb, resource, namespace, name) in cases {
            let found = ask(method, target, "");
            assert_eq!(
                (found.verb, found.resource.as_str(), found.namespace.as_str(), found.name.as_str()),
                (verb, resource, namespace, name),
                "{target}"
            );
        }
    }

    #[test]
    fn patches_are_told_apart() {
        let path = "/apis/apps/v1/namespaces/shop/deployments/web?dryRun=All&force=true";
        let applied = ask("PATCH", path, "application/apply-patch+yaml");
        assert_eq!((applied.verb, applied.dry_run), (Verb::Apply, true));
        assert_eq!(ask("PATCH", path, "application/json-patch+json").verb, Verb::Patch);
    }

    #[test]
    fn a_resource_is_named_by_plural_or_kind() {
        let of = |resource: &str| ask("GET", &format!("/apis/x/v1/namespaces/shop/{resource}"), "");
        for (resource, word) in
            [("deployments", "Deployment"), ("deployments", "deployments.apps"), ("ingresses", "Ingress"), ("policies", "Policy")]
        {
            assert!(of(resource).is_resource(word), "{word}");
        }
        assert!(!of("pods").is_resource("Deployment"));
        assert!(!ask("GET", "/api", "").is_resource("Pod"));
    }
}
