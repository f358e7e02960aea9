//! What the worker does, test by test.

use super::*;

// Rule 2.9: A stage's settings are resolved when it starts, with what the stages before it left
#[tokio::test]
async fn a_chain_runs_to_its_end_with_resolved_settings() {
    let world = world(|_| succeeds());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    assert_eq!(world.hints.take().last(), Some(&Hint::Execution { id: started.execution.clone() }));
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    let detail = world.detail(&started.execution).await;
    assert_eq!(detail.status, Status::Succeeded);
    assert_eq!(world.calls(), [("1".to_owned(), 0), ("2".to_owned(), 0)]);
    assert_eq!(world.settings(0)["image"], "web:1.2");
    assert_eq!(world.settings(1)["see"], "it", "an output of the stage before, by its bare name");
    assert_eq!(world.writes(), 1 + 3, "start, then one commit a transition; the first of them takes it too");
    let order = load::<OrderRow>(world.ports.table.as_ref(), &keys::order(&started.orders[0].project, 1)).await.unwrap().unwrap().0;
    assert_eq!((order.status, order.order.execution), (Status::Succeeded, started.execution.clone()));
    assert_eq!(world.advance(&started.execution).await, Rest::Ended, "another hint changes nothing");
    assert!(world.nothing_waits().await);
}

#[tokio::test]
async fn two_workers_at_a_fresh_execution_make_each_step_once() {
    let world = world(|_| succeeds());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    let (ports, id) = (world.ports.clone(), started.execution.clone());
    world.table.meanwhile(0, async move {
        assert_eq!(advance(&ports, &id, &NeverWoken, BUDGET).await.unwrap(), Rest::Ended);
    });
    assert_eq!(world.advance(&started.execution).await, Rest::Fenced);
    assert_eq!(world.calls(), [("1".to_owned(), 0), ("2".to_owned(), 0)]);
    assert_eq!(world.status(&started.execution).await, Status::Succeeded);
}

// Rule 2.1: An execution starts once for one correlation id
#[tokio::test]
async fn the_same_correlation_starts_one_execution() {
    let world = world(|_| succeeds());
    let first = world.prepare(two_in_a_row()).await.unwrap();
    let request = Request {
        application: AppName::parse("flaskapp").unwrap(),
        pipeline: world.meta(&first.execution).await.pipeline,
        submitter: principal("root", Role::Administrator),
        origin: Origin::Manual,
        trigger: Map::new(),
        constrained_to: None,
        parameters: Map::new(),
        artifacts: vec![],
        note: String::new(),
        correlation: Some("once".to_owned()),
        into: Into::EveryProject,
        start_by_ms: None,
        parent: None,
    };
    let again = start::start(world.start_ports(), &request).await.unwrap();
    assert_eq!((again.execution, again.repeated), (first.execution, true));
}

#[tokio::test]
async fn branches_overlap() {
    let waiting = Arc::new(AtomicU32::new(0));
    let both = waiting.clone();
    let world = world(move |_| {
        let both = both.clone();
        both.fetch_add(1, Ordering::SeqCst);
        future::poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            if both.load(Ordering::SeqCst) < 2 { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        })
        .then(|()| succeeds())
        .boxed()
    });
    let stages = json!([{"refId": "1", "type": "wait"}, {"refId": "2", "type": "wait"}, {"refId": "3", "type": "wait", "requisiteStageRefIds": ["1", "2"]}]);
    let started = world.prepare(stages).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    assert_eq!(world.detail(&started.execution).await.status, Status::Succeeded);
}

// Rule 2.3: Nothing has to be pushed: what is to be done next follows from the stored execution
#[tokio::test]
async fn a_worker_killed_at_any_write_is_continued_by_the_next() {
    for lie in [Lie::Hang, Lie::WrittenHang] {
        for number in 1..6 {
            let world = world(|_| succeeds());
            let started = world.prepare(two_in_a_row()).await.unwrap();
            world.table.lies.lock().unwrap().insert(number, lie);
            let killed = advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never();
            assert!(number > 3 || killed.is_none(), "it was killed at write {number}");
            world.clock.0.advance(LEASE_MS + 1);
            assert_eq!(world.advance(&started.execution).await, Rest::Ended, "killed at write {number}");
            let detail = world.detail(&started.execution).await;
            assert_eq!(detail.status, Status::Succeeded);
            assert!(world.calls().iter().all(|(_, seq)| *seq == 0), "a repeated step is the same step");
        }
    }
}

#[tokio::test]
async fn an_unknown_answer_is_looked_up() {
    for lie in [Lie::WrittenUnknown, Lie::LostUnknown] {
        let world = world(|_| succeeds());
        let started = world.prepare(two_in_a_row()).await.unwrap();
        world.table.lies.lock().unwrap().insert(3, lie);
        assert_eq!(world.advance(&started.execution).await, Rest::Ended);
        let meta = world.meta(&started.execution).await;
        assert_eq!((meta.execution.status, meta.execution.version), (Status::Succeeded, 3), "each transition once");
    }
}

#[tokio::test]
async fn a_live_lease_is_respected_and_a_dead_one_taken() {
    let world = world(|_| future::pending().boxed());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    world.table.lies.lock().unwrap().insert(2, Lie::WrittenHang);
    assert!(advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never().is_none());
    assert_eq!(world.advance(&started.execution).await, Rest::Busy);
    let mut alone = world.ports.clone();
    alone.alone_since_ms = Some(world.clock.now_ms() + 1);
    world.table.lies.lock().unwrap().insert(world.writes() + 1, Lie::Hang);
    let took = advance(&alone, &started.execution, &NeverWoken, BUDGET).now_or_never();
    assert!(took.is_none(), "the only process on the store need not wait for the lease of its dead predecessor");
}

// Rule 2.3: Nothing has to be pushed: what is to be done next follows from the stored execution
#[tokio::test]
async fn an_overtaken_worker_commits_nothing() {
    let world = Arc::new(world(|_| succeeds()));
    let started = world.prepare(two_in_a_row()).await.unwrap();
    let key = keys::meta(&started.execution);
    // Somebody else writes META between this worker's take and its first commit.
    let mut meta = world.meta(&started.execution).await;
    world.table.lies.lock().unwrap().insert(1, Lie::WrittenHang);
    assert!(advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never().is_none());
    meta.fence = "other".to_owned();
    meta.lease_until_ms = world.clock.now_ms() + LEASE_MS;
    let put = Write::Put(item(key, &meta).unwrap(), vec![Condition::Exists]);
    let stolen = world.clone();
    world.ports.table.transact(Transaction::of(vec![put])).await.unwrap();
    assert_eq!(stolen.advance(&started.execution).await, Rest::Busy);
    assert_eq!(world.meta(&started.execution).await.execution.version, 0);
}

#[tokio::test]
async fn a_fenced_step_ends_the_worker() {
    let world = world(|_| future::ready(Err(StepFault::Fenced)).boxed());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Fenced);
}

#[tokio::test]
async fn an_execution_that_kills_every_worker_is_parked_and_says_so() {
    let world = world(|_| succeeds());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    // While it is fresh a take is not written; that does not last.
    world.killed(&started.execution, 0, Lie::Hang);
    for _ in 0..TAKES_MAX {
        let next = world.writes();
        world.table.lies.lock().unwrap().insert(next + 1, Lie::Hang);
        assert!(advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never().is_none());
        world.clock.0.advance(LEASE_MS + 1);
    }
    assert_eq!(world.advance(&started.execution).await, Rest::Parked);
    let detail = world.detail(&started.execution).await;
    assert!(detail.reason.unwrap().is(ReasonCode::OrchestratorCrash));
    let order = load::<OrderRow>(world.ports.table.as_ref(), &keys::order(&started.orders[0].project, 1)).await.unwrap().unwrap().0;
    assert_eq!(order.status, Status::Terminal, "lists show it too");
}

#[tokio::test]
async fn a_wait_rests_and_goes_on_at_its_instant() {
    let world = world(|call| match call.seq {
        0 => ends(StepEnd::Suspended { any_of: vec![], until_ms: Some(call.now_ms + 60_000) }),
        _ => succeeds(),
    });
    let started = world.prepare(json!([{"refId": "1", "type": "wait"}])).await.unwrap();
    let until = world.clock.now_ms() + 60_000;
    assert_eq!(world.advance(&started.execution).await, Rest::Until(Some(until)));
    let meta = world.meta(&started.execution).await;
    assert_eq!((meta.fence.as_str(), meta.lease_until_ms), ("", 0), "the lease is given back");
    assert!(world.detail(&started.execution).await.stages[0].reason.as_ref().unwrap().is(ReasonCode::AwaitingTime));
    assert_eq!(world.ports.table.due(until, 10).await.unwrap().len(), 1, "the tick would find it");
    world.clock.0.advance(60_000);
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
}

#[tokio::test]
async fn a_judgment_is_answered_once_by_whoever_may() {
    let world = world(|call| match &call.wake {
        crate::ports::Wake::Signal { sender, body, .. } => {
            assert_eq!((sender.as_str(), body.as_str()), ("alice", r#"{"judgmentStatus":"continue"}"#));
            succeeds()
        }
        _ => ends(judgment(&["alice", "ops"])),
    });
    let started = world.prepare(json!([{"refId": "1", "type": "wait"}])).await.unwrap();
    let id = &started.execution;
    assert_eq!(world.advance(id).await, Rest::Until(Some(world.clock.now_ms() + 3_600_000)));
    let ports = world.inbox_ports();
    let (alice, bob) = (principal("alice", Role::Developer), principal("bob", Role::Developer));
    let say = |stage: &str, name: &str, body: Value| inbox::Signal { stage: stage.to_owned(), name: name.to_owned(), body };
    let go = || say("1", "judgment", json!({"judgmentStatus": "continue"}));
    let refused = |result: Result<_, AppError>| result.map(|_: model::id::EventId| ()).unwrap_err();
    assert!(matches!(refused(inbox::signal(ports, &bob, id, &go(), None).await), AppError::Denied { .. }));
    let wrong = say("1", "judgment", json!({}));
    assert!(matches!(refused(inbox::signal(ports, &alice, id, &wrong, None).await), AppError::Invalid(_)));
    let other = say("1", "other", json!({}));
    assert!(matches!(refused(inbox::signal(ports, &alice, id, &other, None).await), AppError::Conflict { code: "signal-not-awaited", .. }));
    let stage = say("9", "judgment", json!({}));
    assert!(matches!(refused(inbox::signal(ports, &alice, id, &stage, None).await), AppError::NotFound { .. }));
    let event = inbox::signal(ports, &alice, id, &go(), Some("key")).await.unwrap();
    assert_eq!(inbox::signal(ports, &alice, id, &go(), Some("key")).await.unwrap(), event, "a repeat is the same event");
    let second = refused(inbox::signal(ports, &alice, id, &go(), Some("second")).await);
    assert!(matches!(second, AppError::Conflict { code: "stage-not-waiting", .. }), "nobody has looked at the first yet: {second}");
    assert_eq!(world.advance(id).await, Rest::Ended);
    let detail = world.detail(id).await;
    assert_eq!(detail.stages[0].answers.len(), 1);
    assert_eq!(detail.stages[0].answers[0].by, "alice");
    assert!(matches!(refused(inbox::signal(ports, &alice, id, &go(), None).await), AppError::Conflict { code: "stage-not-waiting", .. }));
}

#[tokio::test]
async fn a_cancel_drops_what_is_under_way() {
    let world = world(|_| future::pending().boxed());
    let started = world.prepare(two_in_a_row()).await.unwrap();
    let dev = principal("dev", Role::Developer);
    inbox::cancel(world.inbox_ports(), &dev, &started.execution, "wrong version", None).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    let detail = world.detail(&started.execution).await;
    assert_eq!(detail.status, Status::Canceled);
    assert!(detail.reason.unwrap().message.contains("wrong version"));
    let again = inbox::cancel(world.inbox_ports(), &dev, &started.execution, "", None).await.unwrap_err();
    assert!(matches!(again, AppError::Conflict { code: "execution-ended", .. }));
}

// Rule 2.4: A condition that cannot be evaluated fails the stage with its own reason, never silently
// Rule 2.9: What cannot be resolved fails the stage before it runs; no text is left as it was
#[tokio::test]
async fn what_cannot_be_resolved_never_runs() {
    for (stage, code) in [
        (json!({"refId": "1", "type": "wait", "image": "${parameters.verison}"}), ReasonCode::ExpressionFailed),
        (
            json!({"refId": "1", "type": "wait", "stageEnabled": {"type": "expression", "expression": "1 + 2"}}),
            ReasonCode::ConditionInvalid,
        ),
        (json!({"refId": "1", "type": "wait", "bad": true}), ReasonCode::InvalidStageSettings),
    ] {
        let world = world(|_| succeeds());
        let started = world.prepare(json!([stage])).await.unwrap();
        assert_eq!(world.advance(&started.execution).await, Rest::Ended);
        let detail = world.detail(&started.execution).await;
        assert_eq!(detail.status, Status::Terminal);
        assert!(detail.stages[0].reason.as_ref().unwrap().is(code), "{:?}", detail.stages[0].reason);
        assert_eq!(world.calls(), []);
    }
}

// Rule 2.4: False skips the stage, and it says so
#[tokio::test]
async fn a_false_condition_skips_and_says_so() {
    let world = world(|_| succeeds());
    let stage = json!({"refId": "1", "type": "wait", "stageEnabled": {"type": "expression", "expression": "${false}"}});
    let started = world.prepare(json!([stage])).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    let detail = world.detail(&started.execution).await;
    assert_eq!((detail.status, detail.stages[0].status), (Status::Succeeded, Status::Skipped));
    assert!(detail.stages[0].reason.as_ref().unwrap().is(ReasonCode::ConditionFalse));
}

// Rule 2.3: A pipeline without stages, or with a type that is not installed, is refused when it is started
#[tokio::test]
async fn a_stage_type_that_nobody_installed_is_refused_at_start_by_name() {
    let world = world(|_| succeeds());
    let error = world.prepare(json!([{"refId": "1", "type": "bakeManifest"}])).await.unwrap_err();
    let AppError::Invalid(problems) = error else { panic!("{error:?}") };
    assert_eq!((problems[0].pointer.as_str(), problems[0].code.as_str()), ("/stages/0/type", "unsupported-stage-type"));
    assert!(problems[0].message.contains("bakeManifest"));
}

#[tokio::test]
async fn large_outputs_go_to_a_blob_and_come_back() {
    let world = world(|_| {
        let outputs = json!({"made": "x".repeat(100_000)});
        ends(StepEnd::Succeeded(StepResults { outputs, ..StepResults::default() }))
    });
    let started = world.prepare(two_in_a_row()).await.unwrap();
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    assert_eq!(world.settings(1)["see"].as_str().unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_trace_is_read_back_by_the_repeated_step() {
    let world = world(|call| {
        let journal = call.journal.clone();
        async move {
            let seen = journal.recorded().len();
            let entry = TraceEntry { index: 0, call: "kubernetes.apply".to_owned(), request: "r".to_owned(), response: None };
            journal.intend(vec![entry]).await.unwrap();
            if seen == 0 { future::pending().await } else { succeeds().await }
        }
        .boxed()
    });
    let started = world.prepare(json!([{"refId": "1", "type": "wait"}])).await.unwrap();
    world.table.lies.lock().unwrap().insert(2, Lie::WrittenHang);
    assert!(advance(&world.ports, &started.execution, &NeverWoken, BUDGET).now_or_never().is_none());
    world.clock.0.advance(LEASE_MS + 1);
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    let left = Query::prefix(keys::partition(&started.execution), "J#", 10);
    assert!(world.ports.table.query(&left).await.unwrap().items.is_empty(), "the commit of the outcome makes the trace superfluous");
}

#[tokio::test]
async fn a_repetition_after_a_failure_begins_with_an_empty_trace() {
    let world = world(|call| {
        let journal = call.journal.clone();
        let again = matches!(call.wake, crate::ports::Wake::Retry(1));
        async move {
            assert!(journal.recorded().is_empty(), "what the failed step recorded is not replayed");
            let big = json!("x".repeat(500_000));
            let read = TraceEntry { index: 0, call: "kubernetes.get".to_owned(), request: "r".to_owned(), response: Some(big) };
            let intent = TraceEntry { index: 1, call: "kubernetes.apply".to_owned(), request: "q".to_owned(), response: None };
            journal.intend(vec![read, intent]).await.unwrap();
            if again {
                return succeeds().await;
            }
            let failure = crate::ports::StepFailure {
                code: "throttled".to_owned(),
                message: "later".to_owned(),
                retryable: true,
                retry_after_ms: None,
                blame: crate::ports::Blame::Target,
                results: None,
                details: None,
            };
            ends(StepEnd::Failed(failure)).await
        }
        .boxed()
    });
    let started = world.prepare(json!([{"refId": "1", "type": "wait"}])).await.unwrap();
    assert!(matches!(world.advance(&started.execution).await, Rest::Until(Some(_))));
    assert_eq!(world.items(&started.execution, "J#").await, 0, "nobody reads it again");
    world.clock.0.advance(5_000);
    assert_eq!(world.advance(&started.execution).await, Rest::Ended);
    assert_eq!(world.detail(&started.execution).await.status, Status::Succeeded);
}

/// Whoever starts a pipeline by hand belongs to all groups that it names.
#[tokio::test]
async fn who_starts_a_pipeline_belongs_to_all_groups_it_names() {
    let world = world(|_| succeeds());
    let pipeline = world.install(json!({"stages": two_in_a_row(), "roles": ["release", "web"]})).await.unwrap();
    let in_groups = |groups: &[&str]| Principal {
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..principal("dev", Role::Developer)
    };
    for (groups, may) in [(vec![], false), (vec!["web"], false), (vec!["release"], false), (vec!["release", "web"], true)] {
        let request = Request { submitter: in_groups(&groups), ..world.request(&pipeline) };
        let started = start::start(world.start_ports(), &request).await;
        match started {
            Ok(_) => assert!(may, "{groups:?}"),
            Err(AppError::Denied { code, message }) => {
                assert_eq!((may, code.as_str()), (false, "pipeline-roles"), "{message}");
                assert!(message.contains("release, web"), "{message}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}
