//! Hook addresses of docker triggers: an unguessable token each, found by its SHA-256, kept sealed so that operators can read it
//! again, and never part of the pipeline's document.

use super::{pipe, seek_for, unknown, whole};
use crate::error::AppError;
use crate::ports::{Condition, Entropy, Key, Sealer, Table, Write};
use crate::record::{self, Record, Shape, shape};
use futures::future::try_join;
use model::account::Sealed;
use model::id::{AppName, PipelineId, TriggerId};
use model::person::{Action, Principal};
use model::pipeline::Pipeline;
use model::trigger::Trigger;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// What a hook's path begins with; the token follows.
pub const HOOK_PREFIX: &str = "/hooks/registry/";
const TOKEN_BYTES_MAX: usize = 128;

/// What a hook's token stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRow {
    /// The trigger.
    pub trigger: TriggerId,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// The pipeline's application.
    pub application: AppName,
}

impl Record for HookRow {
    const SHAPE: &'static str = "hook";
}

/// All hooks of one pipeline.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Hooks {
    list: Vec<Hook>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Hook {
    trigger: TriggerId,
    sha256: String,
    token: Sealed,
}

impl Record for Hooks {
    const SHAPE: &'static str = "hooks";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<HookRow>(), shape::<Hooks>()];

fn hooks_key(pipeline: &PipelineId) -> Key {
    Key::new(pipe(pipeline), "HOOKS")
}

fn lookup_key(sha256: &str) -> Key {
    Key::new(format!("HOOK#{sha256}"), "HOOK")
}

fn context(trigger: &TriggerId) -> String {
    format!("hook:{trigger}")
}

/// What the token of a hook stands for; none when nobody has it.
pub async fn trigger_by_hook(table: &dyn Table, token: &str) -> Result<Option<HookRow>, AppError> {
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return Ok(None);
    }
    let key = lookup_key(&hex::encode(Sha256::digest(token.as_bytes())));
    Ok(record::load(table, &key).await?.map(|(row, _)| row))
}

/// The hooks that a pipeline has, with the revision of their item.
pub(super) type Kept = Option<(Hooks, u64)>;

/// Reads them.
pub(super) async fn kept(table: &dyn Table, id: &PipelineId) -> Result<Kept, AppError> {
    record::load(table, &hooks_key(id)).await
}

/// The writes that give every docker trigger its hook and take those of triggers that are gone.
pub(super) async fn writes(
    kept: Kept,
    sealer: &dyn Sealer,
    entropy: &dyn Entropy,
    id: &PipelineId,
    pipeline: &Pipeline,
) -> Result<Vec<Write>, AppError> {
    let (old, revision) = kept.unzip();
    let old = old.unwrap_or_default();
    let docker: Vec<TriggerId> =
        pipeline.triggers.iter().filter(|t| t.kind == "docker").filter_map(|t| TriggerId::parse(t.id.as_str()).ok()).collect();
    let (kept, gone): (Vec<Hook>, Vec<Hook>) = old.list.into_iter().partition(|hook| docker.contains(&hook.trigger));
    let having: BTreeSet<TriggerId> = kept.iter().map(|hook| hook.trigger.clone()).collect();
    let mut writes: Vec<Write> = gone.iter().map(|hook| Write::Delete(lookup_key(&hook.sha256), vec![])).collect();
    let mut list = kept;
    for trigger in docker.into_iter().filter(|t| !having.contains(t)) {
        let token = entropy.token();
        let sha256 = hex::encode(Sha256::digest(token.as_bytes()));
        let sealed = sealer.seal(&context(&trigger), token.as_bytes()).await?;
        let row = HookRow { trigger: trigger.clone(), pipeline: id.clone(), application: pipeline.application.clone() };
        writes.push(Write::Put(record::item(lookup_key(&sha256), &row)?, vec![Condition::Absent]));
        list.push(Hook { trigger, sha256, token: sealed });
    }
    if !writes.is_empty() {
        let condition = revision.map_or(Condition::Absent, Condition::Revision);
        writes.push(Write::Put(record::item(hooks_key(id), &Hooks { list })?, vec![condition]));
    }
    Ok(writes)
}

/// The writes that take all hooks of a pipeline.
pub(super) fn removals(kept: Kept, id: &PipelineId) -> Vec<Write> {
    let Some((hooks, revision)) = kept else { return Vec::new() };
    let lookups = hooks.list.iter().map(|hook| Write::Delete(lookup_key(&hook.sha256), vec![]));
    lookups.chain([Write::Delete(hooks_key(id), vec![Condition::Revision(revision)])]).collect()
}

/// A trigger and, for docker triggers, the token of its hook.
#[derive(Clone)]
pub struct TriggerHook {
    /// The trigger as the newest revision has it.
    pub trigger: Trigger,
    /// The token in clear. Whoever has it can make the trigger look at its registry, no more.
    pub token: Option<String>,
}

/// A pipeline's triggers with their hooks, for those who may edit it.
pub async fn triggers(
    table: &dyn Table,
    sealer: &dyn Sealer,
    caller: &Principal,
    application: &AppName,
    name_or_id: &str,
) -> Result<Vec<TriggerHook>, AppError> {
    let sought = seek_for(table, (caller, Action::EditPipelines), application, name_or_id).await?;
    let (found, hooks) = try_join(whole(table, application, &sought), kept(table, &sought.id)).await?;
    let (row, _, newest) = found.ok_or_else(|| unknown(name_or_id))?;
    let damaged = |_| AppError::Damaged(format!("pipeline {} revision {} does not read", row.id, row.revision));
    let (pipeline, _) = Pipeline::parse(&newest.document).map_err(damaged)?;
    let hooks = hooks.map(|(hooks, _)| hooks).unwrap_or_default();
    let mut found = Vec::with_capacity(pipeline.triggers.len());
    for trigger in pipeline.triggers {
        let hook = hooks.list.iter().find(|hook| hook.trigger.as_str() == trigger.id);
        let token = match hook {
            None => None,
            Some(hook) => {
                let bytes = sealer.open(&context(&hook.trigger), &hook.token).await?;
                Some(String::from_utf8(bytes).map_err(|_| AppError::Damaged(format!("the hook of trigger {}", hook.trigger)))?)
            }
        };
        found.push(TriggerHook { trigger, token });
    }
    Ok(found)
}
