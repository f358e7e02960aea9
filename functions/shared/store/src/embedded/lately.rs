//! What was written or read lately, byte for byte as it is stored: a read of it needs no other thread and no look at the
//! tables, and the writer knows what it replaces.
//!
//! It is exact. Only the writer changes what is stored, and it says so twice: before a round becomes visible in the store
//! below, from when on nothing here speaks for the items of the round, and after it. A read that finds nothing here looks
//! below; what it finds there is kept if no round has touched the item since the read began.
//!
//! A partition may be whole: then what is not here is not stored either, and ranges of it are answered, too. Bounded in
//! bytes; what is forgotten is forgotten by partition.

use super::codec::{self, Range};
use super::read::{self, Stored};
use crate::rules;
use app::ports::{Page, Query, StoreError};
use fjall::UserValue;
use model::Millis;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A partition that takes more than this share of everything is forgotten, so that one that only grows pushes nothing out.
const SHARE_OF_A_PARTITION: usize = 16;
/// What an item and a partition cost beside their bytes.
const ITEM_BYTES: usize = 96;
const PARTITION_BYTES: usize = 192;

/// What is known of an item.
enum Entry {
    /// This is stored; none for nothing.
    Known(Option<UserValue>),
    /// A round with it is under way.
    Writing,
    /// The read with this number looks for it below.
    Sought(u64),
}

/// What is known of a partition.
#[derive(Default)]
struct Partition {
    /// By stored key.
    items: BTreeMap<Vec<u8>, Entry>,
    /// What is not among the items is not stored.
    whole: bool,
    /// The writer has looked whether anything is stored of it.
    probed: bool,
    /// How many items are [`Entry::Writing`].
    writing: usize,
    /// Without [`PARTITION_BYTES`].
    bytes: usize,
    /// Since it was last looked at for forgetting.
    used: bool,
}

#[derive(Default)]
struct State {
    partitions: HashMap<Arc<[u8]>, Partition>,
    /// Whom to forget next comes first.
    order: VecDeque<Arc<[u8]>>,
    bytes: usize,
    reads: u64,
}

/// See the module.
pub(crate) struct Lately {
    state: Mutex<State>,
    bytes_max: usize,
}

/// What is known of an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// This is stored; none for nothing.
    Known(Option<UserValue>),
    /// Look below, and tell it under this number if there is one.
    Unknown(Option<u64>),
}

impl Lately {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), bytes_max }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under it panics half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a reader may know of an item.
    pub(crate) fn look(&self, key: &[u8]) -> Look {
        let mut state = self.state();
        let read = state.reads;
        let look = state.on(key, |partition| {
            match partition.items.get(key) {
                Some(Entry::Known(value)) => return Look::Known(value.clone()),
                Some(Entry::Writing | Entry::Sought(_)) => return Look::Unknown(None),
                None if partition.whole => return Look::Known(None),
                None => {}
            }
            partition.set(key, Entry::Sought(read));
            Look::Unknown(Some(read))
        });
        state.reads += 1;
        look
    }

    /// What the read with this number found below; nothing when it failed. Forgotten if a round has touched it since.
    pub(crate) fn tell(&self, key: &[u8], read: u64, found: Option<&Option<UserValue>>) {
        let small = |value: &&Option<UserValue>| value.as_ref().is_none_or(|value| value.len() <= self.share());
        // A copy: what the store below gives may be a piece of a whole block.
        let entry = found.filter(small).map(|value| Entry::Known(value.as_ref().map(|value| UserValue::from(&**value))));
        let mut state = self.state();
        state.on(key, |partition| {
            if !matches!(partition.items.get(key), Some(Entry::Sought(number)) if *number == read) {
                return;
            }
            match entry {
                Some(entry) => partition.set(key, entry),
                None => partition.remove(key),
            }
        });
        state.forget(self.bytes_max);
    }

    /// A page, if everything that it may hold is known.
    pub(crate) fn query(&self, query: &Query, range: Range, now: Millis) -> Option<Result<Page, StoreError>> {
        let found = {
            let mut state = self.state();
            let partition = state.partitions.get_mut(query.partition.as_bytes()).filter(|partition| partition.whole)?;
            if partition.writing > 0 {
                return None;
            }
            partition.used = true;
            let known = partition.items.range(range).filter_map(|(key, entry)| entry.value().map(|value| (key, value)));
            if query.backward { gather(known.rev(), query.limit, now) } else { gather(known, query.limit, now) }
        };
        Some(read::page(found.into_iter().map(Ok), query, now))
    }

    /// What the writer may know of an item; it seeks nothing, for it changes what it looks at.
    pub(crate) fn known(&self, key: &[u8]) -> Option<Option<UserValue>> {
        let state = self.state();
        let partition = state.partitions.get(partition_of(key))?;
        match partition.items.get(key) {
            Some(Entry::Known(value)) => Some(value.clone()),
            Some(Entry::Writing | Entry::Sought(_)) => None,
            None => partition.whole.then_some(None),
        }
    }

    /// Whether the writer has not looked yet if anything is stored of the key's partition. It looks once.
    pub(crate) fn is_to_be_probed(&self, key: &[u8]) -> bool {
        self.state().on(key, |partition| !std::mem::replace(&mut partition.probed, true))
    }

    /// The writer has seen that nothing is stored of the key's partition.
    pub(crate) fn is_empty(&self, key: &[u8]) {
        self.state().on(key, |partition| partition.whole = true);
    }

    /// The writer is about to write these items.
    pub(crate) fn begin<'k>(&self, keys: impl Iterator<Item = &'k Vec<u8>>) {
        let mut state = self.state();
        for key in keys {
            state.on(key, |partition| partition.set(key, Entry::Writing));
        }
    }

    /// What it was about to write is visible below.
    pub(crate) fn end(&self, written: impl Iterator<Item = (Vec<u8>, Option<UserValue>)>) {
        let (mut state, share) = (self.state(), self.share());
        for (key, value) in written {
            state.on(&key, |partition| {
                match value {
                    Some(value) if value.len() > share => {
                        partition.whole = false;
                        partition.remove(&key);
                    }
                    None if partition.whole => partition.remove(&key),
                    value => partition.set(&key, Entry::Known(value)),
                }
                if partition.bytes > share && partition.writing == 0 {
                    partition.clear();
                }
            });
        }
        state.forget(self.bytes_max);
    }

    fn share(&self) -> usize {
        self.bytes_max / SHARE_OF_A_PARTITION
    }
}

/// The partition of a stored key.
fn partition_of(key: &[u8]) -> &[u8] {
    key.split(|byte| *byte == 0).next().unwrap_or(key)
}

/// As many as a page may hold, and the one after, by which a page knows that there is more.
fn gather<'k>(known: impl Iterator<Item = (&'k Vec<u8>, &'k UserValue)>, limit: usize, now: Millis) -> Vec<Stored> {
    let (mut found, mut live, mut bytes) = (Vec::new(), 0, 0);
    for (key, value) in known {
        found.push((key.as_slice().into(), value.clone()));
        bytes += key.len() + value.len();
        if live >= limit || (bytes > rules::PAGE_BYTES_MAX && found.len() > 1) {
            break;
        }
        live += usize::from(!rules::expired(codec::read_expires(value), now));
    }
    found
}

impl Entry {
    fn value(&self) -> Option<&UserValue> {
        if let Self::Known(Some(value)) = self { Some(value) } else { None }
    }

    fn bytes(&self) -> usize {
        ITEM_BYTES + self.value().map_or(0, |value| value.len())
    }
}

impl Partition {
    fn set(&mut self, key: &[u8], entry: Entry) {
        let (new, writes) = (entry.bytes(), matches!(entry, Entry::Writing));
        let old = match self.items.get_mut(key) {
            Some(known) => Some(std::mem::replace(known, entry)),
            None => self.items.insert(key.to_vec(), entry),
        };
        self.writing += usize::from(writes);
        self.bytes += new + key.len();
        self.left(key, old.as_ref());
    }

    fn remove(&mut self, key: &[u8]) {
        let old = self.items.remove(key);
        self.left(key, old.as_ref());
    }

    fn left(&mut self, key: &[u8], old: Option<&Entry>) {
        let Some(old) = old else { return };
        self.writing -= usize::from(matches!(old, Entry::Writing));
        self.bytes -= old.bytes() + key.len();
    }

    fn clear(&mut self) {
        self.items.clear();
        self.whole = false;
        self.bytes = 0;
    }
}

impl State {
    /// Does something with the partition of a stored key.
    fn on<T>(&mut self, key: &[u8], act: impl FnOnce(&mut Partition) -> T) -> T {
        let name = partition_of(key);
        if let Some(partition) = self.partitions.get_mut(name) {
            partition.used = true;
            let before = partition.bytes;
            let answer = act(partition);
            self.bytes = self.bytes + partition.bytes - before;
            return answer;
        }
        let mut partition = Partition { used: true, ..Partition::default() };
        let answer = act(&mut partition);
        self.bytes += partition.bytes + PARTITION_BYTES;
        let name: Arc<[u8]> = name.into();
        self.order.push_back(Arc::clone(&name));
        self.partitions.insert(name, partition);
        answer
    }

    /// Forgets partitions that were not used since they were last looked at, until the rest is small enough.
    fn forget(&mut self, bytes_max: usize) {
        let mut looks = 2 * self.order.len();
        while self.bytes > bytes_max && looks > 0 {
            looks -= 1;
            let Some(name) = self.order.pop_front() else { return };
            let Some(partition) = self.partitions.get_mut(&name) else { continue };
            if partition.writing > 0 || std::mem::take(&mut partition.used) {
                self.order.push_back(name);
            } else {
                self.bytes = self.bytes.saturating_sub(partition.bytes + PARTITION_BYTES);
                self.partitions.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use app::ports::Key;

    fn key(partition: &str, sort: &str) -> Vec<u8> {
        codec::item_key(&Key::new(partition, sort))
    }

    fn some(bytes: usize) -> Option<UserValue> {
        Some(vec![b'x'; bytes].into())
    }

    fn write(lately: &Lately, key: &[u8], value: Option<UserValue>) {
        lately.begin([key.to_vec()].iter());
        lately.end([(key.to_vec(), value)].into_iter());
    }

    #[test]
    fn what_was_read_is_known_unless_it_was_written_since() {
        let (lately, a) = (Lately::new(1 << 20), key("P", "a"));
        let Look::Unknown(Some(first)) = lately.look(&a) else { panic!("it is unknown") };
        assert_eq!(lately.look(&a), Look::Unknown(None), "one looks");
        assert_eq!(lately.known(&a), None);
        lately.begin([a.clone()].iter());
        lately.tell(&a, first, Some(&some(1)));
        assert_eq!(lately.look(&a), Look::Unknown(None), "it is being written");
        lately.end([(a.clone(), some(2))].into_iter());
        lately.tell(&a, first, Some(&some(1)));
        assert_eq!(lately.look(&a), Look::Known(some(2)));
        write(&lately, &a, None);
        assert_eq!((lately.look(&a), lately.known(&a)), (Look::Known(None), Some(None)));
        let b = key("P", "b");
        let Look::Unknown(Some(second)) = lately.look(&b) else { panic!("it is unknown") };
        lately.tell(&b, second, None);
        let Look::Unknown(Some(third)) = lately.look(&b) else { panic!("the read failed") };
        lately.tell(&b, second, Some(&some(1)));
        lately.tell(&b, third, Some(&some(3)));
        assert_eq!(lately.look(&b), Look::Known(some(3)));
    }

    #[test]
    fn of_a_whole_partition_everything_is_known() {
        let (lately, a) = (Lately::new(1 << 20), key("P", "a"));
        let query = Query::prefix("P", "", 9);
        let ask = || lately.query(&query, codec::range(&query).unwrap(), 0);
        assert!(ask().is_none());
        assert!(lately.is_to_be_probed(&a) && !lately.is_to_be_probed(&a));
        lately.is_empty(&a);
        assert_eq!((lately.look(&a), lately.known(&a)), (Look::Known(None), Some(None)));
        assert!(ask().unwrap().unwrap().items.is_empty());
        lately.begin([a.clone()].iter());
        assert!(ask().is_none(), "while it is written the store below speaks");
        let head = codec::Head { revision: 1, due_ms: None, expires_ms: None, attributes: BTreeMap::new() };
        lately.end([(a.clone(), Some(codec::value(&head, b"x").into()))].into_iter());
        assert_eq!(ask().unwrap().unwrap().items.len(), 1);
        write(&lately, &a, None);
        assert!(ask().unwrap().unwrap().items.is_empty());
        write(&lately, &a, some((1 << 20) / SHARE_OF_A_PARTITION + 1));
        assert!(ask().is_none(), "it is too large to be kept");
        assert!(matches!(lately.look(&a), Look::Unknown(Some(_))));
    }

    #[test]
    fn what_it_takes_is_bounded_and_counted() {
        let lately = Lately::new(64 << 10);
        lately.is_empty(&key("0", "a"));
        lately.begin([key("W", "a")].iter());
        for n in 0..2_000 {
            write(&lately, &key(&format!("P{}", n % 300), &format!("{n}")), some(n % 700));
            if let Look::Unknown(Some(read)) = lately.look(&key(&format!("Q{n}"), "a")) {
                lately.tell(&key(&format!("Q{n}"), "a"), read, Some(&some(n % 90)));
            }
            let state = lately.state();
            let counted: usize = state.partitions.values().map(|partition| partition.bytes + PARTITION_BYTES).sum();
            let held = |partition: &Partition| partition.items.iter().map(|(key, entry)| key.len() + entry.bytes()).sum::<usize>();
            assert!(state.partitions.values().all(|partition| partition.bytes == held(partition)));
            assert_eq!((state.bytes, state.order.len()), (counted, state.partitions.len()));
            assert!(state.bytes <= (64 << 10) + 1_000, "{}", state.bytes);
        }
        assert_eq!(lately.look(&key("W", "a")), Look::Unknown(None), "what is being written is not forgotten");
        assert!(matches!(lately.look(&key("0", "a")), Look::Unknown(Some(_))), "what was not used is");
    }

    #[test]
    fn a_partition_that_only_grows_pushes_nothing_out() {
        let lately = Lately::new(64 << 10);
        write(&lately, &key("P", "a"), some(10));
        for n in 0..1_000 {
            write(&lately, &key("LONG", &format!("{n}")), some(100));
        }
        assert_eq!(lately.look(&key("P", "a")), Look::Known(some(10)));
    }
}
