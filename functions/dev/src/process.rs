//! Running other programs, with what they say turned into progress.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::places;
use crate::progress::Progress;

const TICK: Duration = Duration::from_millis(200);
/// What is kept of a program's output: its end.
const LINES_MAX: usize = 20_000;
/// What is shown of it after a failure on a terminal.
const LINES_SHOWN: usize = 200;

/// What became of a step.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ok: bool,
    pub(crate) took: Duration,
    /// The output, both streams as they came.
    pub(crate) lines: Vec<String>,
}

/// Cargo, in the root of the checkout, building into the folder that outlives it.
pub(crate) fn cargo(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(places::root()).env("CARGO_TARGET_DIR", places::target()?);
    // What the cargo that runs us set is about us. Build scripts that look at such variables (ring's) would run again.
    for (name, _) in std::env::vars_os().filter(|(name, _)| about_us(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    Ok(command)
}

fn about_us(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// Runs a program to its end as the step `name`. A program that cannot be started is an error; one that fails is not.
pub(crate) fn run(progress: &Progress, name: &str, command: &mut Command) -> Result<Outcome> {
    progress.begin(name);
    let start = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Error::at(&program))?;
    let (sender, receiver) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|stream| Box::new(stream) as _), child.stderr.take().map(|stream| Box::new(stream) as _)];
    for stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        std::thread::spawn(move || forward(stream, &sender));
    }
    drop(sender);
    let mut lines: Vec<String> = Vec::new();
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(line) => {
                progress.tick(name, start, Some(&line), &line);
                if lines.len() >= LINES_MAX {
                    lines.drain(..LINES_MAX / 2);
                }
                lines.push(line);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => progress.tick(name, start, None, lines.last().map_or("", String::as_str)),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().map_err(Error::at(&program))?;
    let took = start.elapsed();
    let why = status.to_string();
    let shown = lines.get(lines.len().saturating_sub(LINES_SHOWN)..).unwrap_or_default();
    progress.end(name, took, if status.success() { Ok(()) } else { Err(&why) }, shown);
    Ok(Outcome { ok: status.success(), took, lines })
}

/// As [`run`]; a failure is an error that names the step.
pub(crate) fn must(progress: &Progress, name: &str, command: &mut Command) -> Result<Outcome> {
    let outcome = run(progress, name, command)?;
    if outcome.ok { Ok(outcome) } else { Err(Error::new(format!("{name} failed"))) }
}

fn forward(stream: impl Read, sender: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if sender.send(line).is_err() {
            return;
        }
        bytes.clear();
    }
}

/// What a quick program prints, or `None` when it fails or is not there.
pub(crate) fn ask(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).current_dir(places::root()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether the process is there and is called so.
pub(crate) fn is_running(pid: u32, name: &str) -> bool {
    let words = std::fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).unwrap_or_default();
    let first = words.split(|byte| *byte == 0).next().unwrap_or_default();
    Path::new(&*String::from_utf8_lossy(first)).ends_with(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Outcome {
        run(&Progress::new(), "shell", Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn only_what_is_about_this_package_is_kept_from_cargo() {
        assert!(about_us("CARGO_PKG_VERSION") && about_us("CARGO_MANIFEST_LINKS"));
        assert!(!about_us("CARGO_HOME") && !about_us("CARGO_TARGET_DIR") && !about_us("CARGO_NET_OFFLINE"));
    }

    #[test]
    fn both_streams_are_kept() {
        let outcome = shell("echo one; echo two >&2");
        let mut lines = outcome.lines;
        lines.sort();
        assert!(outcome.ok);
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_failure_is_no_error_unless_it_must_not_be() {
        assert!(!shell("exit 3").ok);
        let error = must(&Progress::new(), "build", Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "build failed");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&Progress::new(), "x", &mut Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"));
        assert_eq!(ask("no-such-program", &[]), None);
    }

    #[test]
    fn a_process_is_known_by_its_name() {
        assert!(!is_running(std::process::id(), "testbed"));
        let name = std::env::current_exe().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(is_running(std::process::id(), &name));
    }
}
