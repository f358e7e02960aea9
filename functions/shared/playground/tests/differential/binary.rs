//! Bodies that are not JSON: what the API server itself writes in its binary form is sent to both, for every kind and for random
//! objects; the same of YAML; and what is neither.

use crate::basics::{collection, kinds, object};
use crate::pair::Pair;
use crate::random::{KINDS, Random};
use crate::side::Call;
use crate::{SEEDS, namespace};
use reqwest::Method;
use serde_json::{Value, json};

const NAMESPACE: &str = "binary";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const PREFIX: &[u8] = b"k8s\0";

/// An object in the API server's own binary form, as a creation of it would give it.
async fn written(pair: &Pair, collection: &str, object: &Value) -> Vec<u8> {
    let call = Call::post(format!("{collection}?dryRun=All"), object).accept(PROTOBUF);
    let answer = pair.real.open(&call).await;
    assert_eq!(answer.status(), 201, "{collection} {object}");
    let bytes = answer.bytes().await.unwrap().to_vec();
    assert!(bytes.starts_with(PREFIX), "{collection}");
    bytes
}

pub(crate) async fn compare(pair: &mut Pair) {
    namespace(pair, NAMESPACE).await;
    // What only the server gives, an address or a selector, it does not take back from somebody who creates.
    let given = |kind: &str| matches!(kind, "api/v1 services" | "batch/v1 jobs");
    for (kind, object, _) in kinds().into_iter().filter(|(kind, _, _)| !given(kind)) {
        let (collection, plural) = collection(kind, NAMESPACE);
        let bytes = written(pair, &collection, &object).await;
        let create = Call::new(Method::POST, format!("{collection}?dryRun=All&fieldManager=m&fieldValidation=Strict"));
        pair.call(&format!("binary/{plural}"), create.body(PROTOBUF, bytes)).await;
    }
    let random = (0..SEEDS).flat_map(|seed| KINDS.map(|kind| (seed, kind)));
    for (seed, kind) in random.filter(|(_, kind)| !given(kind)) {
        let (collection, plural) = collection(kind, NAMESPACE);
        let call = Call::post(format!("{collection}?dryRun=All"), &Random(seed).object(kind)).accept(PROTOBUF);
        let answer = pair.real.open(&call).await;
        if answer.status() == 201 {
            let create = Call::new(Method::POST, format!("{collection}?dryRun=All&fieldManager=m"));
            pair.call(&format!("binary/random/{plural}"), create.body(PROTOBUF, answer.bytes().await.unwrap())).await;
        }
    }
    own(pair).await;
    broken(pair).await;
    yaml(pair).await;
    deletes(pair).await;
}

/// A Service and a Job that leave nothing to the server.
async fn own(pair: &mut Pair) {
    let ports = json!([{"name": "a", "port": 80, "targetPort": "web"}, {"name": "b", "port": 81, "targetPort": 8081, "protocol": "UDP"}]);
    let service = json!({"clusterIP": "None", "selector": {"app": "a"}, "ports": ports});
    let container = json!({"name": "main", "image": "image:1", "resources": {"limits": {"cpu": "100m", "memory": "1Gi"}}});
    let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"restartPolicy": "Never", "containers": [container]}});
    let job = json!({"manualSelector": true, "selector": {"matchLabels": {"app": "a"}}, "template": template, "suspend": true});
    for (kind, of, spec) in [("api/v1 services", ("v1", "Service"), service), ("batch/v1 jobs", ("batch/v1", "Job"), job)] {
        let (collection, plural) = collection(kind, NAMESPACE);
        let bytes = written(pair, &collection, &object(of.0, of.1, json!({"spec": spec}))).await;
        let create = Call::new(Method::POST, format!("{collection}?dryRun=All&fieldManager=m&fieldValidation=Strict"));
        pair.call(&format!("binary/own/{plural}"), create.body(PROTOBUF, bytes)).await;
    }
}

async fn broken(pair: &mut Pair) {
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"key": "value"}});
    let whole = written(pair, &maps, &object).await;
    let of = |kind: &str| {
        let kind = [&[0x0a, 2][..], b"v1", &[0x12, u8::try_from(kind.len()).unwrap()], kind.as_bytes()].concat();
        [PREFIX, &[0x0a, u8::try_from(kind.len()).unwrap()], &kind].concat()
    };
    let bodies = [
        ("no-prefix", b"{}".to_vec()),
        ("nothing", Vec::new()),
        ("prefix-alone", PREFIX.to_vec()),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("noise", [PREFIX, &[0xff; 40]].concat()),
        ("other-kind", of("Secret")),
        ("unknown-kind", of("Thing")),
        ("empty-object", of("ConfigMap")),
    ];
    for (name, body) in bodies {
        let create = Call::new(Method::POST, format!("{maps}?dryRun=All")).body(PROTOBUF, body);
        pair.call(&format!("binary/broken/{name}"), create).await;
    }
    for kind in [PROTOBUF, "application/yaml"] {
        let patch = Call::new(Method::PATCH, format!("{maps}/kube-root-ca.crt")).body(kind, "{}");
        pair.call(&format!("binary/broken/patch-{kind}"), patch).await;
    }
}

async fn yaml(pair: &mut Pair) {
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let texts = [
        ("block", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  text: |\n    one\n    two\n  number: \"1\"\n"),
        ("flow", "{kind: ConfigMap, metadata: {name: a}, data: {a: b}}"),
        ("number-for-text", "kind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n"),
        ("alias", "kind: ConfigMap\nmetadata: {name: a}\ndata: {a: &it b, c: *it}\n"),
        ("broken", "kind: [ConfigMap\nmetadata: {name: a}\n"),
        ("text", "just a text"),
    ];
    for (name, text) in texts {
        let create = Call::new(Method::POST, format!("{maps}?dryRun=All&fieldManager=m")).body("application/yaml", text);
        pair.call(&format!("binary/yaml/{name}"), create).await;
        let apply = Call::new(Method::PATCH, format!("{maps}/a?dryRun=All&fieldManager=m")).body("application/apply-patch+yaml", text);
        pair.call(&format!("binary/yaml/apply-{name}"), apply).await;
    }
}

/// A deletion's wishes in other forms.
async fn deletes(pair: &mut Pair) {
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "deleted"}});
    pair.arrange(Call::post(&*maps, &object)).await;
    let at = format!("{maps}/deleted");
    // `preconditions: {uid: no}` and `dryRun: [All]`.
    let uid = [PREFIX, &[0x0a, 0x13, 0x0a, 2], b"v1", &[0x12, 13], b"DeleteOptions", &[0x12, 6, 0x12, 4, 0x0a, 2], b"no"].concat();
    let dry = [PREFIX, &[0x0a, 0x13, 0x0a, 2], b"v1", &[0x12, 13], b"DeleteOptions", &[0x12, 5, 0x2a, 3], b"All"].concat();
    pair.call("binary/delete/other-uid", Call::delete(&*at).body(PROTOBUF, uid)).await;
    pair.call("binary/delete/dry", Call::delete(&*at).body(PROTOBUF, dry)).await;
    pair.call("binary/delete/yaml", Call::delete(&*at).body("application/yaml", "gracePeriodSeconds: 0\ndryRun: [All]\n")).await;
    pair.call("binary/delete/broken", Call::delete(&*at).body(PROTOBUF, "k8s")).await;
    pair.call("binary/delete/still-there", Call::get(&*at)).await;
}
