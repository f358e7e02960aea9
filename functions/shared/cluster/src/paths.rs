//! Paths and queries of the Kubernetes API, from names that others chose: nothing in a name can reach another path.

use app::ports::ClusterError;
use url::form_urlencoded::Serializer;

/// Longest name of an object, a namespace or a kind.
const NAME_BYTES_MAX: usize = 253;

/// A collection: `/apis/apps/v1/namespaces/shop/deployments`.
pub(crate) fn collection(api_version: &str, plural: &str, namespace: Option<&str>) -> Result<String, ClusterError> {
    let root = group_version(api_version)?;
    let plural = segment("the plural", plural)?;
    match namespace {
        Some(namespace) => Ok(format!("{root}/namespaces/{}/{plural}", segment("the namespace", namespace)?)),
        None => Ok(format!("{root}/{plural}")),
    }
}

/// One object of a collection.
pub(crate) fn object(collection: &str, name: &str) -> Result<String, ClusterError> {
    Ok(format!("{collection}/{}", segment("the name", name)?))
}

/// `/api/v1` or `/apis/GROUP/VERSION`.
pub(crate) fn group_version(api_version: &str) -> Result<String, ClusterError> {
    match api_version.split_once('/') {
        Some((group, version)) => Ok(format!("/apis/{}/{}", segment("the group", group)?, segment("the version", version)?)),
        None => Ok(format!("/api/{}", segment("the version", api_version)?)),
    }
}

/// Path and query; pairs without a value are left out.
pub(crate) fn with_query(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut query = Serializer::new(String::new());
    for (key, value) in pairs {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// One part of a path, by Kubernetes' own rule for names in paths; anything unusual in it is percent-encoded.
fn segment(what: &str, text: &str) -> Result<String, ClusterError> {
    let bad = |why: &str| Err(ClusterError::Invalid(format!("{what} {why}")));
    if text.is_empty() {
        return bad("is missing");
    }
    if text.len() > NAME_BYTES_MAX {
        return bad(&format!("has more than {NAME_BYTES_MAX} bytes"));
    }
    if text == "." || text == ".." || text.contains(['/', '%']) || text.chars().any(char::is_control) {
        return bad("holds characters that no name has");
    }
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@!$".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_kubernetes_has_them() {
        assert_eq!(collection("apps/v1", "deployments", Some("shop")).unwrap(), "/apis/apps/v1/namespaces/shop/deployments");
        assert_eq!(collection("v1", "nodes", None).unwrap(), "/api/v1/nodes");
        let roles = collection("rbac.authorization.k8s.io/v1", "clusterroles", None).unwrap();
        assert_eq!(object(&roles, "system:node").unwrap(), "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node");
    }

    #[test]
    fn names_cannot_leave_their_place() {
        for name in ["", ".", "..", "../secrets", "a/b", "a%2fb", "a\nb", &"a".repeat(254)] {
            assert!(object("/x", name).is_err(), "{name:?}");
        }
        assert_eq!(object("/x", "a?watch=1#é").unwrap(), "/x/a%3Fwatch%3D1%23%C3%A9");
        assert!(collection("a/b/c", "x", None).is_err());
        assert!(collection("v1", "x", Some("..")).is_err());
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(with_query("/x", &[("a", Some("k=v,x in (1)")), ("b", None)]), "/x?a=k%3Dv%2Cx+in+%281%29");
        assert_eq!(with_query("/x", &[("a", None)]), "/x");
    }
}
