//! What a person types: the same commands of `kubectl` against the playground and the real API server. What it prints is
//! compared without ages, addresses and generated names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use playground::{Options, Playground};
use std::path::Path;
use std::time::Duration;
use testkit::ControlPlane;
use testkit::control_plane::kubectl;
use testkit::places::Scratch;
use tokio::process::Command;
use tokio::time::timeout;

const COMMAND_MAX: Duration = Duration::from_secs(90);
const SPACE: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: typed}}";
const MANIFEST: &str = r"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {greeting: hello}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: 'image:1', ports: [{containerPort: 8080}], env: [{name: GREETING, value: hello}]}
";

/// A command, and what of its output is compared.
struct Step {
    arguments: &'static [&'static str],
    shown: Shown,
}

#[derive(Clone, Copy)]
enum Shown {
    /// Everything.
    All,
    /// The last line: how it came about is each cluster's own.
    Last,
    /// That there is something.
    Any,
}

const fn step(arguments: &'static [&'static str], shown: Shown) -> Step {
    Step { arguments, shown }
}

/// What is made without a manifest: `kubectl` sends it in the binary form. The first makes it, the second finds it there.
const MAKE: [&[&str]; 15] = [
    &["create", "namespace", "made"],
    &["create", "configmap", "words", "--from-literal=a=b"],
    &["create", "secret", "generic", "kept", "--from-literal=a=b"],
    &["create", "deployment", "front", "--image=image:1", "--replicas=2", "--port=8080"],
    &["create", "service", "clusterip", "plain", "--tcp=80:8080"],
    &["create", "serviceaccount", "worker"],
    &["create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps"],
    &["create", "rolebinding", "reads", "--role=reader", "--serviceaccount=typed:worker"],
    &["create", "quota", "little", "--hard=pods=30,services=9"],
    &["create", "ingress", "way", "--rule=example.com/path*=front:8080"],
    &["create", "poddisruptionbudget", "some", "--selector=app=front", "--min-available=50%"],
    &["create", "job", "once", "--image=image:1", "--", "echo", "done"],
    &["create", "cronjob", "often", "--image=image:1", "--schedule=*/5 * * * *"],
    &["expose", "deployment/front", "--port=80", "--target-port=8080"],
    &["auth", "can-i", "create", "deployments"],
];

/// What came of it.
const MADE: [Step; 8] = [
    step(&["autoscale", "deployment/front", "--min=2", "--max=3", "--cpu=70%"], Shown::All),
    step(&["rollout", "status", "deployment/front", "--timeout=60s"], Shown::Last),
    step(&["get", "configmap,secret,role,rolebinding,cronjob", "words", "-o", "name", "--ignore-not-found"], Shown::All),
    step(&["get", "service", "plain", "front", "-o", "jsonpath={range .items[*]}{.spec.ports}{.spec.selector}{end}"], Shown::All),
    step(&["get", "ingress", "way", "-o", "jsonpath={.spec}"], Shown::All),
    step(&["get", "poddisruptionbudget", "some", "-o", "jsonpath={.spec}"], Shown::All),
    step(&["get", "cronjob", "often", "-o", "jsonpath={.spec}"], Shown::All),
    step(&["delete", "namespace", "made"], Shown::All),
];

const SCRIPT: [Step; 19] = [
    step(&["apply", "-f", "app.yaml"], Shown::All),
    step(&["rollout", "status", "deployment/web", "--timeout=60s"], Shown::Last),
    step(&["apply", "-f", "app.yaml"], Shown::All),
    step(&["get", "configmaps,services,deployments"], Shown::All),
    step(&["get", "pods", "--no-headers", "-o", "custom-columns=STATUS:.status.phase,IMAGE:.spec.containers[0].image"], Shown::All),
    step(&["logs", "deployment/web", "--tail=1"], Shown::Any),
    step(&["set", "image", "deployment/web", "main=image:2"], Shown::All),
    step(&["rollout", "status", "deployment/web", "--timeout=60s"], Shown::Last),
    step(&["rollout", "history", "deployment/web"], Shown::All),
    step(&["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"], Shown::All),
    step(&["rollout", "undo", "deployment/web"], Shown::All),
    step(&["rollout", "status", "deployment/web", "--timeout=60s"], Shown::Last),
    step(&["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"], Shown::All),
    step(&["scale", "deployment/web", "--replicas=3"], Shown::All),
    step(&["wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s"], Shown::All),
    step(&["apply", "--server-side", "-f", "app.yaml"], Shown::All),
    step(&["describe", "service", "web"], Shown::Any),
    step(&["get", "deployment", "absent"], Shown::All),
    step(&["delete", "-f", "app.yaml", "--timeout=60s"], Shown::All),
];

async fn run(kubectl: &Path, folder: &Path, step: &Step) -> (bool, String) {
    let mut command = Command::new(kubectl);
    command.args(step.arguments).args(["--namespace", "typed", "--kubeconfig", "kubeconfig"]);
    command.current_dir(folder).env("HOME", folder).env_remove("KUBECONFIG").kill_on_drop(true);
    let output = timeout(COMMAND_MAX, command.output()).await.unwrap_or_else(|_| panic!("{:?} does not end", step.arguments)).unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Ages and addresses, in columns of their own.
fn masked(text: &str, shown: Shown) -> String {
    let word = |word: &str| {
        let age = word.len() > 1 && word.ends_with('s') && word[..word.len() - 1].bytes().all(|byte| byte.is_ascii_digit());
        let address = word.split('.').count() == 4 && word.split('.').all(|part| part.parse::<u8>().is_ok());
        if age {
            "<age>".to_owned()
        } else if address {
            "<address>".to_owned()
        } else {
            word.to_owned()
        }
    };
    let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")).collect();
    match shown {
        Shown::All => lines.join("\n"),
        Shown::Last => lines.last().cloned().unwrap_or_default(),
        Shown::Any => (!lines.is_empty()).to_string(),
    }
}

#[tokio::test]
async fn kubectl_says_the_same_of_both() {
    let kubectl = kubectl().unwrap();
    let plane = ControlPlane::shared().await.unwrap();
    let played = Playground::start(Options::default()).await.unwrap();
    let folders = [Scratch::new("kubectl-real").unwrap(), Scratch::new("kubectl-playground").unwrap()];
    for (folder, kubeconfig) in folders.iter().zip([plane.kubeconfig(), played.kubeconfig()]) {
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
        std::fs::write(folder.path().join("space.yaml"), SPACE).unwrap();
        std::fs::write(folder.path().join("app.yaml"), MANIFEST).unwrap();
    }
    let space = Step { arguments: &["apply", "-f", "space.yaml"], shown: Shown::All };
    let mut different = Vec::new();
    let make: Vec<Step> = MAKE.into_iter().chain(MAKE).map(|arguments| Step { arguments, shown: Shown::All }).collect();
    for step in std::iter::once(&space).chain(&make).chain(&MADE).chain(&SCRIPT) {
        let (real, playground) = tokio::join!(run(&kubectl, folders[0].path(), step), run(&kubectl, folders[1].path(), step));
        let compared = [(real.0, masked(&real.1, step.shown)), (playground.0, masked(&playground.1, step.shown))];
        if compared[0] != compared[1] {
            different.push(format!("{:?}\nreal {}: {}\nplayground {}: {}", step.arguments, real.0, real.1, playground.0, playground.1));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn ages_and_addresses_are_masked() {
    assert_eq!(masked("web   10.0.0.1  5s\n", Shown::All), "web <address> <age>");
    assert_eq!(masked("a\nb", Shown::Last), "b");
    assert_eq!([masked("", Shown::Any), masked("x", Shown::Any)], ["false", "true"]);
}
