//! Pipelines that cannot be saved, and such that can be saved and not started.

use serde_json::{Value, json};
use tests::Site;
use tests::documents::{APPLICATION, PIPELINE, pipeline, stage};
use tests::site::{orders_path, pipeline_path};

async fn refused(site: &Site, document: &Value, pointer: &str, code: &str) -> String {
    let message = site.operator.put(&pipeline_path(), document).await.invalid(pointer, code);
    let _ = site.operator.get(&pipeline_path()).await.refused(404, "not-found");
    message
}

#[tokio::test]
async fn graphs_that_are_none() {
    let site = Site::empty().await;
    site.application().await;
    let cycle = pipeline(vec![stage("red", &["blue"], "wait"), stage("green", &["red"], "wait"), stage("blue", &["green"], "wait")]);
    let said = refused(&site, &cycle, "/stages", "cycle").await;
    assert!(["red", "green", "blue"].iter().all(|stage| said.contains(stage)), "the stages are named: {said}");
    let itself = pipeline(vec![stage("a", &["a"], "wait")]);
    let _ = refused(&site, &itself, "/stages", "cycle").await;
    let mut some = pipeline(vec![stage("a", &[], "wait"), stage("b", &[], "wait")]);
    some["stages"][1].as_object_mut().unwrap().remove("refId");
    let _ = refused(&site, &some, "/stages/1/refId", "ref-id-missing").await;
    let twice = pipeline(vec![stage("a", &[], "wait"), stage("a", &[], "wait")]);
    let _ = refused(&site, &twice, "/stages/1/refId", "ref-id-twice").await;
    let nobody = pipeline(vec![stage("a", &["nobody"], "wait")]);
    let said = refused(&site, &nobody, "/stages/0/requisiteStageRefIds/0", "requisite-unknown").await;
    assert!(said.contains("nobody"), "{said}");
    let _ = refused(&site, &json!([1]), "", "not-an-object").await;
    let _ = refused(&site, &pipeline(vec![json!({"refId": "1"})]), "/stages/0/type", "type-missing").await;
    let all = pipeline(vec![stage("a", &["x"], "wait"), stage("a", &["y"], "wait")]);
    let problem = site.operator.put(&pipeline_path(), &all).await.refused(422, "invalid");
    assert!(problem["errors"].as_array().is_some_and(|errors| errors.len() >= 3), "all at once: {problem}");
    assert_eq!(site.operator.all(&format!("/api/applications/{APPLICATION}/pipelines")).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_unknown_stage_type_is_kept_shown_and_refused_at_start() {
    let site = Site::empty().await;
    site.application().await;
    let saved = site.save(&pipeline(vec![stage("1", &[], "wait"), stage("2", &["1"], "bakeCake")])).await;
    let warning = &saved["warnings"][0];
    assert_eq!((&warning["pointer"], &warning["code"]), (&json!("/stages/1/type"), &json!("unsupported-stage-type")), "{saved:#}");
    let listed = site.developer.all(&format!("/api/applications/{APPLICATION}/pipelines")).await;
    assert_eq!(listed[0]["unsupported"], json!(["bakeCake"]), "{listed:#?}");
    let order = json!({"application": APPLICATION, "pipeline": PIPELINE});
    let said = site.developer.post(&orders_path(), &order).await.invalid("/stages/1/type", "unsupported-stage-type");
    assert!(said.contains("bakeCake"), "{said}");
    assert_eq!(site.developer.all(&orders_path()).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_save_on_an_old_revision_is_refused() {
    let site = Site::empty().await;
    site.application().await;
    let document = pipeline(vec![stage("1", &[], "wait")]);
    let first = site.operator.put_with(&pipeline_path(), &[("if-none-match", "*")], &document).await;
    let tag = first.etag();
    let _ = first.is(201);
    let _ = site.operator.put_with(&pipeline_path(), &[("if-none-match", "*")], &document).await.refused(412, "version-differs");
    let _ = site.operator.put(&pipeline_path(), &document).await.refused(428, "if-match-required");
    let _ = site.operator.put_with(&pipeline_path(), &[("if-match", &tag)], &document).await.is(200);
    let _ = site.operator.put_with(&pipeline_path(), &[("if-match", &tag)], &document).await.refused(412, "version-differs");
    let unchanged = site.operator.get(&pipeline_path()).await;
    let now = unchanged.etag();
    assert_eq!(site.operator.get_with(&pipeline_path(), &[("if-none-match", &now)]).await.status, 304);
    let revisions = site.operator.all(&format!("{}/revisions", pipeline_path())).await;
    assert_eq!(revisions.len(), 2, "{revisions:#?}");
}
