//! Who calls. Every operation that takes a [`Caller`] is closed to everybody without a valid token.

use crate::assemble::Edge;
use crate::problem::Problem;
use app::identity;
use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use model::person::Principal;

/// The caller, identified by a bearer token.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Edge: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let edge = Edge::from_ref(state);
        let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(refused("token-missing", "say who calls: `Authorization: Bearer <token>`", "Bearer realm=\"waybill\""));
        };
        let invalid = || refused("token-invalid", "this token is not valid", "Bearer realm=\"waybill\", error=\"invalid_token\"");
        let token = value.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or_else(invalid)?;
        let principal = identity::authenticate(edge.table.as_ref(), edge.clock.as_ref(), token.trim()).await?;
        principal.map(Self).ok_or_else(invalid)
    }
}

fn refused(code: &str, detail: &str, challenge: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail).with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
