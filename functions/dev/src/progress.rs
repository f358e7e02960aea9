//! What a person sees while something long runs: one changing line on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const WIDTH_MAX: usize = 100;

/// Writes to standard error; standard output is for figures.
#[derive(Debug)]
pub(crate) struct Progress {
    live: bool,
}

impl Progress {
    /// Live on a terminal, plain in CI and in files.
    pub(crate) fn new() -> Self {
        let ci = std::env::var_os("CI").is_some();
        Self { live: std::io::stderr().is_terminal() && !ci }
    }

    /// A step begins.
    pub(crate) fn begin(&self, name: &str) {
        if !self.live {
            eprintln!("==> {name}");
        }
    }

    /// A line of output came, or time passed.
    pub(crate) fn tick(&self, name: &str, since: Instant, line: Option<&str>, last: &str) {
        if self.live {
            let text = format!("{name}  {:.0} s  {}", since.elapsed().as_secs_f32(), last.trim());
            let text: String = text.chars().filter(|c| !c.is_control()).take(WIDTH_MAX).collect();
            eprint!("\r\x1b[2K{text}");
            let _ = std::io::stderr().flush();
        } else if let Some(line) = line {
            eprintln!("{line}");
        }
    }

    /// A step ended. What it said is shown now when it failed and was not shown before.
    pub(crate) fn end(&self, name: &str, took: Duration, outcome: Result<(), &str>, said: &[String]) {
        if self.live {
            eprint!("\r\x1b[2K");
            if outcome.is_err() {
                said.iter().for_each(|line| eprintln!("{line}"));
            }
        }
        let seconds = took.as_secs_f32();
        match outcome {
            Ok(()) => eprintln!("ok    {name}  {seconds:.1} s"),
            Err(why) => eprintln!("FAIL  {name}  {seconds:.1} s  {why}"),
        }
    }

    /// Something that is worth a line of its own.
    pub(crate) fn note(&self, text: &str) {
        if self.live {
            eprint!("\r\x1b[2K");
        }
        eprintln!("{text}");
    }
}
