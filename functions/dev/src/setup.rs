//! What a checkout needs around it: found, installed where a package manager may, else named with how to get it.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{cluster, oracle, places, process};

const SCHEMATHESIS: &str = include_str!("../python.txt");
const MINISTACK: &str = include_str!("../ministack.txt");
const WASM_TARGET: &str = "wasm32-wasip2";

/// How much is lost without a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Nothing works.
    Always,
    /// What is named is left out, except in CI, where nothing is.
    For(&'static str),
}

/// One thing that must be there.
struct Piece {
    name: &'static str,
    need: Need,
    /// How a person gets it.
    advice: &'static str,
    present: fn() -> bool,
    install: Option<fn(&Progress) -> Result<()>>,
}

const PIECES: &[Piece] = &[
    Piece {
        name: "C compiler",
        need: Need::Always,
        advice: "install gcc or clang, so that `cc` is found",
        present: || places::on_path("cc").is_some(),
        install: None,
    },
    Piece {
        name: "Rust component rustfmt",
        need: Need::Always,
        advice: "rustup component add rustfmt",
        present: || process::ask("cargo", &["fmt", "--version"]).is_some(),
        install: Some(|progress| rustup(progress, &["component", "add", "rustfmt"])),
    },
    Piece {
        name: "Rust component clippy",
        need: Need::Always,
        advice: "rustup component add clippy",
        present: || process::ask("cargo", &["clippy", "--version"]).is_some(),
        install: Some(|progress| rustup(progress, &["component", "add", "clippy"])),
    },
    Piece {
        name: "Rust target wasm32-wasip2",
        need: Need::Always,
        advice: "rustup target add wasm32-wasip2",
        present: has_wasm_target,
        install: Some(|progress| rustup(progress, &["target", "add", WASM_TARGET])),
    },
    Piece {
        name: "docker-registry",
        need: Need::For("tests of Debian's own registry"),
        advice: "apt-get install docker-registry",
        present: || places::on_path("docker-registry").is_some(),
        install: Some(|progress| apt(progress, "docker-registry")),
    },
    Piece {
        name: "skopeo",
        need: Need::For("pushes by a real client"),
        advice: "apt-get install skopeo",
        present: || places::on_path("skopeo").is_some(),
        install: Some(|progress| apt(progress, "skopeo")),
    },
    Piece {
        name: "schemathesis",
        need: Need::For("API fuzzing"),
        advice: "install Python 3 with venv, then run `cargo dev setup` again",
        present: || schemathesis().is_some_and(|program| program.is_file()),
        install: Some(|progress| python_environment(progress, SCHEMATHESIS)),
    },
    Piece {
        name: "ministack",
        need: Need::For("tests on DynamoDB's, SQS's and S3's stand-in"),
        advice: "install Python 3 with venv, then run `cargo dev setup` again",
        present: || places::python(MINISTACK).is_ok_and(|folder| folder.join("bin/ministack").is_file()),
        install: Some(|progress| python_environment(progress, MINISTACK)),
    },
    Piece {
        name: "JDK 17",
        need: Need::Always,
        advice: "apt-get install default-jdk-headless, or any JDK of 17 or later",
        present: oracle::has_java,
        install: Some(|progress| apt(progress, "default-jdk-headless")),
    },
    Piece {
        name: "Maven",
        need: Need::Always,
        advice: "apt-get install maven",
        present: || places::on_path("mvn").is_some(),
        install: Some(|progress| apt(progress, "maven")),
    },
    Piece {
        name: "real evaluator of expressions",
        need: Need::Always,
        advice: "run `cargo dev setup` again once JDK and Maven are there",
        present: || oracle::built().is_some(),
        install: Some(|progress| oracle::build(progress).map(drop)),
    },
    Piece {
        name: "Go 1.26",
        need: Need::Always,
        advice: "install Go 1.26 or later from your package manager or go.dev",
        present: || cluster::go().is_some(),
        install: None,
    },
    Piece {
        name: "control plane",
        need: Need::Always,
        advice: "cargo dev cluster build",
        present: || cluster::built().is_some(),
        install: Some(|progress| cluster::build(progress).map(drop)),
    },
];

/// Where the API fuzzer is once it is installed.
pub(crate) fn schemathesis() -> Option<PathBuf> {
    Some(places::python(SCHEMATHESIS).ok()?.join("bin/schemathesis"))
}

/// What became of one piece.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: &'static str,
    pub(crate) state: &'static str,
    pub(crate) advice: &'static str,
    /// What is left out without it; `None` when nothing works without it.
    pub(crate) only_for: Option<&'static str>,
}

impl Found {
    pub(crate) fn missing(&self) -> bool {
        self.state == "missing"
    }
}

pub(crate) fn run(json: bool) -> Result<ExitCode> {
    let found = ensure(&Progress::new());
    if json {
        let pieces: Vec<Value> =
            found.iter().map(|piece| json!({ "name": piece.name, "state": piece.state, "advice": piece.advice })).collect();
        println!("{}", json!({ "pieces": pieces, "complete": !found.iter().any(Found::missing) }));
    } else {
        for piece in &found {
            println!("{:10} {}", piece.state, piece.name);
            if piece.missing() {
                println!("           {}", piece.advice);
            }
        }
    }
    Ok(if found.iter().any(Found::missing) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Looks for every piece and installs what it may. Doing it twice changes nothing.
pub(crate) fn ensure(progress: &Progress) -> Vec<Found> {
    PIECES.iter().map(|piece| ensure_one(progress, piece)).collect()
}

/// An error that lists what is missing, or the pieces without which something is left out.
pub(crate) fn ensure_enough(progress: &Progress) -> Result<Vec<Found>> {
    let strict = std::env::var_os("CI").is_some();
    let missing: Vec<Found> = ensure(progress).into_iter().filter(Found::missing).collect();
    let fatal: Vec<String> = missing
        .iter()
        .filter(|piece| strict || piece.only_for.is_none())
        .map(|piece| format!("\n  {}: {}", piece.name, piece.advice))
        .collect();
    if fatal.is_empty() { Ok(missing) } else { Err(Error::new(format!("missing:{}", fatal.concat()))) }
}

/// The pieces `cargo dev up` stands on; the control plane only when it is to be started. A small registry replaces
/// Debian's where that is missing.
pub(crate) fn ensure_for_up(progress: &Progress, with_control_plane: bool) -> Result<()> {
    let mut wanted = vec!["C compiler", "Rust target wasm32-wasip2", "docker-registry", "skopeo"];
    if with_control_plane {
        wanted.extend(["Go 1.26", "control plane"]);
    }
    for piece in PIECES.iter().filter(|piece| wanted.contains(&piece.name)) {
        let found = ensure_one(progress, piece);
        if found.missing() && found.only_for.is_none() {
            return Err(Error::new(format!("{} is missing: {}", found.name, found.advice)));
        }
    }
    Ok(())
}

fn ensure_one(progress: &Progress, piece: &Piece) -> Found {
    let state = if (piece.present)() {
        "present"
    } else {
        if let Some(Err(error)) = piece.install.map(|install| install(progress)) {
            progress.note(&format!("cannot install {}: {error}", piece.name));
        }
        if (piece.present)() { "installed" } else { "missing" }
    };
    let only_for = match piece.need {
        Need::Always => None,
        Need::For(what) => Some(what),
    };
    Found { name: piece.name, state, advice: piece.advice, only_for }
}

fn has_wasm_target() -> bool {
    let sysroot = process::ask("rustc", &["--print", "sysroot"]).unwrap_or_default();
    PathBuf::from(sysroot).join("lib/rustlib").join(WASM_TARGET).is_dir()
}

fn rustup(progress: &Progress, arguments: &[&str]) -> Result<()> {
    process::must(progress, &format!("rustup {}", arguments.join(" ")), Command::new("rustup").args(arguments)).map(drop)
}

/// Only root may, and only where there is apt.
fn apt(progress: &Progress, package: &str) -> Result<()> {
    if process::ask("id", &["-u"]).as_deref() != Some("0") || places::on_path("apt-get").is_none() {
        return Err(Error::new("this needs root and apt-get"));
    }
    let step = format!("apt-get install {package}");
    let get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        // RUNLEVEL keeps the package from starting a service: we start our own, on 127.0.0.1 only.
        command.args(["-qq", "-o", "DPkg::Lock::Timeout=120"]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        command
    };
    let install = ["install", "--yes", "--no-install-recommends", package];
    if process::run(progress, &step, &mut get(&install))?.ok {
        return Ok(());
    }
    process::must(progress, "apt-get update", &mut get(&["update"]))?;
    process::must(progress, &step, &mut get(&install)).map(drop)
}

fn python_environment(progress: &Progress, requirement: &str) -> Result<()> {
    let folder = places::python(requirement)?;
    let python = places::on_path("python3").ok_or_else(|| Error::new("python3 is not installed"))?;
    process::must(progress, "make a Python environment", Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement.trim()]);
    process::must(progress, &format!("install {}", requirement.trim()), &mut pip).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(present: fn() -> bool, install: Option<fn(&Progress) -> Result<()>>) -> Piece {
        Piece { name: "thing", need: Need::For("something"), advice: "get it", present, install }
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let found = ensure_one(&Progress::new(), &piece(|| true, Some(|_| Err(Error::new("touched")))));
        assert_eq!(found.state, "present");
    }

    #[test]
    fn what_cannot_be_installed_is_missing() {
        let found = ensure_one(&Progress::new(), &piece(|| false, Some(|_| Err(Error::new("no right")))));
        assert!(found.missing());
        assert!(ensure_one(&Progress::new(), &piece(|| false, None)).missing());
    }
}
