//! Somebody lets a paused execution go on. What fell due meanwhile is done now; time-outs did not run.

use crate::advance;
use crate::event::Refusal;
use crate::state::Execution;
use model::Millis;

pub(crate) fn apply(execution: &mut Execution, now: Millis) -> Result<(), Refusal> {
    if let Some(ended) = super::ended(execution) {
        return Err(ended);
    }
    if execution.paused.is_none() {
        return Err(Refusal::new("execution-not-paused", "the execution is not paused"));
    }
    advance::resume(execution, now);
    Ok(())
}
