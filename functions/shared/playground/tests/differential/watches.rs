//! Watches: what they tell of creations, changes and deletions, by selector and shape.

use futures::StreamExt as _;
use serde_json::{Value, json};
use std::time::Duration;

use crate::namespace;
use crate::pair::Pair;
use crate::side::{Call, Side};

const NAMESPACE: &str = "watches";
const EVENT_MAX: Duration = Duration::from_secs(20);

/// Reads that many events, bookmarks apart.
async fn events(side: &Side, call: &Call, count: usize) -> Vec<Value> {
    let answer = side.open(call).await;
    let mut stream = answer.bytes_stream();
    let (mut text, mut found) = (Vec::new(), Vec::new());
    while found.len() < count {
        let Ok(Some(Ok(chunk))) = tokio::time::timeout(EVENT_MAX, stream.next()).await else {
            found.push(serde_json::from_slice(&text).unwrap_or_else(|_| json!("the watch ended")));
            break;
        };
        text.extend_from_slice(&chunk);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let event: Value = serde_json::from_slice(&line).unwrap_or_default();
            if event["type"] != "BOOKMARK" {
                found.push(event);
            }
        }
    }
    found
}

async fn compare_events(pair: &mut Pair, name: &str, call: &Call, count: usize) {
    let (real, playground) = tokio::join!(events(&pair.real, call, count), events(&pair.playground, call, count));
    let (real, playground) = (pair.mask.of(Value::Array(real)), pair.mask.of(Value::Array(playground)));
    pair.note(&format!("watches/{name}"), "", &real, &playground);
    pair.calls += 1;
}

pub(crate) async fn compare(pair: &mut Pair) {
    namespace(pair, NAMESPACE).await;
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let map =
        |name: &str, label: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"l": label}}});
    pair.keep("watches/list", Call::get(format!("{maps}?labelSelector=l")), &[("rv", "/metadata/resourceVersion")]).await;
    pair.arrange(Call::post(&*maps, &map("one", "in"))).await;
    pair.arrange(Call::post(&*maps, &map("two", "out"))).await;
    pair.arrange(Call::merge(format!("{maps}/one"), &json!({"data": {"a": "b"}}))).await;
    pair.arrange(Call::merge(format!("{maps}/one"), &json!({"data": {"a": "b"}}))).await;
    pair.arrange(Call::merge(format!("{maps}/two"), &json!({"metadata": {"labels": {"l": "in"}}}))).await;
    pair.arrange(Call::merge(format!("{maps}/one"), &json!({"metadata": {"labels": {"l": "out"}}}))).await;
    pair.arrange(Call::delete(format!("{maps}/one"))).await;
    pair.arrange(Call::delete(format!("{maps}/two"))).await;
    let watch = |query: &str| Call::get(format!("{maps}?watch=true&timeoutSeconds=10&{query}"));
    compare_events(pair, "all", &watch("resourceVersion={rv}&labelSelector=l"), 7).await;
    compare_events(pair, "label", &watch("resourceVersion={rv}&labelSelector=l%3Din"), 5).await;
    compare_events(pair, "name", &watch("resourceVersion={rv}&fieldSelector=metadata.name%3Dtwo"), 3).await;
    let metadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
    compare_events(pair, "metadata", &watch("resourceVersion={rv}&labelSelector=l").accept(metadata), 7).await;
    pair.arrange(Call::post(&*maps, &map("three", "in"))).await;
    compare_events(pair, "from-nothing", &watch("labelSelector=l"), 1).await;
    compare_events(pair, "from-zero", &watch("resourceVersion=0&labelSelector=l"), 1).await;
    compare_events(pair, "bad-version", &watch("resourceVersion=x"), 1).await;
    let ends = Call::get(format!("{maps}?watch=true&timeoutSeconds=1&resourceVersion={{rv}}&labelSelector=nobody"));
    compare_events(pair, "ends", &ends, 1).await;
    pair.call("watches/object", Call::get(format!("{maps}/three?watch=false"))).await;
}
