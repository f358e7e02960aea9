//! The input files of the tests.

use std::path::{Path, PathBuf};

/// One of them.
pub(crate) struct File {
    /// Below the folder of input files, with slashes.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
}

/// Names of all files under a folder, in order.
pub(crate) fn under(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    collect(folder, "", &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

/// All input files, in order.
pub(crate) fn files() -> Vec<File> {
    let folder = root().join("tests/files");
    let mut names: Vec<(String, String)> = under(&folder).into_iter().map(|name| (format!("{name}.json"), name)).collect();
    // As the expectations are ordered.
    names.sort();
    names.into_iter().map(|(_, name)| File { bytes: std::fs::read(folder.join(&name)).unwrap(), name }).collect()
}
