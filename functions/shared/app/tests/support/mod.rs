//! What the tests of pushes stand on: a table in memory that keeps the rules of the real one, and parts that say what they
//! are told to say and remember what they were asked.

#![allow(dead_code, unreachable_pub, reason = "several test programs share this, each uses what it needs")]

use app::error::AppError;
use app::ports::{
    Clock, Condition, Hint, Item, Key, Page, Query, Queue, Registry, RegistryAccess, RegistryError, StoreError, Table, TransactError,
    Transaction, Write,
};
use app::pushes::{HookTarget, PushSources, Starter};
use async_trait::async_trait;
use model::Millis;
use model::account::{RegistryCredentials, RegistryLogin};
use model::artifact::Artifact;
use model::id::{AccountName, AppName, ExecutionId, PipelineId, TriggerId};
use model::image::Digest;
use model::push::{Delivery, ImagePushed};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The address of the only registry account, `reg`.
pub const ADDRESS: &str = "reg.example:5000";

/// A table in memory. Expired items stay: no test here outlives one.
#[derive(Default)]
pub struct Memory {
    items: Mutex<BTreeMap<(String, String), Item>>,
    pub down: AtomicBool,
}

impl Memory {
    pub fn items(&self) -> Vec<Item> {
        self.items.lock().unwrap().values().cloned().collect()
    }
}

fn holds(condition: &Condition, item: Option<&Item>) -> bool {
    match condition {
        Condition::Absent => item.is_none(),
        Condition::Exists => item.is_some(),
        Condition::Revision(revision) => item.is_some_and(|i| i.revision == *revision),
        Condition::Attribute(name, value) => item.is_some_and(|i| i.attributes.get(name) == Some(value)),
        Condition::NoAttribute(name) => item.is_none_or(|i| !i.attributes.contains_key(name)),
    }
}

#[async_trait]
impl Table for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("down".into()));
        }
        Ok(self.items.lock().unwrap().get(&(key.partition.clone(), key.sort.clone())).cloned())
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let items = self.items.lock().unwrap();
        let mut found: Vec<Item> = items
            .values()
            .filter(|i| i.key.partition == query.partition && i.key.sort.starts_with(&query.prefix))
            .filter(|i| query.after.as_ref().is_none_or(|after| i.key.sort > *after))
            .cloned()
            .collect();
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(|i| i.key.sort.clone());
        Ok(Page { items: found, next })
    }

    async fn transact(&self, transaction: Transaction) -> Result<(), TransactError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(TransactError::Unavailable("down".into()));
        }
        let mut items = self.items.lock().unwrap();
        let place = |key: &Key| (key.partition.clone(), key.sort.clone());
        let failed: Vec<usize> = transaction
            .writes
            .iter()
            .enumerate()
            .filter(|(_, write)| {
                let (Write::Put(_, conditions) | Write::Delete(_, conditions) | Write::Check(_, conditions)) = write;
                !conditions.iter().all(|condition| holds(condition, items.get(&place(write.key()))))
            })
            .map(|(place, _)| place)
            .collect();
        if !failed.is_empty() {
            return Err(TransactError::Conflict(failed));
        }
        for write in transaction.writes {
            match write {
                Write::Put(mut item, _) => {
                    item.revision = items.get(&place(&item.key)).map_or(1, |old| old.revision + 1);
                    items.insert(place(&item.key), item);
                }
                Write::Delete(key, _) => {
                    items.remove(&place(&key));
                }
                Write::Check(..) => {}
            }
        }
        Ok(())
    }

    async fn due(&self, now: Millis, limit: usize) -> Result<Vec<Key>, StoreError> {
        let items = self.items.lock().unwrap();
        let mut due: Vec<(Millis, Key)> =
            items.values().filter_map(|i| i.due_ms.filter(|d| *d <= now).map(|d| (d, i.key.clone()))).collect();
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, key)| key).collect())
    }
}

/// Hints with their delays.
#[derive(Default)]
pub struct Hints(pub Mutex<Vec<(Hint, u64)>>);

#[async_trait]
impl Queue for Hints {
    async fn hint(&self, hint: Hint, delay_ms: u64) {
        self.0.lock().unwrap().push((hint, delay_ms));
    }
}

/// A clock that a test turns.
pub struct Turned(pub AtomicU64);

#[async_trait]
impl Clock for Turned {
    fn now_ms(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
    async fn sleep_until(&self, _at: Millis) {}
}

/// Hooks by token, pipelines by id.
#[derive(Default)]
pub struct Sources {
    pub hooks: Mutex<HashMap<String, HookTarget>>,
    pub pipelines: Mutex<HashMap<String, Value>>,
    /// The address of the account; [`ADDRESS`] when it is empty.
    pub address: Mutex<String>,
    pub account_gone: AtomicBool,
    pub account_closed: AtomicBool,
}

impl Sources {
    /// Adds a pipeline `id` with one docker trigger of the same id, found under the token `hook-<id>`.
    pub fn add(&self, id: &str, change: impl FnOnce(&mut Value)) {
        let mut trigger = json!({"type": "docker", "enabled": true, "id": id, "account": "reg", "repository": "team/web"});
        change(&mut trigger);
        let expected = json!([{"id": "image", "displayName": "flaskapp-image", "matchArtifact": {"type": "docker/image", "name": "reg.example:5000/team/web"}},
            {"id": "other", "matchArtifact": {"type": "docker/image", "name": "reg.example:5000/team/other"}}]);
        let document = json!({"application": "flaskapp", "name": id, "stages": [], "triggers": [trigger], "expectedArtifacts": expected});
        let target = HookTarget {
            trigger: TriggerId::parse(id).unwrap(),
            pipeline: PipelineId::parse(id).unwrap(),
            application: AppName::parse("flaskapp").unwrap(),
        };
        self.hooks.lock().unwrap().insert(format!("hook-{id}"), target);
        self.pipelines.lock().unwrap().insert(id.to_owned(), document);
    }
}

#[async_trait]
impl PushSources for Sources {
    async fn trigger_by_hook(&self, token: &str) -> Result<Option<HookTarget>, AppError> {
        Ok(self.hooks.lock().unwrap().get(token).cloned())
    }
    async fn pipeline(&self, _: &AppName, id: &PipelineId) -> Result<Option<Value>, AppError> {
        Ok(self.pipelines.lock().unwrap().get(id.as_str()).cloned())
    }
    async fn registry_address(&self, account: &AccountName) -> Result<Option<String>, AppError> {
        let address = Some(self.address.lock().unwrap().clone()).filter(|address| !address.is_empty());
        let there = account.as_str() == "reg" && !self.account_gone.load(Ordering::SeqCst);
        Ok(there.then(|| address.unwrap_or_else(|| ADDRESS.to_owned())))
    }
    async fn open_registry(&self, account: &AccountName) -> Result<RegistryAccess, AppError> {
        if self.account_closed.load(Ordering::SeqCst) {
            return Err(AppError::Unavailable("key holder".into()));
        }
        let address = self.registry_address(account).await?;
        let address = address.ok_or(AppError::NotFound { what: "registry account", id: account.to_string() })?;
        let credentials = RegistryCredentials { login: RegistryLogin::Anonymous, ca_pem: None };
        Ok(RegistryAccess { address, plain_http: true, credentials })
    }
}

/// A registry that answers from a list of `repository:tag`, or with one error for everything.
#[derive(Default)]
pub struct Tags {
    pub digests: Mutex<HashMap<String, Digest>>,
    pub fails: Mutex<Option<RegistryError>>,
    pub asked: AtomicU64,
}

impl Tags {
    pub fn set(&self, image: &str, letter: char) {
        self.digests.lock().unwrap().insert(image.to_owned(), digest(letter));
    }
}

/// A digest made of one hex digit.
pub fn digest(letter: char) -> Digest {
    Digest::parse(&format!("sha256:{}", letter.to_string().repeat(64))).unwrap()
}

#[async_trait]
impl Registry for Tags {
    async fn check(&self, _access: &RegistryAccess) -> Result<(), RegistryError> {
        Ok(())
    }
    async fn digest(&self, _access: &RegistryAccess, repository: &str, tag: &str) -> Result<Digest, RegistryError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        let image = format!("{repository}:{tag}");
        self.digests.lock().unwrap().get(&image).cloned().ok_or(RegistryError::NotFound(image))
    }
    async fn tags(&self, _: &RegistryAccess, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, RegistryError> {
        Ok(Vec::new())
    }
}

/// Remembers starts; one execution for one delivery, as the real one.
#[derive(Default)]
pub struct Starts {
    pub calls: Mutex<Vec<(String, Artifact)>>,
    pub fails: Mutex<Option<AppError>>,
}

impl Starts {
    /// Deliveries that started something, each once.
    pub fn started(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.calls.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

#[async_trait]
impl Starter for Starts {
    async fn start(&self, _: &PipelineId, _: &TriggerId, artifact: Artifact, delivery: &Delivery) -> Result<Vec<ExecutionId>, AppError> {
        if let Some(error) = self.fails.lock().unwrap().clone() {
            return Err(error);
        }
        self.calls.lock().unwrap().push((delivery.id.clone(), artifact));
        Ok(vec![ExecutionId::parse(format!("x-{}", delivery.id)).unwrap()])
    }
}

/// A push to `team/web`.
pub fn push(tag: &str, digest_letter: Option<char>) -> ImagePushed {
    ImagePushed {
        source: "distribution".into(),
        registry: Some(ADDRESS.into()),
        repository: "team/web".into(),
        tag: Some(tag.into()),
        digest: digest_letter.map(|letter| digest(letter).to_string()),
        actor: None,
        delivery: None,
    }
}
