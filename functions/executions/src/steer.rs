//! Answering, holding, restarting, shortening and cancelling executions. Each is accepted as an event; what became of it stands
//! in the execution's log. When 200 events wait that no worker has looked at, all but a cancel are refused with 409 `inbox-full`.

use crate::Ports;
use crate::answer::{AcceptedView, accepted};
use crate::read::{ExecutionPath, StagePath};
use app::execution::control;
use app::execution::inbox::{self, Signal};
use axum::extract::State;
use edge::wire::FreeJson;
use edge::{Caller, CreateProblems, DeleteProblems, IdempotencyKey, IdempotencyParam, Json, Params, Problem};
use http::StatusCode;
use model::id::ExecutionId;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// Accepted, or refused.
type Accepted = Result<(StatusCode, Json<AcceptedView>), Problem>;

/// Why something is asked of an execution.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonBody {
    /// In the caller's words.
    #[serde(default)]
    #[schema(max_length = 1024)]
    reason: String,
}

/// An answer to a waiting stage, as its form asks for it; for a judgment `{"judgmentStatus": "continue" | "stop"}`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AnswerBody {
    /// Names and values.
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, FreeJson>)]
    answer: Map<String, Value>,
}

/// Which signal of which stage.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SignalPath {
    /// The execution's id.
    #[param(value_type = String, pattern = "^[A-Za-z0-9_-]+$", max_length = 63)]
    id: ExecutionId,
    /// The stage's refId.
    #[param(max_length = 255)]
    stage: String,
    /// The signal's name; `judgment` for a judgment.
    #[param(max_length = 255)]
    name: String,
}

/// Answers a waiting stage. Refused with 409 `stage-not-waiting` when it does not wait (any more), `signal-not-awaited` when it
/// waits for something else, `execution-ended`; with 403 `not-in-group` when others are to answer. While the execution is paused
/// the answer is taken, and acts once it goes on.
#[utoipa::path(post, path = "/api/executions/{id}/stages/{stage}/signals/{name}", tag = "executions", params(SignalPath, IdempotencyParam),
    request_body = AnswerBody, responses((status = 202, body = AcceptedView), CreateProblems))]
pub(crate) async fn send_signal(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<SignalPath>,
    key: IdempotencyKey,
    Json(body): Json<AnswerBody>,
) -> Accepted {
    let signal = Signal { stage: path.stage, name: path.name, body: Value::Object(body.answer) };
    Ok(accepted(&inbox::signal(ports.inbox(), &caller, &path.id, &signal, key.as_deref()).await?))
}

/// Cancels an execution: what is live is stopped, executions that it started are cancelled, what has not started never starts.
/// What was deployed stays deployed. Refused with 409 `execution-ended`, or `execution-ending` while it stops already.
#[utoipa::path(post, path = "/api/executions/{id}/cancel", tag = "executions", params(ExecutionPath, IdempotencyParam), request_body = ReasonBody,
    responses((status = 202, body = AcceptedView), CreateProblems))]
pub(crate) async fn cancel_execution(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ExecutionPath>,
    key: IdempotencyKey,
    Json(body): Json<ReasonBody>,
) -> Accepted {
    Ok(accepted(&inbox::cancel(ports.inbox(), &caller, &path.id, &body.reason, key.as_deref()).await?))
}

/// Holds an execution: what is being done is finished, nothing else begins until it is resumed. The time does not count against
/// its stages, and it keeps its slot. Refused with 409 `execution-not-started`, `execution-paused`, `execution-ending`,
/// `execution-ended`.
#[utoipa::path(post, path = "/api/executions/{id}/pause", tag = "executions", params(ExecutionPath, IdempotencyParam), request_body = ReasonBody,
    responses((status = 202, body = AcceptedView), CreateProblems))]
pub(crate) async fn pause_execution(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ExecutionPath>,
    key: IdempotencyKey,
    Json(body): Json<ReasonBody>,
) -> Accepted {
    Ok(accepted(&control::pause(ports.inbox(), &caller, &path.id, &body.reason, key.as_deref()).await?))
}

/// Lets a paused execution go on. Refused with 409 `execution-not-paused`, `execution-ended`.
#[utoipa::path(post, path = "/api/executions/{id}/resume", tag = "executions", params(ExecutionPath, IdempotencyParam),
    responses((status = 202, body = AcceptedView), DeleteProblems))]
pub(crate) async fn resume_execution(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ExecutionPath>,
    key: IdempotencyKey,
) -> Accepted {
    Ok(accepted(&control::resume(ports.inbox(), &caller, &path.id, key.as_deref()).await?))
}

/// Does a stage again, with everything after it: in a new generation, which waits for a slot where the pipeline limits how many
/// run at once. One that a stage unfolded into is done again with that stage. Refused with 409 `stage-running` while it or what
/// follows it is at work, `execution-ending`, `queue-full`; with 403 `restart-while-running` before the execution has ended, unless
/// the application allows that, and `execution-not-started` when nothing was done yet.
#[utoipa::path(post, path = "/api/executions/{id}/stages/{stage}/restart", tag = "executions", params(StagePath, IdempotencyParam),
    responses((status = 202, body = AcceptedView), DeleteProblems))]
pub(crate) async fn restart_stage(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<StagePath>,
    key: IdempotencyKey,
) -> Accepted {
    Ok(accepted(&control::restart(ports.start(), &caller, &path.id, &path.stage, key.as_deref()).await?))
}

/// Leaves a stage out: at once when it is at work, otherwise when its turn comes. Stages of some types may be skipped, and those
/// that say `skippable`. Refused with 409 `stage-not-skippable`, `stage-ended`, `stage-stopping`, `execution-ending`,
/// `execution-ended`.
#[utoipa::path(post, path = "/api/executions/{id}/stages/{stage}/skip", tag = "executions", params(StagePath, IdempotencyParam),
    request_body = ReasonBody, responses((status = 202, body = AcceptedView), CreateProblems))]
pub(crate) async fn skip_stage(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<StagePath>,
    key: IdempotencyKey,
    Json(body): Json<ReasonBody>,
) -> Accepted {
    Ok(accepted(&control::skip(ports.inbox(), &caller, &path.id, &path.stage, &body.reason, key.as_deref()).await?))
}

/// Starts a stage that waits for its execution window, or for its random delay within it, now. Refused with 409
/// `stage-not-waiting`, `stage-ended`, `execution-ending`, `execution-ended`.
#[utoipa::path(post, path = "/api/executions/{id}/stages/{stage}/skip-window", tag = "executions", params(StagePath, IdempotencyParam),
    responses((status = 202, body = AcceptedView), DeleteProblems))]
pub(crate) async fn skip_window(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<StagePath>,
    key: IdempotencyKey,
) -> Accepted {
    Ok(accepted(&control::skip_window(ports.inbox(), &caller, &path.id, &path.stage, key.as_deref()).await?))
}
