//! Release orders that cannot be: nothing starts, and no number is used up.

use serde_json::{Value, json};
use tests::Site;
use tests::documents::{APPLICATION, EXPECTED, PIPELINE, PROJECT, expected, pipeline, stage, with};
use tests::site::{orders_path, pipeline_path};

#[tokio::test]
async fn orders_that_cannot_be() {
    let site = Site::new().await;
    let image = format!("{}/{APPLICATION}", site.registry.address());
    let rest = with(stage("1", &[], "wait"), json!({"waitTime": 0}));
    let parameters = json!([{"name": "ticket", "required": true}, {"name": "color", "hasOptions": true, "options": [{"value": "red"}]}]);
    let document = with(pipeline(vec![rest]), json!({"expectedArtifacts": [expected(&image)], "parameterConfig": parameters}));
    let _ = site.save(&document).await;
    let _ = site.registry.push_image(APPLICATION, "1", b"one").await.unwrap();
    let good = json!({
        "application": APPLICATION, "pipeline": PIPELINE, "parameters": {"ticket": "T-1"},
        "artifacts": [{"expectedArtifact": EXPECTED, "version": "1"}],
    });
    let order = |changes: Value| with(good.clone(), changes);
    let post = async |body: Value| site.developer.post(&orders_path(), &body).await;
    let _ = site.operator.post("/api/projects", &json!({"name": "empty"})).await.is(201);
    let said = site.developer.post("/api/projects/empty/orders", &good).await.invalid("/application", "application-not-bound");
    assert!(said.contains(APPLICATION) && said.contains("empty"), "{said}");
    let missing = json!({"artifacts": [{"expectedArtifact": EXPECTED, "version": "2"}]});
    let said = post(order(missing)).await.invalid("/artifacts/0/version", "image-not-in-registry");
    assert!(said.contains('2') && said.contains(APPLICATION), "{said}");
    let said = post(order(json!({"parameters": {}}))).await.invalid("/parameters/ticket", "parameter-missing");
    assert!(said.contains("ticket"), "{said}");
    let blank = json!({"parameters": {"ticket": " "}});
    let _ = post(order(blank)).await.invalid("/parameters/ticket", "parameter-missing");
    let other = json!({"parameters": {"ticket": "T-1", "color": "blue"}});
    let _ = post(order(other)).await.invalid("/parameters/color", "parameter-not-an-option");
    let unknown = json!({"artifacts": [{"expectedArtifact": "nobody", "version": "1"}]});
    let _ = post(order(unknown)).await.invalid("/artifacts/0/expectedArtifact", "expected-artifact-unknown");
    let _ = post(order(json!({"artifacts": []}))).await.refused(422, "invalid");
    let strange = json!({"artifacts": [{"expectedArtifact": EXPECTED, "version": "../../etc"}]});
    let _ = post(order(strange)).await.invalid("/artifacts/0/version", "image-invalid");
    let _ = post(order(json!({"pipeline": "nobody"}))).await.refused(404, "not-found");
    let _ = post(order(json!({"application": "nobody"}))).await.refused(404, "not-found");
    let _ = site.developer.post("/api/projects/nobody/orders", &good).await.refused(404, "not-found");
    let _ = post(order(json!({"surprise": 1}))).await.refused(422, "invalid");
    disabled(&site, &document, &good).await;
    let executions = site.developer.all(&format!("/api/applications/{APPLICATION}/executions")).await;
    assert_eq!((site.developer.all(&orders_path()).await, executions), (Vec::<Value>::new(), Vec::new()));
    let _ = site.save(&document).await;
    let made = post(good.clone()).await.is(201);
    assert_eq!((&made["number"], &made["project"]), (&json!(1), &json!(PROJECT)), "no number was used up: {made}");
    let ended = site.developer.ended(made["execution"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
}

async fn disabled(site: &Site, document: &Value, good: &Value) {
    let _ = site.save(&with(document.clone(), json!({"disabled": true}))).await;
    let _ = site.developer.post(&orders_path(), good).await.refused(409, "pipeline-disabled");
    let shown = site.developer.get(&pipeline_path()).await.ok();
    assert!(shown.to_string().contains("\"disabled\":true"), "{shown}");
}
