//! Deployments to a cluster that misbehaves: a proxy before the real control plane does to the calls whatever a network and
//! a busy API server do. The cluster ends up as it does in fair weather, nothing is written that must not be, and whoever
//! looks is told what is waited for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests: a failure is a panic that says what went wrong"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::ControlPlane;
use testkit::faults::{Fault, Per, Rule, Script, Verb};
use tests::Fleet;
use tests::api::stage_of;
use tests::fleet::{contents, ended_as_told, left, nothing_repeated_amiss};

const WRITES: [Verb; 2] = [Verb::Apply, Verb::Patch];
const READS: [Verb; 2] = [Verb::Get, Verb::List];
/// Stories at once.
const AT_ONCE: u64 = 10;
/// How many seeds the mixed weather is tried with, where nobody says otherwise.
const SEEDS: u64 = 20;

/// A kind of weather, and what must be told of it.
struct Weather {
    name: &'static str,
    rules: Vec<Rule>,
    told: &'static [&'static str],
}

fn weather(name: &'static str, rules: impl IntoIterator<Item = Rule>, told: &'static [&'static str]) -> Weather {
    Weather { name, rules: rules.into_iter().collect(), told }
}

/// Twice for every object that is written.
fn writes(fault: Fault) -> Rule {
    Rule::every(fault).verbs(&WRITES).per(Per::Object).times(2)
}

/// For some questions about every object.
fn reads(fault: Fault) -> Rule {
    Rule::every(fault).verbs(&READS).per(Per::Object).after(1).times(2)
}

fn watches(fault: Fault) -> Rule {
    Rule::every(fault).verbs(&[Verb::Watch])
}

/// Each fault alone. What happens to all connections at once is not among them: it would happen to the others.
fn single() -> Vec<Weather> {
    vec![
        weather("fair", [], &[]),
        weather("conflict", [writes(Fault::Conflict)], &[]),
        weather("throttle", [writes(Fault::Throttle { retry_after_s: 2 })], &["answers 429 and asks to come again in 2 s"]),
        weather("500", [writes(Fault::Fail { status: 500 }), reads(Fault::Fail { status: 500 })], &["(500)"]),
        weather("503", [writes(Fault::Fail { status: 503 }), reads(Fault::Fail { status: 503 })], &["(503)"]),
        weather("latency", [Rule::every(Fault::Latency { ms: 300 })], &[]),
        weather("reset", [writes(Fault::Reset), reads(Fault::Reset)], &["connection-lost"]),
        weather("lose", [writes(Fault::Lose)], &["connection-lost"]),
        weather("tear", [writes(Fault::Tear), reads(Fault::Tear)], &["connection-lost"]),
        weather("hang", [Rule::every(Fault::Hang { tried: false }).verbs(&WRITES).resources(&["Deployment"]).times(1)], &["timed-out"]),
        weather("hang-tried", [Rule::every(Fault::Hang { tried: true }).verbs(&WRITES).resources(&["Service"]).times(1)], &["timed-out"]),
        weather("stale", [Rule::every(Fault::Stale).per(Per::Object).chance(0.5, 1).times(12)], &[]),
        weather("gone", [watches(Fault::Gone { at_once: false }).per(Per::Object).times(3)], &[]),
        weather("gone-at-once", [watches(Fault::Gone { at_once: true }).per(Per::Object).times(3)], &[]),
        weather("drop-watch", [watches(Fault::DropWatch { after_events: 0, broken: false }).times(6)], &[]),
        weather("break-watch", [watches(Fault::DropWatch { after_events: 0, broken: true })], &[]),
        weather("delay-watch", [watches(Fault::DelayWatch { ms: 1_500 })], &[]),
        weather("repeat-watch", [watches(Fault::RepeatWatch)], &[]),
    ]
}

/// Everything at once, by dice.
fn mixed(seed: u64) -> Vec<Rule> {
    let hangs = if seed % 10 == 3 { 0.05 } else { 0.0 };
    let rules = vec![
        (0.10, writes(Fault::Lose)),
        (0.10, writes(Fault::Tear)),
        (0.08, writes(Fault::Reset)),
        (0.08, writes(Fault::Conflict)),
        (0.10, writes(Fault::Throttle { retry_after_s: 1 })),
        (0.08, writes(Fault::Fail { status: 500 })),
        (0.08, writes(Fault::Fail { status: 503 })),
        (hangs, writes(Fault::Hang { tried: seed % 20 == 3 })),
        (0.10, Rule::every(Fault::Latency { ms: 200 })),
        (0.05, reads(Fault::Reset)),
        (0.05, reads(Fault::Fail { status: 503 })),
        (0.15, reads(Fault::Stale)),
        (0.15, watches(Fault::Gone { at_once: seed.is_multiple_of(2) })),
        (0.15, watches(Fault::DropWatch { after_events: 1, broken: seed % 2 == 1 })),
        (0.20, watches(Fault::DelayWatch { ms: 700 })),
        (0.20, watches(Fault::RepeatWatch)),
        (0.01, Rule::every(Fault::Refuse { ms: 400 })),
        (0.01, Rule::every(Fault::Certificate { ms: 400 })),
    ];
    let dice = |(at, (chance, rule)): (u64, (f64, Rule))| rule.per(Per::Object).times(2).chance(chance, seed * 100 + at);
    (0..).zip(rules).map(dice).collect()
}

fn in_namespace(namespace: &str, rules: Vec<Rule>) -> impl Iterator<Item = Rule> {
    rules.into_iter().map(move |rule| rule.namespace(namespace))
}

async fn namespaces(plane: &ControlPlane, count: usize) -> Vec<String> {
    let made = futures::future::join_all((0..count).map(|_| plane.namespace("faults"))).await;
    made.into_iter().map(Result::unwrap).collect()
}

/// What a story came to.
struct Came {
    left: BTreeMap<String, Value>,
    contents: BTreeMap<String, usize>,
    said: Vec<String>,
}

/// Plays the stories of all namespaces at once, each in its weather.
async fn played(fleet: &Fleet, plane: &ControlPlane, weathers: &[(String, String, Vec<Rule>)]) -> Vec<Came> {
    let rules = weathers.iter().flat_map(|(_, namespace, rules)| in_namespace(namespace, rules.clone()));
    fleet.proxy.obey(Script::of(rules));
    let mut ids = Vec::new();
    for (_, namespace, _) in weathers {
        ids.push(fleet.begin(namespace).await);
    }
    let mut all = Vec::new();
    for ((name, namespace, _), id) in weathers.iter().zip(&ids) {
        all.push(async move {
            let (detail, said) = fleet.told(id).await;
            ended_as_told(&detail, name);
            let seen = fleet.seen(namespace);
            nothing_repeated_amiss(&seen, name, false);
            let contents = contents(&seen).into_iter().map(|(path, all)| (path.replace(namespace, "NAMESPACE"), all.len())).collect();
            Came { left: left(&plane.api().unwrap(), namespace).await, contents, said: said.into_iter().collect() }
        });
    }
    futures::future::join_all(all).await
}

#[tokio::test]
async fn each_fault_alone_changes_nothing_and_is_told() {
    let plane = ControlPlane::shared().await.unwrap();
    let all = single();
    let names = namespaces(plane, all.len()).await;
    let fleet = Fleet::before(&plane.kubeconfig(), &names).await;
    let weathers: Vec<_> = all.iter().zip(&names).map(|(one, name)| (one.name.to_owned(), name.clone(), one.rules.clone())).collect();
    let came = played(&fleet, plane, &weathers).await;
    for ((one, came_of), namespace) in all.iter().zip(&came).zip(&names) {
        same(one.name, came_of, &came[0]);
        let met = fleet.seen(namespace).iter().filter(|record| record.fault.is_some()).count();
        assert_eq!(met > 0, !one.rules.is_empty(), "{}: {met} requests were met", one.name);
        for text in one.told {
            assert!(came_of.said.iter().any(|said| said.contains(text)), "{}: nobody said {text:?}: {:#?}", one.name, came_of.said);
        }
    }
}

fn same(name: &str, came: &Came, fair: &Came) {
    assert_eq!(came.contents, fair.contents, "{name}: as many contents of each object");
    for (object, left) in &fair.left {
        assert_eq!(came.left.get(object), Some(left), "{name}: {object}");
    }
    assert_eq!(came.left.len(), fair.left.len(), "{name}: {:#?}", came.left.keys());
}

#[tokio::test]
async fn what_happens_to_all_connections_at_once_is_borne_and_told() {
    let plane = ControlPlane::shared().await.unwrap();
    let names = namespaces(plane, 3).await;
    let fleet = Fleet::before(&plane.kubeconfig(), &names).await;
    let once = |fault: Fault, after: u64| vec![Rule::every(fault).verbs(&WRITES).resources(&["Deployment"]).after(after).times(1)];
    // The second comes with the change, long after the first is over.
    let rules = [Vec::new(), once(Fault::Refuse { ms: 3_000 }, 0), once(Fault::Certificate { ms: 3_000 }, 1)];
    let weathers: Vec<_> = names.iter().zip(rules).map(|(name, rules)| ("all at once".to_owned(), name.clone(), rules)).collect();
    let came = played(&fleet, plane, &weathers).await;
    for (at, text) in [(1, "refuses connections"), (2, "is not trusted")] {
        same("all at once", &came[at], &came[0]);
        let said = came.iter().flat_map(|came| &came.said).any(|said| said.contains(text));
        assert!(said, "nobody said {text:?}: {:#?}", came[at].said);
    }
}

#[tokio::test]
async fn mixed_weather_changes_nothing() {
    let plane = ControlPlane::shared().await.unwrap();
    let seeds = std::env::var("WAYBILL_FAULT_SEEDS").ok().map_or(SEEDS, |text| text.parse().unwrap());
    let first = std::env::var("WAYBILL_FAULT_SEED").ok().map_or(0, |text| text.parse().unwrap());
    let mut seed = first;
    while seed < first + seeds {
        let count = AT_ONCE.min(first + seeds - seed);
        let names = namespaces(plane, usize::try_from(count + 1).unwrap()).await;
        let fleet = Fleet::before(&plane.kubeconfig(), &names).await;
        let mut weathers = vec![("fair".to_owned(), names[0].clone(), Vec::new())];
        let of = |at: u64| (format!("seed {}", seed + at), names[usize::try_from(at + 1).unwrap()].clone(), mixed(seed + at));
        weathers.extend((0..count).map(of));
        let came = played(&fleet, plane, &weathers).await;
        for ((name, _, _), one) in weathers.iter().zip(&came) {
            same(name, one, &came[0]);
        }
        let met = fleet.proxy.records().iter().filter(|record| record.fault.is_some()).count();
        println!("seeds {seed} to {}: {met} of {} requests were met", seed + count - 1, fleet.proxy.records().len());
        seed += count;
    }
}

#[tokio::test]
async fn a_token_that_is_refused_ends_the_stage_and_nothing_more_is_written() {
    let plane = ControlPlane::shared().await.unwrap();
    let names = namespaces(plane, 2).await;
    let fleet = Fleet::before(&plane.kubeconfig(), &names).await;
    let skewed = Rule::every(Fault::Unauthorized).verbs(&WRITES).resources(&["Deployment"]).namespace(&names[1]);
    fleet.proxy.obey(Script::of([skewed]));
    let id = fleet.begin(&names[1]).await;
    let (detail, _) = fleet.told(&id).await;
    let refused = stage_of(&detail, "make");
    assert_eq!(
        (&detail["status"], &refused["status"], &refused["reason"]["code"]),
        (&json!("TERMINAL"), &json!("TERMINAL"), &json!("denied"))
    );
    let said = refused["reason"]["message"].as_str().unwrap();
    assert!(said.contains("Deployment web") && said.contains("does not accept the credentials: token is not valid yet"), "{said}");
    nothing_repeated_amiss(&fleet.seen(&names[1]), "a refused token", false);
    let tried = fleet.seen(&names[1]).iter().filter(|record| record.answered == Some(401)).count();
    assert_eq!(tried, 1, "once is enough");
    // With the clock put right, the same pipeline brings the cluster to where it should be.
    fleet.proxy.obey(Script::none());
    let ids = [fleet.begin(&names[0]).await, fleet.begin(&names[1]).await];
    for id in &ids {
        ended_as_told(&fleet.told(id).await.0, "the clock was put right");
    }
    let api = plane.api().unwrap();
    assert_eq!(left(&api, &names[1]).await, left(&api, &names[0]).await);
}
