//! What cargo and the file system say about the checkout. Reading only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// One crate of the workspace, with the names of what it depends on.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) name: String,
    /// From the root of the checkout, for instance `plugins/wait`.
    pub(crate) folder: String,
    /// In what is built for people (build scripts included).
    pub(crate) normal: BTreeSet<String>,
    /// In its tests.
    pub(crate) dev: BTreeSet<String>,
}

/// A file of the checkout.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root of the checkout, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// One crate from anywhere, as cargo resolved it for this machine.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) license: Option<String>,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) resolve: Option<Resolve>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Debug, Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Resolve {
    /// For each package, what its ordinary build pulls in directly.
    pub(crate) fn normal(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut lines = BTreeMap::new();
        for Node { id, deps } in &self.nodes {
            let normal = deps.iter().filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            lines.insert(id.as_str(), normal.map(|dependency| dependency.pkg.as_str()).collect());
        }
        lines
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).parent().unwrap().to_path_buf()
}

pub(crate) fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Everything in the lock file that this machine builds.
pub(crate) fn metadata() -> Metadata {
    let host = cargo(&["-vV"]).lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned)).unwrap();
    serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--locked", "--filter-platform", &host])).unwrap()
}

/// The crates of the workspace, without looking at anybody else's.
pub(crate) fn rooms() -> Vec<Room> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Metadata = serde_json::from_str(&text).unwrap();
    metadata.packages.into_iter().map(room).collect()
}

fn room(package: Package) -> Room {
    let folder = package.manifest_path.parent().unwrap().strip_prefix(root()).unwrap();
    let mut room = Room { name: package.name, folder: folder.to_string_lossy().into_owned(), ..Room::default() };
    for Dependency { name, kind } in package.dependencies {
        let set = if kind.as_deref() == Some("dev") { &mut room.dev } else { &mut room.normal };
        set.insert(name);
    }
    room
}

/// Every text file but what builds leave behind.
pub(crate) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root(), &mut found);
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().unwrap();
        if ["target", ".git", "node_modules"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        if kind.is_dir() {
            collect(&path, found);
        } else if let (true, Ok(text)) = (kind.is_file(), std::fs::read_to_string(&path)) {
            let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            found.push(Source { path, text });
        }
    }
}
