//! The reference: installed from the registries of npm and cargo into the cache folder, never into the checkout and never
//! into what is shipped. What cannot be installed is absent, with the reason; it is never guessed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{self, Options, STAGES, STAGES_A_RUN};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{places, process};

/// An installed Restate, and the program that measures it.
pub(crate) struct Restate {
    server: PathBuf,
    program: PathBuf,
}

/// Installs what is not there yet; says why not when that fails.
pub(crate) fn install(progress: &Progress) -> std::result::Result<Restate, String> {
    try_install(progress).map_err(|error| error.to_string())
}

fn try_install(progress: &Progress) -> Result<Restate> {
    let folder = places::cache()?.join("references").join("restate");
    copy(&places::root().join("functions/dev/references/restate"), &folder)?;
    let mut server = find_server(&folder);
    if server.is_none() {
        let npm = places::on_path("npm").ok_or_else(|| Error::new("npm is not on PATH"))?;
        let mut install = Command::new(npm);
        install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        process::must(progress, "install restate", &mut install)?;
        server = find_server(&folder);
    }
    let server = server.ok_or_else(|| Error::new("no Restate server is published for this platform"))?;
    let target = folder.join("target");
    let mut build = process::cargo(["build", "--release", "--quiet"])?;
    build.current_dir(&folder).env("CARGO_TARGET_DIR", &target);
    process::must(progress, "build the reference", &mut build)?;
    Ok(Restate { server, program: target.join("release").join("restate-reference") })
}

/// Files whose content changed, so that nothing is built again without a reason.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(Error::at(to))?;
    for entry in fs::read_dir(from).map_err(Error::at(from))?.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
            continue;
        }
        let bytes = fs::read(&source).map_err(Error::at(&source))?;
        if fs::read(&target).is_ok_and(|there| there == bytes) {
            continue;
        }
        fs::write(&target, bytes).map_err(Error::at(&target))?;
    }
    Ok(())
}

/// The server of this platform: npm installs no other.
fn find_server(folder: &Path) -> Option<PathBuf> {
    let packages = fs::read_dir(folder.join("node_modules").join("@restatedev")).ok()?;
    packages.flatten().map(|package| package.path().join("bin").join("restate-server")).find(|server| server.is_file())
}

impl Restate {
    /// Measures one bench on a fresh server.
    pub(crate) fn measure(&self, progress: &Progress, options: &Options, bench: &str, data: &Path) -> Result<Value> {
        let folder = data.join(format!("restate-{bench}"));
        fs::create_dir_all(&folder).map_err(Error::at(&folder))?;
        let mut command = Command::new(&self.program);
        command.arg("measure").arg(&self.server).arg(&folder).arg(bench);
        let numbers = match bench {
            "chain" => vec![STAGES, options.repetitions],
            _ => vec![STAGES_A_RUN, options.clients, options.seconds],
        };
        command.args(numbers.iter().map(u32::to_string));
        let figures = bench::figures(progress, &format!("{bench}, restate"), &mut command)?;
        // The next one begins on an empty disk.
        drop(fs::remove_dir_all(&folder));
        let figure = |name: &str| figures.get(name).cloned().unwrap_or_default();
        Ok(json!({
            "version": self.version(), "measured": figure("figures"), "neighboursPercentOfACore": figure("neighboursPercentOfACore"),
        }))
    }

    fn version(&self) -> Option<String> {
        process::ask(&self.server, &["--version"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_copied() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("src")).unwrap();
        fs::write(from.path().join("src/main.rs"), "fn main() {}").unwrap();
        copy(from.path(), to.path()).unwrap();
        let copied = to.path().join("src/main.rs");
        let first = fs::metadata(&copied).unwrap().modified().unwrap();
        copy(from.path(), to.path()).unwrap();
        assert_eq!(fs::metadata(&copied).unwrap().modified().unwrap(), first);
        assert!(find_server(to.path()).is_none());
    }

    #[test]
    fn the_files_of_the_reference_are_there() {
        let folder = places::root().join("functions/dev/references/restate");
        for file in ["Cargo.toml", "package.json", "src/main.rs"] {
            assert!(folder.join(file).is_file(), "{file}");
        }
    }
}
