//! An execution is run again: a new one with what the old one had, on the pipeline as it is now, through the same gate.

use super::*;
use crate::execution::control::rerun;
use crate::execution::plan::StartedBy;
use model::artifact::Artifact;

fn origins() -> [Origin; 3] {
    [
        Origin::Manual,
        Origin::Trigger { trigger_type: "docker".to_owned(), trigger: "t".to_owned() },
        Origin::Stage { execution: ExecutionId::parse("parent").unwrap(), stage: "1".to_owned() },
    ]
}

// Rule 2.10: Re-run: a new start with the old trigger, parameters and artifacts, whatever the origin
#[tokio::test]
async fn whatever_started_it_it_can_be_run_again() {
    for origin in origins() {
        let world = world(|_| succeeds());
        let expected = json!([{"id": "img", "displayName": "web", "matchArtifact": {"type": "docker/image", "name": "r.io/web"}}]);
        let document = json!({"stages": judged(), "expectedArtifacts": expected});
        let pipeline = world.install(document.clone()).await.unwrap();
        let parent = StartedBy { execution: ExecutionId::parse("parent").unwrap(), run: 0, attempt: 1 };
        let request = Request {
            parent: matches!(origin, Origin::Stage { .. }).then_some((parent, 7)),
            origin: origin.clone(),
            trigger: json!({"type": "docker", "tag": "7", "dryRun": false}).as_object().unwrap().clone(),
            parameters: json!({"version": "7"}).as_object().unwrap().clone(),
            artifacts: vec![Artifact::image("r.io/web", "7", None)],
            correlation: Some("once".to_owned()),
            ..world.request(&pipeline)
        };
        let old = start::start(world.start_ports(), &request).await.unwrap().execution;
        world.settle().await;
        world.save("flaskapp", "deployTesting", document, &Expect::Present).await.unwrap();
        let dev = principal("dev", Role::Developer);
        let started = rerun(world.start_ports(), &dev, &old, Some("key")).await.unwrap();
        let again = rerun(world.start_ports(), &dev, &old, Some("key")).await.unwrap();
        assert_eq!((again.execution.clone(), again.repeated), (started.execution.clone(), true), "a repeat is the same execution");
        assert_eq!(started.orders.len(), 1, "it is an order of its own");
        world.settle().await;
        let (was, is) = (world.plan(&old).await, world.plan(&started.execution).await);
        assert_eq!((&is.artifacts, &is.parameters, &is.origin), (&was.artifacts, &was.parameters, &was.origin));
        assert_eq!((is.revision, is.submitter.as_str(), is.depth, is.parent.clone()), (2, "dev", 0, None), "on the pipeline as it is now");
        assert_eq!((&is.trigger["tag"], &is.trigger["user"]), (&json!("7"), &json!("dev")));
        assert_eq!(is.trigger["waybill"]["rerunOf"], json!(old));
        assert_eq!(is.expected[0].bound_artifact.as_ref().unwrap().version, "7");
        assert_eq!(world.status(&started.execution).await, Status::Succeeded);
    }
}

// Rule 2.10: Re-run: of an active execution only where the application allows it
#[tokio::test]
async fn an_active_one_only_where_the_application_allows_it() {
    let world = world(judging);
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    assert!(!world.detail(&id).await.may["rerun"].allowed);
    let refused = rerun(world.start_ports(), &root(), &id, None).await.unwrap_err();
    assert!(matches!(refused, AppError::Denied { code, .. } if code == "rerun-while-active"));
    world.allow(json!({"enableRerunActiveExecutions": true})).await;
    assert!(world.detail(&id).await.may["rerun"].allowed);
    let second = rerun(world.start_ports(), &root(), &id, None).await.unwrap();
    assert_ne!(second.execution, id);
}

#[tokio::test]
async fn what_may_not_be_started_may_not_be_run_again() {
    let world = world(|_| succeeds());
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    world.allow(json!({"permissions": {"EXECUTE": ["ops"]}})).await;
    let dev = principal("dev", Role::Developer);
    assert!(matches!(rerun(world.start_ports(), &dev, &id, None).await, Err(AppError::Denied { .. })));
    assert!(!world.detail(&id).await.may["rerun"].allowed);
    world.save("flaskapp", "deployTesting", json!({"stages": judged(), "disabled": true}), &Expect::Present).await.unwrap();
    let refused = rerun(world.start_ports(), &root(), &id, None).await.unwrap_err();
    assert!(matches!(refused, AppError::Refused { code, .. } if code == "pipeline-disabled"));
}
