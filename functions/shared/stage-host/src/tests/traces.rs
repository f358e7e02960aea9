//! A repeated step gets its recorded answers and goes on live; what it may not do is ask for something else.

use crate::bindings::waybill::stage::context::Host as _;
use crate::bindings::waybill::stage::kubernetes::{ApplyOptions, Error, Host};
use crate::bindings::waybill::stage::{artifacts, expressions};
use crate::fault::Stop;
use crate::testing::{MemoryJournal, Setup, at, manifest, object};
use app::ports::{ClusterError, JournalError, TraceEntry};
use model::component::StepLimits;
use serde_json::json;
use std::sync::atomic::Ordering;

const PLAIN: ApplyOptions = ApplyOptions { force_conflicts: false };

fn stop(error: &wasmtime::Error) -> Stop {
    error.downcast_ref::<Stop>().expect("a stop of the host").clone()
}

fn config(name: &str) -> String {
    manifest("v1", "ConfigMap", None, name).to_string()
}

#[tokio::test]
async fn changes_without_reads_write_no_intent() {
    let setup = Setup::default();
    let mut state = setup.state();
    state.info().await.unwrap();
    artifacts::Host::in_context(&mut state).await.unwrap().unwrap();
    for name in ["a", "b"] {
        state.apply(at(Some("shop")), config(name), PLAIN).await.unwrap().unwrap();
    }
    assert_eq!(setup.journal.writes(), Vec::<Vec<String>>::new());
    let rest = state.session.unwrap().finish().unwrap();
    assert_eq!(rest.len(), 4);
    assert!(rest.iter().all(|e| e.response.is_some()));
}

#[tokio::test]
async fn reads_are_written_with_the_next_change_and_its_answer_with_the_one_after() {
    let setup = Setup::default();
    let mut state = setup.state();
    state.get(at(Some("shop")), object("v1", "ConfigMap", "a"), Vec::new()).await.unwrap().unwrap_err();
    for name in ["a", "b"] {
        state.apply(at(Some("shop")), config(name), PLAIN).await.unwrap().unwrap();
    }
    let expected = vec![
        vec!["0 kubernetes.get".to_owned(), "1 kubernetes.apply?".to_owned()],
        vec!["1 kubernetes.apply".to_owned(), "2 kubernetes.apply?".to_owned()],
    ];
    assert_eq!(setup.journal.writes(), expected);
    let rest = state.session.unwrap().finish().unwrap();
    assert_eq!(rest.iter().map(|e| e.index).collect::<Vec<_>>(), [2]);
}

/// A step that reads, applies twice, and dies before its end.
async fn died() -> (Setup, Vec<TraceEntry>) {
    let setup = Setup::default();
    setup.cluster.objects.lock().unwrap().insert("ConfigMap/shop/old".into(), manifest("v1", "ConfigMap", Some("shop"), "old"));
    let mut state = setup.state();
    state.get(at(Some("shop")), object("v1", "ConfigMap", "old"), Vec::new()).await.unwrap().unwrap();
    state.apply(at(Some("shop")), config("a"), PLAIN).await.unwrap().unwrap();
    state.apply(at(Some("shop")), config("b"), PLAIN).await.unwrap().unwrap();
    let recorded = setup.journal.entries();
    (setup, recorded)
}

#[tokio::test]
async fn a_repeated_step_replays_its_prefix_and_repeats_the_last_intent() {
    let (first, recorded) = died().await;
    first.cluster.objects.lock().unwrap().clear();
    let setup = Setup { journal: MemoryJournal::after(recorded), ..Setup::default() };
    let mut state = setup.state();
    let old = state.get(at(Some("shop")), object("v1", "ConfigMap", "old"), Vec::new()).await.unwrap().unwrap();
    assert!(old.contains("old"));
    state.apply(at(Some("shop")), config("a"), PLAIN).await.unwrap().unwrap();
    assert_eq!(setup.cluster.calls(), [""; 0]);
    // Its intent is durable, its answer is not: it is sent again, without another intent.
    state.apply(at(Some("shop")), config("b"), PLAIN).await.unwrap().unwrap();
    assert_eq!(setup.cluster.calls(), ["apply ConfigMap/shop/b"]);
    assert_eq!(setup.journal.writes(), Vec::<Vec<String>>::new());
    // From here on it is live, and rests on the replayed read.
    state.apply(at(Some("shop")), config("c"), PLAIN).await.unwrap().unwrap();
    let expected = vec![vec!["2 kubernetes.apply".to_owned(), "3 kubernetes.apply?".to_owned()]];
    assert_eq!(setup.journal.writes(), expected);
}

#[tokio::test]
async fn another_request_inside_the_prefix_stops_the_step() {
    let (_, recorded) = died().await;
    let setup = Setup { journal: MemoryJournal::after(recorded.clone()), ..Setup::default() };
    let mut state = setup.state();
    let error = state.get(at(Some("shop")), object("v1", "ConfigMap", "new"), Vec::new()).await.unwrap_err();
    assert_eq!(stop(&error), Stop::Nondeterministic("call 0 was kubernetes.get and now is kubernetes.get with other arguments".into()));

    let setup = Setup { journal: MemoryJournal::after(recorded.clone()), ..Setup::default() };
    let mut state = setup.state();
    let error = state.apply(at(Some("shop")), config("a"), PLAIN).await.unwrap_err();
    assert_eq!(stop(&error), Stop::Nondeterministic("call 0 was kubernetes.get and now is kubernetes.apply".into()));
    assert_eq!(setup.cluster.calls(), [""; 0]);

    // Ending early is another request, too.
    let setup = Setup { journal: MemoryJournal::after(recorded), ..Setup::default() };
    let ended = setup.state().session.unwrap().finish().unwrap_err();
    assert_eq!(ended, Stop::Nondeterministic("it ended without call 0, which was kubernetes.get".into()));
}

#[tokio::test]
async fn a_fenced_worker_sends_nothing_more() {
    let setup = Setup::default();
    setup.journal.fenced.store(true, Ordering::Relaxed);
    let mut state = setup.state();
    let error = state.apply(at(Some("shop")), config("a"), PLAIN).await.unwrap_err();
    assert_eq!(stop(&error), Stop::Fenced);
    let error = state.create(at(Some("shop")), config("a")).await.unwrap_err();
    assert_eq!(stop(&error), Stop::Fenced);
    assert_eq!(setup.cluster.calls(), [""; 0]);
}

#[tokio::test]
async fn an_intent_that_is_not_written_stops_the_change() {
    for (failure, expected) in [
        (JournalError::Fenced, Stop::Fenced),
        (JournalError::Unavailable("disk".into()), Stop::Unavailable("the trace cannot be written: disk".into())),
    ] {
        let setup = Setup::default();
        *setup.journal.fails.lock().unwrap() = Some(failure);
        let mut state = setup.state();
        state.rollout_status(at(Some("shop")), object("apps/v1", "Deployment", "web")).await.unwrap().unwrap();
        let error = state.apply(at(Some("shop")), config("a"), PLAIN).await.unwrap_err();
        assert_eq!(stop(&error), expected);
        assert_eq!(setup.cluster.calls(), ["rollout Deployment/shop/web"]);
    }
}

#[tokio::test]
async fn a_change_in_the_middle_stops_at_the_first_error() {
    let setup = Setup::default();
    let refusal = ClusterError::Conflict("helm owns .spec.replicas".into());
    setup.cluster.refusals.lock().unwrap().insert("ConfigMap/shop/b".into(), refusal);
    let mut state = setup.state();
    let texts = ["a", "b", "c"].map(config).to_vec();
    let (done, error) = state.apply_many(at(Some("shop")), texts, PLAIN).await.unwrap().unwrap_err();
    assert_eq!((done.len(), error), (1, Error::Conflict("helm owns .spec.replicas".into())));
    assert_eq!(setup.cluster.calls(), ["apply ConfigMap/shop/a", "apply ConfigMap/shop/b"]);
}

#[tokio::test]
async fn what_is_created_twice_by_the_same_step_is_created_once() {
    let setup = Setup::default();
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "migrate-"}}).to_string();
    let named = manifest("batch/v1", "Job", None, "fixed").to_string();
    let mut first = setup.state();
    let one = first.create(at(Some("shop")), job.clone()).await.unwrap().unwrap();
    first.create(at(Some("shop")), named.clone()).await.unwrap().unwrap();
    // The step died without a trace; it runs again on the same cluster.
    let mut again = setup.state();
    assert_eq!(again.create(at(Some("shop")), job.clone()).await.unwrap().unwrap(), one);
    again.create(at(Some("shop")), named.clone()).await.unwrap().unwrap();
    assert_eq!(setup.cluster.objects.lock().unwrap().len(), 2);
    // Another call of the same step is another object, and a name that another call made is taken.
    assert_ne!(again.create(at(Some("shop")), job).await.unwrap().unwrap(), one);
    let error = again.create(at(Some("shop")), named).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Conflict(_)));
}

#[tokio::test]
async fn local_answers_are_replayed_as_they_were() {
    let setup = Setup::default();
    let mut state = setup.state();
    state.info().await.unwrap();
    assert_eq!(state.lookup("/parameters/env".into()).await.unwrap(), Ok(Some("\"prod\"".into())));
    assert_eq!(state.lookup("parameters".into()).await.unwrap(), Err("it is not a JSON pointer".into()));
    let value = expressions::Host::evaluate(&mut state, "${x}".into(), "{\"x\": [1]}".into()).await.unwrap();
    assert_eq!(value.unwrap(), "[1]");
    let error = expressions::Host::evaluate(&mut state, "${x}".into(), "[]".into()).await.unwrap().unwrap_err();
    assert_eq!(error.reason, "invalid-locals");
    let recorded = state.session.unwrap().finish().unwrap();

    let mut later = Setup { journal: MemoryJournal::after(recorded), ..Setup::default() };
    later.namespaces.clear();
    let mut session = later.call();
    session.info.deadline_ms = 99;
    let mut state = crate::state::StepState::new(&later.limits, 0, 0, Some(crate::session::Session::new(session)));
    assert_eq!(state.info().await.unwrap().deadline_ms, 9);
}

#[tokio::test]
async fn a_drip_of_calls_ends_in_a_quota() {
    let limits = StepLimits { host_calls_max: 100, ..StepLimits::default() };
    let setup = Setup { limits, ..Setup::default() };
    let mut state = setup.state();
    for _ in 0..100 {
        state.lookup("/parameters/env".into()).await.unwrap().unwrap();
    }
    assert_eq!(state.lookup(String::new()).await.unwrap(), Err("a step may make 100 host calls".into()));
    let error = state.apply(at(Some("shop")), config("a"), PLAIN).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Quota(_)));
    let mut last = None;
    for _ in 0..1_000 {
        if let Err(error) = state.lookup(String::new()).await {
            last = Some(stop(&error));
            break;
        }
    }
    assert_eq!(last, Some(Stop::Quota("a step may make 100 host calls".into())));
    assert_eq!(setup.cluster.calls(), [""; 0]);
}

#[tokio::test]
async fn bytes_are_counted_both_ways() {
    let limits = StepLimits { host_call_bytes_max: 2_000, ..StepLimits::default() };
    let setup = Setup { limits, ..Setup::default() };
    let mut large = manifest("v1", "ConfigMap", Some("shop"), "large");
    large["data"] = json!({"k": "x".repeat(3_000)});
    setup.cluster.objects.lock().unwrap().insert("ConfigMap/shop/large".into(), large);
    let mut state = setup.state();
    let error = state.get(at(Some("shop")), object("v1", "ConfigMap", "large"), Vec::new()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Quota(_)));
    // Small answers still fit; a large request does not.
    state.get(at(Some("shop")), object("v1", "ConfigMap", "large"), vec!["metadata.name".into()]).await.unwrap().unwrap();
    let mut sent = manifest("v1", "ConfigMap", None, "a");
    sent["data"] = json!({"k": "x".repeat(3_000)});
    let error = state.apply(at(Some("shop")), sent.to_string(), PLAIN).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Quota(_)));
}
