//! Pipelines that are locked: whoever wants to change one takes the lock off first, in the same save or in one before.
//!
//! Spinnaker hides buttons and lets every program through; here the server refuses.

use crate::error::AppError;
use model::person::{Principal, Role};
use model::pipeline::{Lock, Pipeline};
use serde_json::{Value, json};

/// The code of the refusal.
pub(super) const LOCKED: &str = "pipeline-locked";

fn lock_of(stored: &Value) -> Option<Lock> {
    // A stored document that newer rules do not read any more keeps nobody from repairing it.
    let (pipeline, _) = Pipeline::parse(stored).ok()?;
    pipeline.details.lock.filter(|lock| lock.ui)
}

/// Refuses to replace a locked pipeline, unless the new one is unlocked and the caller may unlock it.
pub(super) fn check(stored: &Value, new: &Pipeline, caller: &Principal) -> Result<(), AppError> {
    let Some(lock) = lock_of(stored) else { return Ok(()) };
    let stays = new.details.lock.as_ref().is_some_and(|lock| lock.ui);
    if stays || !may_unlock(&lock, caller) { Err(refusal(&lock, caller)) } else { Ok(()) }
}

/// Refuses to remove a locked pipeline.
pub(super) fn check_removal(stored: &Value, caller: &Principal) -> Result<(), AppError> {
    lock_of(stored).map_or(Ok(()), |lock| Err(refusal(&lock, caller)))
}

fn may_unlock(lock: &Lock, caller: &Principal) -> bool {
    lock.allow_unlock_ui || caller.is(Role::Administrator)
}

fn refusal(lock: &Lock, caller: &Principal) -> AppError {
    let why = if lock.description.is_empty() { String::new() } else { format!(" ({})", lock.description) };
    let how = if may_unlock(lock, caller) {
        "save it with `locked` taken out, or with `locked.ui` false, first"
    } else {
        "only an administrator may take the lock off, since it says `allowUnlockUi` false"
    };
    AppError::Refused {
        code: LOCKED.to_owned(),
        message: format!("the pipeline is locked{why}: {how}"),
        data: json!({ "description": lock.description, "mayUnlock": may_unlock(lock, caller) }),
    }
}
