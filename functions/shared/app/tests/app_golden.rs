//! Golden files: what was stored once, in every shape and version, must be readable for ever. Files are only ever added; a list
//! of their digests stands beside them, and `WAYBILL_WRITE=1` adds to it what is new, never anything else.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use app::error::AppError;
use app::record::{self, KNOWS};
use app::shapes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn folder() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/golden")
}

fn writing() -> bool {
    env::var_os("WAYBILL_WRITE").is_some()
}

/// Paths within the folder and what stands there, in order.
fn files() -> BTreeMap<String, Vec<u8>> {
    fn look(folder: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name().into_string().unwrap());
            if path.is_dir() {
                look(&path, &format!("{below}{name}/"), found);
            } else if !below.is_empty() {
                found.insert(format!("{below}{name}"), fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    look(&folder(), "", &mut found);
    found
}

/// `<shape>/v<version>-<name>.json`, but for the folder `knows`.
fn records() -> Vec<(String, u32, String, Vec<u8>)> {
    let of = |(path, bytes): (String, Vec<u8>)| {
        let (shape, file) = path.split_once('/').unwrap();
        let version = file.strip_prefix('v').and_then(|rest| rest.split_once('-')).and_then(|(v, _)| v.parse().ok());
        (shape.to_owned(), version.unwrap_or_else(|| panic!("{path} is not called v<version>-<name>.json")), path.clone(), bytes)
    };
    files().into_iter().filter(|(path, _)| !path.starts_with("knows/")).map(of).collect()
}

/// What is in `golden` and not in `again`.
fn lost(golden: &Value, again: &Value, at: &str) -> Option<String> {
    match (golden, again) {
        (Value::Object(one), Value::Object(other)) => one.iter().find_map(|(key, value)| match other.get(key) {
            Some(there) => lost(value, there, &format!("{at}/{key}")),
            None => Some(format!("{at}/{key}")),
        }),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).enumerate().find_map(|(n, (one, other))| lost(one, other, &format!("{at}/{n}")))
        }
        _ => (golden != again).then(|| at.to_owned()),
    }
}

#[test]
fn no_golden_file_was_changed_or_taken_away() {
    let (list, mut listed) = (folder().join("digests.txt"), BTreeSet::new());
    let mut text = fs::read_to_string(&list).unwrap_or_default();
    let there = files();
    for line in text.lines() {
        let (digest, path) = line.split_once("  ").unwrap();
        let bytes = there.get(path).unwrap_or_else(|| panic!("the golden file {path} is gone: bring it back"));
        let is = hex::encode(Sha256::digest(bytes));
        assert_eq!(is, digest, "the golden file {path} was changed: bring it back as it was, and add another one");
        assert!(listed.insert(path.to_owned()), "{path} is listed twice");
    }
    let new: Vec<&String> = there.keys().filter(|path| !listed.contains(*path)).collect();
    if writing() {
        for path in new {
            text.push_str(&format!("{}  {path}\n", hex::encode(Sha256::digest(&there[path]))));
        }
        fs::write(&list, text).unwrap();
    } else {
        assert!(new.is_empty(), "{new:?} are new: run this with WAYBILL_WRITE=1");
    }
}

#[test]
fn every_shape_of_today_has_one() {
    let golden: BTreeSet<(String, u32)> = records().into_iter().map(|(shape, version, ..)| (shape, version)).collect();
    let missing: Vec<String> = shapes::all()
        .filter(|shape| !golden.contains(&(shape.name.to_owned(), shape.version)))
        .map(|shape| format!("{}/v{}-….json", shape.name, shape.version))
        .collect();
    assert!(missing.is_empty(), "put what today's program stores into tests/golden/{missing:?}, and run with WAYBILL_WRITE=1");
}

#[test]
fn all_of_them_are_still_read_and_nothing_in_them_is_lost() {
    for (name, version, path, bytes) in records() {
        let shape = shapes::all().find(|shape| shape.name == name).unwrap_or_else(|| panic!("{path}: there is no shape of that name"));
        assert_eq!(record::said(&bytes), Some((name, version)), "{path} says what its name says");
        let again = (shape.again)(&bytes);
        if version < shape.oldest {
            assert!(matches!(again, Err(AppError::Damaged(text)) if text.contains("read no more")), "{path}");
            continue;
        }
        let again = again.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        if version == shape.version {
            let [golden, again] = [&bytes, &again].map(|bytes| serde_json::from_slice::<Value>(bytes).unwrap());
            assert_eq!(lost(&golden, &again, ""), None, "{path}: read and written again, it has lost this");
        }
    }
}

#[test]
fn what_a_program_knows_rises_with_the_shapes_of_executions() {
    let mut said: Vec<String> = shapes::of_executions().map(|shape| format!("{} {}\n", shape.name, shape.version)).collect();
    said.sort();
    let path = folder().join(format!("knows/{KNOWS}.txt"));
    if writing() && !path.exists() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, said.concat()).unwrap();
    }
    let stands = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stands, said.concat(), "a shape of executions has another version: raise `record::KNOWS`, and run with WAYBILL_WRITE=1");
    assert!(!folder().join(format!("knows/{}.txt", KNOWS + 1)).exists(), "it never falls");
}

/// A new shape is found even when nobody put it into the list.
#[test]
fn every_shape_in_the_sources_is_in_the_list() {
    fn look(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let names = text.split("const SHAPE: &'static str = \"").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
    }
    let mut found = BTreeSet::new();
    look(&PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("src"), &mut found);
    let listed: BTreeSet<String> = shapes::all().map(|shape| shape.name.to_owned()).collect();
    assert_eq!(found, listed);
}

#[test]
fn a_change_is_found() {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let golden = value(r#"{"a": [{"b": 1}], "c": null}"#);
    assert_eq!(lost(&golden, &value(r#"{"a": [{"b": 1, "new": 2}], "c": null}"#), ""), None);
    assert_eq!(lost(&golden, &value(r#"{"a": [{}], "c": null}"#), ""), Some("/a/0/b".to_owned()));
    assert_eq!(lost(&golden, &value(r#"{"a": [], "c": null}"#), ""), Some("/a".to_owned()));
}
