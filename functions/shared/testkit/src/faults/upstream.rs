//! The API server behind the proxy: its address and credentials from a kubeconfig, and requests passed on to it as they
//! came, with those credentials in place of the proxy's.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::{Error, Result};

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Of the connection between two programs, not of what is said.
const HOPS: [HeaderName; 7] = [HOST, AUTHORIZATION, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];

/// A way to it.
pub(super) struct Upstream {
    client: reqwest::Client,
    server: String,
    token: Option<String>,
}

// The token stays out of it.
impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Upstream {
    /// From the current context of a kubeconfig.
    pub(super) fn of(kubeconfig: &str) -> Result<Self> {
        // A second installation is refused, which is fine: some provider is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let document: Value = serde_norway::from_str(kubeconfig).map_err(|_| unusable("is neither YAML nor JSON"))?;
        let context = named(&document, "contexts", "context", text(&document, "current-context"))?;
        let cluster = named(&document, "clusters", "cluster", text(context, "cluster"))?;
        let user = named(&document, "users", "user", text(context, "user"))?;
        let server = text(cluster, "server").ok_or_else(|| unusable("names no server"))?.trim_end_matches('/').to_owned();
        let mut builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).connect_timeout(CONNECT_MAX);
        if let Some(pem) = data(cluster, "certificate-authority")? {
            builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?);
        }
        if let (Some(certificate), Some(key)) = (data(user, "client-certificate")?, data(user, "client-key")?) {
            builder = builder.identity(reqwest::Identity::from_pem(&[key, b"\n".to_vec(), certificate].concat())?);
        }
        let token = text(user, "token").map(str::to_owned);
        Ok(Self { client: builder.build()?, server, token })
    }

    /// Passes a request on; its target is path and query.
    pub(super) async fn pass(&self, method: &Method, target: &str, headers: &HeaderMap, body: Bytes) -> Result<reqwest::Response> {
        let mut headers = headers.clone();
        for name in &HOPS {
            headers.remove(name);
        }
        let mut request = self.client.request(method.clone(), format!("{}{target}", self.server)).headers(headers).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Ok(request.send().await?)
    }
}

/// The headers of an answer that are about what is said.
pub(super) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in &HOPS {
        headers.remove(name);
    }
    headers
}

fn unusable(why: &str) -> Error {
    Error::Invalid(format!("the kubeconfig {why}"))
}

fn text<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    of.get(key).and_then(Value::as_str)
}

fn named<'a>(document: &'a Value, list: &str, key: &str, name: Option<&str>) -> Result<&'a Value> {
    let name = name.ok_or_else(|| unusable(&format!("does not say which of its {list} is meant")))?;
    let mut all = document.get(list).and_then(Value::as_array).into_iter().flatten();
    let found = all.find(|one| text(one, "name") == Some(name)).and_then(|one| one.get(key));
    found.ok_or_else(|| unusable(&format!("has no {name:?} among its {list}")))
}

/// Inline data, or what lies in the file that is named.
fn data(of: &Value, key: &str) -> Result<Option<Vec<u8>>> {
    if let Some(text) = text(of, &format!("{key}-data")) {
        return STANDARD.decode(text.trim()).map(Some).map_err(|_| unusable(&format!("has {key}-data that is not base64")));
    }
    match text(of, key).map(Path::new) {
        Some(path) => fs::read(path).map(Some).map_err(Error::io(path)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kubeconfig_lacks_is_named() {
        let whole = r#"{"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1/"}}], "users": [{"name": "u", "user": {"token": "s3cret"}}]}"#;
        let found = Upstream::of(whole).unwrap();
        assert_eq!(found.server, "http://127.0.0.1:1");
        assert!(!format!("{found:?}").contains("s3cret"));
        let cases = [
            ("current-context", "other", "contexts"),
            (r#""name": "c""#, r#""name": "other""#, "clusters"),
            (r#""name": "u""#, r#""name": "other""#, "users"),
            ("server", "other", "no server"),
        ];
        for (cut, put, named) in cases {
            let text = Upstream::of(&whole.replace(cut, put)).unwrap_err().to_string();
            assert!(text.contains(named), "{cut}: {text}");
        }
        let text = Upstream::of("[").unwrap_err().to_string();
        assert!(text.contains("YAML"), "{text}");
    }
}
