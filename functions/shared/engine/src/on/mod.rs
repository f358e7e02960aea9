//! One event, one file; the tests at its foot.

pub(crate) mod begin;
pub(crate) mod cancel;
pub(crate) mod changed;
pub(crate) mod pause;
pub(crate) mod planned;
pub(crate) mod queue;
pub(crate) mod resolved;
pub(crate) mod restart;
pub(crate) mod resume;
pub(crate) mod signal;
pub(crate) mod skip;
pub(crate) mod stepped;
pub(crate) mod tick;

use crate::event::Refusal;
use crate::state::Execution;

/// The refusal of anything that is asked of an execution which has ended, or is about to.
pub(crate) fn ended(execution: &Execution) -> Option<Refusal> {
    if execution.status.is_complete() {
        return Some(Refusal::new("execution-ended", format!("the execution is {} already", execution.status)));
    }
    let ending = execution.ending.as_ref()?;
    let message = format!("the execution is ending as {} and waits only for what is still stopping", ending.status);
    Some(Refusal::new("execution-ending", message))
}

#[cfg(test)]
pub(crate) mod testing;
