//! What is served, in both ways clients ask for it: one document for everything, or one a group version. Pure.

use super::status::Refusal;
use crate::kinds::{self, KINDS, REVIEWS, Row, VERBS};
use serde_json::{Value, json};

const AGGREGATED: &str = "apidiscovery.k8s.io";

/// The document at a path, if one is there.
pub(crate) fn answer(path: &[&str], accept: &str) -> Option<Result<Value, Refusal>> {
    let aggregated =
        accept.split(',').find(|one| one.contains(AGGREGATED)).map(|one| if one.contains("v=v2beta1") { "v2beta1" } else { "v2" });
    let document = match path {
        ["version"] => version(),
        ["api"] => aggregated.map_or_else(
            || json!({"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
            |version| aggregate(version, true),
        ),
        ["apis"] => aggregated.map_or_else(groups, |version| aggregate(version, false)),
        ["apis", name] => group(name)?,
        ["api", "v1"] => resources("", "v1")?,
        ["apis", group, version] => resources(group, version)?,
        _ => return None,
    };
    Some(Ok(document))
}

/// The content type of the document for everything, when that is asked for.
pub(crate) fn content_type(path: &[&str], accept: &str) -> Option<&'static str> {
    let first = accept.split(',').find(|one| one.contains(AGGREGATED)).filter(|_| matches!(path, ["api" | "apis"]))?;
    Some(if first.contains("v=v2beta1") {
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
    } else {
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    })
}

fn version() -> Value {
    json!({
        "major": "1", "minor": crate::MINOR, "gitVersion": crate::VERSION, "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "", "platform": "linux/amd64",
        "emulationMajor": "1", "emulationMinor": crate::MINOR, "minCompatibilityMajor": "1", "minCompatibilityMinor": crate::MINOR,
    })
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn groups() -> Value {
    let groups: Vec<Value> = named_groups().into_iter().filter_map(group_fields).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn named_groups() -> Vec<&'static str> {
    let mut names: Vec<&str> = kinds::group_versions().into_iter().map(|(group, _)| group).filter(|group| !group.is_empty()).collect();
    names.dedup();
    names
}

fn group_fields(name: &str) -> Option<Value> {
    let versions: Vec<Value> = kinds::group_versions()
        .into_iter()
        .filter(|(group, _)| *group == name && !name.is_empty())
        .map(|(group, version)| json!({"groupVersion": api_version(group, version), "version": version}))
        .collect();
    let preferred = versions.first()?.clone();
    Some(json!({"name": name, "versions": versions, "preferredVersion": preferred}))
}

fn group(name: &str) -> Option<Value> {
    let mut fields = group_fields(name)?;
    if let Value::Object(fields) = &mut fields {
        fields.insert("kind".to_owned(), "APIGroup".into());
        fields.insert("apiVersion".to_owned(), "v1".into());
    }
    Some(fields)
}

/// One line of a list of a group version: name, kind, whether namespaced, verbs.
fn resource(name: &str, singular: &str, kind: &str, namespaced: bool, verbs: &[&str]) -> Value {
    json!({"name": name, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": verbs})
}

/// Namespaces are not deleted by the dozen.
fn verbs(row: &Row) -> &'static [&'static str] {
    if row.kind.kind == "Namespace" { &["create", "delete", "get", "list", "patch", "update", "watch"] } else { &VERBS }
}

fn sub_verbs(subresource: &str) -> &'static [&'static str] {
    match subresource {
        "log" => &["get"],
        "finalize" => &["update"],
        _ => &["get", "patch", "update"],
    }
}

fn resources(group: &str, version: &str) -> Option<Value> {
    let mut lines = Vec::new();
    for row in KINDS.iter().filter(|row| row.group == group && row.version == version) {
        let mut line = resource(row.plural, row.singular, row.kind.kind, row.namespaced, verbs(row));
        if let Value::Object(fields) = &mut line {
            if !row.short_names.is_empty() {
                fields.insert("shortNames".to_owned(), json!(row.short_names));
            }
            if row.in_all {
                fields.insert("categories".to_owned(), json!(["all"]));
            }
        }
        lines.push(line);
        for subresource in row.subresources {
            let mut line = resource(&format!("{}/{subresource}", row.plural), "", row.kind.kind, row.namespaced, sub_verbs(subresource));
            if let Value::Object(fields) = &mut line
                && *subresource == "scale"
            {
                fields.extend([
                    ("group".to_owned(), json!("autoscaling")),
                    ("version".to_owned(), json!("v1")),
                    ("kind".to_owned(), json!("Scale")),
                ]);
            }
            lines.push(line);
        }
    }
    let reviews = REVIEWS.iter().filter(|(own, own_version, ..)| (*own, *own_version) == (group, version));
    lines.extend(reviews.map(|(_, _, kind, plural)| resource(plural, &kind.to_lowercase(), kind, false, &["create"])));
    if lines.is_empty() {
        return None;
    }
    Some({
        let mut list = json!({"kind": "APIResourceList", "groupVersion": api_version(group, version), "resources": lines});
        // The core's list says none of itself.
        if let (Value::Object(fields), false) = (&mut list, group.is_empty()) {
            fields.insert("apiVersion".to_owned(), "v1".into());
        }
        list
    })
}

fn response_kind(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

fn discovered(row: &Row) -> Value {
    let subresources: Vec<Value> = row
        .subresources
        .iter()
        .map(|name| {
            let kind = if *name == "scale" { response_kind("autoscaling", "v1", "Scale") } else { response_kind("", "", row.kind.kind) };
            json!({"subresource": name, "responseKind": kind, "verbs": sub_verbs(name)})
        })
        .collect();
    let mut line = json!({
        "resource": row.plural, "responseKind": response_kind("", "", row.kind.kind),
        "scope": if row.namespaced { "Namespaced" } else { "Cluster" }, "singularResource": row.singular, "verbs": verbs(row),
    });
    if let Value::Object(fields) = &mut line {
        for (name, list) in [("shortNames", json!(row.short_names)), ("subresources", json!(subresources))] {
            if list.as_array().is_some_and(|list| !list.is_empty()) {
                fields.insert(name.to_owned(), list);
            }
        }
        if row.in_all {
            fields.insert("categories".to_owned(), json!(["all"]));
        }
    }
    line
}

fn aggregate(version: &str, core: bool) -> Value {
    let names = if core { vec![""] } else { named_groups() };
    let items: Vec<Value> = names
        .into_iter()
        .map(|name| {
            let versions: Vec<Value> = kinds::group_versions()
                .into_iter()
                .filter(|(group, _)| *group == name)
                .map(|(group, version)| {
                    let rows = KINDS.iter().filter(|row| (row.group, row.version) == (group, version)).map(discovered);
                    let reviews = REVIEWS.iter().filter(|(own, own_version, ..)| (*own, *own_version) == (group, version));
                    let reviews = reviews.map(|(_, _, kind, plural)| {
                        json!({"resource": plural, "responseKind": response_kind("", "", kind), "scope": "Cluster",
                            "singularResource": kind.to_lowercase(), "verbs": ["create"]})
                    });
                    json!({"version": version, "freshness": "Current", "resources": rows.chain(reviews).collect::<Vec<_>>()})
                })
                .collect();
            let metadata =
                if name.is_empty() { json!({"creationTimestamp": null}) } else { json!({"name": name, "creationTimestamp": null}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": format!("{AGGREGATED}/{version}"), "metadata": {}, "items": items})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &[&str], accept: &str) -> Value {
        answer(path, accept).unwrap().unwrap()
    }

    #[test]
    fn every_kind_is_in_both_answers() {
        let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        let mut names: Vec<String> = Vec::new();
        for path in ["api", "apis"] {
            assert!(content_type(&[path], accept).unwrap().contains("v=v2;"));
            let found = document(&[path], accept);
            for version in found["items"].as_array().unwrap().iter().flat_map(|group| group["versions"].as_array().unwrap()) {
                names.extend(
                    version["resources"].as_array().unwrap().iter().map(|resource| resource["resource"].as_str().unwrap().to_owned()),
                );
            }
        }
        assert!(KINDS.iter().all(|row| names.iter().any(|name| name == row.plural)));
        let lists = [document(&["api", "v1"], "*/*"), document(&["apis", "apps", "v1"], "*/*")];
        let has = |list: &Value, name: &str| list["resources"].as_array().unwrap().iter().any(|line| line["name"] == name);
        assert!(has(&lists[0], "pods/log") && has(&lists[1], "deployments/scale"));
        assert_eq!(document(&["apis"], "*/*")["kind"], "APIGroupList");
        assert_eq!(document(&["apis", "apps"], "*/*")["preferredVersion"]["groupVersion"], "apps/v1");
        assert!(answer(&["apis", "nobody.io"], "*/*").is_none() && answer(&["apis", "apps", "v2"], "*/*").is_none());
    }
}
