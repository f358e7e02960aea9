//! What a trigger was told lately, and what became of it.

use crate::Ports;
use app::error::AppError;
use app::pipelines;
use app::pushes;
use axum::extract::State;
use edge::{Caller, Json, Params, Problem, ReadProblems};
use model::Millis;
use model::id::{AppName, TriggerId};
use model::push::{Delivery, DeliveryState, IgnoredPush, ImagePushed};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which trigger.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TriggerPath {
    /// The application's name, in any case.
    #[param(value_type = String, pattern = "^[A-Za-z][A-Za-z0-9-]*$", max_length = 63)]
    app: AppName,
    /// The pipeline's id, or its name in any case.
    #[param(min_length = 1, max_length = 255)]
    pipeline: String,
    /// The trigger's id.
    #[param(value_type = String, pattern = "^[A-Za-z0-9_-]+$", max_length = 63)]
    trigger: TriggerId,
}

/// A push as its sender told it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PushView {
    /// Whose notification it was: `distribution`, `harbor`, `tcr`, `coding`.
    source: String,
    /// The registry, if the sender says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<String>,
    /// Repository path, without registry.
    repository: String,
    /// The tag, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// The digest, if the sender says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Who pushed, if the sender says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
}

impl From<ImagePushed> for PushView {
    fn from(pushed: ImagePushed) -> Self {
        let ImagePushed { source, registry, repository, tag, digest, actor, delivery: _ } = pushed;
        Self { source, registry, repository, tag, digest, actor }
    }
}

/// What became of a push that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeliveryStatus {
    /// Stored, not looked at yet.
    Received,
    /// Something that is needed does not answer; tried again.
    Waiting,
    /// Executions were started.
    Started,
    /// Nothing was started.
    Dropped,
}

/// A push that fits the trigger, and what became of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryView {
    /// Its id.
    id: String,
    /// What was pushed.
    pushed: PushView,
    /// When it was received, milliseconds since 1970.
    received_ms: Millis,
    /// The digest that the registry said, to which the start is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// What became of it.
    state: DeliveryStatus,
    /// Why nothing was started, kebab-case.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Why it waits, or why nothing was started, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// How often it was tried in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    tries: Option<u32>,
    /// When it is tried again, milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    again_ms: Option<Millis>,
    /// Ids of the executions that were started.
    executions: Vec<String>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let mut view = Self {
            id: delivery.id,
            pushed: delivery.pushed.into(),
            received_ms: delivery.received_ms,
            digest: delivery.bound.map(String::from),
            state: DeliveryStatus::Received,
            code: None,
            message: None,
            tries: None,
            again_ms: None,
            executions: Vec::new(),
        };
        match delivery.state {
            DeliveryState::Received => {}
            DeliveryState::Waiting { tries, again_ms, message } => {
                view.state = DeliveryStatus::Waiting;
                (view.tries, view.again_ms, view.message) = (Some(tries), Some(again_ms), Some(message));
            }
            DeliveryState::Started { executions } => {
                view.state = DeliveryStatus::Started;
                view.executions = executions;
            }
            DeliveryState::Dropped { code, message } => {
                view.state = DeliveryStatus::Dropped;
                (view.code, view.message) = (Some(code), Some(message));
            }
        }
        view
    }
}

/// A push that does not fit the trigger.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IgnoredView {
    /// What was pushed.
    pushed: PushView,
    /// When it was received, milliseconds since 1970.
    received_ms: Millis,
    /// Why it does not fit, kebab-case.
    code: String,
    /// Why it does not fit, for people.
    message: String,
}

impl From<IgnoredPush> for IgnoredView {
    fn from(ignored: IgnoredPush) -> Self {
        Self { pushed: ignored.pushed.into(), received_ms: ignored.received_ms, code: ignored.code, message: ignored.message }
    }
}

/// What a trigger was told lately.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveriesView {
    /// Pushes that fit, newest first: the newest 100 of the last two days.
    items: Vec<DeliveryView>,
    /// The last 50 pushes that do not fit, newest first.
    ignored: Vec<IgnoredView>,
    /// How many did not fit in all.
    ignored_count: u64,
}

/// What a trigger was told lately, and what became of it.
#[utoipa::path(get, path = "/api/applications/{app}/pipelines/{pipeline}/triggers/{trigger}/deliveries", tag = "triggers",
    params(TriggerPath), responses((status = 200, body = DeliveriesView), ReadProblems))]
pub(crate) async fn list_deliveries(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<TriggerPath>,
) -> Result<Json<DeliveriesView>, Problem> {
    let table = ports.edge.table.as_ref();
    let (_, revision) = pipelines::get(table, &caller, &path.app, &path.pipeline).await?;
    let ids = revision.document.get("triggers").and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !ids.iter().any(|trigger| trigger.get("id").and_then(serde_json::Value::as_str) == Some(path.trigger.as_str())) {
        return Err(AppError::NotFound { what: "trigger", id: path.trigger.to_string() }.into());
    }
    let found = pushes::deliveries(table, &path.trigger).await?;
    Ok(Json(DeliveriesView {
        items: found.deliveries.into_iter().map(DeliveryView::from).collect(),
        ignored: found.ignored.last.into_iter().map(IgnoredView::from).collect(),
        ignored_count: found.ignored.count,
    }))
}
