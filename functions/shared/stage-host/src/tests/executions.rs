//! Other executions: the grant, the arguments, and what is repeated.

use crate::bindings::waybill::stage::executions::{Error, Host};
use crate::bindings::waybill::stage::kubernetes::{ApplyOptions, Host as _};
use crate::fault::Stop;
use crate::state::StepState;
use crate::testing::{MemoryJournal, ScriptedExecutions, Setup, at, manifest, object};
use app::ports::{ExecutionsError, StepMode, TraceEntry};
use model::component::StepLimits;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const CHILD: &str = ScriptedExecutions::CHILD;
const ALL: [&str; 4] = ["start", "get", "newest", "cancel"];
const PLAIN: ApplyOptions = ApplyOptions { force_conflicts: false };

fn granted() -> Setup {
    Setup { runs: ALL.to_vec(), ..Setup::default() }
}

async fn start(state: &mut StepState, trigger: &str) -> Result<String, Error> {
    state.start("shop".into(), "deploy".into(), trigger.into()).await.unwrap()
}

async fn get(state: &mut StepState, id: &str, fields: &[&str]) -> Result<String, Error> {
    // `kubernetes` has a function of this name, too.
    Host::get(state, id.into(), fields.iter().map(|f| (*f).to_owned()).collect()).await.unwrap()
}

/// One call of each function, in the order of [`ALL`].
async fn each(setup: &Setup) -> [Result<(), Error>; 4] {
    let mut state = setup.state();
    let started = start(&mut state, "{}").await.map(|_| ());
    let got = get(&mut state, CHILD, &["status"]).await.map(|_| ());
    let newest = state.newest("shop".into(), "deploy".into(), vec!["RUNNING".into()]).await.unwrap().map(|_| ());
    [started, got, newest, state.cancel(CHILD.into(), "over".into()).await.unwrap()]
}

fn denial(answer: &Result<(), Error>) -> &str {
    match answer {
        Err(Error::Denied(text)) => text,
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_granted_is_asked_as_it_was_meant() {
    let setup = granted();
    let mut state = setup.state();
    assert_eq!(start(&mut state, r#"{"parameters": {"env": "prod"}}"#).await.unwrap(), CHILD);
    let found = get(&mut state, CHILD, &["status", "outputs"]).await.unwrap();
    assert!(found.contains("RUNNING"));
    assert_eq!(state.newest("shop".into(), "deploy".into(), Vec::new()).await.unwrap().unwrap(), Some(CHILD.into()));
    state.cancel(CHILD.into(), "no\x1b longer\nneeded".into()).await.unwrap().unwrap();
    let expected = [
        r#"start shop/deploy {"parameters":{"env":"prod"}}"#,
        "get 01CHILD status,outputs",
        "newest shop/deploy ",
        "cancel 01CHILD no longer needed",
    ];
    assert_eq!(setup.executions.calls(), expected);
}

#[tokio::test]
async fn each_function_needs_its_own_word_in_the_grant() {
    for (nth, verb) in ALL.into_iter().enumerate() {
        let others = ALL.into_iter().filter(|v| *v != verb).collect();
        let setup = Setup { runs: others, ..Setup::default() };
        let answers = each(&setup).await;
        assert!(denial(&answers[nth]).contains(&format!(r#"{{"executions":["{verb}"]}}"#)), "{answers:?}");
        assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 3);
        assert!(setup.executions.calls().iter().all(|call| !call.starts_with(verb)));
    }
    let none = Setup::default();
    assert!(each(&none).await.iter().all(|answer| denial(answer).contains("not granted")));
    assert_eq!(none.executions.calls(), [""; 0]);
}

#[tokio::test]
async fn a_plan_starts_and_ends_nothing() {
    let setup = Setup { mode: StepMode::Plan, ..granted() };
    let answers = each(&setup).await;
    assert!(denial(&answers[0]).contains("start is always denied"));
    assert!(denial(&answers[3]).contains("cancel is always denied"));
    assert_eq!(setup.executions.calls(), ["get 01CHILD status", "newest shop/deploy RUNNING"]);
    assert_eq!(setup.journal.writes(), Vec::<Vec<String>>::new());
}

#[tokio::test]
async fn without_a_step_everything_is_denied() {
    let setup = granted();
    let mut state = StepState::new(&setup.limits, 1_000, 7, None);
    let denied = Error::Denied("other executions are not available here".into());
    assert_eq!(start(&mut state, "{}").await, Err(denied.clone()));
    assert_eq!(get(&mut state, CHILD, &[]).await, Err(denied.clone()));
    assert_eq!(state.newest("shop".into(), "deploy".into(), Vec::new()).await.unwrap(), Err(denied.clone()));
    assert_eq!(state.cancel(CHILD.into(), String::new()).await.unwrap(), Err(denied));
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused_before_anybody_is_asked() {
    let setup = granted();
    let mut state = setup.state();
    let refused = |error: Error| assert!(matches!(error, Error::Refused(_)), "{error:?}");
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    for trigger in ["[]", "3", "{", r#"{"a":1,"a":2}"#, &large] {
        refused(start(&mut state, trigger).await.unwrap_err());
    }
    let long = "x".repeat(256);
    for (application, pipeline) in [("", "p"), ("9", "p"), ("../x", "p"), ("shop", ""), ("shop", " "), ("shop", "a\nb"), ("shop", &long)] {
        refused(state.start(application.into(), pipeline.into(), "{}".into()).await.unwrap().unwrap_err());
        refused(state.newest(application.into(), pipeline.into(), Vec::new()).await.unwrap().unwrap_err());
    }
    for id in ["", "a/b", "../META", &long] {
        refused(get(&mut state, id, &[]).await.unwrap_err());
        refused(state.cancel(id.into(), String::new()).await.unwrap().unwrap_err());
    }
    for fields in [["status"; 33].as_slice(), &[""], &["a b"], &[&long[..129]]] {
        refused(get(&mut state, CHILD, fields).await.unwrap_err());
    }
    for statuses in [vec!["running".to_owned()], vec!["DONE".into()], vec![String::new()], vec!["RUNNING".into(); 17]] {
        refused(state.newest("shop".into(), "deploy".into(), statuses).await.unwrap().unwrap_err());
    }
    assert_eq!(setup.executions.calls(), [""; 0]);
    // What is at the limits goes through; a blank trigger says nothing.
    get(&mut state, CHILD, &["status"; 32]).await.unwrap();
    state.newest("shop".into(), "x".repeat(255), vec!["FAILED_CONTINUE".into(); 16]).await.unwrap().unwrap();
    start(&mut state, "").await.unwrap();
    assert_eq!(setup.executions.calls()[2], "start shop/deploy {}");
}

#[tokio::test]
async fn a_long_reason_is_cut() {
    let setup = granted();
    setup.state().cancel(CHILD.into(), "x".repeat(5_000)).await.unwrap().unwrap();
    let call = setup.executions.calls().remove(0);
    assert!(call.len() <= "cancel 01CHILD ".len() + 1_024 && call.ends_with('…'));
}

#[tokio::test]
async fn errors_of_the_other_side_are_told() {
    let bad = |t: &str| format!("{t}\x1b[2J");
    for (error, told) in [
        (ExecutionsError::Denied(bad("no")), Error::Denied("no[2J".into())),
        (ExecutionsError::NotFound, Error::NotFound),
        (ExecutionsError::Refused(bad("disabled")), Error::Refused("disabled[2J".into())),
        (ExecutionsError::Quota(bad("20")), Error::Quota("20[2J".into())),
        (ExecutionsError::Unavailable(bad("later")), Error::Unavailable("later[2J".into())),
    ] {
        let setup = granted();
        *setup.executions.fails.lock().unwrap() = Some(error);
        assert_eq!(each(&setup).await, [Err(told.clone()), Err(told.clone()), Err(told.clone()), Err(told)]);
    }
}

#[tokio::test]
async fn starts_and_cancels_write_no_intent_even_after_reads() {
    let setup = granted();
    let mut state = setup.state();
    state.newest("shop".into(), "deploy".into(), Vec::new()).await.unwrap().unwrap();
    start(&mut state, "{}").await.unwrap();
    state.cancel(CHILD.into(), "over".into()).await.unwrap().unwrap();
    assert_eq!(setup.journal.writes(), Vec::<Vec<String>>::new());
    // A change in a cluster rests on what was read, and takes all of it along.
    state.apply(at(Some("shop")), manifest("v1", "ConfigMap", None, "a").to_string(), PLAIN).await.unwrap().unwrap();
    let expected = ["0 executions.newest", "1 executions.start", "2 executions.cancel", "3 kubernetes.apply?"];
    assert_eq!(setup.journal.writes(), [expected.map(str::to_owned)]);
}

#[tokio::test]
async fn a_fenced_worker_starts_and_ends_nothing() {
    let setup = granted();
    setup.journal.fenced.store(true, Ordering::Relaxed);
    let mut state = setup.state();
    let stop = |error: wasmtime::Error| error.downcast_ref::<Stop>().cloned();
    let error = state.start("shop".into(), "deploy".into(), "{}".into()).await.unwrap_err();
    assert_eq!(stop(error), Some(Stop::Fenced));
    let error = state.cancel(CHILD.into(), String::new()).await.unwrap_err();
    assert_eq!(stop(error), Some(Stop::Fenced));
    assert_eq!(setup.executions.calls(), [""; 0]);
}

/// A step that looked, started and applied, and died before its end.
async fn died(executions: &Arc<ScriptedExecutions>) -> Vec<TraceEntry> {
    let setup = Setup { executions: Arc::clone(executions), ..granted() };
    let mut state = setup.state();
    state.newest("shop".into(), "deploy".into(), Vec::new()).await.unwrap().unwrap();
    start(&mut state, "{}").await.unwrap();
    state.apply(at(Some("shop")), manifest("v1", "ConfigMap", None, "a").to_string(), PLAIN).await.unwrap().unwrap();
    setup.journal.entries()
}

#[tokio::test]
async fn a_repeated_step_replays_its_start_and_never_makes_a_second_child() {
    let executions = Arc::new(ScriptedExecutions::default());
    let recorded = died(&executions).await;
    let asked = executions.calls().len();

    let again = Setup { executions: Arc::clone(&executions), journal: MemoryJournal::after(recorded.clone()), ..granted() };
    let mut state = again.state();
    // Meanwhile there is a child; the first time there was none, and the repetition sees what the first time saw.
    assert_eq!(state.newest("shop".into(), "deploy".into(), Vec::new()).await.unwrap().unwrap(), None);
    assert_eq!(start(&mut state, "{}").await.unwrap(), CHILD);
    assert_eq!(executions.calls().len(), asked);
    state.apply(at(Some("shop")), manifest("v1", "ConfigMap", None, "a").to_string(), PLAIN).await.unwrap().unwrap();
    assert_eq!(again.cluster.calls(), ["apply ConfigMap/shop/a"]);

    // Another trigger at the same place is another step.
    let other = Setup { executions: Arc::clone(&executions), journal: MemoryJournal::after(recorded), ..granted() };
    let mut state = other.state();
    state.newest("shop".into(), "deploy".into(), Vec::new()).await.unwrap().unwrap();
    let error = state.start("shop".into(), "deploy".into(), r#"{"parameters":{}}"#.into()).await.unwrap_err();
    let told = "call 1 was executions.start and now is executions.start with other arguments";
    assert_eq!(error.downcast_ref::<Stop>(), Some(&Stop::Nondeterministic(told.into())));

    // Died before anything was durable: it asks again, and there still is one child.
    let blank = Setup { executions: Arc::clone(&executions), ..granted() };
    assert_eq!(start(&mut blank.state(), "{}").await.unwrap(), CHILD);
    assert_eq!((executions.calls().len(), executions.children.lock().unwrap().len()), (asked + 1, 1));
}

#[tokio::test]
async fn quotas_count_and_never_take_back_what_was_started() {
    let few = Setup { limits: StepLimits { host_calls_max: 1, ..StepLimits::default() }, ..granted() };
    let mut state = few.state();
    start(&mut state, "{}").await.unwrap();
    assert!(matches!(start(&mut state, "{}").await, Err(Error::Quota(_))));
    assert_eq!(few.executions.calls().len(), 1);

    let limits = StepLimits { host_call_bytes_max: 2_000, ..StepLimits::default() };
    let executions = ScriptedExecutions { outputs_bytes: 3_000, ..ScriptedExecutions::default() };
    let small = Setup { limits, executions: executions.into(), ..granted() };
    let mut state = small.state();
    assert!(matches!(get(&mut state, CHILD, &[]).await, Err(Error::Quota(_))));
    let trigger = format!("{{\"a\":\"{}\"}}", "x".repeat(1_940));
    // The request just fits, its answer no longer does: the child is there, so its id is told.
    assert_eq!(start(&mut state, &trigger).await.unwrap(), CHILD);
    get(&mut state, CHILD, &[]).await.unwrap_err();
    state.rollout_status(at(Some("shop")), object("apps/v1", "Deployment", "web")).await.unwrap().unwrap_err();
}
