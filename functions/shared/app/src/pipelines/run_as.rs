//! Whom a trigger runs as: who may say so when a pipeline is saved. What that user may do is asked when the trigger fires.
//!
//! Whoever names a user lends the trigger that user's rights, so it must not be more than the caller's own.

use crate::error::AppError;
use crate::identity;
use crate::ports::{Clock, Table};
use model::id::AppName;
use model::person::{Principal, Role};
use model::pipeline::Pipeline;
use model::problem::{Problem, Problems};
use serde_json::Value;

/// The code of a user whom the caller may not name.
const NOT_ALLOWED: &str = "run-as-not-allowed";
/// The code of a user whom nobody knows yet.
const UNKNOWN: &str = "run-as-unknown";

/// Refuses users whose rights the caller does not have; remarks on those that are not there.
pub(super) async fn check(
    (table, clock): (&dyn Table, &dyn Clock),
    caller: &Principal,
    application: &AppName,
    before: Option<&Value>,
    pipeline: &Pipeline,
) -> Result<Vec<Problem>, AppError> {
    let (mut problems, mut warnings) = (Problems::default(), Vec::new());
    let own = Principal::trigger(application).name;
    for (at, trigger) in pipeline.triggers.iter().enumerate() {
        let user = trigger.run_as_user.trim();
        if user.is_empty() || user == own || user == caller.name {
            continue;
        }
        let pointer = format!("/triggers/{at}/runAsUser");
        let Some(known) = identity::named(table, clock, user).await? else {
            let message = format!("nobody here is called `{user}`: until somebody is, what the trigger starts fails");
            warnings.push(Problem { pointer, code: UNKNOWN.to_owned(), message, warning: true });
            continue;
        };
        if !caller.is(Role::Administrator) && !had(before, user) && !known.groups.is_subset(&caller.groups) {
            let message = format!("`{user}` is in groups that you are not in: only an administrator may have a trigger run so");
            problems.error(pointer, NOT_ALLOWED, message);
        }
    }
    if problems.has_errors() { Err(AppError::Invalid(problems.into_vec())) } else { Ok(warnings) }
}

/// Somebody was allowed to say so before.
fn had(before: Option<&Value>, user: &str) -> bool {
    let triggers = before.and_then(|document| document.get("triggers")).and_then(Value::as_array);
    triggers.into_iter().flatten().any(|trigger| trigger.get("runAsUser").and_then(Value::as_str).map(str::trim) == Some(user))
}
