//! Arbitrary texts: never a panic, and every error stands within its text.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests, helpers and all")]

use expression::{condition, evaluate, explain};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn scope() -> Map<String, Value> {
    let scope =
        json!({"a": 1, "b": "x", "c": [1, "2", null], "d": {"e": {"f": true}}, "stages": {"S": {"status": "TERMINAL", "refId": "1"}}});
    scope.as_object().unwrap().clone()
}

fn placed(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = evaluate(text, &scope()) {
        prop_assert!(error.position <= error.end && error.end as usize <= text.len(), "{text}: {error:?}");
        prop_assert!(text.is_char_boundary(error.position as usize) && text.is_char_boundary(error.end as usize), "{text}: {error:?}");
        prop_assert!(expression::REASONS.iter().any(|(reason, _)| *reason == error.reason), "{text}: {error:?}");
    }
    let _ = condition(text, &scope());
    let _ = explain(text);
    Ok(())
}

/// Pieces of the language.
const PIECES: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    ".",
    "?.",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "${",
    "'x'",
    "\"y\"",
    "1",
    "2.5",
    "3L",
    "0xF",
    " ",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "==",
    "!=",
    "<",
    ">",
    "&&",
    "||",
    "!",
    "not ",
    " and ",
    " or ",
    " matches ",
    "?",
    ":",
    "?:",
    ".?[",
    ".![",
    ".^[",
    ".$[",
    "#this",
    "#root",
    "#stage('S')",
    "#toInt(",
    "T(Math)",
    "T(String)",
    ".format(",
    "new java.util.Date(",
    ".length()",
    ".substring(",
    ".replaceAll('",
    "','",
    "',",
    ",",
    "null",
    "true",
    "é",
    "😀",
    "$",
    "@x",
    "=",
    "++",
    "\\",
    ".split('')",
    ".toString()",
    ".size()",
    ".keySet()",
    "{:}",
    "{1,2}",
];

/// They in any order.
fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        placed(&text)?;
        placed(&format!("${{{text}}}"))?;
    }

    #[test]
    fn any_pieces(text in pieces()) {
        placed(&text)?;
        placed(&format!("ü${{{text}}}"))?;
    }

    #[test]
    fn any_pattern(pattern in "[a-c.*+?()\\[\\]{}|^$\\\\0-9dwsQEpkbBzZ&-]{0,14}", by in "[a$1{}\\\\]{0,5}", text in "[ab1 \n😀]{0,8}") {
        let mut scope = scope();
        scope.insert("p".to_owned(), pattern.into());
        scope.insert("r".to_owned(), by.into());
        scope.insert("t".to_owned(), text.into());
        for template in ["${t.replaceAll(p, r)}", "${t.split(p)}", "${t matches p}", "${t.split(p, 2)}", "${T(String).format(p, t)}"] {
            let _ = evaluate(template, &scope);
        }
    }
}
