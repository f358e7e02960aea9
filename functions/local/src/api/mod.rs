//! The client of Waybill's own HTTP API, which is the only thing the commands use. It speaks to no other server.

mod hold;
mod problem;

pub(crate) use hold::{Held, Patience, Topics};
pub(crate) use problem::Problem;

use crate::failure::Failure;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use url::Url;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longer than the longest hold of the server.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A server, and who we are to it.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

/// What is asked of the version that is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Nothing.
    Nothing,
    /// It must not exist.
    Absent,
    /// It must have this ETag.
    Tag(String),
}

/// What the server answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The version, where there is one.
    pub(crate) tag: Option<String>,
    /// The body; null when it is empty.
    pub(crate) body: Value,
    /// The same as it came, for numbers whose spelling matters.
    pub(crate) text: String,
}

/// A request that is about to be made.
pub(crate) struct Call<'a> {
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'a str, String)>,
    body: Option<String>,
    headers: HeaderMap,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &[&'a str]) -> Self {
        Self { method, path: path.to_vec(), query: Vec::new(), body: None, headers: HeaderMap::new() }
    }

    /// Reads something.
    pub(crate) fn get(path: &[&'a str]) -> Self {
        Self::new(Method::GET, path)
    }

    /// Makes something or asks for something to be done.
    pub(crate) fn post(path: &[&'a str], body: &Value) -> Self {
        Self::post_text(path, body.to_string())
    }

    /// The same with a body that is JSON already.
    pub(crate) fn post_text(path: &[&'a str], body: String) -> Self {
        let mut call = Self::new(Method::POST, path);
        call.body = Some(body);
        call
    }

    /// Asks for something to be done that needs no words.
    pub(crate) fn post_empty(path: &[&'a str]) -> Self {
        Self::new(Method::POST, path)
    }

    /// Puts something in its place.
    pub(crate) fn put(path: &[&'a str], body: &Value) -> Self {
        Self::put_text(path, body.to_string())
    }

    /// The same with a body that is JSON already.
    pub(crate) fn put_text(path: &[&'a str], body: String) -> Self {
        let mut call = Self::new(Method::PUT, path);
        call.body = Some(body);
        call
    }

    /// Puts something in its place that needs no words.
    pub(crate) fn put_empty(path: &[&'a str]) -> Self {
        Self::new(Method::PUT, path)
    }

    /// Removes something.
    pub(crate) fn delete(path: &[&'a str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// With a field of the query; left out when there is no value.
    pub(crate) fn query(mut self, name: &'a str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// On a condition.
    pub(crate) fn expect(self, expect: &Expect) -> Self {
        match expect {
            Expect::Nothing => self,
            Expect::Absent => self.header(IF_NONE_MATCH, "*"),
            Expect::Tag(tag) => self.header(IF_MATCH, tag),
        }
    }

    /// So that a repeat does nothing twice.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header(HeaderName::from_static("idempotency-key"), key)
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        // A value that no header can hold is left out; the server then asks for it.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl Api {
    /// A client of the server at this address. A token never leaves for another host: redirects are not followed.
    pub(crate) fn new(server: &str, token: Option<&str>) -> Result<Self, Failure> {
        let usage = |message: String| Failure::Usage(format!("{server} is not the address of a server: {message}"));
        let base = Url::parse(server).map_err(|error| usage(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(usage("it must begin with http:// or https://".to_owned()));
        }
        let authorization = token.map(bearer).transpose()?;
        boot::install_crypto();
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT_MAX).timeout(ANSWER_MAX);
        builder = builder.redirect(reqwest::redirect::Policy::none());
        if base.host_str().is_some_and(is_loopback) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Failure::Server(format!("no HTTP client: {}", causes(&error))))?;
        Ok(Self { http, base, authorization })
    }

    /// The same server, as somebody else.
    pub(crate) fn with_token(&self, token: &str) -> Result<Self, Failure> {
        Ok(Self { authorization: Some(bearer(token)?), ..self.clone() })
    }

    /// The server's address without a slash at its end.
    pub(crate) fn base(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Where a path of the API is.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Makes a request.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let mut url = self.url(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        let mut request = self.http.request(call.method.clone(), url.clone()).headers(call.headers);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let shown = url.to_string();
        let unreachable = |error: reqwest::Error| Failure::Unreachable { url: shown.clone(), message: causes(&error) };
        let response = request.send().await.map_err(unreachable)?;
        read(response, &shown).await
    }

    /// Reads something that may not be there.
    pub(crate) async fn find(&self, path: &[&str]) -> Result<Option<Answer>, Failure> {
        match self.send(Call::get(path)).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.status() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

async fn read(mut response: reqwest::Response, url: &str) -> Result<Answer, Failure> {
    let not_understood = |message: String| Failure::NotUnderstood { url: url.to_owned(), message };
    let status = response.status();
    let tag = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut bytes = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| Failure::Unreachable { url: url.to_owned(), message: causes(&error) })?;
        let Some(chunk) = chunk else { break };
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(not_understood(format!("more than {ANSWER_BYTES_MAX} bytes")));
        }
    }
    let body = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        let body = body.map_err(|error| not_understood(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| not_understood(error.to_string()))?;
        return Ok(Answer { tag, body, text });
    }
    match body {
        Ok(Value::Object(body)) => Err(Failure::Refused(Box::new(Problem::read(status.as_u16(), &Value::Object(body))))),
        _ => Err(not_understood(format!("{status} without a reason; is this a Waybill server?"))),
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    // The text of the error would show the token.
    let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
    let mut value = value.map_err(|_| Failure::Usage("the token holds characters that no token has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What happened, down to the cause; the address is said elsewhere.
fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            // Writing to a String does not fail.
            let _ = write!(text, "{}{cause_text}", if text.is_empty() { "" } else { ": " });
        }
        source = cause.source();
    }
    if text.is_empty() { "no answer in time".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        let api = Api::new("http://127.0.0.1:8484/", None).unwrap();
        assert_eq!(api.url(&["api", "projects", "a/../b c"]).as_str(), "http://127.0.0.1:8484/api/projects/a%2F..%2Fb%20c");
        assert_eq!(Api::new("https://host/waybill", None).unwrap().url(&["healthz"]).as_str(), "https://host/waybill/healthz");
        assert_eq!(api.base(), "http://127.0.0.1:8484");
    }

    #[test]
    fn other_addresses_are_refused() {
        for server in ["127.0.0.1:8484", "file:///etc", "mailto:x"] {
            assert!(matches!(Api::new(server, None), Err(Failure::Usage(_))), "{server}");
        }
        let error = Api::new("http://h", Some("se\ncret")).err().unwrap().to_string();
        assert!(!error.contains("cret"), "{error}");
    }
}
