//! One request and its whole answer, bounded. Holds the HTTP clients; knows nothing of log-ins.

use super::RegistryLimits;
use super::fault;
use app::ports::RegistryError;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::redirect::{Attempt, Policy};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// Most clients that are kept: one for plain HTTP, one for the public authorities, one for each other authority.
const CLIENTS_MAX: usize = 64;
/// Most redirects within one host.
const REDIRECTS_MAX: usize = 3;
const IDLE_MS_MAX: u64 = 30_000;
const USER_AGENT: &str = concat!("waybill/", env!("CARGO_PKG_VERSION"));

/// A request.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: &'static [&'static str],
    /// `Authorization`, marked sensitive.
    pub(super) login: Option<HeaderValue>,
    pub(super) bytes_max: usize,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Which authorities a client trusts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Trust {
    /// None: plain HTTP needs none, and looking for them fails where a system has none.
    Nobody,
    Public,
    /// Only this one, by its digest.
    Only([u8; 32]),
}

/// The clients, by what they trust.
#[derive(Debug)]
pub(super) struct Transport {
    clients: Mutex<HashMap<Trust, reqwest::Client>>,
    limits: RegistryLimits,
}

impl Transport {
    pub(super) fn new(limits: RegistryLimits) -> Self {
        Self { clients: Mutex::default(), limits }
    }

    /// Sends and reads the whole answer. `ca_pem` replaces the public authorities.
    pub(super) async fn send(&self, call: &Call, ca_pem: Option<&str>) -> Result<Answer, RegistryError> {
        let client = self.client(call.url.scheme() == "https", ca_pem)?;
        let host = place(&call.url);
        let mut request = client.request(call.method.clone(), call.url.clone()).header(header::ACCEPT, call.accept.join(", "));
        if let Some(login) = &call.login {
            request = request.header(header::AUTHORIZATION, login.clone());
        }
        let response = request.send().await.map_err(|error| fault::in_words(&error, &host))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = if call.method == Method::HEAD { Vec::new() } else { read(response, call.bytes_max, &host).await? };
        Ok(Answer { status, headers, body })
    }

    fn client(&self, tls: bool, ca_pem: Option<&str>) -> Result<reqwest::Client, RegistryError> {
        let trust = match ca_pem {
            _ if !tls => Trust::Nobody,
            None => Trust::Public,
            Some(pem) => Trust::Only(Sha256::digest(pem.as_bytes()).into()),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&trust) {
            return Ok(client.clone());
        }
        let client = build(&trust, ca_pem, self.limits)?;
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(trust, client.clone());
        Ok(client)
    }
}

fn build(trust: &Trust, ca_pem: Option<&str>, limits: RegistryLimits) -> Result<reqwest::Client, RegistryError> {
    // Refused when another part has installed it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::custom(same_origin))
        .connect_timeout(Duration::from_millis(limits.connect_ms_max))
        .timeout(Duration::from_millis(limits.total_ms_max))
        .pool_idle_timeout(Duration::from_millis(IDLE_MS_MAX))
        .user_agent(USER_AGENT);
    let unreadable = || RegistryError::Unavailable("the account's certificate authority cannot be read".to_owned());
    builder = match (trust, ca_pem) {
        (Trust::Public, _) => builder,
        (Trust::Only(_), Some(pem)) => {
            let authorities = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| unreadable())?;
            if authorities.is_empty() {
                return Err(unreadable());
            }
            builder.tls_certs_only(authorities)
        }
        (Trust::Nobody | Trust::Only(_), _) => builder.tls_certs_only([]),
    };
    builder.build().map_err(|_| match trust {
        Trust::Only(_) => unreadable(),
        Trust::Nobody | Trust::Public => {
            RegistryError::Unavailable("this machine has no certificate authorities to check against".to_owned())
        }
    })
}

/// Follows a redirect only where the credentials were meant to go.
fn same_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let stays = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
    if stays && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
}

async fn read(mut response: reqwest::Response, bytes_max: usize, host: &str) -> Result<Vec<u8>, RegistryError> {
    let too_large = || RegistryError::Protocol(format!("{host} answers with more than {bytes_max} bytes"));
    if response.content_length().is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault::in_words(&error, host))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// `host[:port]`, for messages.
pub(super) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
