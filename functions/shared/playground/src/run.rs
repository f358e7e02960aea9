//! A playground that runs: the socket, and the loop that lets controllers do what is due.

use crate::controllers::Controllers;
use crate::server::Server;
use crate::state::{Clock, Limits, State};
use crate::tls::{self, Listener};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// Longest the controllers are left alone.
const IDLE_MS_MAX: u64 = 60_000;
/// Steps in a row that each change something, before others get their turn.
const STEPS_MAX: u32 = 200;
const BREATH_MS: u64 = 20;
const TOKEN_BYTES: usize = 24;

/// How a playground is started.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where it listens; nothing but loopback is accepted. Port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)) }
    }
}

/// Why a playground does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It would be open to others.
    #[error("the playground listens on this machine only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no randomness for its token, or no certificate can be made.
    #[error("no token or certificate can be made")]
    Credentials,
}

/// A cluster for demonstrations, in this process. It ends when dropped, with everything in it.
pub struct Playground {
    address: SocketAddr,
    token: String,
    ca_pem: String,
    controllers: JoinHandle<()>,
    /// Open for as long as it runs.
    _ended: watch::Sender<()>,
}

// The token stays out of it.
impl std::fmt::Debug for Playground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playground").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Playground {
    /// Starts one, empty but for what every cluster has. It answers at once.
    ///
    /// # Errors
    /// [`Error`] when it cannot listen.
    pub async fn start(options: Options) -> Result<Self, Error> {
        if !options.listen.ip().is_loopback() {
            return Err(Error::NotLoopback(options.listen));
        }
        let failed = |source| Error::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut bytes = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| Error::Credentials)?;
        let token = hex::encode(bytes);
        let identity = tls::identity().ok_or(Error::Credentials)?;
        let mut state = State::new(Clock::system(), Limits::default());
        state.seed();
        let (ended, running) = watch::channel(());
        let server = Server::new(state, &token, running.clone());
        let router = server.router();
        let listener = Listener::new(listener, address, identity.config, running.clone());
        tokio::spawn(async move {
            let mut running = running;
            // The end of the playground is the end of its sender. Failures of single connections are theirs.
            let end = async move { while running.changed().await.is_ok() {} };
            let _ = axum::serve(listener, router).with_graceful_shutdown(end).await;
        });
        Ok(Self { address, token, ca_pem: identity.ca_pem, controllers: tokio::spawn(control(server)), _ended: ended })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn server(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The only token: whoever has it may do everything.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The certificate authority of its server.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A kubeconfig with everything in it, the token too.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let (server, token, ca) = (self.server(), &self.token, STANDARD.encode(&self.ca_pem));
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: playground\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\nusers:\n- name: playground\n  \
             user:\n    token: {token}\ncontexts:\n- name: {CONTEXT}\n  context:\n    cluster: playground\n    user: playground\n\
             current-context: {CONTEXT}\n"
        )
    }
}

/// The one context of its kubeconfig.
pub const CONTEXT: &str = "playground";

impl Drop for Playground {
    fn drop(&mut self) {
        self.controllers.abort();
    }
}

/// Lets the controllers work after every change, and when they want to.
async fn control(server: Arc<Server>) {
    let mut controllers = Controllers::new();
    let mut changes = server.state().changes();
    let mut steps = 0;
    loop {
        changes.mark_unchanged();
        let due_ms = {
            let mut state = server.state();
            let now_ms = (state.clock.0)();
            controllers.step(&mut *state).map(|due| due.saturating_sub(now_ms))
        };
        let due = Instant::now() + Duration::from_millis(due_ms.unwrap_or(IDLE_MS_MAX).clamp(1, IDLE_MS_MAX));
        if changes.has_changed().unwrap_or(false) && steps < STEPS_MAX {
            steps += 1;
            tokio::task::yield_now().await;
            continue;
        }
        if steps >= STEPS_MAX {
            sleep(Duration::from_millis(BREATH_MS)).await;
        }
        steps = 0;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = sleep_until(due) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_answers_over_tls_and_ends_when_dropped() {
        let playground = Playground::start(Options::default()).await.unwrap();
        let client = testkit::net::client(Some(playground.ca_pem())).unwrap();
        let url = format!("{}/api/v1/namespaces", playground.server());
        let answer = client.get(&url).bearer_auth(playground.token()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(client.get(&url).send().await.unwrap().status().as_u16(), 401);
        let text = playground.kubeconfig();
        assert!(text.contains("certificate-authority-data: ") && text.contains(playground.token()));
        assert!(!format!("{playground:?}").contains(playground.token()));
        let mut watch = client.get(format!("{url}?watch=true")).bearer_auth(playground.token()).send().await.unwrap();
        assert!(watch.chunk().await.unwrap().is_some());
        drop(playground);
        while watch.chunk().await.unwrap().is_some() {}
        assert!(client.get(&url).send().await.is_err(), "nobody is there");
    }

    #[tokio::test]
    async fn it_is_for_this_machine_only() {
        let listen = "0.0.0.0:0".parse().unwrap();
        assert!(matches!(Playground::start(Options { listen }).await, Err(Error::NotLoopback(_))));
    }
}
