//! `cargo dev up`: builds everything, then hands over to `testbed`, which starts what the story needs around it and runs
//! the story itself, `waybill demo`, in the foreground.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::{places, plugins, process, setup};

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// A cluster of the caller's own: kubeconfig and context. Then none is started.
    pub(crate) cluster: Option<(OsString, OsString)>,
    /// Handed to `waybill demo` as they are, `--exit` among them.
    pub(crate) rest: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let progress = Progress::new();
    setup::ensure_for_up(&progress, options.cluster.is_none())?;
    plugins::build(&progress)?;
    process::must(&progress, "build", &mut process::cargo(["build", "--quiet", "--bins"])?)?;
    let mut command = Command::new(places::programs()?.join("testbed"));
    command.args(words(options)?);
    // From here on it is testbed that Ctrl-C and the exit status belong to.
    Err(Error::at("testbed")(command.exec()))
}

fn words(options: &Options) -> Result<Vec<OsString>> {
    let mut words: Vec<OsString> = Vec::new();
    let (kubeconfig, context) = match &options.cluster {
        Some((kubeconfig, context)) => {
            words.push("--no-control-plane".into());
            (kubeconfig.clone(), context.clone())
        }
        None => ("{kubeconfig}".into(), "{context}".into()),
    };
    words.extend(["--".into(), places::programs()?.join("waybill").into(), "demo".into()]);
    words.extend(["--kubeconfig".into(), kubeconfig, "--context".into(), context]);
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
        let own = Options { cluster: Some(("file".into(), "prod".into())), rest: vec!["--exit".into()] };
        let words = words(&own).unwrap();
        assert_eq!(words.first().unwrap(), "--no-control-plane");
        assert!(words.contains(&"prod".into()) && words.last().unwrap() == "--exit");
    }

    #[test]
    fn else_testbed_fills_in_its_own() {
        let words = words(&Options::default()).unwrap();
        assert!(words.contains(&"{kubeconfig}".into()) && words.contains(&"{registry}".into()));
    }
}
