//! An execution that cannot be moved ends, visibly, with everything that belongs to an end: what is live ends with it, its slot is given
//! back, whoever waits for it is told. Made once for all, without the plan where that is what cannot be read.

use super::COMMITS_MAX;
use super::commit::{transitions, views};
use super::foreign::Foreign;
use super::held::Taken;
use super::{Ports, Rest};
use crate::error::AppError;
use crate::execution::keys;
use crate::execution::plan::Plan;
use crate::execution::start::meta_item;
use crate::execution::stored::{LogEntry, Meta};
use crate::ports::{Change, Condition, TransactError, Transaction, Write};
use crate::record::item;
use model::reason::{Reason, ReasonCode};

/// Ends it. Somebody else may have moved it meanwhile; then nothing was done.
pub(super) async fn park(
    ports: &Ports,
    meta: Meta,
    revision: u64,
    plan: Option<&Plan>,
    (code, message): (ReasonCode, &str),
) -> Result<Taken, AppError> {
    let now = ports.clock.now_ms();
    tracing::error!(execution = %meta.execution.id, code = code.as_str(), message, "an execution was parked");
    let ended = ended(&meta, &Reason::new(code, message, now), now);
    let log = LogEntry {
        version: ended.execution.version,
        at: now,
        transitions: transitions(&meta.execution, &ended.execution, plan),
        ..LogEntry::default()
    };
    for _ in 0..COMMITS_MAX {
        let mut foreign = Foreign::default();
        foreign.at_end(ports.table.as_ref(), &ended, now).await?;
        let mut writes = vec![Write::Put(meta_item(&ended)?, vec![Condition::Revision(revision)])];
        writes.push(Write::Put(item(keys::log(&ended.execution.id, ended.execution.version), &log)?, vec![]));
        writes.extend(foreign.writes);
        writes.extend(views(ports.table.as_ref(), &ended, plan, ports.limits.kept_ms).await?);
        match ports.table.transact(Transaction::of(writes)).await {
            Ok(()) => {
                for hint in foreign.hints {
                    ports.queue.hint(hint, 0).await;
                }
                announce(ports, &ended);
                return Ok(Taken::Not(Rest::Parked));
            }
            Err(TransactError::Conflict(places)) if places.contains(&0) => return Ok(Taken::Not(Rest::Busy)),
            // The pipeline's slots, or who waits for this end, changed meanwhile: read again.
            Err(TransactError::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(AppError::Unavailable("what the end depends on changes faster than it can be read".to_owned()))
}

/// The execution as it ends; whoever restarts it starts with a clean count.
fn ended(meta: &Meta, reason: &Reason, now: model::Millis) -> Meta {
    let mut ended = meta.clone();
    ended.execution = engine::given_up(&meta.execution, reason, now);
    ended.execution.version += 1;
    ended.fence = String::new();
    ended.lease_until_ms = 0;
    ended.takes = 0;
    ended.untidy = true;
    ended
}

fn announce(ports: &Ports, ended: &Meta) {
    let version = ended.execution.version;
    ports.changes.publish(Change { topic: format!("execution:{}", ended.execution.id), version });
    for order in &ended.orders {
        ports.changes.publish(Change { topic: format!("orders:{}", order.project), version: order.number });
    }
}
