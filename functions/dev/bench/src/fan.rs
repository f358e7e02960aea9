//! One, then many side by side, then one: how many commits that takes after the creation, and whether the stages overlap.

use crate::arguments::Arguments;
use crate::error::Result;
use crate::figures::Samples;
use crate::parts::Parts;
use crate::recorder::{Operation, What, is_of};
use app::execution::stored::LogEntry;
use app::ports::{Transaction, Write};
use app::record;
use model::status::Status;
use serde_json::{Value, json};
use std::time::Instant;

const WARM_UP: usize = 3;

pub(crate) async fn measure(parts: &Parts, arguments: &Arguments) -> Result<Value> {
    let width = arguments.width;
    let mut stages = vec![Vec::new()];
    stages.extend((0..width).map(|_| vec![0]));
    stages.push((1..=width).collect());
    let pipeline = parts.pipeline("fan", &stages).await?;
    for _ in 0..WARM_UP {
        parts.run(&pipeline).await?;
    }
    let mut totals = Samples::default();
    let (mut commits, mut live, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.repetitions {
        parts.recorder.begin();
        let began = Instant::now();
        let id = parts.run(&pipeline).await?;
        totals.push(began.elapsed());
        let recorded = parts.recorder.end();
        // The first is the creation.
        commits.push(recorded.transactions.iter().filter(|transaction| is_of(transaction, &id)).count().saturating_sub(1));
        live.push(live_at_once(&recorded.transactions)?);
        steps.push(at_once(&recorded.operations));
    }
    parts.all_succeeded(&pipeline).await?;
    let range = |numbers: &[usize]| json!({"min": numbers.iter().min(), "max": numbers.iter().max()});
    Ok(json!({
        "width": width, "repetitions": arguments.repetitions, "totalMs": totals.summary(),
        "commitsAfterCreation": range(&commits), "stagesRunningAtOnce": range(&live), "stepsUnderWayAtOnce": range(&steps),
    }))
}

/// Most stages that were RUNNING at one time, by the execution's own log.
fn live_at_once(transactions: &[Transaction]) -> Result<usize> {
    let (mut live, mut most) = (0_usize, 0);
    for write in transactions.iter().flat_map(|transaction| &transaction.writes) {
        let Write::Put(item, _) = write else { continue };
        if !item.key.sort.starts_with("LOG#") {
            continue;
        }
        let entry: LogEntry = record::decode(&item.body)?;
        for transition in entry.transitions.iter().filter(|transition| transition.stage.is_some()) {
            live += usize::from(transition.to == Status::Running);
            live = live.saturating_sub(usize::from(transition.from == Status::Running));
        }
        most = most.max(live);
    }
    Ok(most)
}

/// Most steps of components that were under way at one time.
fn at_once(operations: &[Operation]) -> usize {
    let steps = || operations.iter().filter(|operation| operation.what == What::Step);
    steps().map(|one| steps().filter(|other| other.began <= one.began && one.began < other.ended).count()).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn overlapping_steps_are_counted() {
        let start = Instant::now();
        let step = |from: u64, to: u64| Operation {
            what: What::Step,
            began: start + Duration::from_millis(from),
            ended: start + Duration::from_millis(to),
        };
        assert_eq!(at_once(&[step(0, 1), step(1, 2), step(2, 3)]), 1);
        assert_eq!(at_once(&[step(0, 3), step(1, 2), step(2, 4)]), 2);
        assert_eq!(at_once(&[]), 0);
    }
}
