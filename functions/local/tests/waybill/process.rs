//! The command as a child process, and a server among its children.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const READY_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(60);

/// The command, with nothing of this environment that could steer it.
pub(crate) fn waybill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waybill"));
    for name in ["AWS_PROFILE", "WAYBILL_SERVER", "WAYBILL_TOKEN", "WAYBILL_TOKEN_FILE", "WAYBILL_COMPONENTS", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What a call of the command said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Its JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It went well.
    pub(crate) fn fine(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// Calls the command as a client of a server.
pub(crate) async fn call(server: &str, token: &str, words: &[&str]) -> Said {
    let output = waybill().args(words).env("WAYBILL_SERVER", server).env("WAYBILL_TOKEN", token).output().await.unwrap();
    Said::of(output)
}

/// Calls the command with nothing but its words.
pub(crate) async fn bare(words: &[&str]) -> Said {
    Said::of(waybill().args(words).output().await.unwrap())
}

/// A running `waybill serve`. It ends with this value, or is ended.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) token: String,
    data: PathBuf,
}

impl Server {
    /// Starts one on a folder, and returns when it serves.
    pub(crate) async fn start(data: &Path, components: &Path) -> Self {
        Self::start_with(data, components, &[]).await
    }

    pub(crate) async fn start_with(data: &Path, components: &Path, more: &[&str]) -> Self {
        let mut command = waybill();
        command.arg("serve").arg("--data").arg(data).arg("--components").arg(components);
        command.args(["--listen", "127.0.0.1:0", "--end-with-stdin"]).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(READY_MAX, lines.next_line()).await.unwrap().unwrap();
        let url = line.as_deref().and_then(|line| line.strip_prefix("listening on ")).unwrap().to_owned();
        let token = std::fs::read_to_string(data.join("admin-token")).unwrap_or_default().trim().to_owned();
        Self { child, url, token, data: data.to_owned() }
    }

    /// Calls the client as the administrator.
    pub(crate) async fn call(&self, words: &[&str]) -> Said {
        call(&self.url, &self.token, words).await
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Sends a signal.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
    }

    /// Waits for its end, its input closed; gives its exit code, none when a signal ended it.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        tokio::time::timeout(END_MAX, self.child.wait()).await.unwrap().unwrap().code()
    }

    /// Tells it to stop by the end of its input, and waits for that.
    pub(crate) async fn stop(mut self) {
        drop(self.child.stdin.take());
        assert_eq!(self.ended().await, Some(0));
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// A folder of components without any.
pub(crate) fn no_components() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.json"), "[]").unwrap();
    folder
}
