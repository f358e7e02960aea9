//! Lists: selectors, pages, tables, metadata alone.

use crate::namespace;
use crate::pair::Pair;
use crate::side::Call;
use serde_json::{Value, json};

const NAMESPACE: &str = "lists";
const OBJECTS: usize = 7;
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

pub(crate) async fn compare(pair: &mut Pair) {
    namespace(pair, NAMESPACE).await;
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    for number in 0..OBJECTS {
        let labels = json!({"number": number.to_string(), "odd": (number % 2 == 1).to_string(), (format!("only-{number}")): ""});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("map-{number}"), "labels": labels}, "data": {"a": "b"}});
        pair.arrange(Call::post(&*maps, &map)).await;
    }
    selectors(pair, &maps).await;
    pages(pair, &maps).await;
    shapes(pair, &maps).await;
}

async fn selectors(pair: &mut Pair, maps: &str) {
    for (name, query) in [
        ("equal", "labelSelector=odd%3Dtrue"),
        ("double-equal", "labelSelector=odd%3D%3Dtrue"),
        ("not-equal", "labelSelector=odd!%3Dtrue,number"),
        ("in", "labelSelector=number%20in%20(1,2,9)"),
        ("not-in", "labelSelector=number,number%20notin%20(1,2)"),
        ("exists", "labelSelector=only-3"),
        ("not-exists", "labelSelector=number,!only-3"),
        ("greater", "labelSelector=number%3E4"),
        ("two", "labelSelector=odd%3Dtrue,number%3D3"),
        ("none", "labelSelector=a%3Db"),
        ("bad-label", "labelSelector=a%3D%3D%3Db"),
        ("bad-label-value", "labelSelector=a%3Dnot%20ok"),
        ("field-name", "fieldSelector=metadata.name%3Dmap-2"),
        ("field-name-not", "fieldSelector=metadata.name!%3Dmap-2&labelSelector=number"),
        ("field-namespace", "fieldSelector=metadata.namespace%3Dlists,metadata.name%3Dmap-1"),
        ("field-unknown", "fieldSelector=data.a%3Db"),
        ("field-bad", "fieldSelector=metadata.name"),
        ("limit-bad", "limit=x"),
        ("limit-negative", "limit=-1"),
        ("version-bad", "resourceVersion=x"),
        ("version-zero", "resourceVersion=0&labelSelector=number%3D1"),
        ("version-match-alone", "resourceVersionMatch=Exact"),
        ("continue-bad", "continue=x"),
        ("timeout-bad", "timeoutSeconds=x"),
    ] {
        pair.call(&format!("lists/{name}"), Call::get(format!("{maps}?{query}"))).await;
    }
    for (name, plural, query) in [
        ("pods-phase", "pods", "fieldSelector=status.phase%3DRunning"),
        ("pods-node", "pods", "fieldSelector=spec.nodeName%3Dnone"),
        ("pods-unknown", "pods", "fieldSelector=spec.frob%3Da"),
        ("events-of", "events", "fieldSelector=involvedObject.name%3Dnobody"),
        ("events-unknown", "events", "fieldSelector=frob%3Da"),
        ("secrets-type", "secrets", "fieldSelector=type%3DOpaque"),
    ] {
        pair.call(&format!("lists/{name}"), Call::get(format!("/api/v1/namespaces/{NAMESPACE}/{plural}?{query}"))).await;
    }
    pair.call("lists/all-namespaces", Call::get("/api/v1/configmaps?labelSelector=number%3D1")).await;
    pair.call("lists/absent-namespace", Call::get("/api/v1/namespaces/absent/configmaps")).await;
    pair.call("lists/deployments", Call::get(format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments"))).await;
}

async fn pages(pair: &mut Pair, maps: &str) {
    pair.keep("lists/page-1", Call::get(format!("{maps}?limit=3&labelSelector=number")), &[("continue", "/metadata/continue")]).await;
    let unfiltered = Call::get(format!("{maps}?limit=3"));
    pair.keep("lists/page-unfiltered", unfiltered, &[("continue-all", "/metadata/continue")]).await;
    let second = Call::get(format!("{maps}?limit=3&labelSelector=number&continue={{continue}}"));
    pair.keep("lists/page-2", second, &[("continue", "/metadata/continue")]).await;
    let third = Call::get(format!("{maps}?limit=3&labelSelector=number&continue={{continue}}"));
    pair.call("lists/page-3", third).await;
    pair.call("lists/page-exact", Call::get(format!("{maps}?limit=500&labelSelector=number"))).await;
    pair.call("lists/page-all-2", Call::get(format!("{maps}?limit=3&continue={{continue-all}}"))).await;
}

async fn shapes(pair: &mut Pair, maps: &str) {
    // How old a row is differs by who was asked first.
    let ageless = |value: Value| {
        let mut value = value;
        for row in value.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(cell) = row.get_mut("cells").and_then(Value::as_array_mut).and_then(|cells| cells.last_mut()) {
                *cell = json!("<age>");
            }
        }
        for column in value.get_mut("columnDefinitions").and_then(Value::as_array_mut).into_iter().flatten() {
            column["description"] = json!("<description>");
        }
        value
    };
    let both = |real: Value, playground: Value| (ageless(real), ageless(playground));
    pair.reduced("lists/table", Call::get(format!("{maps}?labelSelector=number")).accept(TABLE), both).await;
    pair.reduced("lists/table-one", Call::get(format!("{maps}/map-1")).accept(TABLE), both).await;
    pair.reduced("lists/table-no-object", Call::get(format!("{maps}/map-1?includeObject=None")).accept(TABLE), both).await;
    for plural in ["deployments", "replicasets", "statefulsets", "daemonsets"] {
        let call = Call::get(format!("/apis/apps/v1/namespaces/{NAMESPACE}/{plural}")).accept(TABLE);
        pair.reduced(&format!("lists/table-{plural}"), call, both).await;
    }
    for plural in ["pods", "services", "secrets", "serviceaccounts", "events"] {
        let call = Call::get(format!("/api/v1/namespaces/{NAMESPACE}/{plural}")).accept(TABLE);
        pair.reduced(&format!("lists/table-{plural}"), call, both).await;
    }
    pair.call("lists/metadata", Call::get(format!("{maps}/map-1")).accept(METADATA)).await;
    pair.call("lists/metadata-list", Call::get(format!("{maps}?labelSelector=number%3D1")).accept(METADATA_LIST)).await;
    pair.call("lists/metadata-for-a-list", Call::get(format!("{maps}?labelSelector=number%3D1")).accept(METADATA)).await;
}
