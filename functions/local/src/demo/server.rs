//! The server that the story starts for itself: a `waybill serve` of its own, that ends with it however it ends.

use super::Options;
use crate::failure::Failure;
use crate::out;
use crate::session::fresh_key;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const LISTEN: &str = "127.0.0.1:8484";
const ANY_PORT: &str = "127.0.0.1:0";
const READY_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(20);
const TAIL_LINES: usize = 15;

/// A server of our own.
pub(crate) struct Own {
    child: Child,
    /// Its leash: the server ends when this is closed, and so whenever we do. Kept apart from the child, whose `wait`
    /// would close it.
    leash: Option<ChildStdin>,
    /// Kept open: the server would not mind, but a broken pipe looks like trouble in its log.
    _stdout: Lines<BufReader<ChildStdout>>,
    url: String,
    data: PathBuf,
    fleeting: bool,
}

impl Own {
    /// Starts it and returns when it serves.
    pub(super) async fn start(options: &Options) -> Result<Self, Failure> {
        let fleeting = options.data.is_none();
        let data = match &options.data {
            Some(data) => data.clone(),
            None => std::env::temp_dir().join(format!("waybill-demo-{}", fresh_key()?.to_lowercase())),
        };
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&data).map_err(Failure::file(&data))?;
        let usual = if options.exit { ANY_PORT } else { LISTEN };
        let listen = options.listen.map_or_else(|| usual.to_owned(), |listen: SocketAddr| listen.to_string());
        let mut child = spawn(options, &data, &listen)?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::Server("the server has no output".to_owned()))?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = tokio::time::timeout(READY_MAX, lines.next_line()).await;
        let url = match &ready {
            Ok(Ok(Some(line))) => line.strip_prefix("listening on ").map(str::to_owned),
            _ => None,
        };
        let Some(url) = url else {
            // The log may still be written to; ended first, it is whole.
            drop(child.kill().await);
            return Err(Failure::Server(format!(
                "the server did not start; its log, {}, ends with\n{}",
                log(&data).display(),
                tail(&data)
            )));
        };
        let leash = child.stdin.take();
        Ok(Self { child, leash, _stdout: lines, url, data, fleeting })
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.data.join("admin-token")
    }

    /// The kubeconfig of its playground.
    pub(crate) fn playground(&self) -> PathBuf {
        self.data.join("playground.kubeconfig")
    }

    pub(crate) fn log(&self) -> PathBuf {
        log(&self.data)
    }

    /// Says how to look at what there is.
    pub(crate) fn look_around(&self) {
        let program = std::env::current_exe().map_or_else(|_| "waybill".to_owned(), |path| path.display().to_string());
        out::note(&format!(
            "\nThe server goes on at {} until Ctrl-C; its log is {}. In another terminal:\n\
             \n  export WAYBILL_SERVER={} WAYBILL_TOKEN_FILE={}\n  {program} order list cd-demo\n  {program} order show cd-demo 1\n  \
             {program} pipeline show flaskapp deployTesting\n  {program} account cloud list",
            self.url,
            self.log().display(),
            self.url,
            self.token_file().display(),
        ));
    }

    /// Returns at Ctrl-C, or when the server has ended by itself.
    pub(crate) async fn until_interrupted(&mut self) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.child.wait() => out::note(&format!("the server has ended; its log is {}", self.log().display())),
        }
    }

    /// Ends the server in order. Data nobody asked to keep goes when everything went well.
    pub(crate) async fn stop(&mut self, well: bool) {
        drop(self.leash.take());
        if tokio::time::timeout(STOP_MAX, self.child.wait()).await.is_err() {
            out::note("the server does not stop and is ended");
            drop(self.child.kill().await);
        }
        if self.fleeting && well {
            // What cannot be removed is among the temporary files.
            drop(std::fs::remove_dir_all(&self.data));
        } else if self.fleeting {
            out::note(&format!("the server's data and log stay in {}", self.data.display()));
        }
    }
}

fn spawn(options: &Options, data: &Path, listen: &str) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::Server(format!("where is this program? {error}")))?;
    let path = log(data);
    let log = File::options().create(true).append(true).open(&path).map_err(Failure::file(&path))?;
    let mut command = Command::new(&program);
    command.arg("serve").arg("--data").arg(data).args(["--listen", listen, "--end-with-stdin"]);
    if options.playground {
        command.arg("--playground");
    }
    if let Some(components) = &options.components {
        command.arg("--components").arg(components);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    // The log is a file.
    command.env("NO_COLOR", "1");
    // A group of its own: Ctrl-C on the terminal is for the story, which then ends the server in order.
    command.process_group(0);
    command.spawn().map_err(Failure::file(&program))
}

fn log(data: &Path) -> PathBuf {
    data.join("serve.log")
}

fn tail(data: &Path) -> String {
    let text = std::fs::read(log(data)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(TAIL_LINES).collect();
    lines.into_iter().rev().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
