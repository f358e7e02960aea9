//! The installed stage types.

use crate::Ports;
use app::stage_types;
use axum::extract::State;
use edge::wire::{FreeJson, Page};
use edge::{Caller, Json, ListProblems, Problem};
use model::component::{KubernetesGrant, StageType, StepLimits};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An installed stage type.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StageTypeView {
    /// The `type` that stages say.
    name: String,
    /// Other spellings that mean the same.
    aliases: Vec<String>,
    /// The component's own version.
    version: String,
    /// SHA-256 of the component, hex.
    wasm_sha256: String,
    /// What the component says of itself, its settings' schema included.
    #[schema(value_type = FreeJson)]
    manifest: Value,
    /// What it was granted.
    grant: GrantView,
    /// Interfaces it exports beside `lifecycle`.
    exports: Vec<String>,
    limits: LimitsView,
    /// Default time for the whole stage.
    timeout_ms: u64,
}

/// What a stage type may do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantView {
    kubernetes: Vec<KubernetesGrantView>,
    /// Functions of the `executions` interface.
    executions: Vec<String>,
    /// Whether the sender of the last signal may be adopted.
    adopt_sender: bool,
}

/// What it may do with some kinds of objects.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KubernetesGrantView {
    api_groups: Vec<String>,
    kinds: Vec<String>,
    verbs: Vec<String>,
}

/// Limits of one step.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitsView {
    memory_bytes_max: u64,
    step_ms_max: u64,
    host_calls_max: u32,
    host_call_bytes_max: u64,
    log_lines_max: u32,
    log_line_bytes_max: u32,
}

impl From<StepLimits> for LimitsView {
    fn from(limits: StepLimits) -> Self {
        Self {
            memory_bytes_max: limits.memory_bytes_max,
            step_ms_max: limits.step_ms_max,
            host_calls_max: limits.host_calls_max,
            host_call_bytes_max: limits.host_call_bytes_max,
            log_lines_max: limits.log_lines_max,
            log_line_bytes_max: limits.log_line_bytes_max,
        }
    }
}

impl From<StageType> for StageTypeView {
    fn from(row: StageType) -> Self {
        let kubernetes = |g: KubernetesGrant| KubernetesGrantView { api_groups: g.api_groups, kinds: g.kinds, verbs: g.verbs };
        Self {
            name: row.name,
            aliases: row.aliases,
            version: row.version,
            wasm_sha256: row.wasm_sha256,
            manifest: row.manifest,
            grant: GrantView {
                kubernetes: row.grant.kubernetes.into_iter().map(kubernetes).collect(),
                executions: row.grant.executions,
                adopt_sender: row.grant.adopt_sender,
            },
            exports: row.exports,
            limits: row.limits.into(),
            timeout_ms: row.timeout_ms,
        }
    }
}

/// All installed stage types, by name.
#[utoipa::path(get, path = "/api/stage-types", tag = "stage types", responses((status = 200, body = Page<StageTypeView>), ListProblems))]
pub(crate) async fn list_stage_types(State(ports): State<Ports>, Caller(caller): Caller) -> Result<Json<Page<StageTypeView>>, Problem> {
    let rows = stage_types::list(ports.edge.table.as_ref(), &caller).await?;
    Ok(Json(Page { items: rows.into_iter().map(StageTypeView::from).collect(), next: None }))
}
