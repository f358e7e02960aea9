//! Starting, answering and cancelling executions.

use crate::Ports;
use crate::read::ExecutionPath;
use app::execution::inbox::{self, Signal};
use app::execution::start::{Into as Orders, Started};
use app::orders::{ArtifactChoice, Submission, submit};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use edge::execution::OrderRef;
use edge::wire::FreeJson;
use edge::{Caller, CreateProblems, IdempotencyKey, IdempotencyParam, Json, Params, Problem};
use http::{HeaderValue, StatusCode, header};
use model::id::{AppName, ExecutionId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// A version to release.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ArtifactBody {
    /// Which expected artifact of the pipeline: its id or its display name.
    #[schema(max_length = 255)]
    expected_artifact: String,
    /// The image without tag; needed when the expected artifact does not name one.
    #[serde(default)]
    #[schema(max_length = 1024)]
    name: String,
    /// The tag; looked up in the registry.
    #[schema(max_length = 128)]
    version: String,
}

/// What is to be started.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartBody {
    /// The application.
    #[schema(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9-]*$", max_length = 63)]
    application: AppName,
    /// The pipeline, by name or id.
    #[schema(max_length = 255)]
    pipeline: String,
    /// Versions for the expected artifacts.
    #[serde(default)]
    #[schema(max_items = 50)]
    artifacts: Vec<ArtifactBody>,
    /// The pipeline's parameters.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, FreeJson>)]
    parameters: Map<String, Value>,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 4096)]
    note: String,
}

/// What was started.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartedView {
    /// The execution's id.
    execution: String,
    /// Orders that show it: one in each project the application is bound to.
    orders: Vec<OrderRef>,
}

impl From<Started> for StartedView {
    fn from(started: Started) -> Self {
        Self { execution: started.execution.to_string(), orders: started.orders.into_iter().map(Into::into).collect() }
    }
}

/// An accepted event.
#[derive(Serialize, ToSchema)]
pub(crate) struct AcceptedView {
    /// Its id; what became of it stands under `verdicts` in the execution's log.
    event: String,
}

/// Why an execution is cancelled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelBody {
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

/// Starts a pipeline. An order appears in every project the application is bound to.
#[utoipa::path(post, path = "/api/executions", tag = "executions", params(IdempotencyParam), request_body = StartBody,
    responses((status = 201, body = StartedView, headers(("Location" = String))), CreateProblems))]
pub(crate) async fn start_execution(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    key: IdempotencyKey,
    Json(body): Json<StartBody>,
) -> Result<Response, Problem> {
    let choice = |a: ArtifactBody| ArtifactChoice { expected_artifact: a.expected_artifact, name: a.name, version: a.version };
    let submission = Submission {
        into: Orders::EveryProject,
        application: body.application,
        pipeline: body.pipeline,
        artifacts: body.artifacts.into_iter().map(choice).collect(),
        parameters: body.parameters,
        note: body.note,
        dry_run: false,
        start_by_ms: None,
        key: key.as_deref().map(str::to_owned),
    };
    let started = submit(ports.orders(), &caller, &submission).await?;
    let location = HeaderValue::from_str(&format!("/api/executions/{}", started.execution)).ok();
    let mut response = (StatusCode::CREATED, Json(StartedView::from(started))).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Answers a waiting stage.
#[utoipa::path(post, path = "/api/executions/{id}/stages/{stage}/signals/{name}", tag = "executions", params(SignalPath, IdempotencyParam),
    request_body = AnswerBody, responses((status = 202, body = AcceptedView), CreateProblems))]
pub(crate) async fn send_signal(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<SignalPath>,
    key: IdempotencyKey,
    Json(body): Json<AnswerBody>,
) -> Result<(StatusCode, Json<AcceptedView>), Problem> {
    let signal = Signal { stage: path.stage, name: path.name, body: Value::Object(body.answer) };
    let event = inbox::signal(ports.inbox(), &caller, &path.id, &signal, key.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(AcceptedView { event: event.to_string() })))
}

/// Cancels an execution: what is live ends, what has not started never starts. What was deployed stays deployed.
#[utoipa::path(post, path = "/api/executions/{id}/cancel", tag = "executions", params(ExecutionPath, IdempotencyParam), request_body = CancelBody,
    responses((status = 202, body = AcceptedView), CreateProblems))]
pub(crate) async fn cancel_execution(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<ExecutionPath>,
    key: IdempotencyKey,
    Json(body): Json<CancelBody>,
) -> Result<(StatusCode, Json<AcceptedView>), Problem> {
    let event = inbox::cancel(ports.inbox(), &caller, &path.id, &body.reason, key.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(AcceptedView { event: event.to_string() })))
}
