//! Builds the stage components, and has `stage-types` compile them ahead of time as a child of its own: the compiler
//! never gets into the build of anything else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{places, process};

const TARGET: &str = "wasm32-wasip2";

pub(crate) fn run() -> Result<ExitCode> {
    let folder = build(&Progress::new())?;
    println!("{}", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// Fills the folder of components and gives it. What is left over from components that are no more goes.
pub(crate) fn build(progress: &Progress) -> Result<PathBuf> {
    build_into(progress, &names(&places::root().join("plugins"))?, places::components()?)
}

/// The same for the component that is measured with: it is no part of what is installed, so it has a folder of its own.
pub(crate) fn build_for_bench(progress: &Progress) -> Result<PathBuf> {
    build_into(progress, &["no-op".to_owned()], places::target()?.join("bench-components"))
}

fn build_into(progress: &Progress, names: &[String], folder: PathBuf) -> Result<PathBuf> {
    let mut command = process::cargo(["build", "--profile", "plugin", "--target", TARGET])?;
    for name in names {
        command.args(["-p", name]);
    }
    process::must(progress, "build the components", &mut command)?;
    process::must(progress, "build stage-types", &mut process::cargo(["build", "-p", "stage-types"])?)?;
    let built = places::target()?.join(TARGET).join("plugin");
    let work = folder.with_extension("new");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(Error::at(&work))?;
    for name in names {
        let from = built.join(format!("{}.wasm", name.replace('-', "_")));
        fs::copy(&from, work.join(format!("{name}.wasm"))).map_err(Error::at(&from))?;
    }
    let mut precompile = Command::new(places::programs()?.join("stage-types"));
    precompile.arg("precompile").arg("--out").arg(&work);
    precompile.args(names.iter().map(|name| work.join(format!("{name}.wasm"))));
    process::must(progress, "precompile the components", &mut precompile)?;
    let _ = fs::remove_dir_all(&folder);
    fs::rename(&work, &folder).map_err(Error::at(&folder))?;
    Ok(folder)
}

/// Every crate of `plugins/` but the kit they share. What is for tests lies one folder deeper.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(Error::at(folder))?;
    let crates = entries.flatten().filter(|entry| entry.path().join("Cargo.toml").is_file());
    let names = crates.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name != "sdk").collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_but_the_kit_is_a_component() {
        let names = names(&places::root().join("plugins")).unwrap();
        assert!(names.iter().any(|name| name == "wait"), "{names:?}");
        assert!(!names.iter().any(|name| ["sdk", "no-op"].contains(&name.as_str())), "{names:?}");
    }
}
