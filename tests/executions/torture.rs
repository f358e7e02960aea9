//! The server is killed again and again, at moments nobody chose, while many executions deploy and wait behind a cluster that
//! misbehaves. A client keeps its own record of what was accepted; in the end it is compared with what the server and the
//! proxy know: nothing is lost, nothing is stuck, nothing is applied twice with different content.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests: a failure is a panic that says what went wrong"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::ControlPlane;
use testkit::control_plane::KubeApi;
use testkit::faults::{Fault, Per, Record, Rule, Script, Verb};
use tests::desk::rest;
use tests::documents::{APPLICATION, deploy, pipeline, with};
use tests::fleet::{configuration, contents, exposed, workload};
use tests::{Api, Fleet, Playground};

/// Kills where nobody says otherwise.
const KILLS: u32 = 10;
/// Executions at a time.
const AT_ONCE: usize = 20;
/// What is not over so long after the last kill is stuck: a step that met the weather again and again waits a minute each time.
const STUCK_AFTER: Duration = Duration::from_secs(600);
/// Between two questions of a client whose server may be away.
const PAUSE: Duration = Duration::from_millis(200);

/// What is asked for, by the environment: the test binary is also the program behind `cargo dev torture`.
struct Plan {
    kills: u32,
    seed: u64,
    cluster: Cluster,
}

/// Where to deploy to.
enum Cluster {
    /// A playground of its own.
    Playground,
    /// The real control plane.
    Real,
    /// The current context of this kubeconfig.
    Kubeconfig(String),
}

impl Plan {
    fn of_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text}")));
        let kills = number("WAYBILL_TORTURE_KILLS").map_or(KILLS, |kills| u32::try_from(kills).unwrap());
        let cluster = match std::env::var("WAYBILL_TORTURE_CLUSTER").as_deref() {
            Err(_) | Ok("playground") => Cluster::Playground,
            Ok("real") => Cluster::Real,
            Ok(path) => Cluster::Kubeconfig(std::fs::read_to_string(path).unwrap()),
        };
        Self { kills, seed: number("WAYBILL_TORTURE_SEED").unwrap_or(1), cluster }
    }
}

/// Numbers that look like chance, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Weather that never ends, and lets everything through in the end.
fn weather(seed: u64) -> Script {
    let (writes, reads) = ([Verb::Apply, Verb::Patch], [Verb::Get, Verb::List]);
    let rule = |fault: Fault, verbs: &[Verb]| Rule::every(fault).verbs(verbs).per(Per::Request).times(2);
    let rules = [
        (0.06, rule(Fault::Lose, &writes)),
        (0.04, rule(Fault::Tear, &writes)),
        (0.04, rule(Fault::Reset, &writes)),
        (0.04, rule(Fault::Conflict, &writes)),
        (0.04, rule(Fault::Throttle { retry_after_s: 1 }, &writes)),
        (0.04, rule(Fault::Fail { status: 503 }, &writes)),
        (0.05, rule(Fault::Latency { ms: 150 }, &writes)),
        (0.03, rule(Fault::Reset, &reads)),
        (0.03, rule(Fault::Fail { status: 500 }, &reads)),
        (0.10, rule(Fault::Gone { at_once: false }, &[Verb::Watch])),
        (0.10, rule(Fault::DropWatch { after_events: 0, broken: true }, &[Verb::Watch])),
        (0.10, rule(Fault::RepeatWatch, &[Verb::Watch])),
    ];
    Script::of((0..).zip(rules).map(|(at, (chance, rule))| rule.chance(chance, seed * 100 + at)))
}

/// One round in a namespace: its content is nobody else's.
fn round(namespace: &str, number: u32) -> Vec<Value> {
    let image = format!("registry.example/web:{number}");
    vec![
        deploy("make", &[], json!([configuration(namespace, &number.to_string()), workload(namespace, &image)])),
        rest("rest", &["make"], 1),
        deploy("expose", &["rest"], json!([exposed(namespace)])),
        deploy("change", &["rest"], json!([workload(namespace, &format!("{image}-b"))])),
    ]
}

/// What a client knows of one of its requests.
#[derive(Debug)]
struct Kept {
    pipeline: String,
    /// The execution, once it was accepted.
    id: String,
    /// How it ended, as far as the client was told.
    ended: Option<Value>,
}

/// One who releases again and again, and writes down what was accepted.
struct Client {
    operator: Api,
    developer: Api,
    namespace: String,
    /// No new round any more.
    over: Arc<AtomicBool>,
    /// When the last kill was survived.
    calm: tokio::sync::watch::Receiver<Option<Instant>>,
}

impl Client {
    async fn releases(self) -> Vec<Kept> {
        let mut kept = Vec::new();
        for number in 1.. {
            if self.over.load(Ordering::SeqCst) {
                break;
            }
            let name = format!("{}-{number}", self.namespace);
            let Some(id) = self.begun(&name, number).await else { break };
            let ended = self.ended(&id).await;
            let stuck = ended.is_none();
            kept.push(Kept { pipeline: name, id, ended });
            if stuck {
                break;
            }
        }
        kept
    }

    /// Asks until there is an answer: the same request, by its key, however often. None when the time is over.
    async fn begun(&self, name: &str, number: u32) -> Option<String> {
        let document = with(pipeline(round(&self.namespace, number)), json!({"name": name}));
        let path = format!("/api/applications/{APPLICATION}/pipelines/{name}");
        // One that was saved without our knowing is there: 412 or 428 say so.
        let saved = self.asked(&self.operator, Method::PUT, &path, &[], &document).await?;
        assert!(matches!(saved.0, 200 | 201 | 409 | 412 | 428), "{saved:?}");
        let body = json!({"application": APPLICATION, "pipeline": name});
        let (status, made) = self.asked(&self.developer, Method::POST, "/api/executions", &[("idempotency-key", name)], &body).await?;
        assert!(matches!(status, 200 | 201), "{status} {made:#}");
        Some(made["execution"].as_str().unwrap().to_owned())
    }

    /// Follows it to its end. None when it is stuck.
    async fn ended(&self, id: &str) -> Option<Value> {
        loop {
            let answer = self.developer.raw(Method::GET, &format!("/api/executions/{id}"), &[], Vec::new()).await;
            if let Ok(answer) = answer {
                if answer.status == 404 {
                    // Lost; the comparison says so.
                    return Some(Value::Null);
                }
                if answer.status == 200 && !answer.body["endedMs"].is_null() {
                    return Some(answer.body);
                }
            }
            if self.is_late() {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn asked(&self, who: &Api, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Option<(u16, Value)> {
        let headers: Vec<_> = headers.iter().copied().chain([("content-type", "application/json")]).collect();
        loop {
            match who.raw(method.clone(), path, &headers, body.to_string().into_bytes()).await {
                Ok(answer) if answer.status < 500 => return Some((answer.status, answer.body)),
                _ if self.is_late() => return None,
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn is_late(&self) -> bool {
        self.calm.borrow().is_some_and(|calm| calm.elapsed() > STUCK_AFTER)
    }
}

/// What came of it all.
#[derive(Debug, Default)]
struct Sum {
    rows: Vec<(&'static str, String)>,
    wrong: Vec<String>,
}

impl Sum {
    fn row(&mut self, what: &'static str, count: impl ToString) {
        self.rows.push((what, count.to_string()));
    }

    fn wrongs(&mut self, what: &'static str, found: Vec<String>) {
        self.row(what, found.len());
        self.wrong.extend(found.into_iter().map(|one| format!("{what}: {one}")));
    }

    fn print(&self) {
        for (what, count) in &self.rows {
            println!("{what:<42} {count:>8}");
        }
    }
}

/// Every stage began once and ended once.
async fn begun_or_ended_twice(api: &Api, id: &str) -> Vec<String> {
    let mut count = BTreeMap::<String, usize>::new();
    for entry in api.all(&format!("/api/executions/{id}/log")).await {
        for transition in entry["transitions"].as_array().into_iter().flatten() {
            let (from, to) = (&transition["from"], &transition["to"]);
            let counts = from != to && (*from == "NOT_STARTED" || !(*to == "RUNNING" || *to == "SUSPENDED" || *to == "PAUSED"));
            *count.entry(format!("{} from {from} to {to}", transition["stage"])).or_default() += usize::from(counts);
        }
    }
    count.into_iter().filter(|(_, count)| *count > 1).map(|(what, count)| format!("{id}: {what} {count} times")).collect()
}

/// Where an execution stands that does not end: its stages, and what it did last.
async fn still(api: &Api, id: &str) -> String {
    let execution = api.raw(Method::GET, &format!("/api/executions/{id}"), &[], Vec::new()).await.map_or(Value::Null, |answer| answer.body);
    let log = api.all(&format!("/api/executions/{id}/log")).await;
    let last = log.iter().rev().take(5).collect::<Vec<_>>();
    format!("{:#}\nlast: {:#}", execution["stages"], json!(last))
}

/// Objects that were given an earlier content again, or whose end is not the last round's.
fn doubled(records: &[Record]) -> Vec<String> {
    let again = |contents: &[String]| contents.iter().collect::<BTreeSet<_>>().len() != contents.len();
    contents(records).into_iter().filter(|(_, contents)| again(contents)).map(|(path, _)| path).collect()
}

async fn compared(fleet: &Fleet, kept: &[Kept], kills: u32, took: Duration) -> Sum {
    let (mut sum, api) = (Sum::default(), &fleet.desk.developer);
    let known: Vec<Value> = api.all(&format!("/api/applications/{APPLICATION}/executions")).await;
    let of = |field: &str, execution: &Value| execution[field].as_str().unwrap_or_default().to_owned();
    let ids: BTreeSet<String> = known.iter().map(|execution| of("id", execution)).collect();
    let accepted: BTreeSet<String> = kept.iter().map(|one| one.id.clone()).collect();
    let records = fleet.proxy.records();
    sum.row("kills", kills);
    sum.row("seconds", took.as_secs());
    sum.row("executions accepted", kept.len());
    sum.row("requests to the cluster", records.len());
    sum.row("of them met by a fault", records.iter().filter(|record| record.fault.is_some()).count());
    let name = |one: &&Kept| format!("{} ({})", one.id, one.pipeline);
    let gone = |one: &&Kept| !ids.contains(&one.id) || one.ended == Some(Value::Null);
    sum.wrongs("lost", kept.iter().filter(gone).map(|one| name(&one)).collect());
    let mut stuck = Vec::new();
    for one in kept.iter().filter(|one| one.ended.is_none()) {
        stuck.push(format!("{} {}", name(&one), still(api, &one.id).await));
    }
    sum.wrongs("stuck", stuck);
    let ill = |one: &&Kept| one.ended.as_ref().is_some_and(|ended| ended["status"] != "SUCCEEDED" && !ended.is_null());
    let why = |one: &Kept| format!("{} {:#}", name(&one), one.ended.as_ref().map_or(&Value::Null, |ended| &ended["stages"]));
    sum.wrongs("not succeeded", kept.iter().filter(ill).map(why).collect());
    sum.wrongs("started without being asked", ids.difference(&accepted).cloned().collect());
    let mut twice = Vec::new();
    for one in kept {
        twice.extend(begun_or_ended_twice(api, &one.id).await);
    }
    sum.wrongs("stages that began or ended twice", twice);
    sum.wrongs("objects applied twice, differently", doubled(&records));
    sum
}

/// The cluster ends with the last round of each namespace.
async fn last_rounds(cluster: &KubeApi, rounds: &BTreeMap<String, usize>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (namespace, count) in rounds {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
        let live = cluster.find(&path).await.unwrap().unwrap_or_default();
        let image = &live["spec"]["template"]["spec"]["containers"][0]["image"];
        if *image != format!("registry.example/web:{count}-b") {
            wrong.push(format!("{namespace}: {image} after {count} rounds"));
        }
    }
    wrong
}

async fn namespaces(api: &KubeApi, plane: Option<&ControlPlane>, seed: u64) -> Vec<String> {
    let one = async |at: usize| match plane {
        Some(plane) => plane.namespace("torture").await.unwrap(),
        None => {
            let name = format!("torture-{seed}-{at}");
            api.create("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await.unwrap();
            name
        }
    };
    futures::future::join_all((0..AT_ONCE).map(one)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_nothing_is_lost_stuck_or_done_twice() {
    let plan = Plan::of_environment();
    let (mut plane, mut playground) = (None, None);
    let kubeconfig = match &plan.cluster {
        Cluster::Playground => playground.insert(Playground::start().await).kubeconfig.clone(),
        Cluster::Real => plane.insert(ControlPlane::shared().await.unwrap()).kubeconfig(),
        Cluster::Kubeconfig(text) => text.clone(),
    };
    let way = testkit::FaultProxy::start(&kubeconfig, Script::none()).await.unwrap();
    let names = namespaces(&way.api().unwrap(), plane, plan.seed).await;
    let mut fleet = Fleet::before(&kubeconfig, &names).await;
    fleet.proxy.obey(weather(plan.seed));
    let over = Arc::new(AtomicBool::new(plan.kills == 0));
    let (calm, is_calm) = tokio::sync::watch::channel(None);
    let begun = Instant::now();
    let clients = names.iter().map(|namespace| {
        let client = Client {
            operator: fleet.desk.operator.clone(),
            developer: fleet.desk.developer.clone(),
            namespace: namespace.clone(),
            over: over.clone(),
            calm: is_calm.clone(),
        };
        tokio::spawn(client.releases())
    });
    let clients: Vec<_> = clients.collect();
    let mut dice = Dice(plan.seed);
    for kill in 1..=plan.kills {
        let after = Duration::from_millis(100 + dice.below(3_000));
        tokio::time::sleep(after).await;
        fleet.desk.server.kill().await;
        fleet.desk.server.start_again().await;
        println!("kill {kill} of {}, {} ms after the start before", plan.kills, after.as_millis());
    }
    over.store(true, Ordering::SeqCst);
    calm.send_replace(Some(Instant::now()));
    let (mut kept, mut rounds) = (Vec::new(), BTreeMap::new());
    for (client, namespace) in clients.into_iter().zip(&names) {
        let of_one = client.await.unwrap();
        rounds.insert(namespace.clone(), of_one.len());
        kept.extend(of_one);
    }
    let mut sum = compared(&fleet, &kept, plan.kills, begun.elapsed()).await;
    sum.wrongs("namespaces with another end", last_rounds(&way.api().unwrap(), &rounds).await);
    sum.print();
    assert!(sum.wrong.is_empty(), "seed {}:\n{}", plan.seed, sum.wrong.join("\n"));
}
