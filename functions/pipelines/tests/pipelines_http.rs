//! Applications, projects, pipelines, tokens and changes as callers see them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may panic as the test may"
)]

use app::testing::TurningSealer;
use edge::testing::{Client, document_faults, edge, token};
use edge::{About, assemble};
use model::component::{Grant, StageType, StepLimits};
use model::person::Role;
use pipelines::{Ports, router};
use serde_json::{Value, json};
use std::sync::Arc;

struct Bench {
    anonymous: Client,
    admin: Client,
    operator: Client,
    developer: Client,
}

async fn bench() -> Bench {
    let edge = edge();
    let wait = StageType {
        name: "wait".to_owned(),
        aliases: vec![],
        version: "0.1.0".to_owned(),
        wasm_sha256: "0".repeat(64),
        cwasm_sha256: "1".repeat(64),
        engine: "e".to_owned(),
        manifest: json!({"title": "Wait"}),
        grant: Grant { executions: vec!["start".to_owned()], ..Grant::default() },
        exports: vec![],
        limits: StepLimits::default(),
        timeout_ms: 1_000,
    };
    app::stage_types::install(edge.table.as_ref(), &[wait]).await.unwrap();
    let ports = Ports { edge: edge.clone(), sealer: Arc::new(TurningSealer) };
    let anonymous = Client::new(assemble(edge.clone(), About { version: "0".to_owned(), commit: None }, [router(ports)]));
    let with = async |name, role| anonymous.with_token(&token(&edge, name, role).await);
    Bench {
        admin: with("root", Role::Administrator).await,
        operator: with("olga", Role::Operator).await,
        developer: with("dan", Role::Developer).await,
        anonymous,
    }
}

const PIPELINES: &str = "/api/applications/flaskapp/pipelines";
const SECRETS: &str = "/api/applications/flaskapp/secrets";

fn document() -> Value {
    json!({"keep": {"z": 1, "a": [null]}, "stages": [{"refId": "1", "type": "wait"}, {"refId": "2", "type": "bakery", "requisiteStageRefIds": ["1"]}],
        "triggers": [{"type": "docker", "account": "reg", "repository": "team/web", "tag": "v.*"}]})
}

impl Bench {
    async fn story(self) -> Self {
        assert_eq!(self.operator.post("/api/applications", json!({"name": "flaskapp"})).await.status, 201);
        assert_eq!(self.operator.post("/api/projects", json!({"name": "cd-demo"})).await.status, 201);
        assert_eq!(self.operator.put(&format!("{PIPELINES}/deploy"), "", document()).await.status, 201);
        self
    }
}

#[tokio::test]
async fn every_address_is_closed_to_callers_without_a_token_and_to_roles_too_low() {
    let b = bench().await.story().await;
    let one = format!("{PIPELINES}/deploy");
    let (triggers, revisions, first) = (format!("{one}/triggers"), format!("{one}/revisions"), format!("{one}/revisions/1"));
    let app = || Some(json!({"name": "flaskapp"}));
    let secret = format!("{SECRETS}/db");
    for (method, path, body, least) in [
        ("GET", "/api/me", None, Role::Developer),
        ("GET", "/api/tokens", None, Role::Administrator),
        ("POST", "/api/tokens", Some(json!({"name": "x", "role": "developer"})), Role::Administrator),
        ("DELETE", "/api/tokens/x", None, Role::Administrator),
        ("GET", "/api/changes?topic=x", None, Role::Developer),
        ("GET", "/api/stage-types", None, Role::Developer),
        ("GET", "/api/applications", None, Role::Developer),
        ("POST", "/api/applications", app(), Role::Operator),
        ("GET", "/api/applications/flaskapp", None, Role::Developer),
        ("PUT", "/api/applications/flaskapp", app(), Role::Operator),
        ("DELETE", "/api/applications/flaskapp", None, Role::Operator),
        ("GET", "/api/projects", None, Role::Developer),
        ("POST", "/api/projects", Some(json!({"name": "x"})), Role::Operator),
        ("GET", "/api/projects/cd-demo", None, Role::Developer),
        ("DELETE", "/api/projects/cd-demo", None, Role::Operator),
        ("PUT", "/api/projects/cd-demo/applications/flaskapp", None, Role::Operator),
        ("DELETE", "/api/projects/cd-demo/applications/flaskapp", None, Role::Operator),
        ("GET", PIPELINES, None, Role::Developer),
        ("GET", one.as_str(), None, Role::Developer),
        ("PUT", one.as_str(), Some(document()), Role::Operator),
        ("DELETE", one.as_str(), None, Role::Operator),
        ("GET", triggers.as_str(), None, Role::Operator),
        ("GET", revisions.as_str(), None, Role::Developer),
        ("GET", first.as_str(), None, Role::Developer),
        ("POST", PIPELINES, Some(json!({"pipelines": [{"document": {"name": "x", "stages": []}}]})), Role::Operator),
        ("GET", SECRETS, None, Role::Operator),
        ("GET", secret.as_str(), None, Role::Operator),
        ("PUT", secret.as_str(), Some(json!({"value": "v"})), Role::Operator),
        ("DELETE", secret.as_str(), None, Role::Operator),
    ] {
        let reply = b.anonymous.send(method, path, &[], body.clone()).await;
        assert_eq!((reply.status, reply.code()), (401, "token-missing"), "{method} {path}");
        let reply = b.anonymous.with_token("wb_wrong").send(method, path, &[], body.clone()).await;
        assert_eq!((reply.status, reply.code()), (401, "token-invalid"), "{method} {path}");
        for (client, role) in [(&b.developer, Role::Developer), (&b.operator, Role::Operator)] {
            if role < least {
                let reply = client.send(method, path, &[], body.clone()).await;
                assert_eq!((reply.status, reply.code()), (403, "role-too-low"), "{method} {path} {role:?}");
            } else if role == Role::Developer {
                assert_eq!(client.get(path).await.status, 200, "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn tokens_are_made_shown_once_and_revoked() {
    let b = bench().await;
    let made = b.admin.post("/api/tokens", json!({"name": "ci", "role": "developer", "groups": ["ops"]})).await;
    assert_eq!(made.status, 201);
    let ci = b.anonymous.with_token(made.json["secret"].as_str().unwrap());
    let me = ci.get("/api/me").await.json;
    assert_eq!((me["name"].as_str(), me["role"].as_str(), &me["groups"]), (Some("ci"), Some("developer"), &json!(["ops"])));
    assert_eq!((&me["may"]["execute"], &me["may"]["edit-pipelines"]["code"]), (&json!({"allowed": true}), &json!("role-too-low")));
    let list = b.admin.get("/api/tokens?limit=2").await.json;
    assert!(!list.to_string().contains("wb_") && list["next"].is_string());
    let rest = b.admin.get(&format!("/api/tokens?after={}", list["next"].as_str().unwrap())).await.json;
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);
    let path = format!("/api/tokens/{}", made.json["token"]["id"].as_str().unwrap());
    assert_eq!(b.admin.delete(&path).await.status, 204);
    assert_eq!(ci.get("/api/me").await.status, 401);
    assert_eq!(b.admin.delete(&path).await.status, 404);
    let root = rest["items"].as_array().unwrap().iter().chain(list["items"].as_array().unwrap()).find(|t| t["name"] == "root").unwrap();
    let last = b.admin.delete(&format!("/api/tokens/{}", root["id"].as_str().unwrap())).await;
    assert_eq!((last.status, last.code()), (409, "last-administrator"));
    for (body, pointer) in [
        (json!({"name": "trigger:x", "role": "developer"}), "/name"),
        (json!({"name": "x", "role": "king"}), "/role"),
        (json!({"name": "x", "role": "developer", "expiresMs": 1}), "/expiresMs"),
        (json!({"name": "x", "role": "developer", "more": 1}), "/more"),
    ] {
        let reply = b.admin.post("/api/tokens", body).await;
        assert_eq!((reply.status, reply.pointers()), (422, vec![pointer]), "{}", reply.json);
    }
    let key = [("idempotency-key", "k")];
    let body = || Some(json!({"name": "x", "role": "developer"}));
    assert_eq!(b.admin.send("POST", "/api/tokens", &key, body()).await.status, 201);
    let again = b.admin.send("POST", "/api/tokens", &key, body()).await;
    assert_eq!((again.status, again.code()), (409, "token-already-made"));
    assert_eq!(b.admin.send("POST", "/api/tokens", &[("idempotency-key", "a b")], body()).await.status, 422);
}

#[tokio::test]
async fn an_application_keeps_every_field_of_its_form() {
    let b = bench().await;
    let form = json!({"name": "FlaskApp", "description": "d", "email": "a@b", "cloudProviders": "kubernetes", "platformHealthOnly": true,
        "platformHealthOnlyShowOverride": true, "instancePort": 8080, "enableRestartRunningExecutions": true,
        "enableRerunActiveExecutions": true, "permissions": {"READ": [], "EXECUTE": ["dan"]}, "repoSlug": {"x": [1]}});
    let made = b.operator.post("/api/applications", form.clone()).await;
    assert_eq!((made.status, made.header("location"), made.header("etag")), (201, "/api/applications/FlaskApp", "\"1\""));
    let seen = b.developer.get("/api/applications/flaskAPP").await;
    for (key, value) in form.as_object().unwrap().iter().filter(|(k, _)| *k != "permissions") {
        assert_eq!(seen.json["application"][key], *value, "{key}");
    }
    assert_eq!(seen.json["application"]["permissions"], json!({"EXECUTE": ["dan"]}));
    assert_eq!(
        (&seen.json["may"]["execute"]["allowed"], &seen.json["may"]["manage-applications"]["allowed"]),
        (&json!(true), &json!(false))
    );
    let port = |port: Value| json!({"name": "flaskapp", "instancePort": port});
    assert_eq!(b.operator.put("/api/applications/flaskapp", "", port(json!(1))).await.status, 428);
    assert_eq!(b.operator.put("/api/applications/flaskapp", "\"9\"", port(json!(1))).await.status, 412);
    let changed = b.operator.put("/api/applications/flaskapp", "\"1\"", port(json!(81))).await;
    assert_eq!((changed.status, changed.header("etag"), &changed.json["application"]["name"]), (200, "\"2\"", &json!("FlaskApp")));
    let none = b.operator.send("GET", "/api/applications/flaskapp", &[("if-none-match", "\"2\"")], None).await;
    assert_eq!((none.status, none.header("etag")), (304, "\"2\""));
    let taken = b.operator.post("/api/applications", json!({"name": "FLASKAPP"})).await;
    assert_eq!((taken.status, taken.code()), (409, "name-taken"));
    for (body, pointer) in [
        (json!({"name": "1"}), "/name"),
        (port(json!("80")), "/instancePort"),
        (json!({"name": "x", "cloudProviders": ""}), "/cloudProviders"),
    ] {
        let reply = b.operator.post("/api/applications", body).await;
        assert_eq!((reply.status, reply.pointers()), (422, vec![pointer]), "{}", reply.json);
    }
    assert_eq!(b.operator.get("/api/applications/1").await.status, 404);
    assert_eq!(b.operator.get("/api/applications/none").await.status, 404);
    assert_eq!(b.operator.put("/api/applications/none", "*", json!({"name": "none"})).await.status, 404);
    assert_eq!(b.operator.delete("/api/applications/flaskapp").await.status, 204);
    assert_eq!(b.operator.get("/api/applications").await.json["items"], json!([]));
}

#[tokio::test]
async fn projects_bind_applications_again_and_again() {
    let b = bench().await.story().await;
    let path = "/api/projects/cd-demo/applications/flaskapp";
    for _ in 0..2 {
        let bound = b.operator.send("PUT", path, &[], None).await;
        assert_eq!((bound.status, &bound.json["applications"], &bound.json["version"]), (200, &json!(["flaskapp"]), &json!(2)));
    }
    let refused = b.operator.delete("/api/projects/cd-demo").await;
    assert_eq!((refused.status, refused.code(), &refused.json["data"]["applications"]), (409, "project-in-use", &json!(["flaskapp"])));
    let refused = b.operator.delete("/api/applications/flaskapp").await;
    assert_eq!((refused.status, refused.code()), (409, "application-in-use"));
    assert_eq!(refused.json["data"], json!({"pipelines": ["deploy"], "projects": ["cd-demo"], "secrets": []}));
    for _ in 0..2 {
        assert_eq!(b.operator.delete(path).await.json["applications"], json!([]));
    }
    for path in ["/api/projects/cd-demo/applications/none", "/api/projects/none/applications/flaskapp"] {
        assert_eq!(b.operator.send("PUT", path, &[], None).await.status, 404, "{path}");
        assert_eq!(b.operator.delete(path).await.status, 404, "{path}");
    }
    assert_eq!(b.operator.post("/api/projects", json!({"name": "CD-demo"})).await.code(), "name-taken");
    assert_eq!(b.operator.post("/api/projects", json!({"name": "-"})).await.pointers(), ["/name"]);
    assert_eq!(b.operator.delete("/api/projects/cd-demo").await.status, 204);
    assert_eq!(b.operator.get("/api/projects/cd-demo").await.status, 404);
}

#[tokio::test]
async fn a_pipeline_is_saved_in_revisions() {
    let b = bench().await;
    b.operator.post("/api/applications", json!({"name": "flaskapp"})).await;
    let path = format!("{PIPELINES}/deploy");
    let made = b.operator.send("PUT", &path, &[("if-none-match", "*")], Some(document())).await;
    let id = made.json["id"].as_str().unwrap().to_owned();
    assert_eq!((made.status, made.header("etag")), (201, "\"1\""));
    assert_eq!(made.header("location"), format!("{PIPELINES}/{id}"));
    assert_eq!(made.json["warnings"][0]["code"], "unsupported-stage-type");
    assert_eq!(made.json["warnings"][0]["pointer"], "/stages/1/type");
    assert_eq!(made.json["stages"][1], json!({"refId": "2", "type": "bakery", "name": "bakery", "supported": false}));
    assert_eq!(made.json["document"]["keep"].to_string(), r#"{"z":1,"a":[null]}"#);
    assert_eq!(b.operator.put(&path, "", document()).await.status, 428);
    assert_eq!(b.operator.send("PUT", &path, &[("if-none-match", "*")], Some(document())).await.status, 412);
    assert_eq!(b.operator.put(&path, "\"2\"", document()).await.status, 412);
    let saved = b.operator.put(&format!("{PIPELINES}/{id}"), "\"1\"", made.json["document"].clone()).await;
    assert_eq!((saved.status, saved.header("etag"), &saved.json["document"]), (200, "\"2\"", &made.json["document"]));
    let seen = b.developer.get(&format!("{PIPELINES}/DEPLOY")).await;
    assert_eq!((seen.header("etag"), seen.json["author"].as_str()), ("\"2\"", Some("olga")));
    let list = b.developer.get(&format!("{path}/revisions?limit=1")).await.json;
    assert_eq!((list["items"][0]["number"].as_u64(), list["next"].is_string()), (Some(2), true));
    let rest = b.developer.get(&format!("{path}/revisions?after={}", list["next"].as_str().unwrap())).await.json;
    assert_eq!(rest["items"][0]["number"], 1);
    assert_eq!(b.developer.get(&format!("{path}/revisions/1")).await.json["revision"], 1);
    for bad in ["3", "0", "x", "-1"] {
        assert_eq!(b.developer.get(&format!("{path}/revisions/{bad}")).await.status, 404, "{bad}");
    }
    let summary = b.developer.get(PIPELINES).await.json["items"][0].clone();
    assert_eq!((&summary["name"], &summary["unsupported"]), (&json!("deploy"), &json!(["bakery"])));
    assert_eq!(b.operator.send("DELETE", &path, &[("if-match", "\"1\"")], None).await.status, 412);
    assert_eq!(b.operator.delete(&path).await.status, 204);
    for gone in [path.clone(), format!("{path}/revisions"), format!("{path}/revisions/1"), format!("{path}/triggers")] {
        assert_eq!(b.operator.get(&gone).await.status, 404, "{gone}");
    }
}

#[tokio::test]
async fn everything_wrong_with_a_pipeline_is_told_at_once() {
    let b = bench().await.story().await;
    let check = async |name: &str, body: Value, wanted: &[(&str, &str)]| {
        let reply = b.operator.put(&format!("{PIPELINES}/{name}"), "", body).await;
        let found: Vec<(String, String)> = reply.json["errors"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .iter()
            .map(|e| (e["pointer"].as_str().unwrap().to_owned(), e["code"].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(reply.status, 422, "{}", reply.json);
        for (pointer, code) in wanted {
            assert!(found.iter().any(|(p, c)| p == pointer && c == code), "{pointer} {code}: {found:?}");
        }
    };
    check("x", json!([]), &[("", "not-an-object")]).await;
    check("x", json!({"application": "other", "name": "y"}), &[("/application", "application-differs"), ("/name", "name-differs")]).await;
    check("x", json!({"stages": [{"refId": "1", "type": "wait", "requisiteStageRefIds": ["1"]}]}), &[("/stages", "cycle")]).await;
    check(
        "x",
        json!({"stages": [{"refId": "1", "type": "wait"}, {"type": "wait"}], "triggers": [{"type": "docker"}]}),
        &[("/stages/1/refId", "ref-id-missing"), ("/triggers/0/account", "account-missing")],
    )
    .await;
    check(
        "x",
        json!({"stages": [{"refId": "1", "type": "wait", "requisiteStageRefIds": ["9"]}]}),
        &[("/stages/0/requisiteStageRefIds/0", "requisite-unknown")],
    )
    .await;
    check("%00", json!({}), &[("/name", "name-invalid")]).await;
    let other = b.operator.put(&format!("{PIPELINES}/other"), "", json!({})).await;
    assert_eq!(other.status, 201);
    let taken = b.operator.put(&format!("{PIPELINES}/other"), "*", json!({"name": "Deploy"})).await;
    assert_eq!((taken.status, taken.code()), (409, "name-taken"));
    assert_eq!(b.operator.put("/api/applications/none/pipelines/x", "", json!({})).await.status, 404);
    let syntax = b.operator.send("PUT", &format!("{PIPELINES}/x"), &[("content-type", "application/json")], None).await;
    assert_eq!((syntax.status, syntax.code()), (400, "json-invalid"));
    assert_eq!(b.operator.send("PUT", &format!("{PIPELINES}/x"), &[], None).await.status, 415);
}

#[tokio::test]
async fn hooks_are_shown_to_operators_only() {
    let b = bench().await.story().await;
    let path = format!("{PIPELINES}/deploy/triggers");
    let shown = b.operator.get(&path).await.json["items"][0].clone();
    let hook = shown["hookPath"].as_str().unwrap().to_owned();
    assert!(hook.starts_with(app::pipelines::HOOK_PREFIX) && hook.len() > 50);
    assert_eq!(shown["hookUrl"], format!("https://waybill.example{hook}"));
    assert_eq!((&shown["repository"], &shown["tag"]), (&json!("team/web"), &json!("v.*")));
    let seen = b.developer.get(&format!("{PIPELINES}/deploy")).await.json;
    assert!(!seen.to_string().contains(hook.trim_start_matches(app::pipelines::HOOK_PREFIX)));
    b.operator.put(&format!("{PIPELINES}/deploy"), "*", document()).await;
    assert_eq!(b.operator.get(&path).await.json["items"][0]["hookPath"], hook, "stable over saves");
}

#[tokio::test]
async fn changes_are_followed() {
    let b = bench().await;
    let start = b.developer.get("/api/changes?topic=applications&topic=projects").await.json["cursor"].as_str().unwrap().to_owned();
    b.operator.post("/api/projects", json!({"name": "x"})).await;
    let seen = b.developer.get(&format!("/api/changes?topic=applications&topic=projects&since={start}&hold=1")).await.json;
    assert_eq!((&seen["changed"], &seen["resync"]), (&json!([{"topic": "projects", "version": 1}]), &json!([])));
    let lost = b.developer.get("/api/changes?topic=projects&since=999").await.json;
    assert_eq!(lost["resync"], json!(["projects"]));
    for query in ["", "topic=a%20b", "topic=x&hold=26", "topic=x&hold=x", "topic=x&since=x", "topic=x&surprise=1"] {
        assert_eq!(b.developer.get(&format!("/api/changes?{query}")).await.status, 422, "{query}");
    }
}

#[tokio::test]
async fn stage_types_are_listed() {
    let b = bench().await;
    let list = b.developer.get("/api/stage-types").await.json;
    assert_eq!((&list["items"][0]["name"], &list["items"][0]["manifest"]["title"]), (&json!("wait"), &json!("Wait")));
    assert_eq!(list["items"][0]["grant"], json!({"kubernetes": [], "executions": ["start"], "adoptSender": false}));
}

#[tokio::test]
async fn the_document_is_whole() {
    let document = bench().await.anonymous.get("/openapi.json").await.json;
    assert_eq!(document_faults(&document), Vec::<String>::new());
}

#[tokio::test]
async fn pipelines_are_brought_together_or_not_at_all() {
    let b = bench().await.story().await;
    let good = |name: &str| json!({"document": {"name": name, "stages": [{"refId": "1", "type": "wait"}]}});
    let bad = json!({"document": {"name": "bad", "stages": [{"refId": "1"}]}});
    let refused = b.operator.post(PIPELINES, json!({"pipelines": [good("one"), bad]})).await;
    assert_eq!((refused.status, refused.code()), (422, "invalid"));
    assert_eq!(refused.json["errors"][0]["pointer"], "/pipelines/1/document/stages/0/type");
    assert_eq!(b.operator.get(&format!("{PIPELINES}/one")).await.status, 404);
    let dry = b.operator.post(PIPELINES, json!({"pipelines": [good("one")], "dryRun": true})).await;
    assert_eq!((&dry.json["pipelines"][0]["was"], &dry.json["pipelines"][0]["id"]), (&json!("created"), &Value::Null));
    let both = || json!({"pipelines": [good("one"), good("two")]});
    let done = b.operator.post(PIPELINES, both()).await;
    assert_eq!((done.status, &done.json["pipelines"][1]["was"]), (200, &json!("created")), "{}", done.json);
    let again = b.operator.post(PIPELINES, both()).await;
    assert_eq!((&again.json["pipelines"][0]["was"], &again.json["pipelines"][0]["revision"]), (&json!("unchanged"), &json!(1)));
    let mut knows = both();
    knows["pipelines"][0]["revision"] = json!(0);
    assert_eq!(b.operator.post(PIPELINES, knows).await.code(), "version-differs");
    for body in [json!({}), json!({"pipelines": []}), json!({"pipelines": [{}]}), json!({"pipelines": [{"document": 7}]})] {
        assert_eq!(b.operator.post(PIPELINES, body.clone()).await.status, 422, "{body}");
    }
}

#[tokio::test]
async fn a_secret_goes_in_and_is_never_given_back() {
    let b = bench().await.story().await;
    let path = format!("{SECRETS}/db-password");
    let mut said = String::new();
    let made = b.operator.put(&path, "", json!({"value": "hunter2"})).await;
    assert_eq!((made.status, &made.json["reference"]), (201, &json!("secret://db-password")));
    assert_eq!(b.operator.put(&path, "", json!({"value": "hunter3"})).await.status, 428);
    let changed = b.operator.put(&path, "\"1\"", json!({"value": "hunter3"})).await;
    assert_eq!((changed.status, &changed.json["version"]), (200, &json!(2)));
    for body in [json!({"value": 1_234_567}), json!({"value": {"hunter": 4}}), json!({"value": ""}), json!({"value": "x", "more": 1})] {
        let refused = b.operator.put(&format!("{SECRETS}/other"), "", body).await;
        assert_eq!(refused.status, 422);
        assert!(!refused.json.to_string().contains("1234567"), "{}", refused.json);
        said.push_str(&refused.json.to_string());
    }
    let listed = b.operator.get(SECRETS).await;
    assert_eq!(listed.json["items"].as_array().map(Vec::len), Some(1));
    let shown = b.operator.get(&path).await;
    said.push_str(&format!("{} {} {} {}", made.json, changed.json, listed.json, shown.json));
    let brought = json!({"pipelines": [{"document": {"name": "p", "stages": []}}], "secrets": [{"name": "s", "value": "hunter5"}]});
    said.push_str(&b.operator.post(PIPELINES, brought).await.json.to_string());
    assert!(!said.contains("hunter"), "{said}");
    assert_eq!(b.operator.get(&format!("{SECRETS}/none")).await.status, 404);
    assert_eq!(b.operator.send("DELETE", &path, &[], None).await.status, 204);
    assert_eq!(b.operator.send("DELETE", &path, &[], None).await.status, 404);
}
