//! Versions in headers: `ETag` out, `If-Match` and `If-None-Match` in. A version is a number, and a strong tag.

use crate::json::Json;
use app::expect::Expect;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use utoipa::IntoParams;

/// Tags of one header: anything, or versions. A tag that is none of ours matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    Any,
    Of(Vec<u64>),
}

/// What the request says of versions.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// `If-Match` and `If-None-Match` of a change, for the OpenAPI document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatch {
    /// The version the change is based on, as `ETag` gave it; `*` for whichever there is.
    #[param(rename = "If-Match")]
    #[serde(rename = "If-Match")]
    pub if_match: Option<String>,
    /// `*`: only make it, do not change it.
    #[param(rename = "If-None-Match")]
    #[serde(rename = "If-None-Match")]
    pub if_none_match: Option<String>,
}

/// `If-None-Match` of a read, for the OpenAPI document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatch {
    /// Versions that the caller has already, as `ETag` gave them.
    #[param(rename = "If-None-Match")]
    #[serde(rename = "If-None-Match")]
    pub if_none_match: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self {
            if_match: tags(&parts.headers, &header::IF_MATCH, false),
            if_none_match: tags(&parts.headers, &header::IF_NONE_MATCH, true),
        })
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName, weak: bool) -> Option<Tags> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let mut versions = Vec::new();
    for part in values.flat_map(|value| value.to_str().unwrap_or_default().split(',')).map(str::trim) {
        if part == "*" {
            return Some(Tags::Any);
        }
        let part = if weak { part.strip_prefix("W/").unwrap_or(part) } else { part };
        let inner = part.strip_prefix('"').and_then(|p| p.strip_suffix('"'));
        versions.extend(inner.and_then(|text| text.parse::<u64>().ok()));
    }
    Some(Tags::Of(versions))
}

fn tag(version: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

impl Conditions {
    /// What a change expects of the version.
    #[must_use]
    pub fn expect(&self) -> Expect {
        match (&self.if_match, &self.if_none_match) {
            (Some(Tags::Any), _) => Expect::Present,
            (Some(Tags::Of(versions)), _) => Expect::Versions(versions.clone()),
            (None, Some(Tags::Any)) => Expect::Absent,
            (None, _) => Expect::Nothing,
        }
    }

    /// The answer to a read: 304 when the caller has this version already.
    pub fn answer<T: Serialize>(&self, version: u64, body: T) -> Response {
        let known = match &self.if_none_match {
            Some(Tags::Any) => true,
            Some(Tags::Of(versions)) => versions.contains(&version),
            None => false,
        };
        if known {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag(version))]).into_response();
        }
        ([(header::ETAG, tag(version))], Json(body)).into_response()
    }
}

/// The answer to making something: where it is, which version it has, and what it is.
pub fn created<T: Serialize>(location: &str, version: u64, body: T) -> Response {
    let mut response = (StatusCode::CREATED, [(header::ETAG, tag(version))], Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    async fn conditions(headers: &[(&str, &str)]) -> Conditions {
        let mut builder = Request::builder();
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        Conditions::from_request_parts(&mut parts, &()).await.unwrap()
    }

    #[tokio::test]
    async fn headers_become_expectations() {
        let expect = |headers: &'static [(&str, &str)]| async { conditions(headers).await.expect() };
        assert_eq!(expect(&[]).await, Expect::Nothing);
        assert_eq!(expect(&[("if-match", "*")]).await, Expect::Present);
        assert_eq!(expect(&[("if-match", "\"3\", \"4\"")]).await, Expect::Versions(vec![3, 4]));
        assert_eq!(expect(&[("if-match", "\"3\""), ("if-match", "\"4\"")]).await, Expect::Versions(vec![3, 4]));
        assert_eq!(expect(&[("if-match", "W/\"3\"")]).await, Expect::Versions(vec![]), "a weak tag matches nothing");
        assert_eq!(expect(&[("if-match", "rubbish")]).await, Expect::Versions(vec![]));
        assert_eq!(expect(&[("if-none-match", "*")]).await, Expect::Absent);
        assert_eq!(expect(&[("if-none-match", "\"3\"")]).await, Expect::Nothing);
    }

    #[tokio::test]
    async fn a_known_version_is_not_sent_again() {
        let status = |headers: &'static [(&str, &str)]| async { conditions(headers).await.answer(3, "body").status().as_u16() };
        assert_eq!(status(&[]).await, 200);
        assert_eq!(status(&[("if-none-match", "\"2\"")]).await, 200);
        assert_eq!(status(&[("if-none-match", "\"2\", W/\"3\"")]).await, 304);
        assert_eq!(status(&[("if-none-match", "*")]).await, 304);
    }
}
