//! How long the expressions of a large pipeline take: 31 stages, 9 artifacts, manifests of 200 lines, 120 expressions. Beside it
//! the real evaluator on a warm JVM, when its jar is named. `cargo dev bench expressions` runs this; one JSON object goes to
//! standard output.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program that measures ends at the first thing that is wrong"
)]

use expression::{Nothing, Template};
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const STAGES: usize = 31;
const ARTIFACTS: usize = 9;
const EXPRESSIONS: usize = 120;
const MANIFEST_LINES: usize = 200;
const ROUNDS: usize = 400;
/// Rounds of the oracle: the second half counts, when its machine is warm.
const ORACLE_ROUNDS: usize = 4_000;
const PLAIN_BYTES: usize = 8_000_000;

/// The forms that public pipelines hold, the frequent ones more often.
const FORMS: [&str; 20] = [
    "${parameters.version}",
    "${parameters.region}",
    "registry.example.com/shop:${parameters.version}",
    "${parameters.environment}-${parameters.region}",
    "${imageTag}",
    "${#judgment('Approve 3') == 'Go on'}",
    "${#stage('Deploy 7')['context']['manifest']['spec']['replicas']}",
    "${#toInt(parameters.replicas)}",
    "${#stage('Deploy 12')['outputs']['manifest']['metadata']['name']}",
    "${#stage('Deploy 5')['status'].toString() == 'SUCCEEDED'}",
    "${trigger['tag']}",
    "${trigger['properties']['IMAGE']}",
    "${trigger['parameters'].strategy}",
    "${trigger['artifacts'].?[type == 'docker/image'].![reference][0].replaceAll('.*:', '')}",
    "${#stage('Deploy 8')['status'].toString() == 'SUCCEEDED' && #stage('Deploy 9')['status'].toString() == 'SUCCEEDED'}",
    "${trigger['artifacts'].?[type == 'helm/chart'][0]['version'] == '0.0.0' ? 'latest' : 'v' + trigger['artifacts'].?[type == 'helm/chart'][0]['version'].substring(0,5)}",
    "${#root.artifacts.^[type == 'docker/image'].reference}",
    "${#toJson(trigger['parameters'])}",
    "${parameters.environment == 'production' or #judgement('Approve 3') == 'Go on'}",
    "${trigger.branch == 'main' ? 4 : 2}",
];

fn artifacts() -> Value {
    let kinds = ["docker/image", "helm/chart", "github/file"];
    let one = |nth: usize| {
        let name = format!("part-{nth}");
        json!({"type": kinds[nth % 3], "name": name, "version": format!("1.4.{nth}"), "reference": format!("registry.example.com/{name}:1.4.{nth}")})
    };
    (0..ARTIFACTS).map(one).collect()
}

/// A text of 200 lines, or as much of a document: labels, containers, environment.
fn manifest(nth: usize) -> Value {
    let variable = |line: usize| json!({"name": format!("VARIABLE_{line}"), "value": format!("value {line} of {nth}")});
    let environment: Vec<Value> = (0..(MANIFEST_LINES - 20) / 2).map(variable).collect();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": format!("shop-{nth}"), "namespace": "shop", "labels": {"app": "shop"}},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "main", "image": "registry.example.com/shop", "env": environment}]}}},
    })
}

fn stage(nth: usize) -> Value {
    let (kind, name) = if nth == 3 { ("manualJudgment", format!("Approve {nth}")) } else { ("deployManifest", format!("Deploy {nth}")) };
    json!({
        "id": format!("01STAGE{nth}"), "refId": nth.to_string(), "type": kind, "name": name, "status": "SUCCEEDED",
        "context": {"account": "prod", "judgmentInput": "Go on", "manifest": manifest(nth)},
        "outputs": {"manifest": {"metadata": {"name": format!("shop-{nth}")}}},
    })
}

fn context() -> Map<String, Value> {
    let context = json!({
        "parameters": {"version": "1.4.2", "region": "eu-west-1", "environment": "staging", "replicas": "3"},
        "imageTag": "1.4.2-17", "artifacts": artifacts(),
        "trigger": {
            "tag": "1.4.2-17", "branch": "main", "properties": {"IMAGE": "registry.example.com/shop:1.4.2"},
            "parameters": {"strategy": "canary", "version": "1.4.2"}, "artifacts": artifacts(),
        },
        "execution": {"id": "01EXEC", "application": "shop", "stages": (0..STAGES).map(stage).collect::<Vec<_>>()},
    });
    context.as_object().unwrap().clone()
}

/// The pipeline as it is written: every stage with its manifest, and the expressions spread over them.
fn document() -> Value {
    let mut stages: Vec<Value> =
        (0..STAGES).map(|nth| json!({"name": format!("Deploy {nth}"), "type": "deployManifest", "manifests": [manifest(nth)]})).collect();
    for nth in 0..EXPRESSIONS {
        let environment = &mut stages[nth % STAGES]["manifests"][0]["spec"]["template"]["spec"]["containers"][0]["env"];
        environment[nth / STAGES]["value"] = FORMS[nth % FORMS.len()].into();
    }
    json!({"application": "shop", "stages": stages, "expectedArtifacts": artifacts()})
}

fn texts<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Value::Object(map) => map.values().for_each(|item| texts(item, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Median and 99th of a hundred, in milliseconds.
fn spread(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |hundredths: usize| times[(times.len() * hundredths).div_ceil(100).max(1) - 1].as_secs_f64() * 1e3;
    json!({"p50": at(50), "p99": at(99)})
}

fn timed(rounds: usize, mut work: impl FnMut()) -> Value {
    (0..rounds / 4).for_each(|_| work());
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    spread((0..rounds).map(time).collect())
}

fn ours(document: &Value, all: &[&str], context: &Map<String, Value>) -> Value {
    let parse = |text: &&str| Template::parse(text).unwrap();
    let parsed: Vec<Template> = all.iter().map(parse).filter(|template| !template.is_plain()).collect();
    assert_eq!(parsed.len(), EXPRESSIONS, "the document has as many expressions as is said");
    let reused = timed(ROUNDS, || {
        for template in &parsed {
            black_box(template.evaluate(context, &Nothing).unwrap());
        }
    });
    let fresh = timed(ROUNDS, || {
        for text in all {
            black_box(expression::evaluate(text, context).unwrap());
        }
    });
    let whole = timed(ROUNDS / 4, || {
        black_box(expression::resolve(document, context).unwrap());
    });
    let plain = "apiVersion: apps/v1, kind: Deployment, a line of a manifest without any expression in it {}\n".repeat(50);
    let times = PLAIN_BYTES / plain.len();
    let start = Instant::now();
    for _ in 0..times {
        black_box(Template::parse(black_box(&plain)).unwrap());
    }
    let took = start.elapsed().as_secs_f64();
    let plain_rate = f64::from(u32::try_from(times * plain.len()).unwrap()) / 1e6 / took;
    let long: Vec<&&str> = all.iter().filter(|text| text.contains("${")).collect();
    let bytes: usize = long.iter().map(|text| text.len()).sum();
    let rounds = PLAIN_BYTES / 8 / bytes;
    let start = Instant::now();
    for _ in 0..rounds {
        for text in &long {
            black_box(Template::parse(black_box(text)).unwrap());
        }
    }
    let rate = f64::from(u32::try_from(rounds * bytes).unwrap()) / 1e6 / start.elapsed().as_secs_f64();
    json!({"reusedMs": reused, "freshMs": fresh, "wholeMs": whole, "plainMBASecond": plain_rate, "expressionsMBASecond": rate})
}

/// The same texts and the same context, there.
fn oracle(jar: &PathBuf, all: &[&str], context: &Map<String, Value>) -> Value {
    let mut child =
        Command::new("java").arg("-jar").arg(jar).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("java is installed");
    let asked = json!({"id": 0, "rounds": ORACLE_ROUNDS, "texts": all, "context": context});
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{asked}").unwrap();
    drop(input);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.wait().unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let times = |name: &str| -> Value {
        spread(said[name].as_array().unwrap().iter().map(|time| Duration::from_nanos(time.as_u64().unwrap())).collect())
    };
    json!({"reusedMs": times("reusedNs"), "freshMs": times("freshNs")})
}

fn main() {
    let mut words = std::env::args_os().skip(1).filter(|word| word != "--bench");
    let mut jar = None;
    while let Some(word) = words.next() {
        assert!(word == "--oracle", "only --oracle JAR is known");
        jar = Some(PathBuf::from(words.next().expect("--oracle needs a jar")));
    }
    let (document, context) = (document(), context());
    let mut all = Vec::new();
    texts(&document, &mut all);
    let bytes: usize = all.iter().map(|text| text.len()).sum();
    let mut figures = json!({"texts": all.len(), "bytes": bytes, "expressions": EXPRESSIONS, "waybill": ours(&document, &all, &context)});
    if let Some(jar) = jar {
        figures["oracle"] = oracle(&jar, &all, &context);
    }
    println!("{figures}");
}
