//! Links to API servers: one client a connection, built from the connection alone, kept a while, and every request
//! bounded in time and size. It never reads a file of credentials, an environment variable or a proxy setting, runs
//! nothing, and never retries by itself.

use crate::discovery::KindCache;
use crate::errors;
use crate::kubeconfig::pem;
use crate::written::Written;
use app::ports::ClusterError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt as _;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::{Body, ClientBuilder};
use model::account::{ClusterConnection, ClusterCredentials};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Largest answer read whole.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Largest error answer read.
const REFUSAL_BYTES_MAX: usize = 256 << 10;
/// Most links kept; the one unused for longest goes first.
const LINKS_MAX: usize = 64;

const JSON: &str = "application/json";

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// TCP and TLS.
    pub connect_ms_max: u64,
    /// A whole answer, or the head of one that streams.
    pub request_ms_max: u64,
    /// The first pause before a watch that failed is opened again; it doubles from failure to failure.
    pub watch_pause_ms_min: u64,
    /// The longest such pause.
    pub watch_pause_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect_ms_max: 5_000, request_ms_max: 30_000, watch_pause_ms_min: 100, watch_pause_ms_max: 10_000 }
    }
}

/// One request, relative to the API server's address.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) accept: &'static str,
    /// Content type and content.
    pub(crate) body: Option<(&'static str, &'a Value)>,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(path: String) -> Self {
        Self { method: Method::GET, path, accept: JSON, body: None }
    }

    pub(crate) fn post(path: String, body: &'a Value) -> Self {
        Self { method: Method::POST, path, accept: JSON, body: Some((JSON, body)) }
    }

    pub(crate) fn patch(path: String, kind: &'static str, body: &'a Value) -> Self {
        Self { method: Method::PATCH, path, accept: JSON, body: Some((kind, body)) }
    }

    pub(crate) fn accepting(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    fn into_request(self) -> Result<Request<Body>, ClusterError> {
        let mut request = Request::builder().method(self.method).uri(self.path).header(ACCEPT, self.accept);
        let mut bytes = Vec::new();
        if let Some((kind, value)) = self.body {
            request = request.header(CONTENT_TYPE, kind);
            bytes = serde_json::to_vec(value).map_err(|error| ClusterError::Invalid(error.to_string()))?;
        }
        request.body(Body::from(bytes)).map_err(|error| ClusterError::Invalid(error.to_string()))
    }
}

/// A client for one connection, and what was learned through it.
pub(crate) struct Link {
    client: kube::Client,
    /// For messages.
    server: String,
    pub(crate) limits: Limits,
    pub(crate) kinds: KindCache,
    pub(crate) written: Written,
}

impl Link {
    /// Sends, and reads the answer whole: HTTP status and JSON.
    pub(crate) async fn json(&self, ask: Ask<'_>) -> Result<(u16, Value), ClusterError> {
        self.in_time(async {
            let answer = self.send(ask).await?;
            let status = answer.status().as_u16();
            let bytes = self.read(answer.into_body(), ANSWER_BYTES_MAX).await?;
            let value = serde_json::from_slice(&bytes).map_err(|_| ClusterError::Unreachable {
                code: "server-error",
                message: format!("{} answered with something else than JSON; is it a Kubernetes API server?", self.server),
            })?;
            Ok((status, value))
        })
        .await
    }

    /// Sends, and gives back the answer's body as it comes; only its head is bounded in time.
    pub(crate) async fn stream(&self, ask: Ask<'_>) -> Result<Response<Body>, ClusterError> {
        self.in_time(self.send(ask)).await
    }

    /// Sends, and reads text until it has `bytes_max` bytes.
    pub(crate) async fn text(&self, ask: Ask<'_>, bytes_max: usize) -> Result<Vec<u8>, ClusterError> {
        self.in_time(async {
            let mut stream = self.send(ask).await?.into_body().into_data_stream();
            let mut bytes = Vec::new();
            while bytes.len() < bytes_max
                && let Some(chunk) = stream.try_next().await.map_err(|error| errors::transport(&self.server, &error))?
            {
                bytes.extend_from_slice(&chunk);
            }
            bytes.truncate(bytes_max);
            Ok(bytes)
        })
        .await
    }

    /// For messages: where this leads.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, ClusterError>>) -> Result<T, ClusterError> {
        let limit_ms = self.limits.request_ms_max;
        timeout(Duration::from_millis(limit_ms), work).await.unwrap_or_else(|_| Err(errors::timed_out(&self.server, limit_ms)))
    }

    async fn send(&self, ask: Ask<'_>) -> Result<Response<Body>, ClusterError> {
        let answer = self.client.send(ask.into_request()?).await.map_err(|error| errors::transport(&self.server, &error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = match self.read(answer.into_body(), REFUSAL_BYTES_MAX).await {
            Ok(body) => body,
            Err(ClusterError::TooLarge(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        Err(errors::refusal(status, retry_after.as_deref(), &body))
    }

    async fn read(&self, body: Body, bytes_max: usize) -> Result<Vec<u8>, ClusterError> {
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.try_next().await.map_err(|error| errors::transport(&self.server, &error))? {
            if bytes.len() + chunk.len() > bytes_max {
                return Err(ClusterError::TooLarge(bytes_max as u64));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

struct Kept {
    link: Arc<Link>,
    used: Instant,
}

/// The links in use, by a digest of their connection: no secret is kept as a key.
#[derive(Default)]
pub(crate) struct Links {
    limits: Limits,
    kept: Mutex<HashMap<[u8; 32], Kept>>,
}

impl Links {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, kept: Mutex::default() }
    }

    /// The link for a connection, made if there is none. Must be called within a tokio runtime.
    pub(crate) fn to(&self, at: &ClusterConnection) -> Result<Arc<Link>, ClusterError> {
        let digest = digest(at);
        if let Some(kept) = self.lock().get_mut(&digest) {
            kept.used = Instant::now();
            return Ok(Arc::clone(&kept.link));
        }
        let link = Arc::new(Link {
            client: client(at, &self.limits)?,
            server: at.server.clone(),
            limits: self.limits,
            kinds: KindCache::default(),
            written: Written::default(),
        });
        let mut kept = self.lock();
        if kept.len() >= LINKS_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, kept)| kept.used).map(|(digest, _)| *digest)
        {
            kept.remove(&oldest);
        }
        kept.insert(digest, Kept { link: Arc::clone(&link), used: Instant::now() });
        Ok(link)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }
}

/// Each part with its length before it, so that no two connections look the same.
fn digest(at: &ClusterConnection) -> [u8; 32] {
    let insecure = if at.insecure_skip_tls_verify { "1" } else { "0" };
    let mut parts = vec![at.server.as_str(), insecure];
    for optional in [&at.ca_pem, &at.tls_server_name] {
        parts.extend([if optional.is_some() { "1" } else { "0" }, optional.as_deref().unwrap_or_default()]);
    }
    match &at.credentials {
        ClusterCredentials::Token(token) => parts.extend(["token", token]),
        ClusterCredentials::Certificate { certificate_pem, key_pem } => parts.extend(["certificate", certificate_pem, key_pem]),
    }
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

fn client(at: &ClusterConnection, limits: &Limits) -> Result<kube::Client, ClusterError> {
    let unusable = |what: &str| ClusterError::Invalid(format!("the account's connection cannot be used: {what}"));
    let url = at.server.parse().map_err(|_| unusable("its address is not a URL"))?;
    let mut config = kube::Config::new(url);
    config.connect_timeout = Some(Duration::from_millis(limits.connect_ms_max));
    config.write_timeout = Some(Duration::from_millis(limits.request_ms_max));
    // Its own retries would wait for minutes; when to come back is the caller's to decide.
    config.default_retry = false;
    config.accept_invalid_certs = at.insecure_skip_tls_verify;
    config.tls_server_name.clone_from(&at.tls_server_name);
    config.headers.push((USER_AGENT, HeaderValue::from_static(concat!("waybill/", env!("CARGO_PKG_VERSION")))));
    if let Some(authority) = &at.ca_pem {
        let found = pem::certificates(authority).map_err(|why| unusable(&format!("its certificate authority {why}")))?;
        config.root_cert = Some(found.into_iter().map(|der| der.to_vec()).collect());
    }
    match &at.credentials {
        ClusterCredentials::Token(token) => {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| unusable("its token holds characters no token has"))?;
            value.set_sensitive(true);
            config.headers.push((AUTHORIZATION, value));
        }
        ClusterCredentials::Certificate { certificate_pem, key_pem } => {
            // The key goes first and the certificate right behind it.
            config.auth_info.client_certificate_data = Some(STANDARD.encode(certificate_pem));
            config.auth_info.client_key_data = Some(STANDARD.encode(format!("{}\n", key_pem.trim_end())).into());
        }
    }
    let builder = ClientBuilder::try_from(config).map_err(|error| unusable(&unbuilt(&error)))?;
    Ok(builder.build())
}

/// Why a client could not be built, without what it was built from.
fn unbuilt(error: &kube::Error) -> String {
    match error {
        kube::Error::RustlsTls(tls) => tls.to_string(),
        _ => "its certificate or key cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(server: &str, token: &str) -> ClusterConnection {
        ClusterConnection {
            server: server.to_owned(),
            ca_pem: None,
            insecure_skip_tls_verify: false,
            tls_server_name: None,
            credentials: ClusterCredentials::Token(token.to_owned()),
        }
    }

    #[test]
    fn digests_tell_connections_apart() {
        let one = connection("https://a", "bc");
        assert_eq!(digest(&one), digest(&one.clone()));
        let mut others = vec![connection("https://ab", "c"), connection("https://a", "bcd")];
        others.push(ClusterConnection { insecure_skip_tls_verify: true, ..one.clone() });
        others.push(ClusterConnection { ca_pem: Some(String::new()), ..one.clone() });
        others.push(ClusterConnection { tls_server_name: Some(String::new()), ..one.clone() });
        let certificate = ClusterCredentials::Certificate { certificate_pem: "bc".into(), key_pem: String::new() };
        others.push(ClusterConnection { credentials: certificate, ..one.clone() });
        let mut digests: Vec<_> = others.iter().chain([&one]).map(digest).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), others.len() + 1);
    }

    #[tokio::test]
    async fn links_are_kept_and_bounded() {
        crate::crypto();
        let links = Links::default();
        let first = links.to(&connection("http://127.0.0.1:1", "a")).unwrap();
        assert!(Arc::ptr_eq(&first, &links.to(&connection("http://127.0.0.1:1", "a")).unwrap()));
        for number in 0..LINKS_MAX + 5 {
            links.to(&connection("http://127.0.0.1:1", &number.to_string())).unwrap();
        }
        assert_eq!(links.len(), LINKS_MAX);
        assert!(!Arc::ptr_eq(&first, &links.to(&connection("http://127.0.0.1:1", "a")).unwrap()), "the oldest went");
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_named_without_its_content() {
        crate::crypto();
        let links = Links::default();
        let mut bad = connection("https://a", "s3cret\n");
        let error = links.to(&bad).err().unwrap();
        assert!(!error.to_string().contains("s3cret") && error.to_string().contains("token"), "{error}");
        bad.credentials = ClusterCredentials::Certificate { certificate_pem: "s3cret".into(), key_pem: "s3cret".into() };
        let error = links.to(&bad).err().unwrap();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
