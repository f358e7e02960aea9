//! What each room may use from outside: one way to Kubernetes, one way out over HTTP, no second TLS stack, nothing
//! asynchronous where decisions are made.

use std::collections::{BTreeMap, BTreeSet};

use crate::check;
use crate::workspace::{Metadata, Room, metadata, rooms, root};

const HTTP_FUNCTIONS: [&str; 5] = ["pipelines", "release-orders", "executions", "infrastructure", "triggers"];
/// Rooms that decide, and never wait for anything.
const PURE: [&str; 4] = ["model", "engine", "expression", "import"];
/// A second TLS stack, or one that needs a system library.
const BANNED: [&str; 6] = ["aws-lc-sys", "aws-lc-rs", "aws-lc-fips-sys", "openssl-sys", "openssl", "native-tls"];

/// Who may use the crate of this name, or any whose name begins so when it ends with a star.
fn holders(dependency: &str) -> Option<Vec<&'static str>> {
    let serving = || HTTP_FUNCTIONS.into_iter().chain(["edge", "testkit", "local", "playground"]).collect();
    let rules: [(&[&str], Vec<&'static str>); 8] = [
        (&["kube", "kube-*", "k8s-openapi"], vec!["cluster"]),
        (&["aws-*"], vec!["store", "queue", "boot"]),
        (&["oci-client"], vec!["outbound"]),
        // The client half of the `waybill` command, and the black-box tests, speak HTTP to Waybill's own API and to nothing else.
        (&["reqwest", "hyper-rustls"], vec!["outbound", "testkit", "local", "tests"]),
        (&["wasmtime", "wasmtime-*"], vec!["stage-host", "stage-types"]),
        (&["axum", "axum-*", "utoipa", "utoipa-*"], serving()),
        (&["fjall"], vec!["store"]),
        // Behind every function with a `main` on Lambda; the emulator is tried with it as well.
        (&["lambda_http", "lambda_runtime"], HTTP_FUNCTIONS.into_iter().chain(["orchestrator", "testkit"]).collect()),
    ];
    let matches = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => dependency.starts_with(start),
        None => dependency == *pattern,
    };
    rules.into_iter().find(|(patterns, _)| patterns.iter().any(&matches)).map(|(_, holders)| holders)
}

/// Servers and clients of tests: any room but the pure ones may stand opposite itself with them.
const IN_TESTS: [&str; 2] = ["axum", "reqwest"];

fn breaches(rooms: &[Room]) -> Vec<String> {
    let mut found = Vec::new();
    for Room { name, normal, dev, .. } in rooms {
        let may = |dependency: &str| holders(dependency).is_none_or(|holders| holders.contains(&name.as_str()));
        let in_tests = |dependency: &str| IN_TESTS.contains(&dependency) && !PURE.contains(&name.as_str());
        let shipped = normal.iter().filter(|dependency| !may(dependency));
        let tested = dev.iter().filter(|dependency| !may(dependency) && !in_tests(dependency));
        found.extend(shipped.chain(tested).map(|dependency| format!("{name} uses {dependency}")));
    }
    found
}

/// Packages of the lock file that must never be in it.
fn banned(lock: &str) -> Vec<String> {
    let name = |line: &str| line.strip_prefix("name = \"")?.strip_suffix('"').map(str::to_owned);
    lock.lines().filter_map(name).filter(|name| BANNED.contains(&name.as_str())).collect()
}

/// Pure rooms whose build pulls in tokio, at any depth.
fn asynchronous(names: &BTreeMap<&str, &str>, normal: &BTreeMap<&str, Vec<&str>>, pure: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (start, room) in names.iter().filter(|(_, name)| pure.contains(name)) {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*start]);
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(normal.get(id).into_iter().flatten());
            }
        }
        if seen.iter().any(|id| names.get(id) == Some(&"tokio")) {
            found.push(format!("{room} pulls in tokio"));
        }
    }
    found
}

#[test]
fn outside_crates_stay_in_their_rooms() {
    check("crates used where they may not be", &breaches(&rooms()));
}

#[test]
fn there_is_one_tls_stack() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    check("packages that must not be in Cargo.lock", &banned(&lock));
}

#[test]
fn what_decides_never_waits() {
    let Metadata { packages, resolve } = metadata();
    let names = packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
    check("pure crates with a runtime beneath them", &asynchronous(&names, &resolve.unwrap().normal(), &PURE));
    let named = |room: &Room| room.normal.iter().chain(&room.dev).any(|dependency| dependency == "tokio");
    let direct: Vec<String> =
        rooms().iter().filter(|room| PURE.contains(&room.name.as_str()) && named(room)).map(|room| room.name.clone()).collect();
    check("pure crates that name tokio", &direct);
}

#[test]
fn a_crate_in_the_wrong_room_is_found() {
    let dependencies = ["serde", "kube", "aws-sdk-s3", "reqwest", "wasmtime-wasi", "axum", "fjall", "lambda_http", "oci-client"];
    let normal = dependencies.iter().map(|name| (*name).to_owned()).collect();
    let room = Room { name: "app".into(), normal, ..Room::default() };
    assert_eq!(breaches(&[room]).len(), dependencies.len() - 1);
    let dev = BTreeSet::from(["kube".to_owned()]);
    assert_eq!(breaches(&[Room { name: "store".into(), dev, ..Room::default() }]), ["store uses kube"]);
    let dev = BTreeSet::from(["axum".to_owned()]);
    assert_eq!(breaches(&[Room { name: "engine".into(), dev: dev.clone(), ..Room::default() }]), ["engine uses axum"]);
    assert!(breaches(&[Room { name: "outbound".into(), dev, ..Room::default() }]).is_empty());
}

#[test]
fn a_banned_package_is_found() {
    let lock = "[[package]]\nname = \"openssl-probe\"\n\n[[package]]\nname = \"aws-lc-sys\"\nversion = \"1\"\n";
    assert_eq!(banned(lock), ["aws-lc-sys"]);
}

#[test]
fn a_runtime_far_below_is_found() {
    let names = BTreeMap::from([("1", "engine"), ("2", "between"), ("3", "tokio")]);
    let normal = BTreeMap::from([("1", vec!["2"]), ("2", vec!["3"]), ("3", vec![])]);
    assert_eq!(asynchronous(&names, &normal, &["engine"]), ["engine pulls in tokio"]);
    assert!(asynchronous(&names, &BTreeMap::new(), &["engine"]).is_empty());
}
