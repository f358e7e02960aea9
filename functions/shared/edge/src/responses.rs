//! The problem answers that kinds of operations can give, for the OpenAPI document.

use crate::problem::{PROBLEM_JSON, Problem};
use std::collections::BTreeMap;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

fn describe(status: u16) -> &'static str {
    match status {
        400 => "The body is not JSON.",
        401 => "No token, or one that is not valid.",
        403 => "The caller may not do this.",
        404 => "There is no such thing, or the caller may not know of it.",
        409 => "The state of things forbids it; `code` says why.",
        412 => "The thing has another version than the change is based on.",
        413 => "The body is too large.",
        415 => "The body is not of the media type application/json.",
        422 => "The request is not valid; `errors` says everything that is wrong, and where.",
        428 => "The thing exists: say with If-Match which version the change is based on.",
        429 => "Too many requests at once; come back after Retry-After.",
        503 => "A part that is needed does not answer; try again after Retry-After.",
        _ => "Something went wrong on our side.",
    }
}

fn response(status: u16) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    let mut builder = ResponseBuilder::new().description(describe(status)).content(PROBLEM_JSON, content);
    let header = match status {
        401 => Some(("WWW-Authenticate", "How to say who calls: a bearer token.")),
        429 | 503 => Some(("Retry-After", "Seconds.")),
        _ => None,
    };
    if let Some((name, what)) = header {
        builder = builder.header(name, HeaderBuilder::new().description(Some(what)).build());
    }
    builder.build()
}

fn responses(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    statuses.iter().map(|status| (status.to_string(), RefOr::T(response(*status)))).collect()
}

macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident = $statuses:expr,)+) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    responses(&$statuses)
                }
            }
        )+
    };
}

sets! {
    /// Of reading a list at an address without names.
    ListProblems = [401, 403, 422, 429, 500, 503],
    /// Of reading what is named in the address.
    ReadProblems = [401, 403, 404, 409, 422, 429, 500, 503],
    /// Of making something.
    CreateProblems = [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503],
    /// Of replacing or making what is named in the address.
    WriteProblems = [400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 429, 500, 503],
    /// Of removing, and of actions without a body.
    DeleteProblems = [401, 403, 404, 409, 412, 422, 429, 500, 503],
}
