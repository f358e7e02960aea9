//! Habits of the files that no compiler checks.

use crate::check;
use crate::workspace::{Source, root, sources};

const RUST_LINES_MAX: usize = 600;
const MAIN_LINES_MAX: usize = 25;
const TOP_LEVEL: [&str; 8] = ["Cargo.lock", "Cargo.toml", "README.md", "functions", "infra", "plugins", "tests", "wit"];

// Put together here, so that this file keeps its own rules.
const IGNORED_TEST: &str = concat!("#[", "ignore");
const BAKED_FOLDER: &str = concat!("env!(\"CARGO_", "MANIFEST_DIR\")");
const REMINDERS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const SOMEBODYS_FOLDERS: [&str; 3] = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];

fn rust(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| source.is_rust())
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let long = rust(sources).map(|source| (source, source.text.lines().count())).filter(|(_, lines)| *lines > RUST_LINES_MAX);
    long.map(|(source, lines)| format!("{}: {lines} lines", source.path)).collect()
}

fn unopened(sources: &[Source]) -> Vec<String> {
    rust(sources).filter(|source| !source.text.starts_with("//!")).map(|source| source.path.clone()).collect()
}

/// Lines of code (comments left out) of the rooms that decide, with the word `async` in them.
fn asynchronous(sources: &[Source]) -> Vec<String> {
    let pure = ["functions/shared/engine/", "functions/shared/model/"];
    let word = |code: &str| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "async");
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let of = |source: &&Source| pure.iter().any(|folder| source.path.starts_with(folder));
    let found = rust(sources).filter(of).flat_map(|source| source.text.lines().enumerate().map(move |(at, line)| (source, at, line)));
    found.filter(|(_, _, line)| word(&code(line))).map(|(source, at, _)| format!("{}:{}", source.path, at + 1)).collect()
}

/// `path:line` wherever a line of a file has what it must not have.
fn lines_with(sources: &[Source], breach: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let lines = source.text.lines().enumerate().filter(|(_, line)| breach(source, line));
        found.extend(lines.map(|(at, line)| format!("{}:{}: {}", source.path, at + 1, line.trim())));
    }
    found
}

fn ignored_tests(sources: &[Source]) -> Vec<String> {
    lines_with(sources, |source, line| source.is_rust() && line.contains(IGNORED_TEST))
}

/// Where a file takes the folder it was compiled in for the one it runs in: checkouts share what is built, and another one's folder may
/// be gone. Cargo says it to what it runs; only what is called directly has nothing else.
fn baked_folders(sources: &[Source]) -> Vec<String> {
    lines_with(sources, |source, line| source.path != "functions/dev/src/places.rs" && line.contains(BAKED_FOLDER))
}

/// A reminder is a word of its own: an identifier may contain one.
fn reminders(sources: &[Source]) -> Vec<String> {
    let checked =
        |path: &str| [".rs", ".toml", ".go", ".wit", ".md", ".yaml", ".yml", ".sh", ".ts", ".css"].iter().any(|end| path.ends_with(end));
    let word = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| REMINDERS.contains(&word));
    lines_with(sources, |source, line| checked(&source.path) && word(line))
}

/// Paths of one person's machine.
fn private_paths(sources: &[Source]) -> Vec<String> {
    lines_with(sources, |_, line| SOMEBODYS_FOLDERS.iter().any(|folder| line.contains(folder)))
}

/// Those of the workspace: a reference is copied elsewhere and built there, alone.
fn manifests(sources: &[Source]) -> impl Iterator<Item = &Source> {
    let reference = |source: &&Source| source.path.starts_with("functions/dev/references/");
    sources.iter().filter(|source| source.path.ends_with("/Cargo.toml")).filter(move |source| !reference(source))
}

fn without_lints(sources: &[Source]) -> Vec<String> {
    let inherits = |source: &&Source| !source.text.contains("[lints]\nworkspace = true");
    manifests(sources).filter(inherits).map(|source| source.path.clone()).collect()
}

/// Versions are written once, in the root.
fn own_versions(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in manifests(sources) {
        let mut section = "";
        for line in source.text.lines().map(str::trim) {
            if line.starts_with('[') {
                section = line;
            } else if section.contains("dependencies") && line.contains('=') && !line.starts_with('#') && !line.contains("workspace = true")
            {
                found.push(format!("{}: {line}", source.path));
            }
        }
    }
    found
}

/// A function's `main` reads like its policy. `dev` is a tool, no function.
fn long_mains(sources: &[Source]) -> Vec<String> {
    let main = |path: &str| path.starts_with("functions/") && path.ends_with("/src/main.rs") && !path.starts_with("functions/dev/");
    let long = sources.iter().filter(|source| main(&source.path) && source.text.lines().count() > MAIN_LINES_MAX);
    long.map(|source| source.path.clone()).collect()
}

fn strangers(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let known = |name: &String| name.starts_with('.') || name == "target" || TOP_LEVEL.contains(&name.as_str());
    names.into_iter().filter(|name| !known(name)).collect()
}

/// Once there is `infra/`, a function that is shipped has its policy there.
fn without_policy(sources: &[Source]) -> Vec<String> {
    if !sources.iter().any(|source| source.path.starts_with("infra/")) {
        return Vec::new();
    }
    let tools = ["dev", "dev/bench", "local", "stage-types", "shared"];
    let function = |source: &Source| source.path.strip_prefix("functions/")?.strip_suffix("/src/main.rs").map(str::to_owned);
    let has_policy = |name: &String| {
        let begins = format!("infra/policies/{name}.");
        sources.iter().any(|source| source.path.starts_with(&begins))
    };
    sources.iter().filter_map(function).filter(|name| !tools.contains(&name.as_str()) && !has_policy(name)).collect()
}

#[test]
fn files_are_tidy() {
    let sources = sources();
    assert!(sources.len() > 50, "the walk found only {} files", sources.len());
    check("files of more than 600 lines", &too_long(&sources));
    check("files that do not open with //!", &unopened(&sources));
    check("async where decisions are made", &asynchronous(&sources));
    check("ignored tests", &ignored_tests(&sources));
    check("folders of another checkout", &baked_folders(&sources));
    check("reminders", &reminders(&sources));
    check("paths of somebody's machine", &private_paths(&sources));
    check("crates that do not inherit the lints", &without_lints(&sources));
    check("versions outside the root Cargo.toml", &own_versions(&sources));
    check("mains of more than 25 lines", &long_mains(&sources));
    check("functions without a policy", &without_policy(&sources));
}

#[test]
fn nothing_new_lies_at_the_top() {
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    check("top-level entries nobody agreed on", &strangers(entries));
}

fn sample(path: &str, text: &str) -> Vec<Source> {
    vec![Source { path: path.into(), text: text.into() }]
}

#[test]
fn a_long_file_is_found() {
    assert!(too_long(&sample("a.rs", &"x\n".repeat(600))).is_empty());
    assert_eq!(too_long(&sample("a.rs", &"x\n".repeat(601))).len(), 1);
    assert!(too_long(&sample("a.json", &"x\n".repeat(601))).is_empty());
}

#[test]
fn a_file_without_a_purpose_is_found() {
    assert_eq!(unopened(&sample("a.rs", "use std::fmt;\n")), ["a.rs"]);
    assert!(unopened(&sample("a.rs", "//! What it is for.\n")).is_empty());
}

#[test]
fn async_in_a_pure_room_is_found() {
    let path = "functions/shared/engine/src/lib.rs";
    assert_eq!(asynchronous(&sample(path, "//! x\npub async fn f() {}\n")), [format!("{path}:2")]);
    assert!(asynchronous(&sample(path, "fn f() {} // never async\nlet asynchronous = 1;\n")).is_empty());
    assert!(asynchronous(&sample("functions/shared/app/src/lib.rs", "async fn f() {}\n")).is_empty());
}

#[test]
fn an_ignored_test_and_a_reminder_are_found() {
    let text = format!("{IGNORED_TEST}]\nfn t() {{}}\n// {}: later\n", REMINDERS[0]);
    assert_eq!(ignored_tests(&sample("a.rs", &text)).len(), 1);
    assert_eq!(reminders(&sample("a.rs", &text)).len(), 1);
    assert!(reminders(&sample("a.rs", &format!("let {}_LIST = 1;", REMINDERS[0]))).is_empty());
}

#[test]
fn a_folder_of_another_checkout_is_found() {
    let text = format!("let here = {BAKED_FOLDER};\nlet there = env::var_os(\"CARGO_MANIFEST_DIR\");\n");
    assert_eq!(baked_folders(&sample("a.rs", &text)).len(), 1);
    assert!(baked_folders(&sample("functions/dev/src/places.rs", &text)).is_empty());
}

#[test]
fn a_private_path_is_found() {
    assert_eq!(private_paths(&sample("a.yaml", &format!("path: {}me/x", SOMEBODYS_FOLDERS[1]))).len(), 1);
}

#[test]
fn a_manifest_with_its_own_mind_is_found() {
    let bad = "[package]\nname = \"x\"\n[dependencies]\nserde = \"1\"\nbytes.workspace = true\n";
    assert_eq!(without_lints(&sample("a/Cargo.toml", bad)), ["a/Cargo.toml"]);
    assert_eq!(own_versions(&sample("a/Cargo.toml", bad)), ["a/Cargo.toml: serde = \"1\""]);
    let good = "[lints]\nworkspace = true\n[dependencies]\nserde = { workspace = true, features = [\"derive\"] }\n";
    assert!(without_lints(&sample("a/Cargo.toml", good)).is_empty() && own_versions(&sample("a/Cargo.toml", good)).is_empty());
    assert!(own_versions(&sample("functions/dev/references/x/Cargo.toml", bad)).is_empty(), "it stands alone");
}

#[test]
fn a_long_main_is_found() {
    let text = "x\n".repeat(26);
    assert_eq!(long_mains(&sample("functions/local/src/main.rs", &text)).len(), 1);
    assert!(long_mains(&sample("functions/dev/src/main.rs", &text)).is_empty());
}

#[test]
fn a_stranger_at_the_top_is_found() {
    let names = ["docs", "README.md", ".ci", "target"].map(String::from);
    assert_eq!(strangers(names), ["docs"]);
}

#[test]
fn a_function_without_a_policy_is_found_once_there_are_policies() {
    let mut sources = sample("functions/triggers/src/main.rs", "");
    assert!(without_policy(&sources).is_empty());
    sources.extend(sample("infra/policies/orchestrator.json", ""));
    assert_eq!(without_policy(&sources), ["triggers"]);
}
