//! One stage after the other: the gap from the end of one to the start of the next, beside one durable commit of the same
//! bytes with the same store and one writer.

use crate::arguments::Arguments;
use crate::error::{Error, Result};
use crate::figures::Samples;
use crate::parts::Parts;
use crate::recorder::{Operation, Recorded, What};
use app::ports::{Table, TransactError, Transaction, Write};
use model::id::ExecutionId;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs before anything is written down.
const WARM_UP: usize = 5;

/// What is in a gap, beside what is nowhere else: the engine, JSON, waiting for a thread.
#[derive(Default)]
struct Gaps {
    whole: Samples,
    commit: Samples,
    reads: Samples,
    blobs: Samples,
    validate: Samples,
    rest: Samples,
}

pub(crate) async fn measure(parts: &Parts, arguments: &Arguments) -> Result<Value> {
    let stages: Vec<Vec<usize>> = (0..arguments.stages).map(|at| at.checked_sub(1).into_iter().collect()).collect();
    let pipeline = parts.pipeline("chain", &stages).await?;
    for _ in 0..WARM_UP {
        parts.run(&pipeline).await?;
    }
    let (mut totals, mut steps, mut gaps, mut alone) = (Samples::default(), Samples::default(), Gaps::default(), Samples::default());
    let (mut commits, mut reads, mut bytes) = (0, 0, 0);
    for _ in 0..arguments.repetitions {
        parts.recorder.begin();
        let began = Instant::now();
        let id = parts.run(&pipeline).await?;
        totals.push(began.elapsed());
        let recorded = parts.recorder.end();
        commits += recorded.operations.iter().filter(|operation| matches!(operation.what, What::Commit { .. })).count();
        reads += recorded.operations.iter().filter(|operation| operation.what == What::Read).count();
        steps.extend(of(&recorded, &What::Step).iter().map(|step| step.took()));
        bytes += recorded.transactions.iter().flat_map(|transaction| &transaction.writes).map(body_bytes).sum::<usize>();
        add_gaps(&mut gaps, &recorded, arguments.stages)?;
        again(parts, recorded.transactions, &id, &mut alone).await?;
    }
    parts.all_succeeded(&pipeline).await?;
    Ok(json!({
        "stages": arguments.stages, "repetitions": arguments.repetitions,
        "totalMs": totals.summary(), "gapMs": gaps.whole.summary(), "commitAloneMs": alone.summary(), "stepMs": steps.summary(),
        "gapPartsMs": {
            "commit": gaps.commit.summary(), "reads": gaps.reads.summary(), "blobs": gaps.blobs.summary(),
            "validate": gaps.validate.summary(), "rest": gaps.rest.summary(),
        },
        "commitsARun": commits / arguments.repetitions, "readsARun": reads / arguments.repetitions,
        "bytesACommit": bytes / commits.max(1),
    }))
}

fn body_bytes(write: &Write) -> usize {
    if let Write::Put(item, _) = write { item.body.len() } else { 0 }
}

fn of<'a>(recorded: &'a Recorded, what: &What) -> Vec<&'a Operation> {
    let mut found: Vec<&Operation> = recorded.operations.iter().filter(|operation| operation.what == *what).collect();
    found.sort_by_key(|operation| operation.began);
    found
}

fn add_gaps(gaps: &mut Gaps, recorded: &Recorded, stages: usize) -> Result<()> {
    let steps = of(recorded, &What::Step);
    if steps.len() != stages {
        return Err(Error::new(format!("{} steps were made for {stages} stages", steps.len())));
    }
    for (one, next) in steps.iter().zip(steps.iter().skip(1)) {
        let within = |what: &What| -> Duration {
            let inside = |operation: &&Operation| operation.what == *what && operation.began >= one.ended && operation.ended <= next.began;
            recorded.operations.iter().filter(inside).map(Operation::took).sum()
        };
        let whole = next.began.saturating_duration_since(one.ended);
        let (commit, reads) = (within(&What::Commit { stands: true }), within(&What::Read));
        let (blobs, validate) = (within(&What::Blob), within(&What::Validate));
        gaps.whole.push(whole);
        gaps.rest.push(whole.saturating_sub(commit + reads + blobs + validate));
        gaps.commit.push(commit);
        gaps.reads.push(reads);
        gaps.blobs.push(blobs);
        gaps.validate.push(validate);
    }
    Ok(())
}

/// Writes the same bytes once more into the same store, transaction after transaction, under a key of the same length: one
/// writer, nothing in between. It is a task like the one that moves executions, so that waking it costs the same.
async fn again(parts: &Parts, transactions: Vec<Transaction>, id: &ExecutionId, alone: &mut Samples) -> Result<()> {
    let from = app::execution::keys::partition(id);
    let to = from.replacen("EXEC#", "COPY#", 1);
    let mut copies = Vec::new();
    for transaction in transactions.into_iter().filter(|transaction| crate::recorder::is_of(transaction, id)) {
        let steps_on = transaction.writes.iter().any(|write| write.key().sort.starts_with("LOG#"));
        copies.push((steps_on, copied(transaction, &from, &to)));
    }
    let store = Arc::clone(&parts.store);
    let writing = tokio::spawn(async move {
        let mut took = Vec::new();
        for (steps_on, copy) in copies {
            let began = Instant::now();
            store.transact(copy).await?;
            if steps_on {
                took.push(began.elapsed());
            }
        }
        Ok::<_, TransactError>(took)
    });
    alone.extend(writing.await??);
    Ok(())
}

fn copied(transaction: Transaction, from: &str, to: &str) -> Transaction {
    let writes = transaction.writes.into_iter().map(|write| match write {
        Write::Put(mut item, _) => {
            if item.key.partition == from {
                to.clone_into(&mut item.key.partition);
            }
            Write::Put(item, Vec::new())
        }
        Write::Delete(mut key, _) => {
            if key.partition == from {
                to.clone_into(&mut key.partition);
            }
            Write::Delete(key, Vec::new())
        }
        Write::Check(key, _) => Write::Check(key, Vec::new()),
    });
    let token = transaction.token.map(|token| format!("C{}", token.get(1..).unwrap_or_default()));
    Transaction { writes: writes.collect(), token }
}

#[cfg(test)]
mod tests {
    use super::*;
    use app::ports::{Condition, Item, Key};

    #[test]
    fn a_copy_has_the_same_bytes_elsewhere() {
        let put = |partition: &str| Write::Put(Item::new(Key::new(partition, "META"), b"{}".to_vec()), vec![Condition::Revision(3)]);
        let copy = copied(Transaction { writes: vec![put("EXEC#1"), put("PIPE#1")], token: Some("01J-1".to_owned()) }, "EXEC#1", "COPY#1");
        let keys: Vec<&str> = copy.writes.iter().map(|write| write.key().partition.as_str()).collect();
        assert_eq!((keys, copy.token.as_deref()), (vec!["COPY#1", "PIPE#1"], Some("C1J-1")));
    }
}
