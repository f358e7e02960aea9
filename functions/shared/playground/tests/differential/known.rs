//! The list of known differences: `tests/differences.json`, each with its reason. A difference that is not on it fails
//! the test, and so does an entry that no longer occurs.

use serde::Deserialize;
use std::path::PathBuf;

use crate::pair::Difference;

/// One known difference. `*` in `call` and `at` stands for anything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    call: String,
    at: String,
    reason: String,
}

/// Panics with everything that is not as listed; says how many entries there are.
pub(crate) fn check(found: &[Difference]) -> usize {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/differences.json");
    let known: Vec<Known> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(known.iter().all(|known| known.reason.len() > 10), "every difference needs a reason");
    let is = |known: &Known, difference: &Difference| matches(&known.call, &difference.call) && matches(&known.at, &difference.at);
    let unlisted: Vec<String> =
        found.iter().filter(|difference| !known.iter().any(|known| is(known, difference))).map(ToString::to_string).collect();
    let gone: Vec<String> = known
        .iter()
        .filter(|known| !found.iter().any(|difference| is(known, difference)))
        .map(|known| format!("{} | {}", known.call, known.at))
        .collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "{} differences are not listed:\n{}\n\n{} listed ones no longer occur:\n{}\n",
        unlisted.len(),
        unlisted.join("\n"),
        gone.len(),
        gone.join("\n")
    );
    known.len()
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            let Some(rest) = text.strip_prefix(before) else { return false };
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(after, &rest[at..]))
        }
    }
}

#[test]
fn patterns_match_anything_where_they_say_so() {
    assert!(matches("a/*/c", "a/b/b/c") && matches("*", "") && matches("a*", "a"));
    assert!(!matches("a/*/c", "a/c") && !matches("a", "ab") && !matches("*a", "ab"));
}
