//! What came to pass in a run, for those who want to know whether everything that is drawn is ever seen.

use crate::scenario::{From, SYNTHETIC, UNDO};
use crate::state::State;
use std::collections::BTreeSet;

/// Names of what came to pass.
pub(crate) fn shown(state: &State) -> BTreeSet<&'static str> {
    let mut list = BTreeSet::new();
    let mut if_so = |name: &'static str, so: bool| {
        if so {
            list.insert(name);
        }
    };
    for (run, seen) in state.watch.runs.iter().enumerate() {
        let Some(meta) = &seen.meta else { continue };
        let execution = &meta.execution;
        let spec = &state.scenario.runs[run];
        let codes: Vec<&str> = seen.codes.iter().map(String::as_str).collect();
        let code = |code: &str| codes.contains(&code);
        if_so("queued", code("waiting-for-slot"));
        if_so("superseded", code("superseded"));
        if_so("start expired", code("start-time-expired"));
        if_so("held", !seen.held.is_empty());
        if_so("held for hours", seen.held.iter().any(|hold| hold.until.is_some_and(|until| until - hold.from > 3_600_000)));
        if_so("done again", execution.generation > 1 && seen.ends > 1);
        if_so("done again while running", execution.generation as usize > seen.ends);
        if_so("run again", matches!(spec.from, From::Rerun(_)));
        if_so("child", matches!(spec.from, From::Child { .. }));
        if_so("child ended by its parent", code("canceled-by-parent"));
        if_so("pushed", spec.from == From::Push);
        if_so("dry", spec.dry);
        if_so("window", code("execution-window"));
        if_so("jitter", code("window-jitter"));
        if_so("skipped by hand", code("skipped-by-user"));
        if_so("unfolded", execution.runs.len() > state.scenario.pipeline_of(run).stages.len());
        if_so("timed out", code("stage-timed-out"));
        if_so("canceled", code("canceled-by-user"));
    }
    if_so("undone", state.reality.made.keys().any(|meant| meant.act >= UNDO));
    if_so("change of a part", state.reality.made.keys().any(|meant| meant.stage >= SYNTHETIC));
    list
}
