//! `cargo dev up`: builds everything, then hands over to `testbed`, which starts what the story needs around it and runs
//! the story itself, `waybill demo`, in the foreground.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{places, plugins, process, setup};

/// What the story runs. The others are not linked; the features are those of the whole workspace all the same.
const PROGRAMS: [&str; 4] = ["--bin", "waybill", "--bin", "testbed"];

/// What the story deploys to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// The playground, in the server's process.
    #[default]
    Playground,
    /// A real control plane with simulated nodes, started for it.
    Real,
    /// One of the caller's own.
    Own {
        /// Its file.
        kubeconfig: OsString,
        /// Which context of it.
        context: OsString,
    },
}

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Where to deploy to.
    pub(crate) cluster: Cluster,
    /// Handed to `waybill demo` as they are, `--exit` among them.
    pub(crate) rest: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let progress = Progress::new();
    setup::ensure_for_up(&progress, options.cluster == Cluster::Real)?;
    plugins::build(&progress)?;
    process::must(&progress, "build", &mut process::cargo(["build", "--quiet"].iter().chain(&PROGRAMS))?)?;
    let mut command = Command::new(places::programs()?.join("testbed"));
    command.args(words(options)?);
    // From here on it is testbed that Ctrl-C and the exit status belong to.
    Err(Error::at("testbed")(command.exec()))
}

fn words(options: &Options) -> Result<Vec<OsString>> {
    let mut words: Vec<OsString> = Vec::new();
    if options.cluster != Cluster::Real {
        words.push("--no-control-plane".into());
    }
    words.extend(["--".into(), places::programs()?.join("waybill").into(), "demo".into()]);
    match &options.cluster {
        Cluster::Playground => words.push("--playground".into()),
        Cluster::Real => words.extend(["--kubeconfig", "{kubeconfig}", "--context", "{context}"].map(OsString::from)),
        Cluster::Own { kubeconfig, context } => {
            words.extend(["--kubeconfig".into(), kubeconfig.clone(), "--context".into(), context.clone()]);
        }
    }
    words.extend(["--registry", "{registry}", "--registry-control", "{control}", "--components"].map(OsString::from));
    words.push(places::components()?.into());
    words.extend(options.rest.iter().cloned());
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_of_ones_own_is_not_started() {
        let cluster = Cluster::Own { kubeconfig: "file".into(), context: "prod".into() };
        let words = words(&Options { cluster, rest: vec!["--exit".into()] }).unwrap();
        assert_eq!(words.first().unwrap(), "--no-control-plane");
        assert!(words.contains(&"prod".into()) && words.last().unwrap() == "--exit");
    }

    #[test]
    fn testbed_fills_in_its_own() {
        let words = words(&Options { cluster: Cluster::Real, rest: Vec::new() }).unwrap();
        assert!(words.contains(&"{kubeconfig}".into()) && words.contains(&"{registry}".into()));
        assert!(!words.contains(&"--no-control-plane".into()));
    }

    #[test]
    fn the_playground_is_what_nobody_has_to_ask_for() {
        let words = words(&Options::default()).unwrap();
        assert_eq!(words.first().unwrap(), "--no-control-plane");
        assert!(words.contains(&"--playground".into()) && words.contains(&"{registry}".into()));
    }
}
