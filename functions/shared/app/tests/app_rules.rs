//! The table of the rules of executions is made from the tests that hold them: a test that holds a rule says so in a line
//! `// Rule 2.3: …` above it. `WAYBILL_WRITE=1` writes the table anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Parts of the execution model that have rules.
const PARTS: [&str; 12] = ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12"];
/// Where tests that hold rules are.
const CRATES: [&str; 4] = ["app", "engine", "expression", "model"];

const HEAD: &str = "\
# Rules of executions, and the tests that hold them

One row a rule, by the specification's sections on the execution model. Made from the lines `// Rule …` above the tests; paths are below
`functions/shared/`.

| § | Rule | Held by |
|---|---|---|
";

fn shared() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A rule, by its part and its words, and a test that holds it.
type Holds = ((usize, String), String);

/// Part and rule, and the tests that hold it, of one file. A rule that stands above no test is an error.
fn rules(path: &str, text: &str) -> Result<Vec<Holds>, String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((part, rule)) = line.strip_prefix("// Rule ").and_then(|rest| rest.split_once(": ")) else { continue };
        let part = PARTS.iter().position(|known| *known == part).ok_or_else(|| format!("{path}: there is no part {part}"))?;
        let mut below = lines.iter().skip(at + 1).skip_while(|line| line.starts_with("//"));
        let is_test = below.next().is_some_and(|line| line.starts_with("#[") && line.contains("test]"));
        let function = below.next().and_then(|line| line.trim_start_matches("async ").strip_prefix("fn ")?.split_once('('));
        let (name, _) = function.filter(|_| is_test).ok_or_else(|| format!("{path}: `{rule}` stands above no test"))?;
        found.push(((part, rule.to_owned()), format!("`{path}: {name}`")));
    }
    Ok(found)
}

fn table() -> String {
    let mut files = Vec::new();
    for part in CRATES {
        for folder in ["src", "tests"] {
            let folder = shared().join(part).join(folder);
            if folder.is_dir() {
                sources(&folder, &mut files);
            }
        }
    }
    let mut rows: Vec<((usize, String), Vec<String>)> = Vec::new();
    for file in files {
        let path = file.strip_prefix(shared()).unwrap().display().to_string();
        for (rule, test) in rules(&path, &fs::read_to_string(&file).unwrap()).unwrap_or_else(|error| panic!("{error}")) {
            match rows.iter_mut().find(|(known, _)| *known == rule) {
                Some((_, tests)) => tests.push(test),
                None => rows.push((rule, vec![test])),
            }
        }
    }
    let mut by_part: BTreeMap<usize, Vec<(String, Vec<String>)>> = BTreeMap::new();
    for ((part, rule), tests) in rows {
        by_part.entry(part).or_default().push((rule, tests));
    }
    let mut table = HEAD.to_owned();
    for (at, part) in PARTS.iter().enumerate() {
        let rows = by_part.remove(&at).unwrap_or_else(|| panic!("no rule of § {part}"));
        for (rule, tests) in rows {
            writeln!(table, "| {part} | {rule} | {} |", tests.join(", ")).unwrap();
        }
    }
    table
}

#[test]
fn the_table_is_what_the_tests_say() {
    let path = shared().join("engine/RULES.md");
    let table = table();
    if env::var_os("WAYBILL_WRITE").is_some() {
        fs::write(&path, &table).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), table, "write it anew with WAYBILL_WRITE=1");
}

#[test]
fn a_rule_that_no_test_holds_is_noticed() {
    let held = "// Rule 2.3: a\n// Rule 2.5: b\n#[tokio::test]\nasync fn it_is() {";
    let tests: Vec<_> = rules("f.rs", held).unwrap();
    assert_eq!(tests, [((2, "a".to_owned()), "`f.rs: it_is`".to_owned()), ((4, "b".to_owned()), "`f.rs: it_is`".to_owned())]);
    for wrong in
        ["// Rule 2.3: a\nfn it_is() {", "// Rule 2.3: a", "// Rule 9.3: a\n#[test]\nfn it_is() {", "// Rule 2.3: a\n\n#[test]\nfn f() {"]
    {
        assert!(rules("f.rs", wrong).is_err(), "{wrong}");
    }
}
