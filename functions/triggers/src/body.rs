//! Reads a body of strangers: bounded in size and in time.

use axum::body::Body;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use std::time::Duration;

/// How much more is read and thrown away of a body that is too large, so that its sender gets to read the answer.
const THROWN_AWAY_BYTES_MAX: usize = 8 << 20;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    TooSlow,
    Broken,
}

/// The whole body, if it is not larger than that and comes within that time.
pub(crate) async fn read(headers: &HeaderMap, body: Body, bytes_max: usize, read_ms_max: u64) -> Result<Vec<u8>, BodyError> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    let all = collect(body, bytes_max, said);
    tokio::time::timeout(Duration::from_millis(read_ms_max), all).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(mut body: Body, bytes_max: usize, said: Option<usize>) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    let mut too_large = said.is_some_and(|said| said > bytes_max);
    if said.is_some_and(|said| said > bytes_max + THROWN_AWAY_BYTES_MAX) {
        return Err(BodyError::TooLarge);
    }
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if too_large || seen > bytes_max {
            too_large = true;
            bytes = Vec::new();
            if seen > bytes_max + THROWN_AWAY_BYTES_MAX {
                return Err(BodyError::TooLarge);
            }
        } else {
            bytes.extend_from_slice(&data);
        }
    }
    if too_large { Err(BodyError::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    async fn run(body: Vec<u8>, said: Option<&'static str>) -> Result<Vec<u8>, BodyError> {
        let mut headers = HeaderMap::new();
        if let Some(said) = said {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static(said));
        }
        read(&headers, Body::from(body), 10, 10_000).await
    }

    #[tokio::test]
    async fn the_bound_holds_whatever_is_said() {
        assert_eq!(run(vec![1; 10], None).await, Ok(vec![1; 10]));
        assert_eq!(run(vec![1; 11], None).await, Err(BodyError::TooLarge));
        assert_eq!(run(vec![1; 11], Some("5")).await, Err(BodyError::TooLarge), "a length is only a word");
        assert_eq!(run(vec![1; 5], Some("11")).await, Err(BodyError::TooLarge));
        assert_eq!(run(vec![1; 5], Some("99999999999")).await, Err(BodyError::TooLarge));
        assert_eq!(run(vec![1; THROWN_AWAY_BYTES_MAX + 11], None).await, Err(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let endless = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        assert_eq!(read(&HeaderMap::new(), endless, 10, 1).await, Err(BodyError::TooSlow));
    }
}
