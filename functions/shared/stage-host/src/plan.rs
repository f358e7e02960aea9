//! What a component's `planning` answered: a bounded list of stages as JSON, or a refusal. What the stages say, and how they
//! hang together, is not looked at here.

use crate::fault::{OUTPUT_TOO_LARGE, PLAN_REFUSED};
use crate::outcome::{Broken, Ending};
use crate::session::Session;
use crate::strict;
use app::ports::{PLANNED_STAGES_MAX, StepEnd, StepFault};
use serde_json::{Map, Value};

/// Most bytes of all stages of one answer together: as many as a pipeline has.
const PLAN_BYTES_MAX: usize = 2 << 20;

/// Reads an answer.
pub(crate) fn planned(stages: &[String], session: &Session) -> Result<Ending, Broken> {
    let refused = |text: String| Err((PLAN_REFUSED, text));
    if stages.len() > PLANNED_STAGES_MAX {
        return refused(format!("one call plans at most {PLANNED_STAGES_MAX} stages, not {}", stages.len()));
    }
    let bytes: usize = stages.iter().map(String::len).sum();
    if bytes > PLAN_BYTES_MAX {
        return refused(format!("the stages of one call have at most {PLAN_BYTES_MAX} bytes together, not {bytes}"));
    }
    let read = |(nth, text): (usize, &String)| stage(text).map_err(|why| (PLAN_REFUSED, format!("stage {nth}: {why}")));
    let stages = stages.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(Ending { end: StepEnd::Planned(stages), checkpoint: session.call.checkpoint.clone(), progress: None })
}

fn stage(text: &str) -> Result<Map<String, Value>, String> {
    match strict::parse(text)? {
        Value::Object(stage) => Ok(stage),
        _ => Err("it is not an object".into()),
    }
}

/// An answer that was too large to be taken over at all is a refused plan like the one that was a little too large.
pub(crate) fn refused(fault: StepFault) -> StepFault {
    match fault {
        StepFault::Plugin { code: OUTPUT_TOO_LARGE, message, log } => StepFault::Plugin { code: PLAN_REFUSED, message, log },
        other => other,
    }
}
