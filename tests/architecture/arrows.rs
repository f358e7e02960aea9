//! Arrows between the crates of the workspace, held against `golden/arrows.txt`, and the rules that file itself may not
//! break.

use std::collections::{BTreeMap, BTreeSet};

use crate::check;
use crate::workspace::{Room, rooms};

const GOLDEN: &str = include_str!("../golden/arrows.txt");
const ADAPTERS: [&str; 6] = ["boot", "store", "queue", "cluster", "outbound", "stage-host"];

/// Allowed arrows: in what is built, and besides in tests.
#[derive(Debug, Default)]
struct Allowed {
    normal: BTreeMap<String, BTreeSet<String>>,
    dev: BTreeMap<String, BTreeSet<String>>,
}

fn parse(text: &str) -> Allowed {
    let mut allowed = Allowed::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (kind, (from, to)) = match (line.split_once("->"), line.split_once("~>")) {
            (Some(parts), None) => (&mut allowed.normal, parts),
            (None, Some(parts)) => (&mut allowed.dev, parts),
            _ => panic!("not an arrow: {line}"),
        };
        kind.entry(from.trim().to_owned()).or_default().extend(to.split_whitespace().map(str::to_owned));
    }
    allowed
}

/// Arrows there are and nobody allowed, crates nobody wrote down, and lines about crates that are no more.
fn breaches(rooms: &[Room], allowed: &Allowed) -> Vec<String> {
    let ours: BTreeSet<&str> = rooms.iter().map(|room| room.name.as_str()).collect();
    let nothing = BTreeSet::new();
    let mut found = Vec::new();
    for Room { name, normal, dev, .. } in rooms {
        let Some(may) = allowed.normal.get(name) else {
            found.push(format!("{name} is not in golden/arrows.txt"));
            continue;
        };
        let in_tests = allowed.dev.get(name).unwrap_or(&nothing);
        let arrow = |kind: &str, to: &String| format!("{name} {kind} {to}");
        found.extend(normal.iter().filter(|to| ours.contains(to.as_str()) && !may.contains(*to)).map(|to| arrow("->", to)));
        // A crate's tests may use the crate with a feature of its own.
        let unexpected = |to: &&String| *to != name && ours.contains(to.as_str()) && !may.contains(*to) && !in_tests.contains(*to);
        found.extend(dev.iter().filter(unexpected).map(|to| arrow("~>", to)));
    }
    let written = allowed.normal.iter().chain(&allowed.dev).flat_map(|(from, to)| to.iter().chain([from]));
    let gone: BTreeSet<&String> = written.filter(|name| !ours.contains(name.as_str())).collect();
    found.extend(gone.into_iter().map(|name| format!("golden/arrows.txt speaks of {name}, which is no crate")));
    found
}

/// What no line of the golden file may allow: adapters knowing one another, and anything between `plugins/` and the rest.
fn forbidden(rooms: &[Room]) -> Vec<String> {
    let folder = |name: &str| rooms.iter().find(|room| room.name == name).map(|room| room.folder.as_str());
    let plugin = |name: &str| folder(name).is_some_and(|folder| folder.starts_with("plugins/"));
    let mut found = Vec::new();
    for Room { name, normal, dev, .. } in rooms {
        for to in normal.iter().chain(dev).filter(|to| folder(to).is_some()) {
            let adapters = [name, to].iter().all(|end| ADAPTERS.contains(&end.as_str()));
            if adapters || plugin(name) != plugin(to) {
                found.push(format!("{name} and {to}"));
            }
        }
    }
    found
}

#[test]
fn every_arrow_is_allowed() {
    check("arrows that golden/arrows.txt does not allow", &breaches(&rooms(), &parse(GOLDEN)));
}

#[test]
fn adapters_and_plugins_keep_apart() {
    check("crates that must not know each other", &forbidden(&rooms()));
}

fn sample(name: &str, folder: &str, normal: &[&str], dev: &[&str]) -> Room {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Room { name: name.into(), folder: folder.into(), normal: set(normal), dev: set(dev) }
}

#[test]
fn bad_arrows_are_found() {
    let rooms = [
        sample("app", "functions/shared/app", &["serde", "store"], &[]),
        sample("store", "functions/shared/store", &["app"], &["queue"]),
        sample("queue", "functions/shared/queue", &["app"], &[]),
        sample("new", "functions/new", &[], &[]),
    ];
    let allowed = parse("app ->\nstore -> app\nqueue -> app gone\n");
    let expected = ["app -> store", "store ~> queue", "new is not in", "speaks of gone"];
    let found = breaches(&rooms, &allowed);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn forbidden_pairs_are_found() {
    let rooms = [
        sample("store", "functions/shared/store", &["queue"], &[]),
        sample("queue", "functions/shared/queue", &[], &[]),
        sample("wait", "plugins/wait", &["sdk", "model"], &[]),
        sample("sdk", "plugins/sdk", &[], &[]),
        sample("model", "functions/shared/model", &[], &["sdk"]),
    ];
    assert_eq!(forbidden(&rooms), ["store and queue", "wait and model", "model and sdk"]);
}
