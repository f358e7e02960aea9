//! Tests of cancelling, and of time running out.

use super::*;

/// The first call of `cancel` after the child was started.
fn cancel_after(input: &StepInput, first: &Outcome) -> StepInput {
    after(input, first, Wake::Start)
}

#[test]
fn before_there_is_a_child_it_is_cancelled_at_once() {
    let mut host = Script::default();
    let results = canceled(cancel(&first(&deploy().to_string()), "no", &mut host));
    assert_eq!(results.message, "no pipeline had been started");
    assert_eq!(host.calls, [""; 0]);
}

#[test]
fn a_child_that_may_have_been_started_is_found_again_and_cancelled() {
    let mut found = host([Ok(json!({"status": "CANCELED", "name": "n"}))]);
    let results = canceled(cancel(&start(&deploy().to_string()), "no", &mut found));
    assert_eq!(results.message, "n (c1) was cancelled");
    assert_eq!((found.count("start"), found.count("cancel")), (1, 1));

    let mut late = host([Ok(json!({"status": "RUNNING", "name": "n"}))]);
    late.starts = VecDeque::from([Err(unavailable())]);
    let failure = cancel(&start(&deploy().to_string()), "no", &mut late).unwrap_err();
    assert!(failure.retryable, "it is asked again");

    let mut refused = Script { starts: VecDeque::from([Err(ExecutionError::Refused("it is disabled".into()))]), ..Script::default() };
    assert_eq!(canceled(cancel(&start(&deploy().to_string()), "no", &mut refused)).message, "no pipeline had been started");

    let mut alone = Script::default();
    let not_waited = json!({"pipeline": "Deploy eu", "waitForCompletion": false});
    assert_eq!(canceled(cancel(&start(&not_waited.to_string()), "no", &mut alone)).message, "no pipeline had been started");
    assert_eq!(alone.calls, [""; 0], "whom nobody waits for is not stopped either");
}

#[test]
fn time_that_runs_out_during_the_start_cancels_the_child() {
    let mut host = host([running()]);
    let mut input = start(&deploy().to_string());
    input.wake = Wake::TimedOut;
    let failure = step(&input, &mut host).unwrap_err();
    assert_eq!(failure.code, "stage-timeout");
    assert_eq!((host.count("start"), host.count("cancel")), (1, 1));
}

#[test]
fn the_child_is_cancelled_once_and_waited_for() {
    let mut host = host([running(), running(), Err(unavailable()), running(), Ok(json!({"status": "CANCELED", "name": "Deploy eu"}))]);
    let (input, first) = started(&deploy(), &mut host);
    let mut input = cancel_after(&input, &first);
    for _ in 0..3 {
        let outcome = cancel(&input, "wrong version", &mut host).unwrap();
        let Outcome::Running(running) = &outcome else { panic!("not running: {outcome:?}") };
        assert_eq!(running.poll_after_ms, 1_000);
        assert_eq!(running.progress.message, "Deploy eu (c1) is being cancelled");
        input = after(&input, &outcome, Wake::Poll);
    }
    let results = canceled(cancel(&input, "wrong version", &mut host));
    assert_eq!(results.message, "Deploy eu (c1) was cancelled");
    assert_eq!(value(&results.context), json!({"executionId": "c1", "executionName": "Deploy eu", "status": "CANCELED"}));
    assert_eq!(host.count("cancel"), 1);
    assert!(host.calls.contains(&"cancel c1: cancelled with its parent, execution e1: wrong version".to_owned()), "{:?}", host.calls);
}

#[test]
fn a_child_that_ended_otherwise_is_said_to_have() {
    let outcome = |state: Value| {
        let mut host = host([running(), Ok(state)]);
        let (input, first) = started(&deploy(), &mut host);
        canceled(cancel(&cancel_after(&input, &first), "no", &mut host)).message
    };
    assert_eq!(outcome(json!({"status": "SUCCEEDED", "name": "n"})), "n (c1) had succeeded before it was cancelled");
    assert_eq!(outcome(json!({"status": "TERMINAL", "name": "n"})), "n (c1) had failed before it was cancelled");
}

#[test]
fn a_cancel_that_may_work_later_is_asked_again() {
    let mut host = host([running(), Ok(json!({"status": "CANCELED", "name": "n"}))]);
    host.refuse_cancel = VecDeque::from([unavailable()]);
    let (input, first) = started(&deploy(), &mut host);
    let mut input = cancel_after(&input, &first);
    let failure = cancel(&input, "no", &mut host).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("unavailable", true));
    input.wake = Wake::Retry(1);
    canceled(cancel(&input, "no", &mut host));
    assert_eq!(host.count("cancel"), 2);
}

#[test]
fn a_child_that_cannot_be_cancelled_or_is_gone() {
    let with = |error: ExecutionError| {
        let mut host = host([running()]);
        host.refuse_cancel = VecDeque::from([error]);
        let (input, first) = started(&deploy(), &mut host);
        cancel(&cancel_after(&input, &first), "no", &mut host)
    };
    assert_eq!(with(ExecutionError::Denied("alice may not".into())).unwrap_err().code, "denied");
    assert_eq!(with(ExecutionError::Refused("foreign".into())).unwrap_err().code, "refused");
    assert_eq!(canceled(with(ExecutionError::NotFound)).message, "Deploy eu (c1) does not exist any more");
    let mut host = host([running(), Err(ExecutionError::NotFound)]);
    let (input, first) = started(&deploy(), &mut host);
    assert_eq!(canceled(cancel(&cancel_after(&input, &first), "no", &mut host)).message, "Deploy eu (c1) does not exist any more");
    let mut host = super::host([running(), Ok(json!({"status": "MELTED"}))]);
    let (input, first) = started(&deploy(), &mut host);
    assert_eq!(cancel(&cancel_after(&input, &first), "no", &mut host).unwrap_err().code, "child-unreadable");
}

#[test]
fn cancelling_does_not_mind_the_stages_parameters() {
    let mut host = host([running(), Ok(json!({"status": "CANCELED", "name": "n"}))]);
    let (input, first) = started(&deploy(), &mut host);
    let mut input = cancel_after(&input, &first);
    input.params = "{}".into();
    canceled(cancel(&input, &"why ".repeat(1_000), &mut host));
    let asked = host.calls.iter().find(|call| call.starts_with("cancel")).unwrap();
    assert!(asked.chars().count() < 1_100, "a long reason is cut");
}

#[test]
fn when_time_runs_out_the_child_is_cancelled() {
    let mut host = host([running()]);
    let (input, first) = started(&deploy(), &mut host);
    let failure = step(&after(&input, &first, Wake::TimedOut), &mut host).unwrap_err();
    assert_eq!(failure.code, "stage-timeout");
    assert_eq!(failure.message, "the stage's time ran out before Deploy eu (c1) had ended; it was told to cancel");
    assert_eq!(value(&failure.results.unwrap().context)["executionId"], "c1");
    let asked = "cancel c1: the time of the stage that waited for it, in execution e1, ran out";
    assert!(host.calls.contains(&asked.to_owned()), "{:?}", host.calls);
}

#[test]
fn a_time_out_says_when_the_child_goes_on() {
    let with = |error: ExecutionError| {
        let mut host = host([running(), Err(unavailable())]);
        host.refuse_cancel = VecDeque::from([error]);
        let (input, first) = started(&deploy(), &mut host);
        step(&after(&input, &first, Wake::TimedOut), &mut host).unwrap_err().message
    };
    assert!(with(unavailable()).ends_with("it could not be cancelled and may go on: cancel: the store is away"));
    assert!(with(ExecutionError::NotFound).ends_with("it does not exist any more"));
}

#[test]
fn a_child_that_ended_in_the_last_moment_counts() {
    let mut host = host([running(), Ok(json!({"status": "SUCCEEDED", "name": "n", "outputs": {"a": 1}}))]);
    let (input, first) = started(&deploy(), &mut host);
    assert_eq!(value(&succeeded(step(&after(&input, &first, Wake::TimedOut), &mut host)).outputs), json!({"a": 1}));
    assert_eq!(host.count("cancel"), 0);
}

#[test]
fn time_may_run_out_before_there_is_a_child() {
    let mut input = first(&deploy().to_string());
    input.wake = Wake::TimedOut;
    let mut host = Script::default();
    let failure = step(&input, &mut host).unwrap_err();
    assert_eq!(failure.code, "stage-timeout");
    assert_eq!(failure.message, "the stage's time ran out before the pipeline Deploy eu was started");
    assert_eq!(host.calls, [""; 0]);
}
