//! In-memory fakes of the ports, for tests only: small, deterministic, and never part of a shipped program.

use crate::ports::{
    Applied, ApplyOptions, COMMIT_BYTES_MAX, Change, Changes, Clock, Cluster, ClusterError, Condition, Entropy, Hint, ITEMS_A_COMMIT_MAX,
    Item, Key, KindInfo, ListQuery, LogQuery, ObjectKey, ObjectPage, Page, Query, Queue, Registry, RegistryAccess, RegistryError, Rollout,
    SealError, Sealer, StoreError, Table, TransactError, Transaction, Verified, VerifyNeeds, WatchSpec, Write,
};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Millis;
use model::account::{ClusterConnection, ClusterCredentials, Sealed};
use model::image::Digest;
use model::person::{Principal, Role};
use model::problem::Problem;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A caller with a role.
#[must_use]
pub fn principal(name: &str, role: Role) -> Principal {
    Principal { name: name.to_owned(), role: Some(role), groups: std::collections::BTreeSet::new() }
}

/// A table in memory. It knows no clock, so nothing expires.
#[derive(Default)]
pub struct MemoryTable(Mutex<BTreeMap<Key, Item>>);

impl MemoryTable {
    /// How many items there are.
    pub fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// True when there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that is stored, as text: to look for what must not be there.
    pub fn dump(&self) -> String {
        lock(&self.0).values().map(|item| format!("{:?} {}\n", item.key, String::from_utf8_lossy(&item.body))).collect()
    }
}

fn holds(condition: &Condition, item: Option<&Item>) -> bool {
    match condition {
        Condition::Absent => item.is_none(),
        Condition::Exists => item.is_some(),
        Condition::Revision(wanted) => item.is_some_and(|i| i.revision == *wanted),
        Condition::Attribute(name, value) => item.is_some_and(|i| i.attributes.get(name) == Some(value)),
        Condition::NoAttribute(name) => item.is_none_or(|i| !i.attributes.contains_key(name)),
    }
}

fn conditions(write: &Write) -> &[Condition] {
    match write {
        Write::Put(_, list) | Write::Delete(_, list) | Write::Check(_, list) => list,
    }
}

#[async_trait]
impl Table for MemoryTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        Ok(lock(&self.0).get(key).cloned())
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let items = lock(&self.0);
        let fits = |key: &Key| {
            let after = query.after.as_ref().is_none_or(|a| if query.backward { key.sort < *a } else { key.sort > *a });
            key.partition == query.partition && key.sort.starts_with(&query.prefix) && after
        };
        let mut found: Vec<Item> = items.iter().filter(|(key, _)| fits(key)).map(|(_, item)| item.clone()).collect();
        if query.backward {
            found.reverse();
        }
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(|item| item.key.sort.clone());
        Ok(Page { items: found, next })
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        let writes = transaction.writes;
        let bytes: usize = writes.iter().map(|w| if let Write::Put(item, _) = w { item.body.len() } else { 0 }).sum();
        if writes.len() > ITEMS_A_COMMIT_MAX || bytes > COMMIT_BYTES_MAX {
            return Err(TransactError::Invalid(format!("{} items, {bytes} bytes", writes.len())));
        }
        if let Some(twice) = writes.iter().enumerate().find(|(i, w)| writes.iter().take(*i).any(|o| o.key() == w.key())) {
            return Err(TransactError::Invalid(format!("an item twice: {:?}", twice.1.key())));
        }
        let mut items = lock(&self.0);
        let failed: Vec<usize> = writes
            .iter()
            .enumerate()
            .filter(|(_, w)| !conditions(w).iter().all(|c| holds(c, items.get(w.key()))))
            .map(|(i, _)| i)
            .collect();
        if !failed.is_empty() {
            return Err(TransactError::Conflict(failed));
        }
        for write in writes {
            match write {
                Write::Put(mut item, _) => {
                    item.revision = items.get(&item.key).map_or(1, |old| old.revision + 1);
                    items.insert(item.key.clone(), item);
                }
                Write::Delete(key, _) => drop(items.remove(&key)),
                Write::Check(..) => {}
            }
        }
        Ok(())
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        let items = lock(&self.0);
        let mut due: Vec<(Millis, Key)> = items.values().filter_map(|i| Some((i.due_ms.filter(|at| *at <= now)?, i.key.clone()))).collect();
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, key)| key).collect())
    }
}

/// A clock that stands until a test moves it.
pub struct FixedClock(AtomicU64);

impl Default for FixedClock {
    fn default() -> Self {
        Self(AtomicU64::new(1_700_000_000_000))
    }
}

impl FixedClock {
    /// Moves it on.
    pub fn advance(&self, by_ms: u64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for FixedClock {
    fn now_ms(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep_until(&self, at: Millis) {
        self.0.fetch_max(at, Ordering::SeqCst);
    }
}

/// Counts instead of drawing.
#[derive(Default)]
pub struct Counting(AtomicU64);

impl Entropy for Counting {
    fn ulid(&self, _now: Millis) -> String {
        format!("01{:024}", self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn token(&self) -> String {
        format!("token-{:037}", self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn number(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Seals by turning the bits around: nothing stands in clear, and the context is checked.
#[derive(Default)]
pub struct TurningSealer;

#[async_trait]
impl Sealer for TurningSealer {
    async fn seal(&self, context: &str, secret: &[u8]) -> Result<Sealed, SealError> {
        let bytes: Vec<u8> = context.bytes().chain([0]).chain(secret.iter().copied()).map(|b| !b).collect();
        Ok(Sealed { key: "test".to_owned(), data: STANDARD.encode(bytes) })
    }

    async fn open(&self, context: &str, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let bytes: Vec<u8> = STANDARD.decode(&sealed.data).map_err(|_| SealError::Damaged)?.into_iter().map(|b| !b).collect();
        let secret = bytes.strip_prefix(context.as_bytes()).and_then(|rest| rest.strip_prefix(&[0]));
        secret.map(<[u8]>::to_vec).ok_or(SealError::Damaged)
    }
}

/// Keeps what was published; a wait answers at once with what there is.
#[derive(Default)]
pub struct KeptChanges(Mutex<Vec<Change>>);

impl KeptChanges {
    /// Topics in the order of their publication.
    pub fn topics(&self) -> Vec<String> {
        lock(&self.0).iter().map(|change| change.topic.clone()).collect()
    }
}

#[async_trait]
impl Changes for KeptChanges {
    fn publish(&self, change: Change) {
        lock(&self.0).push(change);
    }

    fn cursor(&self) -> u64 {
        lock(&self.0).len() as u64
    }

    async fn wait(&self, topics: &[String], since: u64, _until: Millis) -> (u64, Option<Vec<Change>>) {
        let kept = lock(&self.0);
        let cursor = kept.len() as u64;
        if since > cursor {
            return (cursor, None);
        }
        let new = kept.iter().skip(usize::try_from(since).unwrap_or(usize::MAX)).filter(|c| topics.contains(&c.topic));
        (cursor, Some(new.cloned().collect()))
    }
}

/// Keeps the hints.
#[derive(Default)]
pub struct KeptHints(Mutex<Vec<Hint>>);

impl KeptHints {
    /// Takes what was sent.
    pub fn take(&self) -> Vec<Hint> {
        std::mem::take(&mut lock(&self.0))
    }
}

#[async_trait]
impl Queue for KeptHints {
    async fn hint(&self, hint: Hint, _delay_ms: u64) {
        lock(&self.0).push(hint);
    }
}

/// A cluster that answers checks and watches as told, keeps what is applied, and holds one object at most. Its kubeconfig is a line `server=… token=…`.
pub struct ScriptedCluster {
    verified: Mutex<Result<Verified, ClusterError>>,
    watches: Mutex<VecDeque<Result<(), ClusterError>>>,
    applied: Mutex<Vec<Value>>,
    refusal: Mutex<Option<String>>,
    object: Mutex<Option<Value>>,
}

impl Default for ScriptedCluster {
    fn default() -> Self {
        let verified = Mutex::new(Ok(Verified { version: "v1.36.3".to_owned(), checks: Vec::new() }));
        Self { verified, watches: Mutex::default(), applied: Mutex::default(), refusal: Mutex::default(), object: Mutex::default() }
    }
}

impl ScriptedCluster {
    /// What the next checks find.
    pub fn will(&self, answer: Result<Verified, ClusterError>) {
        *lock(&self.verified) = answer;
    }

    /// What was applied, as it arrived.
    pub fn applied(&self) -> Vec<Value> {
        lock(&self.applied).clone()
    }

    /// Refuses what is applied from now on, in these words.
    pub fn refuses(&self, words: &str) {
        *lock(&self.refusal) = Some(words.to_owned());
    }

    /// The object that is found from now on, whatever is asked for.
    pub fn holds(&self, object: Value) {
        *lock(&self.object) = Some(object);
    }

    /// What the next watch comes to, after those that were told before; one that was told nothing waits for ever.
    pub fn will_see(&self, answer: Result<(), ClusterError>) {
        lock(&self.watches).push_back(answer);
    }
}

fn problem(pointer: &str, code: &str) -> Vec<Problem> {
    vec![Problem { pointer: pointer.to_owned(), code: code.to_owned(), message: code.replace('-', " "), warning: false }]
}

#[async_trait]
impl Cluster for ScriptedCluster {
    fn read_kubeconfig(
        &self,
        text: &str,
        context: Option<&str>,
        allow_insecure: bool,
    ) -> Result<(ClusterConnection, String), Vec<Problem>> {
        if text.contains("exec") {
            return Err(problem("/users/0/user/exec", "exec-refused"));
        }
        let field = |name: &str| text.split_whitespace().find_map(|w| w.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
        let (Some(server), Some(token)) = (field("server"), field("token")) else { return Err(problem("", "not-a-kubeconfig")) };
        let credentials = ClusterCredentials::Token(token);
        let connection =
            ClusterConnection { server, ca_pem: None, insecure_skip_tls_verify: allow_insecure, tls_server_name: None, credentials };
        Ok((connection, context.unwrap_or("default").to_owned()))
    }

    fn read_address(
        &self,
        server: &str,
        ca_pem: Option<&str>,
        token: &str,
        allow_insecure: bool,
    ) -> Result<ClusterConnection, Vec<Problem>> {
        if !server.starts_with("https://") {
            return Err(problem("/server", "server-invalid"));
        }
        Ok(ClusterConnection {
            server: server.to_owned(),
            ca_pem: ca_pem.map(str::to_owned),
            insecure_skip_tls_verify: allow_insecure,
            tls_server_name: None,
            credentials: ClusterCredentials::Token(token.to_owned()),
        })
    }

    async fn verify(&self, _at: &ClusterConnection, _needs: &VerifyNeeds) -> Result<Verified, ClusterError> {
        lock(&self.verified).clone()
    }

    async fn resolve(&self, _at: &ClusterConnection, kind: &str) -> Result<Vec<KindInfo>, ClusterError> {
        Err(ClusterError::NotFound(kind.to_owned()))
    }

    async fn get(&self, _at: &ClusterConnection, what: &ObjectKey) -> Result<Value, ClusterError> {
        lock(&self.object).clone().ok_or_else(|| ClusterError::NotFound(what.name.clone()))
    }

    async fn list(&self, _at: &ClusterConnection, query: &ListQuery) -> Result<ObjectPage, ClusterError> {
        Err(ClusterError::NotFound(query.kind.clone()))
    }

    async fn apply(&self, _at: &ClusterConnection, manifest: &Value, _options: ApplyOptions) -> Result<Applied, ClusterError> {
        if let Some(words) = lock(&self.refusal).clone() {
            return Err(ClusterError::Invalid(words));
        }
        lock(&self.applied).push(manifest.clone());
        Ok(Applied { live: manifest.clone(), created: true, changed: true, left_out: Vec::new() })
    }

    async fn create(&self, _at: &ClusterConnection, _manifest: &Value, _dry_run: bool) -> Result<Value, ClusterError> {
        Err(ClusterError::NotFound("no object".to_owned()))
    }

    async fn rollout_status(&self, _at: &ClusterConnection, what: &ObjectKey) -> Result<Rollout, ClusterError> {
        Err(ClusterError::NotFound(what.name.clone()))
    }

    async fn pod_logs(&self, _at: &ClusterConnection, _namespace: &str, pod: &str, _query: &LogQuery) -> Result<String, ClusterError> {
        Err(ClusterError::NotFound(pod.to_owned()))
    }

    async fn changed(&self, _at: &ClusterConnection, _spec: &WatchSpec) -> Result<(), ClusterError> {
        let told = lock(&self.watches).pop_front();
        match told {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

/// A registry that answers checks as told and holds one repository, `team/web`, with tags `1`, `2` and `3`.
#[derive(Default)]
pub struct ScriptedRegistry(Mutex<Option<RegistryError>>);

impl ScriptedRegistry {
    /// How the next calls fail; none for not at all.
    pub fn will(&self, failure: Option<RegistryError>) {
        *lock(&self.0) = failure;
    }

    fn answer<T>(&self, repository: &str, value: T) -> Result<T, RegistryError> {
        match lock(&self.0).clone() {
            Some(failure) => Err(failure),
            None if repository != "team/web" => Err(RegistryError::NotFound(repository.to_owned())),
            None => Ok(value),
        }
    }
}

#[async_trait]
impl Registry for ScriptedRegistry {
    async fn check(&self, _access: &RegistryAccess) -> Result<(), RegistryError> {
        self.answer("team/web", ())
    }

    async fn digest(&self, _access: &RegistryAccess, repository: &str, tag: &str) -> Result<Digest, RegistryError> {
        if !["1", "2", "3"].contains(&tag) {
            return Err(RegistryError::NotFound(format!("{repository}:{tag}")));
        }
        let digest = Digest::parse(&format!("sha256:{}", tag.repeat(64))).map_err(|e| RegistryError::Protocol(e.to_string()))?;
        self.answer(repository, digest)
    }

    async fn tags(
        &self,
        _access: &RegistryAccess,
        repository: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, RegistryError> {
        let tags = ["1", "2", "3"].into_iter().filter(|t| after.is_none_or(|a| *t > a)).take(limit).map(str::to_owned).collect();
        self.answer(repository, tags)
    }
}
