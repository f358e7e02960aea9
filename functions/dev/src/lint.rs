//! Formatting, clippy and rustdoc, warnings denied. `stage-types` and `dev` are looked at apart, as they are built.

use std::process::{Command, ExitCode};

use crate::error::Result;
use crate::process;
use crate::progress::Progress;
use crate::report::Report;

/// The names of the steps, in order.
pub(crate) const STEPS: [&str; 5] = ["fmt", "clippy", "clippy-apart", "doc", "doc-apart"];

pub(crate) fn run(json: bool) -> Result<ExitCode> {
    let (progress, mut report) = (Progress::new(), Report::new());
    for name in STEPS {
        let outcome = process::run(&progress, name, &mut command(name)?)?;
        report.step(name, outcome.ok, outcome.took);
    }
    report.print(json);
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn command(step: &str) -> Result<Command> {
    let apart = ["-p", "stage-types", "-p", "dev"];
    let clippy_end = ["--", "-D", "warnings"];
    match step {
        "fmt" => process::cargo(["fmt", "--all", "--check"]),
        "clippy" => process::cargo(["clippy", "--quiet", "--all-targets"].iter().chain(&clippy_end)),
        "clippy-apart" => process::cargo(["clippy", "--quiet", "--all-targets"].iter().chain(&apart).chain(&clippy_end)),
        "doc-apart" => doc(&apart),
        _ => doc(&[]),
    }
}

fn doc(packages: &[&str]) -> Result<Command> {
    let mut command = process::cargo(["doc", "--quiet", "--no-deps"].iter().chain(packages))?;
    command.env("RUSTDOCFLAGS", "-D warnings");
    Ok(command)
}
