//! The words after `cargo dev`.

use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::prelude::*;

use crate::error::{Error, Result};
use crate::{bench, capacity, cluster, lint, plugins, setup, simulate, test, torture, up};

pub(crate) const USAGE: &str = "\
usage: cargo dev COMMAND

  up [--cluster playground|real | --kubeconfig FILE --context NAME] [--exit] [...]
                        build everything and carry the whole story out, then keep serving (--exit: stop after it), on a
                        playground in the server's process, on a real control plane with simulated nodes, or on a cluster
                        of one's own
  test [--json] [--only STEP]...
                        everything: lints, components, tests on a real control plane and a real registry
  simulate [--seeds N] [--from SEED] [--jobs N] | --seed SEED | --prove | --explain
                        executions under crashes, lost hints and ambiguous commits, thousands of times; --prove plants bugs and
                        looks how many seeds it takes to find each
  lint [--json]         formatting, clippy, rustdoc
  setup [--json]        find what is needed around the checkout, install what may be installed, name the rest
  plugins               build the stage components and precompile them
  cluster build|up|down|status [--json]
                        the real control plane with simulated nodes
  torture [--kills N] [--cluster playground|real|KUBECONFIG] [--seed S]
                        twenty executions at a time behind a cluster that misbehaves, the server killed N times at random
                        moments; then what a client wrote down is compared with what is there
  bench [chain] [throughput] [fan] [history] [expressions] [--reference restate|none] [--json] [--repetitions N] [--clients N]
                        [--seconds N] [--patience SECONDS] [--data DIR]
                        measure the execution path, release build, beside a reference on the same disk (--data says which);
                        with patience each side waits for a quiet machine; expressions stand beside the real evaluator,
                        a history of 100,000 executions beside one of 100
  bench capacity        what each use case asks of DynamoDB, in calls and capacity units
";

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Setup { json: bool },
    Plugins,
    Lint { json: bool },
    Test(test::Options),
    Simulate(simulate::Options),
    Torture(torture::Options),
    Cluster { action: cluster::Action, json: bool },
    Up(up::Options),
    Bench(bench::Options),
    Capacity,
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Help => {
                print!("{USAGE}");
                Ok(ExitCode::SUCCESS)
            }
            Self::Setup { json } => setup::run(json),
            Self::Plugins => plugins::run(),
            Self::Lint { json } => lint::run(json),
            Self::Test(options) => test::run(&options),
            Self::Simulate(options) => simulate::run(&options),
            Self::Torture(options) => torture::run(&options),
            Self::Cluster { action, json } => cluster::run(&action, json),
            Self::Up(options) => up::run(&options),
            Self::Bench(options) => bench::run(&options),
            Self::Capacity => capacity::run(),
        }
    }
}

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let name = match parser.next()? {
        None | Some(Short('h') | Long("help")) => return Ok(Command::Help),
        Some(Value(name)) => name.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    match name.as_str() {
        "help" => Ok(Command::Help),
        "setup" => Ok(Command::Setup { json: only_json(&mut parser)? }),
        "lint" => Ok(Command::Lint { json: only_json(&mut parser)? }),
        "plugins" => match parser.next()? {
            None => Ok(Command::Plugins),
            Some(other) => Err(other.unexpected().into()),
        },
        "test" => parse_test(&mut parser),
        "simulate" => Ok(Command::Simulate(simulate::Options { words: parser.raw_args()?.collect() })),
        "torture" => parse_torture(&mut parser),
        "cluster" => parse_cluster(&mut parser),
        "up" => parse_up(parser.raw_args()?),
        "bench" => parse_bench(&mut parser),
        other => Err(unknown("command", other)),
    }
}

fn unknown(what: &str, word: &str) -> Error {
    Error::new(format!("there is no {what} `{word}`\n\n{USAGE}"))
}

fn only_json(parser: &mut lexopt::Parser) -> Result<bool> {
    let mut json = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(json)
}

fn parse_test(parser: &mut lexopt::Parser) -> Result<Command> {
    let mut options = test::Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => options.json = true,
            Long("only") => options.only.push(parser.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Test(options))
}

fn parse_torture(parser: &mut lexopt::Parser) -> Result<Command> {
    let mut options = torture::Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("kills") => options.kills = parser.value()?.parse()?,
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("cluster") => options.cluster = torture::Cluster::parse(parser.value()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Torture(options))
}

fn parse_cluster(parser: &mut lexopt::Parser) -> Result<Command> {
    let word = match parser.next()? {
        Some(Value(word)) => word.string()?,
        Some(other) => return Err(other.unexpected().into()),
        None => return Err(Error::new(format!("cluster what?\n\n{USAGE}"))),
    };
    let action = match word.as_str() {
        "build" => cluster::Action::Build,
        "up" => cluster::Action::Up,
        "down" => cluster::Action::Down,
        "status" => cluster::Action::Status,
        other => return Err(unknown("action", other)),
    };
    Ok(Command::Cluster { action, json: only_json(parser)? })
}

fn parse_bench(parser: &mut lexopt::Parser) -> Result<Command> {
    let mut options = bench::Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(name) => {
                let name = name.string()?;
                if name == "capacity" && options == bench::Options::default() {
                    return match parser.next()? {
                        None => Ok(Command::Capacity),
                        Some(other) => Err(other.unexpected().into()),
                    };
                }
                let known = bench::BENCHES.into_iter().find(|known| *known == name);
                options.benches.push(known.ok_or_else(|| unknown("bench", &name))?);
            }
            Long("json") => options.json = true,
            Long("reference") => options.reference = bench::Reference::parse(&parser.value()?.string()?)?,
            Long("repetitions") => options.repetitions = parser.value()?.parse()?,
            Long("clients") => options.clients = parser.value()?.parse()?,
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("patience") => options.patience = parser.value()?.parse()?,
            Long("data") => options.data = Some(parser.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.benches.is_empty() {
        options.benches = bench::BENCHES.to_vec();
    }
    Ok(Command::Bench(options))
}

/// Only the words we act on are taken out; the story knows the rest.
fn parse_up(arguments: impl Iterator<Item = OsString>) -> Result<Command> {
    let (mut kubeconfig, mut context, mut cluster, mut rest) = (None, None, None, Vec::new());
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let slot = match argument.to_str() {
            Some("--kubeconfig") => &mut kubeconfig,
            Some("--context") => &mut context,
            Some("--cluster") => &mut cluster,
            _ => {
                rest.push(argument);
                continue;
            }
        };
        *slot = Some(arguments.next().ok_or_else(|| Error::new(format!("{} needs a value", argument.display())))?);
    }
    let cluster = match (kubeconfig, context, cluster.as_ref().map(|word| word.to_str())) {
        (Some(kubeconfig), Some(context), None) => up::Cluster::Own { kubeconfig, context },
        (None, None, None | Some(Some("playground"))) => up::Cluster::Playground,
        (None, None, Some(Some("real"))) => up::Cluster::Real,
        (None, None, Some(word)) => return Err(unknown("cluster", word.unwrap_or_default())),
        (Some(_), Some(_), Some(_)) => return Err(Error::new("--kubeconfig is a cluster already: leave --cluster out")),
        _ => return Err(Error::new("--kubeconfig and --context go together: nobody should deploy to a cluster by default")),
    };
    Ok(Command::Up(up::Options { cluster, rest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Command> {
        parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn commands_are_told_apart() {
        assert_eq!(words("").unwrap(), Command::Help);
        assert_eq!(words("setup --json").unwrap(), Command::Setup { json: true });
        assert_eq!(words("cluster down").unwrap(), Command::Cluster { action: cluster::Action::Down, json: false });
        let options = test::Options { json: true, only: vec!["fmt".into(), "doc".into()] };
        assert_eq!(words("test --only fmt --json --only doc").unwrap(), Command::Test(options));
    }

    #[test]
    fn up_keeps_what_it_does_not_know() {
        let Command::Up(options) = words("up --exit --kubeconfig f --fast --context c").unwrap() else { panic!() };
        assert_eq!(options.cluster, up::Cluster::Own { kubeconfig: "f".into(), context: "c".into() });
        assert_eq!(options.rest, ["--exit", "--fast"]);
        for (text, cluster) in [
            ("up", up::Cluster::Playground),
            ("up --cluster playground", up::Cluster::Playground),
            ("up --cluster real", up::Cluster::Real),
        ] {
            let Command::Up(options) = words(text).unwrap() else { panic!() };
            assert_eq!(options.cluster, cluster, "{text}");
        }
    }

    #[test]
    fn benches_are_named_and_all_of_them_when_none_is() {
        let Command::Bench(options) = words("bench fan chain --reference none --seconds 2").unwrap() else { panic!() };
        assert_eq!((options.benches, options.reference, options.seconds), (vec!["fan", "chain"], bench::Reference::None, 2));
        assert_eq!(words("bench capacity").unwrap(), Command::Capacity);
        assert!(words("bench capacity chain").is_err() && words("bench chain capacity").is_err());
        let Command::Bench(options) = words("bench").unwrap() else { panic!() };
        assert_eq!((options.benches.len(), options.reference, options.clients), (5, bench::Reference::Restate, 64));
    }

    #[test]
    fn the_simulation_knows_its_own_words() {
        let Command::Simulate(options) = words("simulate --seeds 7 --prove").unwrap() else { panic!() };
        assert_eq!(options.words, ["--seeds", "7", "--prove"]);
    }

    #[test]
    fn torture_is_on_a_playground_unless_another_cluster_is_named() {
        let Command::Torture(options) = words("torture --kills 7 --seed 3").unwrap() else { panic!() };
        assert_eq!(options, torture::Options { kills: 7, seed: 3, cluster: torture::Cluster::Playground });
        let Command::Torture(options) = words("torture --cluster file").unwrap() else { panic!() };
        assert_eq!(options.cluster, torture::Cluster::Kubeconfig("file".into()));
    }

    #[test]
    fn wrong_words_are_refused() {
        let wrong = [
            "dance",
            "cluster",
            "cluster dance",
            "setup --xml",
            "plugins now",
            "up --context c",
            "up --kubeconfig",
            "--json",
            "up --cluster",
            "up --cluster toy",
            "up --cluster real --kubeconfig f --context c",
        ];
        let benches = ["bench dance", "bench --reference spinnaker", "bench --clients many", "torture --kills many", "torture now"];
        for text in wrong.into_iter().chain(benches) {
            assert!(words(text).is_err(), "{text}");
        }
    }
}
