//! The words after `bench`.

use crate::error::{Error, Result};
use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bench {
    /// One stage after the other.
    Chain,
    /// Many runs at once.
    Throughput,
    /// One, then many, then one.
    Fan,
    /// Lists and starts where very much has ended.
    History,
}

impl Bench {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Throughput => "throughput",
            Self::Fan => "fan",
            Self::History => "history",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        let known = [Self::Chain, Self::Throughput, Self::Fan, Self::History].into_iter().find(|bench| bench.name() == word);
        known.ok_or_else(|| Error::new(format!("there is no bench `{word}`")))
    }
}

/// What to measure, and how much of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) benches: Vec<Bench>,
    /// Where the precompiled components and their index lie.
    pub(crate) components: PathBuf,
    /// An empty folder; the disk under it is what is measured.
    pub(crate) data: PathBuf,
    /// Stages of the chain.
    pub(crate) stages: usize,
    /// Chains, and fans.
    pub(crate) repetitions: usize,
    /// Clients of the throughput.
    pub(crate) clients: usize,
    /// How long they go on.
    pub(crate) time: Duration,
    /// Stages of each of their runs.
    pub(crate) stages_a_run: usize,
    /// Stages side by side in the fan.
    pub(crate) width: usize,
    /// Executions of the history.
    pub(crate) executions: usize,
}

pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Arguments> {
    let mut parser = lexopt::Parser::from_args(words);
    let (mut components, mut data) = (None, None);
    let mut arguments = Arguments {
        benches: Vec::new(),
        components: PathBuf::new(),
        data: PathBuf::new(),
        stages: 100,
        repetitions: 30,
        clients: 64,
        time: Duration::from_secs(30),
        stages_a_run: 10,
        width: 50,
        executions: 100_000,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Value(name) => arguments.benches.push(Bench::parse(&name.string()?)?),
            Long("components") => components = Some(parser.value()?.into()),
            Long("data") => data = Some(parser.value()?.into()),
            Long("stages") => arguments.stages = count(&mut parser)?,
            Long("repetitions") => arguments.repetitions = count(&mut parser)?,
            Long("clients") => arguments.clients = count(&mut parser)?,
            Long("seconds") => arguments.time = Duration::from_secs(u64::try_from(count(&mut parser)?)?),
            Long("stages-a-run") => arguments.stages_a_run = count(&mut parser)?,
            Long("width") => arguments.width = count(&mut parser)?,
            Long("executions") => arguments.executions = count(&mut parser)?,
            other => return Err(other.unexpected().into()),
        }
    }
    arguments.components = components.ok_or_else(|| Error::new("--components is missing"))?;
    arguments.data = data.ok_or_else(|| Error::new("--data is missing"))?;
    if arguments.benches.is_empty() {
        return Err(Error::new("measure what? chain, throughput, fan, history"));
    }
    Ok(arguments)
}

fn count(parser: &mut lexopt::Parser) -> Result<usize> {
    let number: usize = parser.value()?.parse()?;
    if number == 0 { Err(Error::new("a number above zero is needed")) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Arguments> {
        parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let arguments = words("chain fan --components c --data d --stages 7 --seconds 2").unwrap();
        assert_eq!(arguments.benches, [Bench::Chain, Bench::Fan]);
        assert_eq!((arguments.stages, arguments.time, arguments.clients), (7, Duration::from_secs(2), 64));
    }

    #[test]
    fn wrong_words_are_refused() {
        for text in ["", "chain", "chain --data d", "dance --data d --components c", "chain --data d --components c --stages 0"] {
            assert!(words(text).is_err(), "{text}");
        }
    }
}
