//! Every operation of the document without a token, with a wrong one, and with one that is not enough.

use reqwest::Method;
use serde_json::{Value, json};
use tests::documents::{APPLICATION, PIPELINE, PROJECT, pipeline, stage};
use tests::{Answer, Api, Site};

/// An operation of the document, its path filled with names that exist where they can.
struct Operation {
    method: Method,
    path: String,
    /// Its path as the document says it.
    template: String,
    open: bool,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if !["GET", "PUT", "POST", "DELETE", "PATCH"].contains(&method.as_str()) {
                continue;
            }
            let names = [("{app}", APPLICATION), ("{pipeline}", PIPELINE), ("{project}", PROJECT), ("{number}", "1"), ("{revision}", "1")];
            let mut path = names.iter().fold(template.clone(), |path, (name, value)| path.replace(name, value));
            while let Some((before, rest)) = path.split_once('{') {
                let (_, after) = rest.split_once('}').unwrap();
                path = format!("{before}x{after}");
            }
            let open = operation["security"].as_array().is_some_and(|list| list.iter().any(|one| one == &json!({})) || list.is_empty());
            found.push(Operation { method, path, template: template.clone(), open });
        }
    }
    found
}

async fn ask(api: &Api, operation: &Operation, headers: &[(&str, &str)]) -> Answer {
    let mut headers = headers.to_vec();
    headers.push(("content-type", "application/json"));
    let body = if operation.method == Method::GET { Vec::new() } else { b"{}".to_vec() };
    api.raw(operation.method.clone(), &operation.path, &headers, body).await.unwrap()
}

/// What an operator may and a developer may not, and what only an administrator may: by method and the document's path.
const OPERATORS: [(&str, &str); 10] = [
    ("POST", "/api/applications"),
    ("PUT", "/api/applications/{app}"),
    ("DELETE", "/api/applications/{app}"),
    ("POST", "/api/projects"),
    ("DELETE", "/api/projects/{project}"),
    ("PUT", "/api/projects/{project}/applications/{app}"),
    ("PUT", "/api/applications/{app}/pipelines/{pipeline}"),
    ("DELETE", "/api/applications/{app}/pipelines/{pipeline}"),
    ("GET", "/api/applications/{app}/pipelines/{pipeline}/triggers"),
    ("GET", "/api/accounts/cloud"),
];
const ADMINISTRATORS: [(&str, &str); 5] = [
    ("GET", "/api/tokens"),
    ("POST", "/api/tokens"),
    ("POST", "/api/accounts/cloud"),
    ("POST", "/api/accounts/registry"),
    ("DELETE", "/api/accounts/cloud/{name}"),
];

/// Bodies that are read before rights are asked must be ones that can be read.
fn body(template: &str) -> Value {
    match template {
        "/api/applications" | "/api/applications/{app}" => json!({"name": APPLICATION}),
        "/api/projects" => json!({"name": "other"}),
        "/api/tokens" => json!({"name": "eve", "role": "administrator"}),
        "/api/accounts/cloud" => json!({"name": "x", "server": "https://127.0.0.1:1", "token": "x"}),
        "/api/accounts/registry" => json!({"name": "x", "address": "127.0.0.1:1"}),
        _ => pipeline(vec![stage("1", &[], "wait")]),
    }
}

/// Everything there is, as the administrator sees it.
async fn everything(site: &Site) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["/api/applications", "/api/projects", "/api/tokens", "/api/accounts/cloud", "/api/accounts/registry"] {
        all.push(json!(site.admin.all(path).await));
    }
    all.push(json!(site.admin.all(&format!("/api/applications/{APPLICATION}/pipelines")).await));
    all.push(json!(site.admin.all(&format!("/api/applications/{APPLICATION}/executions")).await));
    all
}

async fn site() -> Site {
    let site = Site::empty().await;
    site.application().await;
    let _ = site.save(&pipeline(vec![stage("1", &[], "manualJudgment")])).await;
    site
}

#[tokio::test]
async fn no_door_opens_without_the_right_token() {
    let site = site().await;
    let document = site.admin.with_token(None).get("/openapi.json").await.ok();
    let all = operations(&document);
    assert!(all.len() > 40, "the document tells of {} operations", all.len());
    let open: Vec<&str> = all.iter().filter(|operation| operation.open).map(|operation| operation.template.as_str()).collect();
    assert_eq!(open, ["/healthz", "/hooks/registry/{token}", "/version"], "what is open to everybody");
    let before = everything(&site).await;
    let nobody = site.admin.with_token(None);
    let secret = std::fs::read_to_string(site.server.data().join("admin-token")).unwrap();
    let almost = format!("Bearer {}x", &secret.trim()[..secret.trim().len() - 1]);
    let wrong = ["Bearer ", "Bearer x", "Basic YWRtaW46YWRtaW4=", almost.as_str(), "Bearer wb_", "bearer"];
    for operation in all.iter().filter(|operation| !operation.open) {
        let answer = ask(&nobody, operation, &[]).await;
        assert!(answer.headers.contains_key("www-authenticate"), "{}", answer.asked);
        let _ = answer.refused(401, "token-missing");
        for value in wrong {
            let _ = ask(&nobody, operation, &[("authorization", value)]).await.refused(401, "token-invalid");
        }
        let twice = ask(&site.admin, operation, &[("authorization", "Bearer x")]).await;
        assert_eq!(twice.status, 401, "two tokens at once: {}", twice.asked);
    }
    assert_eq!(everything(&site).await, before, "nothing changed");
}

#[tokio::test]
async fn each_role_opens_its_own_doors_only() {
    let site = site().await;
    let before = everything(&site).await;
    let all = operations(&site.admin.get("/openapi.json").await.ok());
    for (who, doors) in
        [(&site.developer, OPERATORS.iter().chain(&ADMINISTRATORS).collect::<Vec<_>>()), (&site.operator, ADMINISTRATORS.iter().collect())]
    {
        for (method, template) in doors {
            let operation = all.iter().find(|operation| operation.method.as_str() == *method && operation.template == *template);
            let operation = operation.unwrap_or_else(|| panic!("{method} {template} is not in the document"));
            let bytes = if *method == "GET" || *method == "DELETE" { Vec::new() } else { body(template).to_string().into_bytes() };
            let headers = [("content-type", "application/json"), ("if-match", "*")];
            let answer = who.raw(operation.method.clone(), &operation.path, &headers, bytes).await.unwrap();
            let problem = answer.refused(403, "role-too-low");
            assert!(problem["detail"].as_str().is_some_and(|said| said.contains("needs the role")), "{problem}");
        }
    }
    assert_eq!(everything(&site).await, before, "nothing changed");
}

#[tokio::test]
async fn a_revoked_or_expired_token_opens_nothing() {
    let site = Site::empty().await;
    let made = site.admin.post("/api/tokens", &json!({"name": "tim", "role": "developer"})).await.is(201);
    let tim = site.admin.with_token(made["secret"].as_str());
    assert_eq!(tim.get("/api/me").await.ok()["name"], "tim");
    let listed = json!(site.admin.all("/api/tokens").await).to_string();
    assert!(!listed.contains(made["secret"].as_str().unwrap()), "a token is shown once");
    let _ = site.admin.delete(&format!("/api/tokens/{}", made["token"]["id"].as_str().unwrap())).await.is(204);
    let _ = tim.get("/api/me").await.refused(401, "token-invalid");
    let past = json!({"name": "tim", "role": "developer", "expiresMs": 1});
    let _ = site.admin.post("/api/tokens", &past).await.refused(422, "invalid");
    assert!(!site.server.log().contains(made["secret"].as_str().unwrap()), "a token is in the log");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(site.server.data().join("admin-token")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}
