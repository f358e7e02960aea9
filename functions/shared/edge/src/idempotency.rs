//! The `Idempotency-Key` header of requests that make something.

use crate::problem::Problem;
use app::idempotency::is_key;
use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;

/// The key, if the caller gave one.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    /// The key as text.
    #[must_use]
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// The header, for the OpenAPI document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyParam {
    /// The same key again within a day answers as the first time and does nothing: letters, digits, dashes, underscores.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 63, pattern = "^[A-Za-z0-9_-]+$")]
    #[serde(rename = "Idempotency-Key")]
    pub key: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        // The header is defined as a quoted string; most callers leave the quotes out.
        let text = value.to_str().unwrap_or_default().trim().trim_matches('"');
        if values.next().is_some() || !is_key(text) {
            let message = "an Idempotency-Key is 1 to 63 letters, digits, dashes or underscores, given once";
            return Err(Problem::invalid("", "idempotency-key-invalid", message));
        }
        Ok(Self(Some(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    async fn key(values: &[&str]) -> Result<Option<String>, u16> {
        let mut builder = Request::builder();
        for value in values {
            builder = builder.header("Idempotency-Key", *value);
        }
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        IdempotencyKey::from_request_parts(&mut parts, &()).await.map(|k| k.0).map_err(|p| p.status)
    }

    #[tokio::test]
    async fn keys_are_checked() {
        assert_eq!(key(&[]).await, Ok(None));
        assert_eq!(key(&["a-1_B"]).await, Ok(Some("a-1_B".to_owned())));
        assert_eq!(key(&["\"a\""]).await, Ok(Some("a".to_owned())));
        for bad in [&["a b"][..], &[""], &["a", "a"], &[&"x".repeat(64)]] {
            assert_eq!(key(bad).await, Err(422), "{bad:?}");
        }
    }
}
