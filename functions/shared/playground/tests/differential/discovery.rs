//! What the servers say they serve, for the kinds that the playground has.

use crate::pair::Pair;
use crate::side::Call;
use serde_json::{Map, Value, json};

/// Of the real list, what the playground's has too, in one order.
fn common(key: &str, name: &str) -> impl Fn(Value, Value) -> (Value, Value) {
    let (key, name) = (key.to_owned(), name.to_owned());
    move |mut real: Value, mut playground: Value| {
        let label = |item: &Value| item.pointer(&name).map(ToString::to_string).unwrap_or_default();
        let has: Vec<String> = playground[&key].as_array().into_iter().flatten().map(label).collect();
        if let Some(items) = real.get_mut(&key).and_then(Value::as_array_mut) {
            items.retain(|item| has.contains(&label(item)));
        }
        for side in [&mut real, &mut playground] {
            if let Some(items) = side.get_mut(&key).and_then(Value::as_array_mut) {
                items.sort_by_key(label);
            }
        }
        (real, playground)
    }
}

pub(crate) async fn compare(pair: &mut Pair) {
    let only = |keys: &'static [&'static str]| {
        move |real: Value, playground: Value| {
            let kept = |value: Value| keys.iter().map(|key| ((*key).to_owned(), value[*key].clone())).collect::<Value>();
            (kept(real), kept(playground))
        }
    };
    pair.reduced("discovery/version", Call::get("/version"), only(&["major", "minor", "gitVersion"])).await;
    pair.reduced("discovery/api", Call::get("/api"), only(&["kind", "versions"])).await;
    pair.reduced("discovery/apis", Call::get("/apis"), common("groups", "/name")).await;
    for group_version in [
        "api/v1",
        "apis/apps/v1",
        "apis/batch/v1",
        "apis/networking.k8s.io/v1",
        "apis/autoscaling/v2",
        "apis/rbac.authorization.k8s.io/v1",
        "apis/authorization.k8s.io/v1",
    ] {
        let name = format!("discovery/{group_version}");
        pair.reduced(&name, Call::get(format!("/{group_version}")), common("resources", "/name")).await;
    }
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    for path in ["/api", "/apis"] {
        pair.reduced(&format!("discovery/aggregated{path}"), Call::get(path).accept(aggregated), served).await;
    }
    reviews(pair).await;
}

/// Every resource of an aggregated document, by its group and its version.
fn flat(document: &Value) -> Map<String, Value> {
    let resources = |item: &Value| {
        let versions = item["versions"].as_array().into_iter().flatten();
        let of = |version: &Value| {
            let all = version["resources"].as_array().into_iter().flatten();
            all.map(|resource| (format!("{}/{}", version["version"], resource["resource"]), resource.clone())).collect::<Vec<_>>()
        };
        (item["metadata"]["name"].to_string(), Value::Object(versions.flat_map(of).collect()))
    };
    document["items"].as_array().into_iter().flatten().map(resources).collect()
}

/// Of what the real one serves, what the playground serves too; lists in one order.
fn served(real: Value, playground: Value) -> (Value, Value) {
    let (mut real, mut playground) = (flat(&real), flat(&playground));
    real.retain(|group, _| playground.contains_key(group));
    for (group, resources) in &mut playground {
        let Some(real) = real.get_mut(group).and_then(Value::as_object_mut) else { continue };
        let Some(mine) = resources.as_object_mut() else { continue };
        real.retain(|resource, _| mine.contains_key(resource));
        real.values_mut().chain(mine.values_mut()).filter_map(Value::as_object_mut).for_each(in_order);
    }
    (Value::Object(real), Value::Object(playground))
}

fn in_order(resource: &mut Map<String, Value>) {
    for key in ["verbs", "categories", "shortNames"] {
        if let Some(items) = resource.get_mut(key).and_then(Value::as_array_mut) {
            items.sort_by_key(ToString::to_string);
        }
    }
    if let Some(items) = resource.get_mut("subresources").and_then(Value::as_array_mut) {
        items.sort_by_key(|item| item["subresource"].to_string());
        items.retain(|item| ["status", "scale", "log"].iter().any(|kept| item["subresource"] == *kept));
    }
    resource.retain(|_, value| value != &json!([]));
}

async fn reviews(pair: &mut Pair) {
    let review = |spec: Value, kind: &str| json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec});
    let attributes = json!({"resourceAttributes": {"namespace": "default", "verb": "get", "group": "apps", "resource": "deployments"}});
    let reviews = "/apis/authorization.k8s.io/v1";
    let allowed = |real: Value, playground: Value| {
        let kept = |value: &Value| json!({"kind": value["kind"], "spec": value["spec"], "allowed": value["status"]["allowed"]});
        (kept(&real), kept(&playground))
    };
    let access = review(attributes, "SelfSubjectAccessReview");
    pair.reduced("discovery/access", Call::post(format!("{reviews}/selfsubjectaccessreviews"), &access), allowed).await;
    let rules = review(json!({"namespace": "default"}), "SelfSubjectRulesReview");
    let everything = |real: Value, playground: Value| {
        let may_all = |value: &Value| {
            let rules = value["status"]["resourceRules"].as_array().cloned().unwrap_or_default();
            let all = json!(["*"]);
            let any = rules.iter().any(|rule| rule["verbs"] == all && rule["apiGroups"] == all && rule["resources"] == all);
            json!({"kind": value["kind"], "all": any, "incomplete": value["status"]["incomplete"]})
        };
        (may_all(&real), may_all(&playground))
    };
    pair.reduced("discovery/rules", Call::post(format!("{reviews}/selfsubjectrulesreviews"), &rules), everything).await;
}
