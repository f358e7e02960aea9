//! Pipelines that are brought from elsewhere: the pipelines of one file, saved together or not at all.

use crate::Ports;
use crate::applications::AppPath;
use crate::document::NamedPipelineDocument;
use crate::pipelines::{TriggerView, trigger};
use crate::secrets::SecretText;
use app::pipelines::{self, Batch, Brought, BroughtPipeline, Written};
use app::secrets::NewSecret;
use axum::extract::State;
use edge::problem::ProblemItem;
use edge::{Caller, Exact, Json, Params, Problem, WriteProblems};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Most bytes of a body with pipelines.
const BODY_BYTES_MAX: usize = 4 << 20;

/// A pipeline that is brought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BroughtDocument {
    #[schema(value_type = NamedPipelineDocument)]
    document: Value,
    /// The newest revision that you know of, 0 for none; without it, the pipeline replaces whichever is there.
    #[serde(default)]
    #[schema(minimum = 0)]
    revision: Option<u64>,
}

/// A secret that was taken out of a document, which says `secret://NAME` in its place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BroughtSecret {
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length = 127)]
    name: String,
    #[schema(value_type = String, min_length = 1, max_length = 65_536)]
    value: SecretText,
}

/// The pipelines of a file.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImportBody {
    #[schema(min_items = 1, max_items = 100)]
    pipelines: Vec<BroughtDocument>,
    #[serde(default)]
    #[schema(max_items = 50)]
    secrets: Vec<BroughtSecret>,
    /// Say what would happen, and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What became of a pipeline.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BroughtView {
    /// Its id; nothing for one that a dry run would make.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    /// `created`, `updated` or `unchanged`.
    was: &'static str,
    /// Its newest revision.
    revision: u64,
    /// What was noticed; nothing of it refuses the document.
    warnings: Vec<ProblemItem>,
    /// Its triggers, with the addresses that the outside calls; empty in a dry run.
    triggers: Vec<TriggerView>,
}

/// What became of a secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct BroughtSecretView {
    name: String,
    /// `created`, `updated` or `unchanged`.
    was: &'static str,
}

/// What became of a file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportView {
    /// Nothing was changed.
    dry_run: bool,
    /// In the order in which they came.
    pipelines: Vec<BroughtView>,
    /// In the order in which they came.
    secrets: Vec<BroughtSecretView>,
}

/// Brings pipelines from elsewhere: all of them are saved at once, or none. One that is there just so is left alone.
#[utoipa::path(post, path = "/api/applications/{app}/pipelines", tag = "pipelines", params(AppPath), request_body = ImportBody,
    responses((status = 200, body = ImportView), WriteProblems))]
pub(crate) async fn import_pipelines(
    State(ports): State<Ports>,
    Caller(caller): Caller,
    Params(path): Params<AppPath>,
    Exact(body, spellings): Exact<ImportBody, BODY_BYTES_MAX>,
) -> Result<Json<ImportView>, Problem> {
    let ImportBody { pipelines, secrets, dry_run } = body;
    let of = |(at, BroughtDocument { document, revision })| {
        let spellings = spellings.below(&format!("/pipelines/{at}/document"));
        BroughtPipeline { written: Written { document, spellings }, revision }
    };
    let pipelines = pipelines.into_iter().enumerate().map(of).collect();
    let secrets = secrets.into_iter().map(|BroughtSecret { name, value }| NewSecret { name, value: value.0 }).collect();
    let (brought, secrets) = pipelines::bring(&ports.save(), &caller, &path.app, Batch { pipelines, secrets, dry_run }).await?;
    let mut views = Vec::with_capacity(brought.len());
    for Brought { row, was, warnings } in brought {
        let mut triggers = Vec::new();
        let is_there = !dry_run || was != pipelines::Was::Created;
        if is_there {
            let (table, sealer) = (ports.edge.table.as_ref(), ports.sealer.as_ref());
            let hooks = pipelines::triggers(table, sealer, &caller, &row.application, row.id.as_str()).await?;
            triggers = hooks.into_iter().map(|hook| trigger(hook, ports.edge.public_url.as_deref())).collect();
        }
        views.push(BroughtView {
            id: is_there.then(|| row.id.to_string()),
            name: row.name,
            was: was.as_str(),
            revision: row.revision,
            warnings: warnings.into_iter().map(ProblemItem::from).collect(),
            triggers,
        });
    }
    let secrets = secrets.into_iter().map(|(name, was)| BroughtSecretView { name, was: was.as_str() }).collect();
    Ok(Json(ImportView { dry_run, pipelines: views, secrets }))
}
