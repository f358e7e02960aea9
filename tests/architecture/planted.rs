//! Bugs that are planted to prove the simulation are in nothing that is built for people: the feature that plants them is
//! switched on by hand alone, and by no crate but the simulation.

use crate::check;
use crate::workspace::{cargo, rooms, root};

const FEATURE: &str = "planted-bugs";
/// Who may name the feature: where it is, where it leads, and who switches it on.
const HOLDERS: [&str; 3] = ["functions/shared/engine", "functions/shared/app", "functions/shared/simulator"];

/// Packages whose features, printed beside them by `cargo tree`, plant bugs.
fn planted(tree: &str) -> Vec<String> {
    tree.lines().filter(|line| line.contains(FEATURE)).map(|line| line.trim().to_owned()).collect()
}

fn tree(arguments: &[&str]) -> String {
    let common = ["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p} {f}"];
    cargo(&[&common, arguments].concat())
}

#[test]
fn nothing_that_is_built_for_people_has_planted_bugs() {
    check("planted bugs in the default build", &planted(&tree(&[])));
    check("planted bugs in the `waybill` command", &planted(&tree(&["--package", "local"])));
}

#[test]
fn nobody_switches_them_on_but_the_simulation() {
    let names = |folder: &String| {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        manifest.contains(FEATURE) && !HOLDERS.contains(&folder.as_str())
    };
    let found: Vec<String> = rooms().into_iter().map(|room| room.folder).filter(names).collect();
    check("crates that name the feature", &found);
    let manifest = std::fs::read_to_string(root().join("functions/shared/simulator/Cargo.toml")).unwrap();
    let default = manifest.lines().any(|line| line.starts_with("default") && line.contains(FEATURE));
    assert!(!default, "the simulation plants bugs by itself");
}

/// The simulation can, when asked, so the rule above would find another's.
#[test]
fn a_planted_build_is_found() {
    assert!(!planted(&tree(&["--package", "simulator", "--features", FEATURE])).is_empty());
}
