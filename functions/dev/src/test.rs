//! `cargo dev test`: everything that can be checked, on the real control plane and the real registry. CI calls this.

use std::process::{Child, Command, ExitCode};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::process::{self, Outcome};
use crate::progress::Progress;
use crate::report::Report;
use crate::{cluster, libtest, lint, oracle, places, plugins, setup, simulate};

/// After the steps of `lint`, in this order.
const STEPS: [&str; 9] = ["simulate", "prove", "plugins", "build", "cluster", "tests", "tests-dev", "tests-stage-types", "doctests"];
/// One feature set for everything: the same packages and targets in every step, or dependencies are built twice.
const TARGETS: [&str; 3] = ["--lib", "--bins", "--tests"];

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) json: bool,
    /// Only these steps, and what they stand on.
    pub(crate) only: Vec<String>,
}

impl Options {
    fn wants(&self, step: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == step)
    }

    /// A step that others stand on is wanted when one of them is.
    fn needs(&self, step: &str) -> bool {
        let below: &[&str] = match step {
            "plugins" => &["tests", "tests-stage-types"],
            "build" => &["cluster", "tests"],
            "cluster" => &["tests"],
            _ => &[],
        };
        self.wants(step) || below.iter().any(|above| self.wants(above))
    }

    fn check(&self) -> Result<()> {
        let known = || lint::STEPS.iter().chain(&STEPS);
        match self.only.iter().find(|only| !known().any(|step| step == *only)) {
            None => Ok(()),
            Some(unknown) => {
                let all: Vec<&str> = known().copied().collect();
                Err(Error::new(format!("there is no step `{unknown}`; there are {}", all.join(", "))))
            }
        }
    }
}

/// The shared control plane; it ends when its standard input is closed.
struct Shared(Child);

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    options.check()?;
    let (progress, mut report) = (Progress::new(), Report::new());
    let start = Instant::now();
    let missing = setup::ensure_enough(&progress)?;
    report.step("setup", true, start.elapsed());
    for piece in missing {
        report.skip(piece.only_for.unwrap_or(piece.name), format!("{} is missing: {}", piece.name, piece.advice));
    }
    for name in lint::STEPS {
        if options.wants(name) {
            let outcome = process::run(&progress, name, &mut lint::command(name)?)?;
            report.step(name, outcome.ok, outcome.took);
        }
    }
    for (name, words) in [("simulate", simulate::IN_CI), ("prove", simulate::PROOF_IN_CI)] {
        if options.wants(name) {
            let words = simulate::Options { words: words.iter().map(Into::into).collect() };
            let outcome = process::run(&progress, name, &mut simulate::command(&words)?)?;
            report.step(name, outcome.ok, outcome.took);
        }
    }
    let built = build(options, &progress, &mut report)?;
    if built {
        tests(options, &progress, &mut report)?;
    } else {
        report.skip("tests", "the build failed");
    }
    report.print(options.json);
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether everything the tests stand on was built.
fn build(options: &Options, progress: &Progress, report: &mut Report) -> Result<bool> {
    let mut built = true;
    if options.needs("plugins") {
        let start = Instant::now();
        let outcome = plugins::build(progress);
        if let Err(error) = &outcome {
            progress.note(&error.to_string());
        }
        built &= outcome.is_ok();
        report.step("plugins", outcome.is_ok(), start.elapsed());
    }
    if options.needs("build") {
        let outcome = process::run(progress, "build", &mut process::cargo(["build", "--quiet"].iter().chain(&TARGETS))?)?;
        built &= outcome.ok;
        report.step("build", outcome.ok, outcome.took);
    }
    Ok(built)
}

fn tests(options: &Options, progress: &Progress, report: &mut Report) -> Result<()> {
    let mut shared = None;
    let mut kubeconfig = String::new();
    if options.needs("cluster") {
        progress.begin("cluster");
        let start = Instant::now();
        let started = cluster::start_for_tests();
        let failure = started.as_ref().err().map(ToString::to_string);
        progress.end("cluster", start.elapsed(), failure.as_deref().map_or(Ok(()), Err), &[]);
        report.step("cluster", started.is_ok(), start.elapsed());
        let Ok((child, whereabouts)) = started else {
            report.skip("tests", "the control plane did not come up");
            return Ok(());
        };
        shared = Some(Shared(child));
        cluster::kubeconfig(&whereabouts).clone_into(&mut kubeconfig);
    }
    let apart = |package| ["test", "--quiet", "--no-fail-fast", "-p", package];
    let steps: [(&str, Vec<&str>); 4] = [
        ("tests", ["test", "--no-fail-fast"].into_iter().chain(TARGETS).collect()),
        ("tests-dev", apart("dev").to_vec()),
        ("tests-stage-types", apart("stage-types").to_vec()),
        ("doctests", vec!["test", "--quiet", "--no-fail-fast", "--doc"]),
    ];
    for (name, arguments) in steps {
        if options.wants(name) {
            let mut command = process::cargo(arguments)?;
            environment(&mut command, &kubeconfig)?;
            let Outcome { ok, took, lines } = process::run(progress, name, &mut command)?;
            report.step(name, ok, took);
            report.tests(libtest::sum(&lines));
        }
    }
    drop(shared);
    Ok(())
}

/// How tests find what was built; `testkit::places` reads it, and the expression crate its own.
fn environment(command: &mut Command, kubeconfig: &str) -> Result<()> {
    command.env("WAYBILL_BIN", places::programs()?).env("WAYBILL_COMPONENTS", places::components()?);
    if let Some(jar) = oracle::built() {
        command.env("WAYBILL_ORACLE", jar);
    }
    if !kubeconfig.is_empty() {
        command.env("WAYBILL_TEST_KUBECONFIG", kubeconfig);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(step: &str) -> Options {
        Options { json: false, only: vec![step.to_owned()] }
    }

    #[test]
    fn a_step_brings_what_it_stands_on() {
        assert!(only("tests").needs("build") && only("tests").needs("cluster") && only("tests").needs("plugins"));
        assert!(!only("fmt").needs("build") && !only("tests").wants("fmt"));
        assert!(Options::default().wants("doctests"));
    }

    #[test]
    fn an_unknown_step_is_refused_with_those_there_are() {
        let text = only("dance").check().unwrap_err().to_string();
        assert!(text.contains("dance") && text.contains("clippy"), "{text}");
        assert!(only("tests").check().is_ok());
    }
}
