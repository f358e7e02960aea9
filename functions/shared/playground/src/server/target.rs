//! What a request is about: the kind, place and options in its path and query.

use super::status::Refusal;
use crate::interfaces::Cause;
use crate::kinds::{self, Row};
use axum::extract::Query;
use http::Uri;

/// Longest part of a path that is looked at.
const PART_BYTES_MAX: usize = 512;

/// A collection, an object of it, or a sub-resource of that.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) row: &'static Row,
    /// Of kinds that live in one; none means all of them.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// Where a path leads.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    /// To objects.
    Objects(Target),
    /// To a review of one's own rights: its kind.
    Review(&'static str),
    /// To a group version that is served, but to nothing in it.
    Nothing,
    /// To none of them; the parts of the path.
    Other(Vec<String>),
}

impl Target {
    /// The namespace as objects are stored by it: empty for what has none.
    pub(crate) fn place(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}

impl Route {
    /// Reads a path.
    pub(crate) fn of(path: &str) -> Self {
        let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let words: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match words.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Self::Other(parts),
        };
        let versions = kinds::group_versions();
        if !group.is_empty() && versions.iter().any(|(own, _)| *own == group) && !versions.contains(&(group, version)) {
            return Self::Nothing;
        }
        if !versions.contains(&(group, version)) || rest.iter().any(|part| part.len() > PART_BYTES_MAX) {
            return Self::Other(parts);
        }
        if let [plural] = rest
            && let Some((_, _, kind, _)) = kinds::REVIEWS.iter().find(|(own, _, _, name)| (own, name) == (&group, plural))
        {
            return Self::Review(kind);
        }
        Self::objects(group, version, rest).map_or(Self::Nothing, Self::Objects)
    }

    fn objects(group: &str, version: &str, rest: &[&str]) -> Option<Target> {
        let (namespace, rest) = match rest {
            // What a namespace holds; else the namespace itself or a sub-resource of it.
            ["namespaces", namespace, plural, after @ ..] if kinds::by_path(group, version, plural).is_some_and(|row| row.namespaced) => {
                (Some((*namespace).to_owned()), [&[*plural], after].concat())
            }
            other => (None, other.to_vec()),
        };
        let (plural, name, subresource) = match rest.as_slice() {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, Some(*name), None),
            [plural, name, subresource] => (*plural, Some(*name), Some(*subresource)),
            _ => return None,
        };
        let row = kinds::by_path(group, version, plural)?;
        if row.namespaced && namespace.is_none() && name.is_some() {
            return None;
        }
        if subresource.is_some_and(|subresource| !row.has(subresource)) {
            return None;
        }
        Some(Target { row, namespace, name: name.map(str::to_owned), subresource: subresource.map(str::to_owned) })
    }
}

fn decode(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let escaped = if *first == b'%' { after.get(..2).and_then(|pair| hex::decode(pair).ok()) } else { None };
        match escaped.as_deref() {
            Some([byte]) => {
                bytes.push(*byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The options of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options(Vec<(String, String)>);

impl Options {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let Query(pairs) = Query::try_from_uri(uri).map_err(|error| Refusal::bad(error.to_string()))?;
        Ok(Self(pairs))
    }

    /// The first value of an option; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// `true`, `1`, or the bare name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.0.iter().find(|(own, _)| own == name).is_some_and(|(_, value)| !matches!(value.as_str(), "false" | "0"))
    }

    /// A whole number; one below zero is no wish.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let parse =
            |text: &str| text.parse::<i64>().map_err(|_| Refusal::bad(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")));
        Ok(self.get(name).map(parse).transpose()?.and_then(|number| u64::try_from(number).ok()))
    }

    /// A resource version; none and `0` are no wish.
    pub(crate) fn version(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let parse = |text: &str| {
            let why =
                format!("invalid resource version: {name}: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
            text.parse::<u64>().map_err(|_| Refusal::bad(why))
        };
        Ok(self.get(name).map(parse).transpose()?.filter(|version| *version > 0))
    }

    /// Whether nothing is to be written; `options` is what a refusal names.
    pub(crate) fn dry_run(&self, options: &str) -> Result<bool, Refusal> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(unsupported_option(options, "dryRun", &format!("[{other:?}]"), "\"All\"")),
        }
    }

    /// Refuses what is no way to treat unknown fields.
    pub(crate) fn check_field_validation(&self, options: &str) -> Result<(), Refusal> {
        match self.get("fieldValidation") {
            None | Some("Ignore" | "Warn" | "Strict") => Ok(()),
            Some(other) => {
                Err(unsupported_option(options, "fieldValidation", &format!("{other:?}"), "\"\", \"Ignore\", \"Strict\", \"Warn\""))
            }
        }
    }
}

pub(crate) fn unsupported_option(options: &str, field: &str, value: &str, supported: &str) -> Refusal {
    let message = format!("Unsupported value: {value}: supported values: {supported}");
    Refusal::invalid_options(options, &[Cause { reason: "FieldValueNotSupported", field: field.to_owned(), message }])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        match Route::of(path) {
            Route::Objects(target) => target,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn paths_lead_to_objects() {
        let found = target("/apis/apps/v1/namespaces/shop/deployments/web/scale");
        assert_eq!(
            (found.row.kind.kind, found.place(), found.name.as_deref(), found.subresource.as_deref()),
            ("Deployment", "shop", Some("web"), Some("scale"))
        );
        assert_eq!(target("/api/v1/pods").namespace, None);
        assert_eq!(target("/api/v1/namespaces/shop").name.as_deref(), Some("shop"));
        assert_eq!(target("/api/v1/namespaces/shop/status").subresource.as_deref(), Some("status"));
        assert_eq!(target("/api/v1/namespaces/a%20b/pods/c%2Fd").name.as_deref(), Some("c/d"));
    }

    #[test]
    fn others_lead_nowhere() {
        for path in [
            "/api/v1/widgets",
            "/api/v1/pods/x",
            "/api/v1/namespaces/a/pods/x/scale",
            "/api/v1/namespaces/a/nodes",
            "/apis/apps/v1/a/b/c/d",
        ] {
            assert!(matches!(Route::of(path), Route::Nothing), "{path}");
        }
        for path in ["/", "/api", "/apis/nobody.io/v1/widgets", "/api/v2/pods", "/nowhere"] {
            assert!(matches!(Route::of(path), Route::Other(_)), "{path}");
        }
        assert!(matches!(Route::of("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"), Route::Review("SelfSubjectRulesReview")));
    }

    #[test]
    fn options_are_read() {
        let options = Options::of(&"/x?watch&limit=5&resourceVersion=0&dryRun=Some&labelSelector=a%3Db%2Cc".parse().unwrap()).unwrap();
        assert!(options.is("watch") && !options.is("force"));
        assert_eq!(options.number("limit").unwrap(), Some(5));
        assert_eq!(options.version("resourceVersion").unwrap(), None);
        assert_eq!(options.get("labelSelector"), Some("a=b,c"));
        assert_eq!(options.dry_run("PatchOptions").unwrap_err().code, 422);
        let wrong = Options::of(&"/x?resourceVersion=abc&limit=x&fieldValidation=No".parse().unwrap()).unwrap();
        assert_eq!(wrong.version("resourceVersion").unwrap_err().code, 400);
        assert_eq!(wrong.number("limit").unwrap_err().code, 400);
        assert_eq!(wrong.check_field_validation("CreateOptions").unwrap_err().code, 422);
    }
}
