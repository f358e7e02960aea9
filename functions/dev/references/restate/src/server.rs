//! The server: a child on a fresh folder, with its own settings but for where it listens and what it says to whom.

use crate::Failure;
use crate::load::{call, connect};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

const READY: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    node: SocketAddr,
    admin: SocketAddr,
    pub(crate) ingress: SocketAddr,
}

/// Free ports of loopback: all held at once, so that they differ, then let go.
pub(crate) fn free<const N: usize>() -> Result<[SocketAddr; N], Failure> {
    let held: Vec<TcpListener> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    addresses.try_into().map_err(|_| "not as many ports as asked for".into())
}

impl Server {
    pub(crate) async fn start(program: &str, folder: &Path) -> Result<Self, Failure> {
        let [node, admin, ingress] = free()?;
        let log = std::fs::File::create(folder.join("server.log"))?;
        let child = Command::new(program)
            .arg("--no-logo")
            // Left to itself it listens on every interface, and reports home.
            .env("RESTATE_LISTEN_MODE", "tcp")
            .env("RESTATE_BIND_ADDRESS", node.to_string())
            .env("RESTATE_ADMIN__BIND_ADDRESS", admin.to_string())
            .env("RESTATE_INGRESS__BIND_ADDRESS", ingress.to_string())
            .env("RESTATE_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "1")
            .env("RESTATE_BASE_DIR", folder.join("restate"))
            .env("RESTATE_NODE_NAME", "reference")
            .env("RESTATE_LOG_FILTER", "warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let mut server = Self { child, node, admin, ingress };
        server.retry(|server| (server.admin, "GET", "/health", String::new())).await?;
        server.retry(|server| (server.ingress, "GET", "/restate/health", String::new())).await?;
        Ok(server)
    }

    /// Tells it where the handler is.
    pub(crate) async fn register(&mut self, handler: SocketAddr) -> Result<(), Failure> {
        let body = json!({"uri": format!("http://{handler}")}).to_string();
        self.retry(|server| (server.admin, "POST", "/deployments", body.clone())).await
    }

    /// Asks until it answers well.
    async fn retry(&mut self, ask: impl Fn(&Self) -> (SocketAddr, &'static str, &'static str, String)) -> Result<(), Failure> {
        let end = Instant::now() + READY;
        loop {
            let (address, method, path, body) = ask(self);
            let answered = async { call(&mut connect(address).await?, address, method, path, &body).await };
            let error = match answered.await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            if Instant::now() > end {
                return Err(format!("the server is not ready: {error}").into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How often it has synced its log, by its own count.
    pub(crate) async fn log_syncs(&self) -> Option<u64> {
        let text = call(&mut connect(self.node).await.ok()?, self.node, "GET", "/metrics", "").await.ok()?;
        let of_log = |line: &&str| line.starts_with("restate_rocksdb_wal_synced_total{") && line.contains("db=\"log-server\"");
        text.lines().find(of_log)?.rsplit_once(' ')?.1.parse().ok()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }
}
