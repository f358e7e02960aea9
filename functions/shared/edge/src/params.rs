//! What stands in the address: names, queries, pages. A name that cannot be one is a thing that is not there.

use crate::problem::Problem;
use app::paging::{ENTRIES_A_PAGE_MAX, PageRequest};
use axum::extract::{FromRequestParts, Path, Query};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

/// Names in the path.
#[derive(Debug, Clone)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(value) = Path::<T>::from_request_parts(parts, state).await.map_err(|rejection| {
            Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is nothing at this address: {}", rejection.body_text()))
        })?;
        Ok(Self(value))
    }
}

/// The query.
#[derive(Debug, Clone)]
pub struct Search<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Search<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(value)| Self(value)).map_err(|rejection| Problem::invalid("", "query-invalid", rejection.body_text()))
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Most entries of the page.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u16>,
    /// `next` of the page before.
    #[param(max_length = 2048, pattern = "^[A-Za-z0-9_-]*$")]
    pub after: Option<String>,
}

impl PageParams {
    /// The page they ask for; fails when there is no such page.
    pub fn request(&self) -> Result<PageRequest, Problem> {
        page_request(self.limit, self.after.as_deref())
    }
}

const CURSOR_BYTES_MAX: usize = 2_048;

/// The page that a limit and a cursor ask for.
pub fn page_request(limit: Option<u16>, after: Option<&str>) -> Result<PageRequest, Problem> {
    let limit = usize::from(limit.unwrap_or(ENTRIES_A_PAGE_MAX as u16));
    if limit == 0 || limit > ENTRIES_A_PAGE_MAX {
        return Err(Problem::invalid("", "limit-invalid", format!("`limit` is 1 to {ENTRIES_A_PAGE_MAX}")));
    }
    let bad = || Problem::invalid("", "cursor-invalid", "`after` is `next` of the page before, as it was given");
    let after = match after.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) if text.len() > CURSOR_BYTES_MAX => return Err(bad()),
        Some(text) => Some(String::from_utf8(URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?).map_err(|_| bad())?),
    };
    Ok(PageRequest { after, limit })
}

/// A cursor as it travels.
pub(crate) fn cursor(next: &str) -> String {
    URL_SAFE_NO_PAD.encode(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        let page = page_request(Some(7), Some(&cursor("PIPE#ü"))).unwrap();
        assert_eq!((page.limit, page.after.as_deref()), (7, Some("PIPE#ü")));
        assert_eq!(page_request(None, None).unwrap().limit, 100);
        assert_eq!(page_request(None, Some("")).unwrap().after, None);
    }

    #[test]
    fn bad_pages_are_refused() {
        for (limit, after) in [(Some(0), None), (Some(101), None), (None, Some("!")), (None, Some("_w"))] {
            assert_eq!(page_request(limit, after).unwrap_err().status, 422, "{limit:?} {after:?}");
        }
        assert_eq!(page_request(None, Some(&"x".repeat(3_000))).unwrap_err().status, 422);
    }
}
