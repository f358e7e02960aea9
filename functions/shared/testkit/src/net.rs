//! Free ports, plain HTTP clients, and servers for one test.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::{Error, Result};

/// Below the range from which Linux takes the ports of outgoing connections, so that none is taken between our look
/// and the bind of the process it is for.
const FIRST: u32 = 15_000;
const COUNT: u32 = 17_000;

/// A port of 127.0.0.1 nobody listens on. Successive calls give different ports, and processes start at different ones.
///
/// # Errors
/// [`Error::Missing`] when none is free.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // The multiplier spreads neighbouring process ids over the range.
        let offset = std::process::id().wrapping_mul(7919).wrapping_add(step) % COUNT;
        let Ok(port) = u16::try_from(FIRST + offset) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::Missing { what: "a free port".into(), advice: "end what listens on ports 15000 to 32000".into() })
}

/// A client for local servers: no proxy, no redirects, no connection kept (a pooled one would belong to the runtime of
/// another test), 30 seconds at most. `ca_pem` is the only authority it trusts.
///
/// # Errors
/// [`Error::Http`] or [`Error::Invalid`] when the authority is not a certificate.
pub fn client(ca_pem: Option<&str>) -> Result<reqwest::Client> {
    // A second installation is refused, which is fine: some provider is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(30));
    let authorities = ca_pem.map(|pem| reqwest::Certificate::from_pem_bundle(pem.as_bytes())).transpose()?.unwrap_or_default();
    // Text without a certificate in it would be a client that trusts nobody.
    if ca_pem.is_some() && authorities.is_empty() {
        return Err(Error::Invalid("the authority holds no certificate".into()));
    }
    builder = builder.tls_certs_only(authorities);
    Ok(builder.build()?)
}

/// A server of this process. It ends when dropped.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Serves `router` on a free port of 127.0.0.1, for as long as the runtime of the caller lives.
    ///
    /// # Errors
    /// [`Error::Io`] when nothing can be bound.
    pub async fn start(router: axum::Router) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io("127.0.0.1"))?;
        let address = listener.local_addr().map_err(Error::io("127.0.0.1"))?;
        let task = tokio::spawn(async move {
            // It only ends with an error of the listener, which the next request of the test meets.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and then `path`, which starts with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_free() {
        let (one, other) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(one, other);
        TcpListener::bind((Ipv4Addr::LOCALHOST, one)).unwrap();
    }

    #[test]
    fn an_authority_that_is_none_is_refused() {
        assert!(client(Some("no certificate")).is_err());
    }
}
