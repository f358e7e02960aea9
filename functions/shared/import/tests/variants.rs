//! Thousands of broken pipelines made from the good ones: whatever is dropped, of another type, nested or repeated, there is an
//! answer with a place, and never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests, helpers and all")]

mod support;

use import::{Checked, Options, Report, json, open};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::files;

/// Places of one document that are changed.
const PLACES_MAX: usize = 60;

/// Checks a text, and that whatever is wrong has a place that is there.
fn answered(name: &str, bytes: &[u8]) -> bool {
    match open(name, bytes, &Options::default()) {
        Err(report) => {
            placed(&report, None);
            false
        }
        Ok(all) => {
            for Checked { report, document, .. } in &all {
                placed(report, Some(document));
            }
            all.iter().all(|checked| checked.report.imported)
        }
    }
}

fn placed(report: &Report, document: Option<&Value>) {
    assert!(report.imported || report.reason.is_some(), "{report:?}");
    assert!(!report.planned || report.imported, "{report:?}");
    for flaw in report.errors.iter().chain(&report.warnings) {
        assert!(!flaw.message.is_empty() && !flaw.code.is_empty());
        if let (Some(document), None) = (document, flaw.place) {
            assert!(is_there(document, &flaw.pointer), "{flaw:?} in {document}");
        }
    }
    let Some(document) = document else { return };
    let pointers = report.secrets.iter().map(|s| &s.pointer).chain(report.expressions.failed.iter().map(|f| &f.pointer));
    let pointers = pointers.chain(report.unsupported.iter().map(|u| &u.pointer)).chain(report.needs.iter().flat_map(|n| &n.pointers));
    for pointer in pointers {
        assert!(is_there(document, pointer), "{pointer} in {document}");
    }
}

/// What a pointer names, or what it would stand in.
fn is_there(document: &Value, pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    document.pointer(pointer).is_some() || document.pointer(parent).is_some()
}

fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    if !at.is_empty() {
        found.push(at.clone());
    }
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| pointers(item, format!("{at}/{i}"), found)),
        Value::Object(map) => {
            for (key, item) in map {
                pointers(item, format!("{at}/{}", model::problem::token(key)), found);
            }
        }
        _ => {}
    }
}

fn change(document: &Value, pointer: &str, how: impl FnOnce(Value) -> Option<Value>) -> Value {
    let mut changed = document.clone();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let key = last.replace("~1", "/").replace("~0", "~");
    match changed.pointer_mut(parent).unwrap() {
        Value::Object(map) => match how(map[&key].clone()) {
            Some(value) => drop(map.insert(key, value)),
            None => drop(map.remove(&key)),
        },
        Value::Array(items) => {
            let index: usize = key.parse().unwrap();
            match how(items[index].clone()) {
                Some(value) => items[index] = value,
                None => drop(items.remove(index)),
            }
        }
        _ => unreachable!(),
    }
    changed
}

fn others() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("${"),
        json!("x"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"type": {}}),
        json!("字\u{0}\u{202e}"),
    ]
}

/// The documents of the input files that are JSON.
fn documents() -> Vec<(String, Value)> {
    let read = |file: support::File| {
        let text = String::from_utf8(file.bytes).ok()?;
        Some((file.name, json::read(&text).ok()?.value))
    };
    files().into_iter().filter_map(read).filter(|(_, value)| value.to_string().len() < 6_000).collect()
}

#[test]
fn whatever_is_dropped_retyped_nested_or_repeated_is_answered() {
    let (mut count, mut refused) = (0, 0);
    for (name, document) in documents() {
        let mut places = Vec::new();
        pointers(&document, String::new(), &mut places);
        // Of a large one not every place: they repeat each other.
        let stride = places.len() / PLACES_MAX + 1;
        for (at, pointer) in places.iter().enumerate().step_by(stride) {
            let mut variants = vec![
                change(&document, pointer, |_| None),
                change(&document, pointer, |value| Some(json!([value]))),
                change(&document, pointer, |value| Some(json!({ "x": value }))),
                change(&document, pointer, |value| Some(json!([value.clone(), value]))),
            ];
            // Each place gets some of the other types, all places together all of them.
            let others = others();
            variants.extend((0..3).map(|k| change(&document, pointer, |_| Some(others[(at * 3 + k) % others.len()].clone()))));
            for variant in variants {
                count += 1;
                refused += usize::from(!answered(&name, variant.to_string().as_bytes()));
            }
        }
    }
    assert!(count > 8_000 && refused > 500 && refused < count, "{count} variants, {refused} refused");
}

#[test]
fn keys_that_are_repeated_in_the_text_are_told_with_both_places() {
    for (name, document) in documents() {
        let Some(map) = document.as_object() else { continue };
        for (key, value) in map {
            let text = document.to_string();
            let again = format!("{},{}:[[{value}]]}}", text.strip_suffix('}').unwrap(), json!(key));
            let read = json::read(&again).unwrap();
            let flaw = &read.errors[0];
            assert!(flaw.code == "duplicate-key" && flaw.message.matches("line 1, column").count() == 2, "{name} {key}: {flaw}");
            assert!(!answered(&name, again.as_bytes()) || !read.value.is_object(), "{name} {key}");
        }
    }
}

#[test]
fn texts_that_are_cut_or_damaged_are_answered() {
    let mut chance = 1_u64;
    let mut next = || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(chance >> 33).unwrap()
    };
    for file in files().into_iter().filter(|file| file.bytes.len() < 6_000 && !file.bytes.is_empty()) {
        for _ in 0..20 {
            answered(&file.name, &file.bytes[..next() % file.bytes.len()]);
            let mut damaged = file.bytes.clone();
            for _ in 0..1 + next() % 3 {
                let at = next() % damaged.len();
                damaged[at] = b"{}[]\",:\\\x00\xff\n#$a0*&!-"[next() % 19];
            }
            answered(&file.name, &damaged);
        }
    }
}

#[test]
fn what_is_too_large_is_refused_at_once() {
    let bytes = vec![b' '; 100 << 20];
    let report = open("large.json", &bytes, &Options::default()).unwrap_err();
    assert_eq!(report.errors[0].code, "file-too-large");
    let many: Vec<Value> = (0..10_000).map(|i| json!({"refId": i.to_string(), "type": "wait"})).collect();
    let document = json!({"application": "a", "name": "p", "stages": many}).to_string();
    let checked = open("many.json", document.as_bytes(), &Options::default()).unwrap().remove(0);
    assert_eq!((checked.report.errors[0].pointer.as_str(), checked.report.errors[0].code.as_str()), ("/stages", "too-many-stages"));
}

/// JSON texts with numbers in many spellings.
fn texts() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("1.0".to_owned()),
        Just("-0".to_owned()),
        Just("1E5".to_owned()),
        "[1-9][0-9]{0,40}",
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
    ];
    let text = any::<String>().prop_map(|text| json!(text).to_string());
    let leaf = prop_oneof![number, text, Just("null".to_owned()), Just("true".to_owned())];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map("[a-z~/]{0,6}", inner, 0..6).prop_map(|map| {
                let members: Vec<String> = map.into_iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_read_is_written_as_it_was(text in texts()) {
        let read = json::read(&text).unwrap();
        prop_assert_eq!(&read.spellings.write(&read.value), &text);
        let again = json::read(&read.spellings.write_pretty(&read.value)).unwrap();
        prop_assert_eq!((again.value, again.spellings), (read.value, read.spellings));
    }

    #[test]
    fn a_pipeline_keeps_every_key_it_came_with(extra in texts(), stage in texts()) {
        let text = format!(
            r#"{{"application":"a","name":"p","stages":[{{"refId":"1","type":"wait","own":{stage}}}],"limitConcurrent":true,"extra":{extra}}}"#
        );
        let checked = open("p.json", text.as_bytes(), &Options::default()).unwrap().remove(0);
        prop_assert_eq!(checked.spellings.write(&checked.document), text);
    }

    #[test]
    fn any_text_is_answered(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        for name in ["x.json", "x.yaml", "dinghyfile", "x"] {
            answered(name, text.as_bytes());
            answered(name, &bytes);
        }
    }
}

#[test]
fn spellings_are_those_of_the_pipeline_within_its_wrapper() {
    let text = r#"{"application":"a","pipelines":[{"name":"p","stages":[{"refId":"1","type":"wait","waitTime":1.00}]}]}"#;
    let checked = open("dinghyfile", text.as_bytes(), &Options::default()).unwrap().remove(0);
    assert_eq!(checked.spellings.iter().collect::<Vec<_>>(), [("/stages/0/waitTime", "1.00")]);
}
