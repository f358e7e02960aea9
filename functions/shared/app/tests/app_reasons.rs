//! Every reason code comes about somewhere, and some test meets it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "a test fails by panicking")]

use model::reason::ReasonCode;
use std::fs;
use std::path::{Path, PathBuf};

/// Codes that no test of a room of its own can meet, and where they come about.
const MADE_ELSEWHERE: [(ReasonCode, &str); 1] = [(ReasonCode::RegistryUnavailable, "functions/shared/app/src/orders/submit.rs")];

/// The rest of a file after this is its tests.
const TESTS: &str = "#[cfg(test)]\nmod tests {";

fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../..")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// All that is shipped, and all that tests it.
fn sources() -> (String, String) {
    let root = root().canonicalize().unwrap();
    let mut files = Vec::new();
    for folder in ["functions", "plugins"] {
        rust_files(&root.join(folder), &mut files);
    }
    let (mut shipped, mut tests) = (String::new(), String::new());
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        if name.ends_with("model/src/reason.rs") || name.ends_with("app/tests/app_reasons.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        if name.contains("/tests/") || name.ends_with("tests.rs") {
            tests.push_str(&text);
        } else {
            let (own, test) = text.split_once(TESTS).unwrap_or((&text, ""));
            shipped.push_str(own);
            tests.push_str(test);
        }
    }
    (shipped, tests)
}

/// The platform's own rooms name a code; stage types give it as a text.
fn has(text: &str, code: ReasonCode) -> bool {
    let name = format!("ReasonCode::{code:?}");
    let named = text.match_indices(&name).any(|(at, _)| !text[at + name.len()..].starts_with(|c: char| c.is_alphanumeric()));
    named || text.contains(&format!("\"{}\"", code.as_str()))
}

#[test]
fn every_code_comes_about_and_is_tested() {
    let (shipped, tests) = sources();
    let nobody: Vec<&str> = ReasonCode::ALL.iter().filter(|code| !has(&shipped, **code)).map(|code| code.as_str()).collect();
    assert!(nobody.is_empty(), "codes that nothing makes: {nobody:?}");
    let elsewhere = |code: &ReasonCode| MADE_ELSEWHERE.iter().any(|(made, _)| made == code);
    let met = |code: &ReasonCode| has(&tests, *code);
    let untested: Vec<&str> = ReasonCode::ALL.iter().filter(|code| !met(code) && !elsewhere(code)).map(|code| code.as_str()).collect();
    assert!(untested.is_empty(), "codes that no test meets: {untested:?}");
    for (code, place) in MADE_ELSEWHERE {
        assert!(has(&fs::read_to_string(root().join(place)).unwrap(), code), "{} is not made in {place}", code.as_str());
        assert!(!met(&code), "{} is tested and need not be listed", code.as_str());
    }
}
