//! A `waybill playground` of one test: a cluster in memory, in a process of its own, which no kill of the server touches.

use std::process::Stdio;
use std::time::Duration;

use testkit::places::{self, Scratch};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const READY_MAX: Duration = Duration::from_secs(30);

/// The process. It is killed when dropped.
pub struct Playground {
    _child: Child,
    /// How to reach it.
    pub kubeconfig: String,
    _scratch: Scratch,
}

impl Playground {
    /// Starts one, and returns when it listens.
    pub async fn start() -> Self {
        let scratch = Scratch::new("playground").unwrap();
        let file = scratch.path().join("kubeconfig");
        let mut command = Command::new(places::binary("waybill").unwrap());
        command.args(["playground", "--end-with-stdin", "--kubeconfig-out"]).arg(&file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(READY_MAX, said.next_line()).await.expect("it starts").unwrap();
        assert!(line.is_some_and(|line| line.starts_with("listening on")), "the playground did not start");
        Self { _child: child, kubeconfig: std::fs::read_to_string(&file).unwrap(), _scratch: scratch }
    }
}
