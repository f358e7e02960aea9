//! `cargo dev simulate`: the simulation, built fast and with every assertion on, in a profile of its own.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::error::{Error, Result};
use crate::process;

/// What CI examines.
pub(crate) const IN_CI: &[&str] = &["--seeds", "2000"];
/// And what it does to know that the simulation can fail.
pub(crate) const PROOF_IN_CI: &[&str] = &["--prove", "--jobs", "2"];

/// What the program is asked; it knows the words better than we do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) words: Vec<OsString>,
}

impl Options {
    /// Bugs are planted only in a build that is made for it.
    fn plants(&self) -> bool {
        self.words.iter().any(|word| word == "--prove")
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let status = command(options)?.status().map_err(Error::at("cargo"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the program and runs it.
pub(crate) fn command(options: &Options) -> Result<Command> {
    let features: &[&str] = if options.plants() { &["--features", "planted-bugs"] } else { &[] };
    let build = ["run", "--quiet", "--profile", "simulate", "--package", "simulator", "--bin", "simulate"];
    let mut command = process::cargo(build.iter().chain(features).chain(&["--"]))?;
    command.args(&options.words);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let options = Options { words: text.split_whitespace().map(OsString::from).collect() };
        let command = command(&options).unwrap();
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn bugs_are_planted_only_to_prove_something() {
        assert!(words("--prove").contains("--features planted-bugs"));
        assert!(!words("--seeds 5").contains("planted"));
        assert!(words("--seeds 5").ends_with("-- --seeds 5"));
    }
}
