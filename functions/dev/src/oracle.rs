//! The real evaluator of expressions, for the tests of ours: a Java program built by Maven, once, into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::cluster::sweep;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{places, process};

/// The tests of the expression crate know a build by these copies beside it.
const RECIPE: [&str; 8] = [
    "pom.xml",
    "src/oracle/Access.java",
    "src/oracle/Answers.java",
    "src/oracle/Bench.java",
    "src/oracle/Evaluator.java",
    "src/oracle/Functions.java",
    "src/oracle/Main.java",
    "src/oracle/Model.java",
];
const JAR: &str = "oracle.jar";
const JAVA_MIN: u32 = 17;

/// Whether there is a compiler for Java that will do.
pub(crate) fn has_java() -> bool {
    let version = places::on_path("javac").and_then(|javac| process::ask(javac, &["-version"]));
    version.as_deref().and_then(major).is_some_and(|major| major >= JAVA_MIN)
}

/// Of what `javac -version` says, `javac 17.0.15`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix("javac ")?.split(['.', '-', '+']).next()?.parse().ok()
}

/// This checkout's program, when it is in the cache.
pub(crate) fn built() -> Option<PathBuf> {
    let jar = output_folder().ok()?.join(JAR);
    jar.is_file().then_some(jar)
}

/// The program, building it when the cache has none of this recipe. Builds side by side are safe: each has a folder of its
/// own, and the first to be done gives it its name.
pub(crate) fn build(progress: &Progress) -> Result<PathBuf> {
    let folder = output_folder()?;
    if let Some(jar) = built() {
        return Ok(jar);
    }
    let base = folder.parent().unwrap_or(&folder);
    sweep(base);
    let work = base.join(format!("build.{}", std::process::id()));
    fs::create_dir_all(&work).map_err(Error::at(&work))?;
    if let Err(error) = build_into(progress, &work) {
        let _ = fs::remove_dir_all(&work);
        return Err(error);
    }
    if fs::rename(&work, &folder).is_err() {
        // Another build of the same recipe was faster, or one that lost its program lies there.
        let lost = !folder.join(JAR).is_file() && fs::remove_dir_all(&folder).is_ok();
        let moved = lost && fs::rename(&work, &folder).is_ok();
        if !moved {
            fs::remove_dir_all(&work).map_err(Error::at(&work))?;
        }
    }
    built().ok_or_else(|| Error::new("the real evaluator is not where it was built"))
}

fn build_into(progress: &Progress, work: &Path) -> Result<()> {
    let mvn = places::on_path("mvn").ok_or_else(|| Error::new("Maven is not installed"))?;
    for name in RECIPE {
        let to = work.join(name);
        fs::create_dir_all(to.parent().unwrap_or(work)).map_err(Error::at(&to))?;
        fs::copy(recipe().join(name), &to).map_err(Error::at(name))?;
    }
    let out = work.join("out");
    let mut command = Command::new(mvn);
    command.args(["--quiet", "--batch-mode", "--file"]).arg(work.join("pom.xml"));
    command.arg(format!("-Doracle.out={}", out.display())).arg("package").current_dir(work);
    process::must(progress, "build the real evaluator of expressions (once)", &mut command)?;
    fs::rename(out.join(JAR), work.join(JAR)).map_err(Error::at(JAR))?;
    fs::remove_dir_all(&out).map_err(Error::at(&out))
}

fn recipe() -> PathBuf {
    places::root().join("functions/shared/expression/tests/oracle")
}

/// Named by everything that decides what comes out.
fn output_folder() -> Result<PathBuf> {
    let mut hash = Sha256::new();
    for name in RECIPE {
        let path = recipe().join(name);
        let bytes = fs::read(&path).map_err(Error::at(&path))?;
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    let digest: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok(places::cache()?.join("oracle").join(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_first_number() {
        assert_eq!([major("javac 17.0.15"), major("javac 21"), major("javac 25-ea+3")], [Some(17), Some(21), Some(25)]);
        assert_eq!([major("javac 1.8.0_392"), major("javac"), major("")], [Some(1), None, None]);
    }

    #[test]
    fn the_recipe_is_all_there_is() {
        let folder = recipe().join("src/oracle");
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| format!("src/oracle/{}", entry.unwrap().file_name().to_string_lossy())).collect();
        names.sort();
        assert_eq!(names, &RECIPE[1..]);
    }
}
