//! Notifications that start nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::documents::{APPLICATION, REGISTRY, expected, pipeline, stage, with};
use tests::site::orders_path;
use tests::{Api, Site};

/// A pipeline that a push starts and that ends at once.
async fn listening(site: &Site) -> String {
    let image = format!("{}/{APPLICATION}", site.registry.address());
    let trigger = json!({
        "type": "docker", "enabled": true, "account": REGISTRY, "repository": APPLICATION, "tag": ".*", "expectedArtifactIds": ["flaskapp-image"],
    });
    let rest = with(stage("1", &[], "wait"), json!({"waitTime": 0}));
    let _ = site.save(&with(pipeline(vec![rest]), json!({"expectedArtifacts": [expected(&image)], "triggers": [trigger]}))).await;
    site.hook().await
}

fn event(site: &Site, repository: &str, tag: Option<&str>, digest: &str) -> Value {
    let mut target =
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "repository": repository, "digest": digest, "size": 1});
    if let Some(tag) = tag {
        target["tag"] = json!(tag);
    }
    json!({"events": [{"id": "e", "action": "push", "request": {"host": site.registry.address()}, "target": target}]})
}

async fn told(sender: &Api, hook: &str, body: &Value, status: u16) -> Value {
    sender.post(hook, body).await.is(status)["events"][0].clone()
}

#[tokio::test]
async fn pushes_that_start_nothing() {
    let site = Site::new().await;
    let (hook, sender) = (listening(&site).await, site.admin.with_token(None));
    let digest = site.registry.push_image(APPLICATION, "1.0.0", b"real").await.unwrap();
    let other = told(&sender, &hook, &event(&site, "other", Some("1.0.0"), &digest), 200).await;
    assert_eq!((&other["verdict"], &other["code"]), (&json!("ignored"), &json!("other-repository")), "{other}");
    let untagged = told(&sender, &hook, &event(&site, APPLICATION, None, &digest), 200).await;
    assert_eq!((&untagged["verdict"], &untagged["code"]), (&json!("ignored"), &json!("no-tag")), "{untagged}");
    let good = event(&site, APPLICATION, Some("1.0.0"), &digest);
    let forged = format!("{}x", &hook[..hook.len() - 1]);
    let problem = sender.post(&forged, &good).await.refused(404, "not-found");
    assert!(!problem.to_string().contains(forged.rsplit_once('/').unwrap().1), "the token is not repeated: {problem}");
    let _ = sender.post("/hooks/registry/", &good).await.is(404);
    for malformed in ["", "{", "[]", "null", "\"x\"", "{\"events\":[{\"action\":"] {
        let json = [("content-type", "application/json")];
        let answer = sender.raw(Method::POST, &hook, &json, malformed.as_bytes().to_vec()).await.unwrap();
        assert!([400, 422].contains(&answer.status), "{malformed:?}: {} {}", answer.status, answer.body);
    }
    let _ = sender.post(&hook, &json!({"hello": "world"})).await.refused(422, "notification-unknown");
    // A sender may see the connection close while it still sends; it never sees a good answer.
    let large = vec![b' '; 5 << 20];
    match sender.raw(Method::POST, &hook, &[("content-type", "application/json")], large).await {
        Ok(answer) => drop(answer.refused(413, "body-too-large")),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error}"),
    }
    assert_eq!(site.developer.all(&orders_path()).await, Vec::<Value>::new());
    replayed_and_untrue(&site, &hook, &good).await;
}

/// The same push told again starts nothing; one the registry does not know of starts nothing either.
async fn replayed_and_untrue(site: &Site, hook: &str, good: &Value) {
    let sender = site.admin.with_token(None);
    let untrue = event(site, APPLICATION, Some("6.6.6"), &format!("sha256:{}", "6".repeat(64)));
    assert_eq!(told(&sender, hook, &untrue, 202).await["verdict"], "accepted", "a hint is stored before the registry is asked");
    assert_eq!(told(&sender, hook, good, 202).await["verdict"], "accepted");
    let one = |page: &Value| page["items"][0]["status"] == "SUCCEEDED";
    let _ = site.developer.until("the order of the push", &orders_path(), one).await;
    assert_eq!(told(&sender, hook, good, 202).await["verdict"], "duplicate");
    let triggers = site.operator.get(&format!("{}/triggers", tests::site::pipeline_path())).await.ok();
    let path = format!("{}/triggers/{}/deliveries", tests::site::pipeline_path(), triggers["items"][0]["id"].as_str().unwrap());
    let settled = |page: &Value| {
        let items = page["items"].as_array();
        items.is_some_and(|items| items.iter().any(|delivery| delivery["pushed"]["tag"] == "6.6.6" && delivery["state"] == "dropped"))
    };
    let page = site.operator.until("the untrue push to be dropped", &path, settled).await;
    assert_eq!((page["items"].as_array().map(Vec::len), &page["ignoredCount"]), (Some(2), &json!(2)), "{page:#}");
    let text = page.to_string();
    assert!(text.contains("image-not-in-registry"), "{page:#}");
    assert_eq!(site.developer.all(&orders_path()).await.len(), 1);
}

#[tokio::test]
async fn a_body_that_never_ends_does_not_hold_the_server() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let site = Site::new().await;
    let hook = listening(&site).await;
    let address = site.server.url().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!("POST {hook} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await;
    assert!(read.is_ok(), "given up in time: {answer}");
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body-too-slow"), "{answer}");
}
