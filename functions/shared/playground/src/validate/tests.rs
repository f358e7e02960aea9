//! `golden.json` holds what a real API server of 1.36 said of objects that are wrong in one way or another.

use super::{create, decode, update};
use crate::defaults;
use crate::interfaces::Cause;
use serde_json::{Value, json};

const UID: &str = "8f9cc1d5-7f6f-46b3-8235-342d53fa1ba1";

fn golden() -> Vec<Value> {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

/// As the golden file has it; without what the playground does not say: the whole pod or template that differs.
fn told(causes: Vec<Cause>) -> Vec<String> {
    let mut told: Vec<String> = causes.iter().map(|cause| shortened(cause.reason, &cause.field, &cause.message)).collect();
    told.sort();
    told
}

fn shortened(reason: &str, field: &str, message: &str) -> String {
    let message = match (field, message.split_once('\n')) {
        ("spec", Some((first, _))) => format!("{first}\n"),
        ("spec.template", _) => "field is immutable".to_owned(),
        // A real Job adds its own label to a selector that it refuses.
        ("spec.selector", _) if message.contains("not auto-generated") => "not auto-generated".to_owned(),
        _ => message.to_owned(),
    };
    format!("{reason} {field}: {message}")
}

fn expected(pair: &Value) -> Vec<String> {
    let causes = pair["causes"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut told: Vec<String> = causes.iter().map(|cause| shortened(&text(&cause[0]), &text(&cause[1]), &text(&cause[2]))).collect();
    told.sort();
    // Another uid is in the labels of every Job.
    let mut told: Vec<String> = told.iter().map(|line| masked(line)).collect();
    // It looks at some parts of an update two or three times over, and its message says each cause once.
    told.dedup();
    told
}

fn masked(line: &str) -> String {
    let at = line.find("controller-uid\":\"").map(|at| at + "controller-uid\":\"".len());
    match at.and_then(|at| line.get(at..at + 36)) {
        Some(uid) => line.replace(uid, "UID"),
        None => line.to_owned(),
    }
}

fn compare(what: &Value, said: Vec<String>, expected: Vec<String>, wrong: &mut Vec<String>) {
    let mut said: Vec<String> = said.iter().map(|line| masked(line)).collect();
    said.dedup();
    if said != expected {
        wrong.push(format!("{}\n  said     {said:#?}\n  expected {expected:#?}", serde_json::to_string(&what["spec"]).unwrap()));
    }
}

#[test]
fn objects_are_refused_as_by_a_real_server() {
    let mut wrong = Vec::new();
    let (mut created, mut updated) = (0, 0);
    for pair in golden() {
        if let Some(object) = pair.get("create") {
            created += 1;
            let mut object = object.clone();
            object["metadata"]["uid"] = json!(UID);
            defaults::fill(&mut object);
            compare(&object, told(create(&object)), expected(&pair), &mut wrong);
        } else if let (Some(old), Some(new)) = (pair.get("old"), pair.get("new")) {
            updated += 1;
            let mut new = new.clone();
            defaults::carry(old, &mut new);
            defaults::fill(&mut new);
            compare(&new, told(update(old, &new)), expected(&pair), &mut wrong);
        }
    }
    assert!(created > 150 && updated > 25);
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn types_are_refused_as_by_a_real_server() {
    let mut wrong = Vec::new();
    for pair in golden() {
        let Some(object) = pair.get("decode") else { continue };
        let said = decode(object).err();
        if said.as_deref() != pair["message"].as_str() {
            wrong.push(format!("{said:?}\n  instead of {}", pair["message"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_right_is_decoded() {
    let golden: Vec<Value> = serde_json::from_str(include_str!("../defaults/golden.json")).unwrap();
    for pair in golden {
        assert_eq!(decode(&pair["in"]), Ok(()));
        assert_eq!(decode(&pair["out"]), Ok(()));
        let mut object = pair["in"].clone();
        object["metadata"]["uid"] = json!(UID);
        defaults::fill(&mut object);
        assert_eq!(create(&object), [], "{}", object["metadata"]["name"]);
        assert_eq!(update(&object, &object), []);
    }
}

#[test]
fn what_is_too_long_is_refused() {
    let map = |bytes: usize| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "x".repeat(bytes)}});
    assert_eq!(create(&map(1_048_576)), []);
    assert_eq!(create(&map(1_048_577))[0].message, "Too long: may not be more than 1048576 bytes");
    let mut noted = map(1);
    noted["metadata"]["annotations"] = json!({"k": "x".repeat(262_144)});
    assert_eq!(create(&noted)[0].message, "Too long: may not be more than 262144 bytes");
}

#[test]
fn other_kinds_are_held_to_their_names() {
    let mut widget = json!({"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": 5});
    assert_eq!(create(&widget), []);
    widget["metadata"]["name"] = json!("A");
    assert_eq!(create(&widget).len(), 1);
}
