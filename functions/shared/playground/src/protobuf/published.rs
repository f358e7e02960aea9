//! `messages.txt` is what Kubernetes publishes: its `.proto` files say the numbers, the tags of its Go types what the fields
//! are called in JSON. With `WAYBILL_WRITE=1` it is written again.

use super::TABLE;
use crate::kinds::{KINDS, REVIEWS};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Where the version of Kubernetes is pinned, seen from here.
const RECIPE: &str = "../../dev/cluster";
/// Packages, and what they are called in the table.
const PACKAGES: [(&str, &str); 5] = [
    ("k8s.io.apimachinery.pkg.apis.meta.", "meta."),
    ("k8s.io.apimachinery.pkg.api.resource.", "resource."),
    ("k8s.io.apimachinery.pkg.util.intstr.", "intstr."),
    ("k8s.io.apimachinery.pkg.runtime.", "runtime."),
    ("k8s.io.api.", ""),
];

/// This crate's folder.
fn here() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").unwrap().into()
}

/// The folders of the published modules.
fn modules() -> Vec<PathBuf> {
    let modules = ["mod", "download", "-json", "k8s.io/api", "k8s.io/apimachinery"];
    let output = Command::new("go").args(modules).current_dir(here().join(RECIPE)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    told.map(|module| module.unwrap()["Dir"].as_str().unwrap().into()).collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.file_name().is_some_and(|name| name == "generated.proto") {
            found.push(path);
        }
    }
}

fn short(name: &str) -> Option<String> {
    let name = name.trim_start_matches('.');
    PACKAGES.iter().find_map(|(long, short)| name.strip_prefix(long).map(|rest| format!("{short}{rest}")))
}

/// What fields are called in JSON: by Go type and number.
fn tags(folder: &Path) -> BTreeMap<(String, u32), String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "go") {
            continue;
        }
        let mut of = String::new();
        for line in fs::read_to_string(&path).unwrap().lines() {
            if let Some(name) = line.strip_prefix("type ").and_then(|rest| rest.strip_suffix(" struct {")) {
                name.clone_into(&mut of);
            }
            let (Some((_, json)), Some((_, wire))) = (line.split_once("json:\""), line.split_once("protobuf:\"")) else { continue };
            let number = wire.split(',').nth(1).unwrap().parse().unwrap();
            let json = json.split('"').next().unwrap();
            let name = if json.contains(",inline") { ">" } else { json.split(',').next().unwrap() };
            if name != "-" {
                found.insert((of.clone(), number), name.to_owned());
            }
        }
    }
    found
}

/// A line of a message: `optional int64 seconds = 1;`, `map<string, string> data = 2;`.
fn field(line: &str, package: &str, tag: impl Fn(u32) -> Option<String>) -> Option<String> {
    let (declared, number) = line.strip_suffix(';')?.split_once(" = ")?;
    let number: u32 = number.parse().ok()?;
    let (label, rest) = match declared.strip_prefix("map<string, ") {
        Some(rest) => ("map", rest),
        None => declared.split_once(' ')?,
    };
    let (kind, name) = rest.rsplit_once(' ')?;
    let kind = match kind.trim_end_matches('>') {
        "string" => "s".to_owned(),
        "int32" | "int64" => "n".to_owned(),
        "bool" => "b".to_owned(),
        "bytes" => "y".to_owned(),
        other if other.contains('.') => short(other)?,
        other => format!("{package}.{other}"),
    };
    let many = match label {
        "map" => "{",
        "repeated" => "[",
        _ => "",
    };
    Some(format!("{number}:{}/{many}{kind}", tag(number).unwrap_or_else(|| name.to_owned())))
}

fn messages(file: &Path, into: &mut BTreeMap<String, Vec<String>>) {
    let text = fs::read_to_string(file).unwrap();
    let package = text.lines().find_map(|line| line.strip_prefix("package ")?.strip_suffix(';')).unwrap();
    let Some(package) = short(&format!("{package}.")).map(|package| package.trim_end_matches('.').to_owned()) else { return };
    let tags = tags(file.parent().unwrap());
    let mut of = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("message ").and_then(|rest| rest.strip_suffix(" {")) {
            of = Some(name.to_owned());
            into.insert(format!("{package}.{name}"), Vec::new());
        } else if line == "}" {
            of = None;
        } else if let Some(name) = &of
            && let Some(found) = field(line.trim(), &package, |number| tags.get(&(name.clone(), number)).cloned())
        {
            into.entry(format!("{package}.{name}")).or_default().push(found);
        }
    }
}

/// What a table must have: everything that can stand in what the playground takes.
fn needed(all: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let package = |group: &str| if group.is_empty() { "core".to_owned() } else { group.split('.').next().unwrap().to_owned() };
    let kinds = KINDS.iter().map(|row| (row.group, row.version, row.kind.kind));
    let reviews = REVIEWS.iter().map(|(group, version, kind, _)| (*group, *version, *kind));
    let named = kinds.chain(reviews).map(|(group, version, kind)| format!("{}.{version}.{kind}", package(group)));
    let others = ["autoscaling.v1.Scale", "meta.v1.DeleteOptions", "runtime.TypeMeta"].map(str::to_owned);
    let mut open: Vec<String> = named.chain(others).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        let fields = all.get(&name).unwrap_or_else(|| panic!("{name} is not published"));
        if found.insert(name) {
            let kinds = fields.iter().map(|field| field.split_once('/').unwrap().1.trim_start_matches(['[', '{']));
            open.extend(kinds.filter(|kind| kind.contains('.')).map(str::to_owned));
        }
    }
    found
}

#[test]
fn the_table_is_what_kubernetes_publishes() {
    let (mut published, mut all) = (Vec::new(), BTreeMap::new());
    modules().iter().for_each(|module| files(module, &mut published));
    published.iter().for_each(|file| messages(file, &mut all));
    let lines = needed(&all).into_iter().map(|name| format!("{name} {}", all[&name].join(" ")).trim_end().to_owned() + "\n");
    let wanted: String = lines.collect();
    if env::var_os("WAYBILL_WRITE").is_some() {
        fs::write(here().join("src/protobuf/messages.txt"), &wanted).unwrap();
    }
    assert_eq!(TABLE, wanted, "run it with WAYBILL_WRITE=1, then again");
}
