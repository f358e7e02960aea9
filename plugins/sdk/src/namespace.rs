//! Which namespace each object goes to.

use serde_json::Value;

use crate::kinds;
use crate::manifest::Manifest;

/// Where objects go that name no namespace, as kubectl has it.
pub const DEFAULT: &str = "default";

/// Sets the namespace of an object: the override, else its own, else [`DEFAULT`]; none when its kind has none.
/// `ask` is called for kinds that only the cluster knows.
pub fn place(manifest: &mut Manifest, over: Option<&str>, ask: impl FnOnce(&Manifest) -> bool) {
    let namespaced = kinds::namespaced(manifest.api_version(), manifest.kind()).unwrap_or_else(|| ask(manifest));
    if !namespaced {
        manifest.metadata_mut().remove("namespace");
        return;
    }
    let namespace = over.or_else(|| manifest.namespace()).unwrap_or(DEFAULT).to_owned();
    manifest.metadata_mut().insert("namespace".to_owned(), Value::String(namespace));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn placed(kind: &str, namespace: Option<&str>, over: Option<&str>, asked: bool) -> Option<String> {
        let body = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": namespace}});
        let mut manifest = Manifest { pointer: String::new(), body: body.as_object().unwrap().clone() };
        place(&mut manifest, over, |_| asked);
        manifest.namespace().map(str::to_owned)
    }

    #[test]
    fn override_then_own_then_default() {
        assert_eq!(placed("Service", Some("own"), Some("over"), false).as_deref(), Some("over"));
        assert_eq!(placed("Service", Some("own"), None, false).as_deref(), Some("own"));
        assert_eq!(placed("Service", None, None, false).as_deref(), Some("default"));
    }

    #[test]
    fn cluster_scoped_objects_have_none() {
        assert_eq!(placed("ClusterRole", Some("own"), Some("over"), true), None);
        assert_eq!(placed("Widget", Some("own"), None, false), None);
        assert_eq!(placed("Widget", Some("own"), None, true).as_deref(), Some("own"));
    }
}
