//! The one thread that writes. A round takes everything that waits, lets each transaction see what the earlier ones of
//! the round do, and commits all that hold as one batch with one sync. Nothing is answered before that.

use super::Shared;
use super::codec::{self, Head};
use super::folder::Core;
use crate::rules::{self, Facts, Seen, Tokens};
use app::ports::{Condition, Item, StoreError, TransactError, Transaction, Write};
use fjall::{Guard, Keyspace, PersistMode, UserValue};
use model::Millis;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

const JOBS_A_ROUND_MAX: usize = 256;
const ROUND_BYTES_MAX: usize = 8 << 20;
const SWEEP_MAX: usize = 1_000;
/// Longest wait of a round for memory to be written out.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);
const CATCH_UP_LOOK: Duration = Duration::from_millis(1);

type Answer<T, E> = oneshot::Sender<Result<T, E>>;

/// What the writer is asked to do.
pub(crate) enum Job {
    /// A transaction that has passed [`rules::check`].
    Transact { transaction: Transaction, answer: Answer<(), TransactError> },
    /// Removes expired items.
    Sweep { now: Millis, limit: usize, answer: Answer<usize, StoreError> },
    /// Puts items as they are.
    Restore { items: Vec<Item>, answer: Answer<usize, StoreError> },
}

impl Job {
    fn bytes(&self) -> usize {
        let put = |write: &Write| if let Write::Put(item, _) = write { rules::item_bytes(item) } else { 0 };
        match self {
            Self::Transact { transaction, .. } => transaction.writes.iter().map(put).sum(),
            Self::Sweep { .. } => 0,
            Self::Restore { items, .. } => items.iter().map(rules::item_bytes).sum(),
        }
    }
}

pub(crate) struct Writer {
    core: Core,
    shared: Arc<Shared>,
    buffer_bytes_max: u64,
    tokens: Tokens,
}

/// What an item will be after the round, with the bytes to store; none when it will not be there.
type Staged = Option<(Head, UserValue)>;

/// What a round will change. Maps, because the store below takes each key of a batch once.
#[derive(Default)]
struct Round {
    items: HashMap<Vec<u8>, Staged>,
    due: BTreeMap<Vec<u8>, bool>,
    expires: BTreeMap<Vec<u8>, bool>,
}

/// An answer that waits for the commit.
enum Pending {
    Transact(Result<(), TransactError>, Answer<(), TransactError>),
    Sweep(Result<usize, StoreError>, Answer<usize, StoreError>),
}

/// Says that the table is broken when the thread ends by a panic.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

impl Writer {
    pub(crate) fn new(core: Core, shared: Arc<Shared>, buffer_bytes_max: u64) -> Self {
        Self { core, shared, buffer_bytes_max, tokens: Tokens::default() }
    }

    /// Works until every sender is gone and the line is empty.
    pub(crate) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let _alarm = Alarm(Arc::clone(&self.shared));
        while let Some(first) = jobs.blocking_recv() {
            let mut bytes = first.bytes();
            let mut round = vec![first];
            while round.len() < JOBS_A_ROUND_MAX && bytes < ROUND_BYTES_MAX {
                let Ok(job) = jobs.try_recv() else { break };
                bytes += job.bytes();
                round.push(job);
            }
            self.round(round);
        }
        if let Err(error) = self.core.db.persist(PersistMode::SyncAll) {
            tracing::error!(%error, "the last sync of the store failed");
        }
    }

    /// Lets the disk catch up before more is taken into memory. The store below only asks its workers to write memory
    /// out, and takes whatever comes in the meantime. Bounded, because it is a brake and no lock.
    fn catch_up(&self) {
        let started = Instant::now();
        while self.core.is_behind(self.buffer_bytes_max) && started.elapsed() < CATCH_UP_MAX {
            std::thread::sleep(CATCH_UP_LOOK);
        }
    }

    fn round(&mut self, jobs: Vec<Job>) {
        if self.shared.broken.load(Ordering::Acquire) {
            jobs.into_iter().for_each(refuse);
            return;
        }
        self.catch_up();
        let now = self.shared.clock.now_ms();
        let mut round = Round::default();
        let mut pending = Vec::with_capacity(jobs.len());
        for job in jobs {
            pending.push(match job {
                Job::Transact { transaction, answer } => Pending::Transact(self.transact(&mut round, transaction, now), answer),
                Job::Sweep { now, limit, answer } => Pending::Sweep(self.sweep(&mut round, now, limit), answer),
                Job::Restore { items, answer } => Pending::Sweep(self.restore(&mut round, items), answer),
            });
        }
        let outcome = self.commit(round);
        self.count(&pending, outcome.is_ok());
        for answer in pending {
            answer.send(outcome.as_ref().err());
        }
    }

    fn transact(&mut self, round: &mut Round, transaction: Transaction, now: Millis) -> Result<(), TransactError> {
        match self.tokens.look(&transaction, now) {
            Seen::New => {}
            Seen::Repeat => return Ok(()),
            Seen::Other => return Err(TransactError::Invalid("its token was used for another transaction".to_owned())),
        }
        let mut failed = Vec::new();
        let mut found = Vec::with_capacity(transaction.writes.len());
        for (place, write) in transaction.writes.iter().enumerate() {
            let key = codec::item_key(write.key());
            let new = rules::conditions(write).contains(&Condition::Absent);
            let stored = self.load(round, &key, new).map_err(|error| TransactError::Unavailable(error.to_string()))?;
            let visible = stored.as_ref().filter(|head| !rules::expired(head.expires_ms, now));
            let facts = visible.map(|head| Facts { revision: head.revision, attributes: &head.attributes });
            if !rules::hold(rules::conditions(write), facts.as_ref()) {
                failed.push(place);
            }
            let before = stored.as_ref().map(|head| (head.revision, rules::expired(head.expires_ms, now)));
            let revision = rules::revision_after(rules::conditions(write), before);
            found.push((key, stored, revision));
        }
        if !failed.is_empty() {
            return Err(TransactError::Conflict(failed));
        }
        self.tokens.remember(&transaction, now);
        for (write, (key, stored, revision)) in transaction.writes.into_iter().zip(found) {
            match write {
                Write::Put(item, _) => round.put(key, stored.as_ref(), revision, item),
                Write::Delete(..) => round.delete(key, stored.as_ref()),
                Write::Check(..) => {}
            }
        }
        Ok(())
    }

    fn sweep(&self, round: &mut Round, now: Millis, limit: usize) -> Result<usize, StoreError> {
        let failed = |error: fjall::Error| StoreError::Unavailable(error.to_string());
        let mut swept = 0;
        for guard in self.core.expires.range(codec::index_until(now)).take(limit.min(SWEEP_MAX)) {
            let entry = guard.key().map_err(failed)?.to_vec();
            let (at, key) = codec::read_index_key(&entry)?;
            let stored = self.load(round, key, false)?;
            if stored.as_ref().is_some_and(|head| head.expires_ms == Some(at)) {
                round.delete(key.to_vec(), stored.as_ref());
                swept += 1;
            } else {
                round.expires.insert(entry, false);
            }
        }
        Ok(swept)
    }

    /// Says how many.
    fn restore(&self, round: &mut Round, items: Vec<Item>) -> Result<usize, StoreError> {
        let count = items.len();
        for item in items {
            let key = codec::item_key(&item.key);
            let stored = self.load(round, &key, false)?;
            round.put(key, stored.as_ref(), item.revision, item);
        }
        Ok(count)
    }

    /// The head of what is stored under a key; `new` when its writer expects nothing there.
    fn load(&self, round: &Round, key: &[u8], new: bool) -> Result<Option<Head>, StoreError> {
        if let Some(staged) = round.items.get(key) {
            return Ok(staged.as_ref().map(|(head, _)| head.clone()));
        }
        let value = match self.shared.lately.known(key) {
            Some(value) => value,
            None if new && self.begins_partition(key)? => None,
            None => self.core.items.get(key).map_err(|error| StoreError::Unavailable(error.to_string()))?,
        };
        Ok(value.map(|value| codec::read_value(&value).map(|(head, _)| head)).transpose()?)
    }

    /// Whether nothing at all is stored of a key's partition. Then it is known whole from its first item on.
    fn begins_partition(&self, key: &[u8]) -> Result<bool, StoreError> {
        if !self.shared.lately.is_to_be_probed(key) {
            return Ok(false);
        }
        let Some(range) = codec::range_of_partition(key) else { return Ok(false) };
        let found = self.core.items.range(range).next().map(Guard::key).transpose();
        let empty = found.map_err(|error| StoreError::Unavailable(error.to_string()))?.is_none();
        if empty {
            self.shared.lately.is_empty(key);
        }
        Ok(empty)
    }

    fn commit(&self, round: Round) -> Result<(), String> {
        if round.items.is_empty() && round.expires.is_empty() {
            return Ok(());
        }
        let mut batch = self.core.db.batch().durability(Some(PersistMode::SyncData));
        for (key, staged) in &round.items {
            match staged {
                Some((_, value)) => batch.insert(&self.core.items, key, value.clone()),
                None => batch.remove(&self.core.items, key),
            }
        }
        let mut index = |keyspace: &Keyspace, entries: BTreeMap<Vec<u8>, bool>| {
            for (key, there) in entries {
                if there { batch.insert(keyspace, key, Vec::new()) } else { batch.remove(keyspace, key) }
            }
        };
        index(&self.core.due, round.due);
        index(&self.core.expires, round.expires);
        self.shared.batches.fetch_add(1, Ordering::Relaxed);
        self.shared.lately.begin(round.items.keys());
        batch.commit().map_err(|error| {
            self.shared.broken.store(true, Ordering::Release);
            tracing::error!(%error, "a commit failed; the store answers nothing until the process is restarted");
            error.to_string()
        })?;
        self.shared.lately.end(round.items.into_iter().map(|(key, staged)| (key, staged.map(|(_, value)| value))));
        Ok(())
    }

    fn count(&self, pending: &[Pending], committed: bool) {
        let count = |of: fn(&Pending) -> bool| u64::try_from(pending.iter().filter(|one| of(one)).count()).unwrap_or(u64::MAX);
        if committed {
            self.shared.commits.fetch_add(count(|one| matches!(one, Pending::Transact(Ok(()), _))), Ordering::Relaxed);
        }
        let conflicts = count(|one| matches!(one, Pending::Transact(Err(TransactError::Conflict(_)), _)));
        self.shared.conflicts.fetch_add(conflicts, Ordering::Relaxed);
    }
}

impl Round {
    fn put(&mut self, key: Vec<u8>, stored: Option<&Head>, revision: u64, item: Item) {
        let head = Head { revision, due_ms: item.due_ms, expires_ms: item.expires_ms, attributes: item.attributes };
        self.index(&key, stored, head.due_ms, head.expires_ms);
        let value = codec::value(&head, &item.body).into();
        self.items.insert(key, Some((head, value)));
    }

    fn delete(&mut self, key: Vec<u8>, stored: Option<&Head>) {
        if stored.is_some() {
            self.index(&key, stored, None, None);
            self.items.insert(key, None);
        }
    }

    /// Moves the item's entries of both indexes.
    fn index(&mut self, key: &[u8], stored: Option<&Head>, due_ms: Option<Millis>, expires_ms: Option<Millis>) {
        let moves = [
            (&mut self.due, stored.and_then(|head| head.due_ms), due_ms),
            (&mut self.expires, stored.and_then(|head| head.expires_ms), expires_ms),
        ];
        for (entries, old, new) in moves {
            if old == new {
                continue;
            }
            if let Some(at) = old {
                entries.insert(codec::index_key(at, key), false);
            }
            if let Some(at) = new {
                entries.insert(codec::index_key(at, key), true);
            }
        }
    }
}

impl Pending {
    /// A failed commit leaves the outcome of what it held open. A conflict is withheld then, too: it may be with
    /// something that was never written. Whoever has stopped waiting is not told.
    fn send(self, failure: Option<&String>) {
        match (self, failure) {
            (Self::Transact(result, answer), None) => drop(answer.send(result)),
            (Self::Sweep(result, answer), None) => drop(answer.send(result)),
            (Self::Transact(Ok(()), answer), Some(error)) => drop(answer.send(Err(TransactError::Unknown(error.clone())))),
            (Self::Transact(Err(_), answer), Some(error)) => drop(answer.send(Err(TransactError::Unavailable(error.clone())))),
            (Self::Sweep(_, answer), Some(error)) => drop(answer.send(Err(StoreError::Unavailable(error.clone())))),
        }
    }
}

fn refuse(job: Job) {
    let stopped = super::STOPPED.to_owned();
    match job {
        Job::Transact { answer, .. } => drop(answer.send(Err(TransactError::Unavailable(stopped)))),
        Job::Sweep { answer, .. } | Job::Restore { answer, .. } => drop(answer.send(Err(StoreError::Unavailable(stopped)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_commit_leaves_open_what_it_held_and_withholds_the_rest() {
        let failure = "disk".to_owned();
        let told = |result: Result<(), TransactError>| {
            let (answer, mut answered) = oneshot::channel();
            Pending::Transact(result, answer).send(Some(&failure));
            answered.try_recv().unwrap()
        };
        assert!(matches!(told(Ok(())), Err(TransactError::Unknown(text)) if text == failure));
        assert!(matches!(told(Err(TransactError::Conflict(vec![0]))), Err(TransactError::Unavailable(_))));
        let (answer, mut answered) = oneshot::channel();
        Pending::Sweep(Ok(1), answer).send(Some(&failure));
        assert!(matches!(answered.try_recv().unwrap(), Err(StoreError::Unavailable(_))));
    }
}
