//! A child process that ends with us, however we end, without `unsafe`.
//!
//! The parent-death signal of Linux needs a call between fork and exec, which Rust counts as unsafe, and it fires when
//! the *thread* that forked ends, which in a test is at once. A pipe has neither trouble: we hold the writing end of the
//! child's standard input, the kernel closes it when this process is gone, and the child ends when it reads the end. The
//! control plane's parts do that by themselves; other programs get a small shell between.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// What `functions/dev/cluster/main.go` looks at.
const LEASH: &str = "WAYBILL_END_WITH_STDIN";
/// Ends the program when standard input ends, and ends itself, with the same status, when the program does.
const KEEPER: &str = r#"exec 3<&0; "$@" </dev/null 3<&- & part=$!; { cat <&3 >/dev/null; kill -KILL "$part"; } 2>/dev/null & wait "$part""#;
const STOP_MAX: Duration = Duration::from_secs(5);
const TAIL_LINES: usize = 12;

/// A running child. Dropping it ends the process and waits for that.
#[derive(Debug)]
pub(crate) struct Part {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    log: PathBuf,
}

impl Part {
    /// Starts a program that watches its standard input itself.
    pub(crate) fn leashed(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        command.env(LEASH, "1");
        Self::spawn(name, command, log)
    }

    /// Starts any program, with a shell that does the watching.
    pub(crate) fn kept(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            keeper.current_dir(folder);
        }
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => keeper.env(key, value),
                None => keeper.env_remove(key),
            };
        }
        Self::spawn(name, keeper, log)
    }

    fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::create(log).map_err(Error::io(log))?;
        let errors = output.try_clone().map_err(Error::io(log))?;
        // A group of its own: Ctrl-C on the terminal is for whoever uses the part, who then ends it in order.
        command.stdin(Stdio::piped()).stdout(output).stderr(errors).process_group(0);
        let mut child = command.spawn().map_err(|error| Error::start(name, error.to_string()))?;
        let stdin = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, stdin, log: log.to_path_buf() })
    }

    /// An error with the end of its log when the process is no longer there.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Error::start(&self.name, format!("ended with {status}\n{}", self.log_tail()))),
            Err(error) => Err(Error::start(&self.name, error.to_string())),
        }
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(TAIL_LINES).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Asks it to end, without waiting: several parts end side by side that way.
    pub(crate) fn ask_to_end(&mut self) {
        self.stdin = None;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.ask_to_end();
        let start = Instant::now();
        while start.elapsed() < STOP_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        (folder, log)
    }

    #[test]
    fn a_kept_program_ends_when_the_part_is_dropped() {
        let (folder, log) = log();
        let pid_file = folder.path().join("pid");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo $$ > \"$0\"; exec tail -f /dev/null"]).arg(&pid_file);
        let part = Part::kept("sleeper", &command, &log).unwrap();
        let start = Instant::now();
        let pid = loop {
            match fs::read_to_string(&pid_file) {
                Ok(text) if text.ends_with('\n') => break text.trim().to_owned(),
                _ => assert!(start.elapsed() < STOP_MAX, "the program never ran"),
            }
            std::thread::yield_now();
        };
        let process = PathBuf::from(format!("/proc/{pid}"));
        assert!(process.exists());
        drop(part);
        let gone = || fs::read_to_string(process.join("stat")).map_or(true, |stat| stat.contains(") Z "));
        while !gone() {
            assert!(start.elapsed() < STOP_MAX, "the program outlived the part");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_program_that_ends_is_reported_with_its_log_and_status() {
        let (_folder, log) = log();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo out of luck; exit 3"]);
        let mut part = Part::kept("unlucky", &command, &log).unwrap();
        let start = Instant::now();
        let text = loop {
            match part.check() {
                Err(error) => break error.to_string(),
                Ok(()) => assert!(start.elapsed() < STOP_MAX),
            }
            std::thread::yield_now();
        };
        assert!(text.contains("unlucky") && text.contains("out of luck") && text.contains('3'), "{text}");
    }
}
