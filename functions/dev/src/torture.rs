//! `cargo dev torture`: the crash test of the black-box tests, with as many kills as somebody has time for. It only builds
//! what that stands on and runs it; the work, and the table at its end, are the test's.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{cluster, places, plugins, process};

/// One feature set for everything, as in `cargo dev test`.
const TARGETS: [&str; 4] = ["--lib", "--bins", "--test", "torture"];
const KILLS: u32 = 50;

/// Where to deploy to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// A playground, in a process of its own.
    #[default]
    Playground,
    /// The real control plane with simulated nodes.
    Real,
    /// The current context of a kubeconfig.
    Kubeconfig(PathBuf),
}

impl Cluster {
    pub(crate) fn parse(word: OsString) -> Self {
        match word.to_str() {
            Some("playground") => Self::Playground,
            Some("real") => Self::Real,
            _ => Self::Kubeconfig(word.into()),
        }
    }
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) kills: u32,
    pub(crate) seed: u64,
    pub(crate) cluster: Cluster,
}

impl Default for Options {
    fn default() -> Self {
        Self { kills: KILLS, seed: 1, cluster: Cluster::Playground }
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let progress = Progress::new();
    if options.cluster == Cluster::Real {
        cluster::build(&progress)?;
    }
    plugins::build(&progress)?;
    process::must(&progress, "build", &mut process::cargo(["build", "--quiet"].iter().chain(&TARGETS))?)?;
    let status = command(options)?.status().map_err(Error::at("cargo"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn command(options: &Options) -> Result<Command> {
    let mut command = process::cargo(["test", "--quiet"].iter().chain(&TARGETS).chain(&["--", "--nocapture", "killed_at_random"]))?;
    command.env("WAYBILL_BIN", places::programs()?).env("WAYBILL_COMPONENTS", places::components()?);
    command.env("WAYBILL_TORTURE_KILLS", options.kills.to_string()).env("WAYBILL_TORTURE_SEED", options.seed.to_string());
    match &options.cluster {
        Cluster::Playground => command.env("WAYBILL_TORTURE_CLUSTER", "playground"),
        Cluster::Real => command.env("WAYBILL_TORTURE_CLUSTER", "real"),
        Cluster::Kubeconfig(path) => command.env("WAYBILL_TORTURE_CLUSTER", std::path::absolute(path).map_err(Error::at(path))?),
    };
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_is_told_by_its_environment() {
        let told = |options: &Options, name: &str| {
            let command = command(options).unwrap();
            let found = command.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
            found.map(|value| value.to_string_lossy().into_owned())
        };
        let real = Options { kills: 7, cluster: Cluster::Real, ..Options::default() };
        assert_eq!(told(&real, "WAYBILL_TORTURE_KILLS").as_deref(), Some("7"));
        assert_eq!(told(&real, "WAYBILL_TORTURE_CLUSTER").as_deref(), Some("real"));
        let own = Options { cluster: Cluster::parse("some/file".into()), ..real };
        assert!(told(&own, "WAYBILL_TORTURE_CLUSTER").unwrap().ends_with("/some/file"));
    }
}
