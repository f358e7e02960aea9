//! Accounts as callers see them: rights, refusals, versions, secrets that stay inside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

use app::ports::Hint;
use app::testing::{KeptHints, ScriptedCluster, ScriptedRegistry, TurningSealer};
use edge::testing::{Client, document_faults, edge, token};
use edge::{About, Edge, assemble};
use infrastructure::{Ports, router};
use model::person::Role;
use serde_json::{Value, json};
use std::sync::Arc;

struct Bench {
    anonymous: Client,
    admin: Client,
    operator: Client,
    developer: Client,
    queue: Arc<KeptHints>,
}

async fn bench() -> Bench {
    let edge: Edge = edge();
    let queue = Arc::new(KeptHints::default());
    let ports = Ports {
        edge: edge.clone(),
        sealer: Arc::new(TurningSealer),
        queue: queue.clone(),
        cluster: Arc::new(ScriptedCluster::default()),
        registry: Arc::new(ScriptedRegistry::default()),
    };
    let anonymous = Client::new(assemble(edge.clone(), About { version: "0".to_owned(), commit: None }, [router(ports)]));
    let with = async |role| anonymous.with_token(&token(&edge, "somebody", role).await);
    Bench {
        admin: with(Role::Administrator).await,
        operator: with(Role::Operator).await,
        developer: with(Role::Developer).await,
        anonymous,
        queue,
    }
}

fn cloud() -> Value {
    json!({"name": "prod", "kubeconfig": "server=https://10.0.0.1 token=very-secret", "applications": ["FlaskApp"], "namespaces": ["web"]})
}

fn registry() -> Value {
    json!({"name": "reg", "address": "127.0.0.1:5000", "credentials": {"type": "basic", "username": "ann", "password": "very-secret"}})
}

#[tokio::test]
async fn every_address_is_closed_to_callers_without_a_token_and_to_roles_too_low() {
    let b = bench().await;
    b.admin.post("/api/accounts/cloud", cloud()).await;
    b.admin.post("/api/accounts/registry", registry()).await;
    let change = json!({"applications": [], "namespaces": []});
    for (method, path, body, least) in [
        ("GET", "/api/accounts/cloud", None, Role::Operator),
        ("POST", "/api/accounts/cloud", Some(cloud()), Role::Administrator),
        ("GET", "/api/accounts/cloud/prod", None, Role::Operator),
        ("PUT", "/api/accounts/cloud/prod", Some(change), Role::Administrator),
        ("DELETE", "/api/accounts/cloud/prod", None, Role::Administrator),
        ("POST", "/api/accounts/cloud/prod/verify", None, Role::Administrator),
        ("GET", "/api/accounts/registry", None, Role::Operator),
        ("POST", "/api/accounts/registry", Some(registry()), Role::Administrator),
        ("GET", "/api/accounts/registry/reg", None, Role::Operator),
        ("DELETE", "/api/accounts/registry/reg", None, Role::Administrator),
        ("POST", "/api/accounts/registry/reg/verify", None, Role::Administrator),
        ("GET", "/api/accounts/registry/reg/tags?repository=team/web", None, Role::Developer),
        ("GET", "/api/accounts/registry/reg/digest?repository=team/web&tag=1", None, Role::Developer),
    ] {
        let reply = b.anonymous.send(method, path, &[], body.clone()).await;
        assert_eq!((reply.status, reply.code()), (401, "token-missing"), "{method} {path}");
        let reply = b.anonymous.with_token("wb_wrong").send(method, path, &[], body.clone()).await;
        assert_eq!((reply.status, reply.code()), (401, "token-invalid"), "{method} {path}");
        for (client, role) in [(&b.developer, Role::Developer), (&b.operator, Role::Operator)] {
            if role < least {
                let reply = client.send(method, path, &[], body.clone()).await;
                assert_eq!((reply.status, reply.code()), (403, "role-too-low"), "{method} {path} {role:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_cloud_account_from_registration_to_removal() {
    let b = bench().await;
    let made = b.admin.post("/api/accounts/cloud", cloud()).await;
    assert_eq!((made.status, made.header("location"), made.header("etag")), (201, "/api/accounts/cloud/prod", "\"1\""));
    assert_eq!((made.json["state"].as_str(), &made.json["applications"]), (Some("verifying"), &json!(["flaskapp"])));
    assert_eq!(b.queue.take(), [Hint::CloudAccount { name: model::id::AccountName::parse("prod").unwrap() }]);
    let seen = b.operator.get("/api/accounts/cloud/prod").await;
    assert!(!seen.json.to_string().contains("very-secret"));
    assert_eq!(
        seen.json["may"]["manage-accounts"],
        json!({"allowed": false, "code": "role-too-low", "message": "this needs the role administrator"})
    );
    assert_eq!(b.operator.send("GET", "/api/accounts/cloud/prod", &[("if-none-match", "\"1\"")], None).await.status, 304);
    let change = json!({"applications": ["flaskapp", "other"], "namespaces": [], "extraKinds": ["Gateway.gateway.networking.k8s.io"]});
    assert_eq!(b.admin.put("/api/accounts/cloud/prod", "", change.clone()).await.status, 428);
    assert_eq!(b.admin.put("/api/accounts/cloud/prod", "\"7\"", change.clone()).await.status, 412);
    let changed = b.admin.put("/api/accounts/cloud/prod", "\"1\"", change).await;
    assert_eq!((changed.status, changed.header("etag"), &changed.json["applications"]), (200, "\"2\"", &json!(["flaskapp", "other"])));
    let again = b.admin.send("POST", "/api/accounts/cloud/prod/verify", &[], None).await;
    assert_eq!((again.status, again.json["version"].as_u64()), (202, Some(3)));
    assert_eq!(b.operator.get("/api/accounts/cloud").await.json["items"][0]["name"], "prod");
    assert_eq!(b.admin.send("DELETE", "/api/accounts/cloud/prod", &[("if-match", "\"1\"")], None).await.status, 412);
    assert_eq!(b.admin.delete("/api/accounts/cloud/prod").await.status, 204);
    for path in ["/api/accounts/cloud/prod", "/api/accounts/cloud/-"] {
        assert_eq!(b.admin.get(path).await.status, 404, "{path}");
        assert_eq!(b.admin.delete(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn bad_connections_say_where_they_are_bad() {
    let b = bench().await;
    let check = async |body: Value, pointer: &str| {
        let reply = b.admin.post("/api/accounts/cloud", body).await;
        assert_eq!((reply.status, reply.pointers()), (422, vec![pointer]), "{}", reply.json);
    };
    check(json!({"name": "x"}), "").await;
    check(json!({"name": "x", "kubeconfig": "k", "server": "https://x"}), "/server").await;
    check(json!({"name": "x", "kubeconfig": "k", "token": "t"}), "/token").await;
    check(json!({"name": "x", "kubeconfig": "k", "caPem": "t"}), "/caPem").await;
    check(json!({"name": "x", "server": "https://x"}), "/token").await;
    check(json!({"name": "x", "server": "https://x", "token": "t", "context": "c"}), "/context").await;
    check(json!({"name": "x", "token": "t"}), "/server").await;
    check(json!({"name": "x", "server": "http://x", "token": "t"}), "/server").await;
    check(json!({"name": "x", "kubeconfig": "exec"}), "/kubeconfig/users/0/user/exec").await;
    check(json!({"name": "x", "kubeconfig": "rubbish"}), "/kubeconfig").await;
    check(json!({"name": "x", "kubeconfig": "x".repeat(600_000)}), "/kubeconfig").await;
    check(json!({"name": "-", "kubeconfig": "k"}), "/name").await;
    check(json!({"name": "x", "kubeconfig": "k", "applications": ["ok", "1"]}), "/applications/1").await;
    check(json!({"name": "x", "kubeconfig": "server=https://x token=t", "namespaces": ["A"]}), "/namespaces/0").await;
    check(json!({"name": "x", "kubeconfig": "k", "surprise": 1}), "/surprise").await;
    let large = b.admin.post("/api/accounts/cloud", json!({"name": "x", "kubeconfig": "x".repeat(2 << 20)})).await;
    assert_eq!(large.status, 413);
    assert_eq!(b.operator.get("/api/accounts/cloud").await.json["items"], json!([]), "nothing half-done is left behind");
}

#[tokio::test]
async fn a_repeated_request_makes_one_account() {
    let b = bench().await;
    let key = [("idempotency-key", "k-1")];
    let first = b.admin.send("POST", "/api/accounts/cloud", &key, Some(cloud())).await;
    let again = b.admin.send("POST", "/api/accounts/cloud", &key, Some(cloud())).await;
    assert_eq!((first.status, again.status, &first.json), (201, 201, &again.json));
    let mut other = cloud();
    other["name"] = json!("other");
    let reused = b.admin.send("POST", "/api/accounts/cloud", &key, Some(other)).await;
    assert_eq!((reused.status, reused.json["errors"][0]["code"].as_str()), (422, Some("idempotency-key-reused")));
    let taken = b.admin.post("/api/accounts/cloud", cloud()).await;
    assert_eq!((taken.status, taken.code()), (409, "name-taken"));
}

#[tokio::test]
async fn a_registry_account_and_what_is_read_through_it() {
    let b = bench().await;
    let made = b.admin.post("/api/accounts/registry", registry()).await;
    assert_eq!((made.status, made.json["plainHttp"].as_bool(), made.json["login"].as_str()), (201, Some(true), Some("basic")));
    assert!(!made.json.to_string().contains("very-secret"));
    let tags = b.developer.get("/api/accounts/registry/reg/tags?repository=team/web&limit=2").await;
    assert_eq!(tags.json["items"], json!([{"tag": "1"}, {"tag": "2"}]));
    let rest = b
        .developer
        .get(&format!("/api/accounts/registry/reg/tags?repository=team/web&after={}", tags.json["next"].as_str().unwrap()))
        .await;
    assert_eq!((rest.json["items"].clone(), rest.json.get("next")), (json!([{"tag": "3"}]), None));
    let digest = b.developer.get("/api/accounts/registry/reg/digest?repository=team/web&tag=2").await;
    assert_eq!(digest.json["digest"], format!("sha256:{}", "2".repeat(64)));
    for (query, status) in [
        ("tags", 422),
        ("tags?repository=Team", 422),
        ("tags?repository=team/web&limit=0", 422),
        ("tags?repository=team/web&limit=x", 422),
        ("tags?repository=team/web&after=!", 422),
        ("tags?repository=team/web&surprise=1", 422),
        ("tags?repository=team/other", 404),
        ("digest?repository=team/web&tag=-", 422),
        ("digest?repository=team/web&tag=9", 404),
    ] {
        assert_eq!(b.developer.get(&format!("/api/accounts/registry/reg/{query}")).await.status, status, "{query}");
    }
    assert_eq!(b.developer.get("/api/accounts/registry/none/tags?repository=team/web").await.status, 404);
    assert_eq!(b.admin.send("POST", "/api/accounts/registry/reg/verify", &[], None).await.status, 202);
    assert_eq!(b.admin.delete("/api/accounts/registry/reg").await.status, 204);
}

#[tokio::test]
async fn bad_registries_say_where_they_are_bad() {
    let b = bench().await;
    for (body, pointers) in [
        (json!({"name": "x", "address": "reg.example/path"}), vec!["/address"]),
        (json!({"name": "x", "address": ""}), vec!["/address"]),
        (
            json!({"name": "x", "address": "r.io", "credentials": {"type": "basic", "username": "", "password": "p"}}),
            vec!["/credentials/username"],
        ),
        (json!({"name": "x", "address": "r.io", "credentials": {"type": "magic"}}), vec!["/credentials/type"]),
        (json!({"name": "x", "address": "r.io", "caPem": "x"}), vec!["/caPem"]),
        (json!({"name": "x"}), vec![""]),
    ] {
        let reply = b.admin.post("/api/accounts/registry", body.clone()).await;
        assert_eq!((reply.status, reply.pointers()), (422, pointers), "{body} {}", reply.json);
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    let document = bench().await.anonymous.get("/openapi.json").await.json;
    assert_eq!(document_faults(&document), Vec::<String>::new());
}
