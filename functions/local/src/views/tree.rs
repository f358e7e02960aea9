//! The stages of an execution as a tree: those that a stage unfolded into stand under it.

use super::{list, text};
use serde_json::Value;

/// Stages unfold three deep at most.
const DEPTH_MAX: usize = 4;

/// The stages that count, each before those it unfolded into, with how deep it stands. What an earlier attempt unfolded into is
/// left out.
pub(crate) fn tree(detail: &Value) -> Vec<(usize, &Value)> {
    let history = |stage: &&Value| stage.get("current").and_then(Value::as_bool) == Some(false);
    let stages: Vec<&Value> = list(detail, "stages").iter().filter(|stage| !history(stage)).collect();
    let mut found = Vec::with_capacity(stages.len());
    below(&stages, "", 0, &mut found);
    found
}

fn below<'a>(stages: &[&'a Value], parent: &str, depth: usize, found: &mut Vec<(usize, &'a Value)>) {
    for stage in stages.iter().filter(|stage| text(stage, "parentRefId") == parent) {
        found.push((depth, *stage));
        let ref_id = text(stage, "refId");
        if !ref_id.is_empty() && depth < DEPTH_MAX {
            below(stages, ref_id, depth + 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_stand_under_their_whole_and_history_nowhere() {
        let stage = |id: &str, parent: Option<&str>, current: bool| json!({"refId": id, "parentRefId": parent, "current": current});
        let detail = json!({"stages": [
            stage("1", None, true), stage("2", None, true), stage("1<a", Some("1"), false), stage("1<a", Some("1"), true),
            stage("1<b", Some("1"), true), stage("1<a<x", Some("1<a"), true),
        ]});
        let names: Vec<(usize, &str)> = tree(&detail).into_iter().map(|(depth, stage)| (depth, text(stage, "refId"))).collect();
        assert_eq!(names, [(0, "1"), (1, "1<a"), (2, "1<a<x"), (1, "1<b"), (0, "2")]);
    }
}
