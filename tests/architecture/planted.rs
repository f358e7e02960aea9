//! Bugs that are planted to prove the simulation are in nothing that is built for people: the feature that plants them is
//! switched on by hand alone, and by no crate but the simulation. What people start asserts besides, where it is compiled, that
//! it does not have it.

use crate::check;
use crate::workspace::{cargo, rooms, root};

const FEATURE: &str = "planted-bugs";
/// Who may name the feature: where it is, where it leads, and who switches it on.
const HOLDERS: [&str; 3] = ["functions/shared/engine", "functions/shared/app", "functions/shared/simulator"];

/// Packages whose features, printed beside them by `cargo tree`, plant bugs.
fn planted(tree: &str) -> Vec<String> {
    tree.lines().filter(|line| line.contains(FEATURE)).map(|line| line.trim().to_owned()).collect()
}

/// What a build of these has, tests included: those may be built together with what is shipped.
fn tree(arguments: &[&str]) -> String {
    let common = ["tree", "--locked", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p} {f}"];
    cargo(&[&common, arguments].concat())
}

#[test]
fn nothing_that_is_built_for_people_has_planted_bugs() {
    check("planted bugs in the default build", &planted(&tree(&[])));
    check("planted bugs in the build of everything", &planted(&tree(&["--workspace"])));
    for binary in ["local", "stage-types"] {
        check(&format!("planted bugs in `{binary}`"), &planted(&tree(&["--package", binary])));
    }
}

#[test]
fn nobody_switches_them_on_but_the_simulation() {
    let names = |folder: &String| {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        manifest.contains(FEATURE) && !HOLDERS.contains(&folder.as_str())
    };
    let found: Vec<String> = rooms().into_iter().map(|room| room.folder).filter(names).collect();
    check("crates that name the feature", &found);
    for folder in HOLDERS {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let by_itself = manifest.lines().any(|line| line.starts_with("default") && line.contains(FEATURE));
        assert!(!by_itself, "{folder} plants bugs by itself");
    }
    let whole = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(!whole.contains(FEATURE), "the workspace plants bugs");
    // An older one would unify the features of everything in the checkout, whatever is built.
    assert!(whole.contains("resolver = \"3\""), "features of what is not built count too");
}

/// Nothing but tools may depend on the simulation, or what is built beside it could be built with its features.
#[test]
fn nobody_depends_on_the_simulation() {
    let found: Vec<String> = rooms()
        .into_iter()
        .filter(|room| room.normal.contains("simulator") || room.dev.contains("simulator"))
        .map(|room| room.folder)
        .collect();
    check("crates that depend on the simulation", &found);
}

/// The simulation can, when asked, so the rule above would find another's.
#[test]
fn a_planted_build_is_found() {
    assert!(!planted(&tree(&["--package", "simulator", "--features", FEATURE])).is_empty());
}
