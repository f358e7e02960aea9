//! A `waybill serve` of one test, on a data folder of its own: started, stopped, killed and started again.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::places::{self, Scratch};
use testkit::{eventually, net};
use tokio::process::{Child, Command};

use crate::Api;

const READY_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(30);
const LOG_LINES_SHOWN: usize = 40;

/// The process and its folder. It is killed when dropped; then, in a test that failed, the end of its log is shown.
pub struct Server {
    child: Option<Child>,
    port: u16,
    options: Vec<String>,
    scratch: Scratch,
}

impl Server {
    /// Starts one on an empty folder and returns when it serves.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with further options.
    pub async fn start_with(options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { child: None, port: net::free_port().unwrap(), options, scratch: Scratch::new("blackbox").unwrap() };
        server.start_again().await;
        server
    }

    /// Starts it again on the same folder and the same port.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let (ready, log) = (self.file("ready.json"), self.file("log"));
        let _ = fs::remove_file(&ready);
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(places::binary("waybill").unwrap());
        command.arg("serve").arg("--data").arg(self.file("data")).arg("--listen").arg(format!("127.0.0.1:{}", self.port));
        command.arg("--components").arg(places::components().unwrap()).arg("--ready-file").arg(&ready).args(&self.options);
        command.env_clear().env("RUST_LOG", "info,fjall=warn,lsm_tree=warn").env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let up = eventually("the server", READY_MAX, || {
            let ended = child.try_wait().ok().flatten();
            let there = fs::read_to_string(&ready).ok();
            async move {
                match (ended, there) {
                    (Some(status), _) => Ok(Some(Err(status))),
                    (None, Some(text)) => Ok(Some(Ok(text))),
                    (None, None) => Ok::<_, testkit::Error>(None),
                }
            }
        });
        match up.await {
            Ok(Ok(text)) => assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["url"], self.url()),
            Ok(Err(status)) => panic!("the server ended with {status}:\n{}", self.log()),
            Err(error) => panic!("{error}:\n{}", self.log()),
        }
        self.child = Some(child);
    }

    /// Ends it as a power cut would.
    pub async fn kill(&mut self) {
        self.child.take().expect("it runs").kill().await.unwrap();
    }

    /// Tells it to end, and gives what it ended with.
    pub async fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let told = Command::new("kill").arg("-TERM").arg(child.id().expect("it runs").to_string()).status().await.unwrap();
        assert!(told.success());
        tokio::time::timeout(STOP_MAX, child.wait()).await.expect("it ends when it is told to").unwrap()
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The folder it keeps everything in.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.file("data")
    }

    /// The administrator, by the token in the data folder.
    #[must_use]
    pub fn admin(&self) -> Api {
        let token = fs::read_to_string(self.data().join("admin-token")).expect("the first start leaves a token");
        Api::new(&self.url(), Some(token.trim()))
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.file("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}

impl Drop for Server {
    #[allow(clippy::print_stderr, reason = "a test that failed says why the server thinks so")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("the server's log ends with\n{}", shown.join("\n"));
        }
    }
}
