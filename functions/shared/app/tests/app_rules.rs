//! The table of rules names tests that exist, for every part of the execution model.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Parts of the execution model that have rules.
const PARTS: [&str; 12] = ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12"];

fn shared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Part, rule, and the tests that hold it.
fn rows(table: &str) -> Vec<(String, String, Vec<String>)> {
    let rows = table.lines().filter(|line| line.starts_with("| 2."));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [part, rule, tests] = cells.as_slice() else { panic!("not three cells: {line}") };
        let tests = tests.split(',').map(|test| test.trim().trim_matches('`').to_owned()).collect();
        ((*part).to_owned(), (*rule).to_owned(), tests)
    })
    .collect()
}

/// A test is a function with its attribute right above it.
fn exists(test: &str) -> bool {
    let Some((path, name)) = test.split_once(": ") else { return false };
    let Ok(text) = fs::read_to_string(shared().join(path)) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is = |line: &str| line.trim_start_matches("async ").starts_with(&format!("fn {name}("));
    lines.windows(2).any(|pair| matches!(pair, [above, line] if is(line) && above.starts_with("#[") && above.contains("test]")))
}

#[test]
fn every_rule_is_held_by_a_test_that_exists() {
    let table = fs::read_to_string(shared().join("engine/RULES.md")).unwrap();
    let rows = rows(&table);
    for part in PARTS {
        assert!(rows.iter().any(|(of, _, _)| of == part), "no rule of § {part}");
    }
    for (part, rule, tests) in rows {
        for test in tests {
            assert!(exists(&test), "§ {part} {rule}: there is no test `{test}`");
        }
    }
}

#[test]
fn a_test_that_does_not_exist_is_noticed() {
    assert!(exists("app/tests/app_rules.rs: a_test_that_does_not_exist_is_noticed"));
    for wrong in ["", "app/tests/app_rules.rs: exists", "app/tests/app_rules.rs: gone", "app/tests/gone.rs: exists"] {
        assert!(!exists(wrong), "{wrong}");
    }
}
