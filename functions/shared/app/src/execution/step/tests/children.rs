//! Executions that start, read, await and cancel others, with the rights of whoever started them.

use super::*;
use crate::execution::control;
use crate::ports::{Executions, ExecutionsError};
use model::id::PipelineId;

/// The first step of `parent` starts `child`, the next waits for it, the signal ends it; `child` waits for a judgment.
fn family(call: &StepCall) -> Answer {
    if call.info.pipeline != "parent" {
        return judging(call);
    }
    let executions = call.executions.clone();
    let signalled = matches!(call.wake, crate::ports::Wake::Signal { .. });
    async move {
        if signalled {
            return succeeds().await;
        }
        let child = match executions.start("flaskapp", "child", &json!({"parameters": {"version": "7"}})).await {
            Err(ExecutionsError::Unavailable(why)) => return Err(StepFault::Unavailable(why)),
            child => child.unwrap(),
        };
        assert_eq!(executions.start("flaskapp", "child", &json!({})).await.unwrap(), child, "the same attempt gets the same child");
        awaits(&ExecutionId::parse(child).unwrap()).await
    }
    .boxed()
}

async fn parent(world: &World) -> ExecutionId {
    world.install(json!({"stages": judged()})).await.unwrap();
    world.save("flaskapp", "child", json!({"stages": judged()}), &Expect::Absent).await.unwrap();
    let parent = world.save("flaskapp", "parent", json!({"stages": [{"refId": "1", "type": "undo"}]}), &Expect::Absent).await.unwrap();
    world.start(&parent).await
}

async fn child(world: &World, parent: &ExecutionId) -> ExecutionId {
    let reason = world.detail(parent).await.stages[0].reason.clone().unwrap();
    assert!(reason.is(ReasonCode::AwaitingChild));
    ExecutionId::parse(reason.data["execution"].as_str().unwrap()).unwrap()
}

fn wakes_of_parent(world: &World) -> usize {
    world.host.calls.lock().unwrap().iter().filter(|(_, _, params)| params.get("type") == Some(&json!("undo"))).count()
}

#[tokio::test]
async fn a_child_is_started_once_seen_and_awaited() {
    let world = world(family);
    let parent = parent(&world).await;
    world.settle().await;
    let child = child(&world, &parent).await;
    let detail = world.detail(&child).await;
    assert_eq!((detail.parent, detail.origin), (Some(parent.clone()), Origin::Stage { execution: parent.clone(), stage: "1".to_owned() }));
    assert_eq!((&detail.parameters["version"], &detail.trigger["parentExecution"]["id"]), (&json!("7"), &json!(parent)));
    assert_eq!((&detail.trigger["isPipeline"], &detail.trigger["parentPipelineStageId"]), (&json!(true), &json!("1")));
    world.judge(&child).await;
    world.settle().await;
    assert_eq!((world.status(&child).await, world.status(&parent).await), (Status::Succeeded, Status::Succeeded));
    assert_eq!((wakes_of_parent(&world), world.items(&child, "SUBS").await), (2, 0));
}

#[tokio::test]
async fn it_is_told_when_the_child_ends_as_it_begins_to_wait() {
    // The parent has read the child as open; right then the child ends.
    let world = world(|call| if call.info.pipeline == "child" { succeeds() } else { family(call) });
    let parent = parent(&world).await;
    let ports = world.ports.clone();
    // The step's start, the child's start; then the commit that suspends.
    world.table.meanwhile(2, async move {
        let now = ports.clock.now_ms();
        for key in ports.table.due(now, 10).await.unwrap() {
            let id = keys::execution_of(&key.partition).unwrap();
            advance(&ports, &id, &NeverWoken, BUDGET).await.unwrap();
        }
    });
    world.settle().await;
    assert_eq!((world.status(&parent).await, wakes_of_parent(&world)), (Status::Succeeded, 2));
}

#[tokio::test]
async fn it_is_told_when_it_begins_to_wait_as_the_child_ends() {
    let world = world(family);
    let parent = parent(&world).await;
    // The parent dies before it waits; its child ends first.
    world.killed(&parent, 2, Lie::Hang);
    assert!(world.detail(&parent).await.stages[0].status == Status::Running);
    let due = world.ports.table.due(world.clock.now_ms(), 10).await.unwrap();
    let child = due.iter().filter_map(|key| keys::execution_of(&key.partition)).find(|id| *id != parent).unwrap();
    world.advance(&child).await;
    world.judge(&child).await;
    let (ports, waits) = (world.ports.clone(), parent.clone());
    // Take, the answer; then the end, which has read that nobody waits.
    world.table.meanwhile(2, async move {
        advance(&ports, &waits, &NeverWoken, BUDGET).await.unwrap();
    });
    assert_eq!(world.advance(&child).await, Rest::Ended);
    world.settle().await;
    assert_eq!((world.status(&parent).await, world.items(&child, "SUBS").await), (Status::Succeeded, 0));
}

#[tokio::test]
async fn it_is_told_whoever_dies_when() {
    for lie in [Lie::Hang, Lie::WrittenHang, Lie::LostUnknown, Lie::WrittenUnknown] {
        for write in 0..5 {
            let world = world(family);
            let parent = parent(&world).await;
            world.killed(&parent, write, lie);
            world.settle().await;
            let child = child(&world, &parent).await;
            world.judge(&child).await;
            world.killed(&child, write, lie);
            world.settle().await;
            let application = Query::prefix("APPEXEC#flaskapp", "EXEC#", 10);
            assert_eq!(world.ports.table.query(&application).await.unwrap().items.len(), 2, "one child");
            assert_eq!((world.status(&parent).await, world.status(&child).await), (Status::Succeeded, Status::Succeeded), "at {write}");
        }
    }
}

#[tokio::test]
async fn many_that_wait_for_one_end_are_all_told() {
    let target = Arc::new(Mutex::new(None::<ExecutionId>));
    let seen = target.clone();
    let world = world(move |call| match (call.info.pipeline.as_str(), &call.wake) {
        ("crowd", crate::ports::Wake::Signal { .. }) => succeeds(),
        ("crowd", _) => awaits(seen.lock().unwrap().as_ref().unwrap()),
        _ => judging(call),
    });
    let id = world.prepare(judged()).await.unwrap().execution;
    *target.lock().unwrap() = Some(id.clone());
    let stages: Vec<Value> = (0..40).map(|n| json!({"refId": n.to_string(), "type": "wait"})).collect();
    let crowd = world.save("flaskapp", "crowd", json!({"stages": stages}), &Expect::Absent).await.unwrap();
    let crowd = world.start(&crowd).await;
    world.settle().await;
    world.judge(&id).await;
    world.settle().await;
    assert_eq!((world.status(&crowd).await, world.items(&id, "SUBS").await), (Status::Succeeded, 0));
}

/// An execution that waits for a judgment, and executions of a pipeline whose only stage waits for its end.
async fn crowds(world: &World, target: &Mutex<Option<ExecutionId>>) -> (ExecutionId, [ExecutionId; 2]) {
    let id = world.prepare(judged()).await.unwrap().execution;
    world.settle().await;
    *target.lock().unwrap() = Some(id.clone());
    let crowd = world.save("flaskapp", "crowd", json!({"stages": judged()}), &Expect::Absent).await.unwrap();
    let crowd = [world.start(&crowd).await, world.start(&crowd).await];
    world.settle().await;
    (id, crowd)
}

fn crowded() -> (World, Arc<Mutex<Option<ExecutionId>>>) {
    let target = Arc::new(Mutex::new(None::<ExecutionId>));
    let seen = target.clone();
    let world = world(move |call| match (call.info.pipeline.as_str(), &call.wake) {
        ("crowd", crate::ports::Wake::Signal { body, .. }) => {
            assert!(body.contains("SUCCEEDED"), "{body}");
            succeeds()
        }
        ("crowd", _) => awaits(seen.lock().unwrap().as_ref().unwrap()),
        _ => judging(call),
    });
    (world, target)
}

#[tokio::test]
async fn executions_that_wait_for_the_same_end_are_all_told() {
    let (world, target) = crowded();
    let (id, crowd) = crowds(&world, &target).await;
    world.judge(&id).await;
    world.settle().await;
    for one in &crowd {
        assert_eq!(world.status(one).await, Status::Succeeded);
    }
    // One that begins to wait after the end goes on at once.
    let pipeline = world.meta(&crowd[0]).await.pipeline;
    let late = world.start(&pipeline).await;
    assert_eq!(world.advance(&late).await, Rest::Ended);
    assert_eq!((world.status(&late).await, world.items(&id, "SUBS").await), (Status::Succeeded, 0));
}

#[tokio::test]
async fn it_enters_itself_once_and_not_with_every_commit() {
    let (world, target) = crowded();
    let (id, crowd) = crowds(&world, &target).await;
    let entered = async || world.ports.table.get(&keys::subscribers(&id)).await.unwrap().unwrap().revision;
    let before = entered().await;
    control::pause(world.inbox_ports(), &root(), &crowd[0], "", None).await.unwrap();
    world.settle().await;
    assert_eq!((world.status(&crowd[0]).await, entered().await), (Status::Paused, before));
}

// Rule 2.10: Cancel: a stage that waits for an execution it started cancels that
#[tokio::test]
async fn a_cancelled_parent_may_cancel_its_child_and_only_its_own() {
    let world = world(|call| {
        let executions = call.executions.clone();
        let checkpoint = call.checkpoint.clone();
        match &call.export {
            Export::Cancel(why) => {
                let why = why.clone();
                async move {
                    let child = checkpoint.unwrap().1;
                    executions.cancel(&child, &why).await.unwrap();
                    executions.cancel(&child, &why).await.unwrap();
                    succeeds().await
                }
                .boxed()
            }
            _ if call.info.pipeline == "parent" => async move {
                let child = executions.start("flaskapp", "child", &json!({})).await.unwrap();
                let mut waits = awaits(&ExecutionId::parse(child.as_str()).unwrap()).await.unwrap();
                waits.checkpoint = Some((1, child));
                Ok(waits)
            }
            .boxed(),
            _ => judging(call),
        }
    });
    let parent = parent(&world).await;
    world.settle().await;
    let child = child(&world, &parent).await;
    world.cancel(&parent).await;
    world.settle().await;
    let reason = world.meta(&child).await.execution.reason.unwrap();
    assert_eq!((world.status(&parent).await, world.status(&child).await), (Status::Canceled, Status::Canceled));
    assert!(reason.is(ReasonCode::CanceledByParent));
    assert_eq!(reason.data["parent"], json!(parent));
}

// Rule 2.10: Restart: whoever waits for a child waits for its new end
#[tokio::test]
async fn a_child_that_is_restarted_is_awaited_again() {
    let world = world(|call| {
        let executions = call.executions.clone();
        match &call.wake {
            crate::ports::Wake::Signal { body, .. } if call.info.pipeline == "parent" => {
                let body: Value = serde_json::from_str(body).unwrap();
                async move {
                    let id = body["execution"].as_str().unwrap();
                    let now = executions.get(id, &["status".to_owned()]).await.unwrap();
                    assert_eq!(now.as_object().unwrap().len(), 1, "only the fields that were asked for");
                    if now["status"] == json!("SUCCEEDED") { succeeds().await } else { awaits(&ExecutionId::parse(id).unwrap()).await }
                }
                .boxed()
            }
            crate::ports::Wake::Signal { .. } if call.info.attempt == 1 => fails(),
            _ => family(call),
        }
    });
    let parent = parent(&world).await;
    world.settle().await;
    let child = child(&world, &parent).await;
    world.judge(&child).await;
    assert_eq!(world.advance(&child).await, Rest::Ended);
    control::restart(world.start_ports(), &root(), &child, "1", None).await.unwrap();
    world.settle().await;
    assert_eq!((world.status(&parent).await, world.status(&child).await), (Status::Running, Status::Running));
    world.judge(&child).await;
    world.settle().await;
    assert_eq!((world.status(&parent).await, world.status(&child).await), (Status::Succeeded, Status::Succeeded));
}

/// One step that does something with other executions.
async fn does<T, F>(world_of: impl Fn(Arc<dyn Executions>) -> F + Send + Sync + 'static, submitter: Principal) -> (World, T)
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let said = Arc::new(Mutex::new(None));
    let into = said.clone();
    let world = world(move |call| {
        let (into, does) = (into.clone(), world_of(call.executions.clone()));
        async move {
            let answer = does.await;
            *into.lock().unwrap() = Some(answer);
            succeeds().await
        }
        .boxed()
    });
    let pipeline: PipelineId = world.install(json!({"stages": judged()})).await.unwrap();
    world.application(json!({"name": "other", "permissions": {"READ": ["ops"], "EXECUTE": ["ops"]}})).await.unwrap();
    let other = world.save("other", "theirs", json!({"stages": judged(), "disabled": true}), &Expect::Absent).await.unwrap();
    let theirs = Request { application: AppName::parse("other").unwrap(), ..world.request(&other) };
    assert!(start::start(world.start_ports(), &theirs).await.is_err());
    let request = Request { submitter, ..world.request(&pipeline) };
    let id = start::start(world.start_ports(), &request).await.unwrap().execution;
    world.advance(&id).await;
    let answer = said.lock().unwrap().take().unwrap();
    (world, answer)
}

#[tokio::test]
async fn it_may_what_whoever_started_it_may() {
    let dev = principal("dev", Role::Developer);
    let start = |executions: Arc<dyn Executions>| async move { executions.start("other", "theirs", &json!({})).await };
    assert!(matches!(does(start, dev.clone()).await.1, Err(ExecutionsError::Denied(_))));
    assert!(matches!(does(start, root()).await.1, Err(ExecutionsError::Refused(why)) if why.contains("disabled")));
    let newest = |executions: Arc<dyn Executions>| async move { executions.newest("other", "theirs", &[]).await };
    assert!(matches!(does(newest, dev.clone()).await.1, Err(ExecutionsError::Denied(_))));
    assert_eq!(does(newest, root()).await.1, Ok(None));
    let gone = |executions: Arc<dyn Executions>| async move {
        let start = executions.start("flaskapp", "nothing", &json!({})).await;
        (start, executions.get("x", &[]).await, executions.start("no such", "p", &json!({})).await)
    };
    let (start, get, application) = does(gone, dev).await.1;
    assert_eq!((start, get, application), (Err(ExecutionsError::NotFound), Err(ExecutionsError::NotFound), Err(ExecutionsError::NotFound)));
}

#[tokio::test]
async fn it_sees_the_newest_beside_itself_and_cancels_none_but_its_own() {
    let world = world(judging);
    let pipeline = world.install(json!({"stages": judged()})).await.unwrap();
    let (old, newer) = (world.start(&pipeline).await, world.start(&pipeline).await);
    world.settle().await;
    world.judge(&old).await;
    world.settle().await;
    // Without something to do it would not be taken.
    world.judge(&newer).await;
    let Taken::Mine(held) = Held::take(&world.ports, &newer).await.unwrap() else { panic!("it is free") };
    let scope = crate::execution::scope::StageScope::gather(
        &held.meta.execution,
        &held.plan,
        0,
        &held.stages,
        (held.ports.table.as_ref(), world.blobs.as_ref()),
    );
    let children = crate::execution::children::Children::of(&held, 0, 1, Arc::new(scope.await.unwrap()));
    let newest = async |statuses: &[&str]| {
        let statuses: Vec<String> = statuses.iter().map(|status| (*status).to_owned()).collect();
        children.newest("flaskapp", "deployTesting", &statuses).await.unwrap()
    };
    assert_eq!(newest(&[]).await, Some(old.to_string()), "never itself");
    assert_eq!((newest(&["SUCCEEDED"]).await, newest(&["TERMINAL"]).await), (Some(old.to_string()), None));
    let whole = children.get(old.as_str(), &[]).await.unwrap();
    assert_eq!(
        (&whole["status"], &whole["outputs"]["made"], &whole["stages"][0]["refId"]),
        (&json!("SUCCEEDED"), &json!("it"), &json!("1"))
    );
    assert!(matches!(children.cancel(old.as_str(), "").await, Err(ExecutionsError::Denied(_))));
    assert_eq!(children.cancel("x", "").await, Err(ExecutionsError::NotFound));
}

#[tokio::test]
async fn executions_start_each_other_only_so_deep() {
    let refused = Arc::new(Mutex::new(Vec::new()));
    let into = refused.clone();
    let mut world = world(move |call| {
        let (executions, into) = (call.executions.clone(), into.clone());
        async move {
            match executions.start("flaskapp", "deployTesting", &json!({})).await {
                Ok(_) => succeeds().await,
                Err(error) => {
                    into.lock().unwrap().push(error);
                    succeeds().await
                }
            }
        }
        .boxed()
    });
    world.ports.limits = Arc::new(Limits { depth_max: 3, ..Default::default() });
    world.prepare(judged()).await.unwrap();
    world.settle().await;
    assert!(matches!(refused.lock().unwrap().as_slice(), [ExecutionsError::Refused(why)] if why.contains("3 deep")));
    assert_eq!(world.calls().len(), 4);
}
