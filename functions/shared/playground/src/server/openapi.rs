//! As much OpenAPI as `kubectl` needs to know that the server checks fields itself. No schemas: `kubectl explain` finds none.

use super::status::Refusal;
use crate::kinds::{self, KINDS};
use serde_json::{Map, Value, json};

/// The document at a path, if one is there.
pub(crate) fn answer(path: &[&str], accept: &str) -> Option<Result<Value, Refusal>> {
    let document = match path {
        // The old form is only asked for in protobuf, which is not spoken here; clients then use what they know themselves.
        ["openapi", "v2"] if accept.contains("json") || accept.contains('*') || accept.is_empty() => {
            json!({"swagger": "2.0", "info": info(), "paths": {}, "definitions": {}})
        }
        ["openapi", "v2"] => return Some(Err(Refusal::not_acceptable())),
        ["openapi", "v3"] => index(),
        ["openapi", "v3", "api", "v1"] => schema("", "v1")?,
        ["openapi", "v3", "apis", group, version] => schema(group, version)?,
        _ => return None,
    };
    Some(Ok(document))
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": crate::VERSION})
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn index() -> Value {
    let paths: Map<String, Value> = kinds::group_versions()
        .into_iter()
        .map(|(group, version)| root(group, version))
        .map(|root| (root.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{root}")})))
        .collect();
    json!({"paths": paths})
}

fn schema(group: &str, version: &str) -> Option<Value> {
    if !kinds::group_versions().contains(&(group, version)) {
        return None;
    }
    let parameter = |name: &str, kind: &str| json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}});
    let mut paths = Map::new();
    for row in KINDS.iter().filter(|row| (row.group, row.version) == (group, version)) {
        let kind = json!({"group": group, "version": version, "kind": row.kind.kind});
        let parameters = [
            parameter("dryRun", "string"),
            parameter("fieldManager", "string"),
            parameter("fieldValidation", "string"),
            parameter("force", "boolean"),
        ];
        let content: Map<String, Value> = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"]
            .into_iter()
            .map(|name| (name.to_owned(), json!({})))
            .collect();
        let patch = json!({"x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind, "parameters": parameters, "requestBody": {"content": content}, "responses": {}});
        let scope = if row.namespaced { "namespaces/{namespace}/" } else { "" };
        paths.insert(format!("/{}/{scope}{}/{{name}}", root(group, version), row.plural), json!({"patch": patch}));
    }
    Some(json!({"openapi": "3.0.0", "info": info(), "paths": paths, "components": {"schemas": {}}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_version_has_a_document() {
        let index = answer(&["openapi", "v3"], "application/json").unwrap().unwrap();
        for (group, version) in kinds::group_versions() {
            assert!(index["paths"].get(root(group, version)).is_some());
        }
        let apps = answer(&["openapi", "v3", "apis", "apps", "v1"], "application/json").unwrap().unwrap();
        let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        assert!(patch["parameters"].as_array().unwrap().iter().any(|parameter| parameter["name"] == "fieldValidation"));
        assert!(answer(&["openapi", "v3", "apis", "nobody.io", "v1"], "*/*").is_none());
        assert_eq!(
            answer(&["openapi", "v2"], "application/com.github.proto-openapi.spec.v2@v1.0+protobuf").unwrap().unwrap_err().code,
            406
        );
    }
}
