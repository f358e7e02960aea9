//! What registries call. The answer is 2xx only when every push that fits is stored.

use crate::body::{self, BodyError};
use crate::formats::{self, FormatError, Told};
use crate::{BODY_BYTES_MAX, Ports, signature};
use app::pushes::{Event, Hook, Received, Receiving, Verdict, find_hook, receive};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use edge::problem::{Document, PROBLEM_JSON};
use edge::wire::FreeJson;
use edge::{Json, Params, Problem};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use signature::SignatureError;
use std::collections::BTreeMap;
use utoipa::openapi::{self, ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, ToSchema};

/// How long a body may take.
const READ_MS_MAX: u64 = 10_000;

/// What became of a notification, event by event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HookAnswer {
    /// The pushes of images in it, in its order.
    events: Vec<HookEvent>,
    /// How many other events there were.
    skipped: usize,
}

/// A push and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HookEvent {
    /// Repository path, without registry.
    repository: String,
    /// The tag, if the push has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// The digest, if the sender says one.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// What became of it.
    verdict: HookVerdict,
    /// The delivery it is stored as.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
    /// Why it is ignored, kebab-case.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Why it is ignored, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HookVerdict {
    /// Stored; the registry is asked and the pipeline started next.
    Accepted,
    /// Told before.
    Duplicate,
    /// Does not fit the trigger.
    Ignored,
}

impl From<Event> for HookEvent {
    fn from(event: Event) -> Self {
        let (verdict, delivery, code, message) = match event.verdict {
            Verdict::Accepted { delivery } => (HookVerdict::Accepted, Some(delivery), None, None),
            Verdict::Duplicate { delivery } => (HookVerdict::Duplicate, Some(delivery), None, None),
            Verdict::Ignored { code, message } => (HookVerdict::Ignored, None, Some(code), Some(message)),
        };
        let pushed = event.pushed;
        Self { repository: pushed.repository, tag: pushed.tag, digest: pushed.digest, verdict, delivery, code, message }
    }
}

/// Which hook.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct HookPath {
    /// The trigger's token.
    #[param(min_length = 1, max_length = 128)]
    token: String,
}

/// CODING's form.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes what is read as bytes")]
pub(crate) struct HookForm {
    /// The notification, JSON.
    payload: String,
}

/// The refusals of a hook.
pub(crate) struct HookProblems;

impl IntoResponses for HookProblems {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let list = [
            (400, "The body is not JSON."),
            (403, "The trigger wants signed requests, and this one is not, or wrongly."),
            (404, "No trigger has this token."),
            (408, "The body did not come in time."),
            (413, "The body is too large."),
            (422, "None of the notifications that are known."),
            (500, "Something went wrong on our side."),
            (503, "Not stored: send it again."),
        ];
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Document::name()))).build();
        let response = |what: &str| ResponseBuilder::new().description(what).content(PROBLEM_JSON, content.clone()).build();
        list.into_iter().map(|(status, what)| (status.to_string(), RefOr::T(response(what)))).collect()
    }
}

/// Tells a trigger of pushes.
///
/// Understands the notifications of Docker Distribution, Harbor and Tencent TCR Enterprise (both formats), and CODING
/// (WebHook v2 and Service Hook). The token in the path names the trigger; where the trigger has a secret, the request must be
/// signed with it as well. Every 2xx answer means that all that fits the trigger is stored.
#[utoipa::path(post, path = "/hooks/registry/{token}", tag = "hooks", security(()), params(HookPath),
    request_body(content((FreeJson = "application/json"), (HookForm = "application/x-www-form-urlencoded")),
        description = "The sender's notification, at most 1 MiB."),
    responses(
        (status = 200, description = "Understood; nothing in it fits the trigger.", body = HookAnswer),
        (status = 202, description = "What fits the trigger is stored.", body = HookAnswer),
        HookProblems,
    ))]
pub(crate) async fn tell_hook(State(ports): State<Ports>, Params(path): Params<HookPath>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let hook = find_hook(ports.sources.as_ref(), &path.token).await?;
    let body = body::read(&parts.headers, body, BODY_BYTES_MAX, READ_MS_MAX).await.map_err(unread)?;
    if let Some(secret) = hook.secret() {
        signature::check(secret, &parts.headers, &body).map_err(unsigned)?;
    }
    let Told { format, pushes, skipped } = formats::read(&parts.headers, &body).map_err(not_understood)?;
    let (table, clock) = (ports.edge.table.as_ref(), ports.edge.clock.as_ref());
    let receiving = Receiving { table, sources: ports.sources.as_ref(), queue: ports.queue.as_ref(), clock };
    let received = receive(receiving, &hook, pushes).await?;
    log(&hook, format, &received, skipped);
    let status = if received.fits() { StatusCode::ACCEPTED } else { StatusCode::OK };
    let events = received.events.into_iter().map(HookEvent::from).collect();
    Ok((status, Json(HookAnswer { events, skipped })).into_response())
}

fn log(hook: &Hook, format: formats::Format, received: &Received, skipped: usize) {
    let count = |fits: fn(&Verdict) -> bool| received.events.iter().filter(|event| fits(&event.verdict)).count();
    tracing::info!(
        trigger = %hook.target().trigger,
        pipeline = %hook.target().pipeline,
        format = format.as_str(),
        accepted = count(|verdict| matches!(verdict, Verdict::Accepted { .. })),
        duplicate = count(|verdict| matches!(verdict, Verdict::Duplicate { .. })),
        ignored = count(|verdict| matches!(verdict, Verdict::Ignored { .. })),
        skipped,
        "a registry told of pushes"
    );
}

fn unread(error: BodyError) -> Problem {
    match error {
        BodyError::TooLarge => {
            let message = format!("a notification has at most {BODY_BYTES_MAX} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", message)
        }
        BodyError::TooSlow => Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "the body did not come in time"),
        BodyError::Broken => Problem::new(StatusCode::BAD_REQUEST, "body-broken", "the body broke off"),
    }
}

fn unsigned(error: SignatureError) -> Problem {
    let code = match error {
        SignatureError::Missing => "signature-missing",
        SignatureError::Wrong => "signature-wrong",
    };
    Problem::new(StatusCode::FORBIDDEN, code, error.to_string())
}

fn not_understood(error: FormatError) -> Problem {
    let (status, code) = match &error {
        FormatError::Malformed(_) => (StatusCode::BAD_REQUEST, "not-json"),
        FormatError::Unknown => (StatusCode::UNPROCESSABLE_ENTITY, "notification-unknown"),
        FormatError::TooMany => (StatusCode::UNPROCESSABLE_ENTITY, "too-many-events"),
    };
    Problem::new(status, code, error.to_string())
}
