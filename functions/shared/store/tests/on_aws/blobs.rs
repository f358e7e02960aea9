//! Blobs in a bucket, in a folder and in memory: one suite; what a bucket can do to them; and the sweep, against commits at
//! every point of it.

use crate::aws::{self, Counting};
use crate::clock::HandClock;
use crate::faulty::{Fault, Faults};
use app::ports::{Blobs, Clock, Item, Key, StoreError, Table, Transaction, Write};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use store::Everything;
use store::folder_blobs::FolderBlobs;
use store::garbage::{GRACE_MS, Stored, Sweepable, Swept, sweep};
use store::memory::{Memory, MemoryBlobs};
use store::s3_blobs::{Options, S3Blobs};
use store::suite;
use testkit::cloud::Cloud;

/// Beyond the times of everything that is stored in a test.
const LATER: u64 = 4_000_000_000_000;

async fn client() -> Client {
    let config = aws::plain(&Cloud::shared().await.unwrap().endpoint());
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    Client::from_conf(config)
}

async fn bucket(versions: bool) -> String {
    let (client, name) = (client().await, aws::fresh("bucket"));
    let here = CreateBucketConfiguration::builder().location_constraint(testkit::cloud::REGION.into()).build();
    client.create_bucket().bucket(&name).create_bucket_configuration(here).send().await.unwrap();
    if versions {
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        client.put_bucket_versioning().bucket(&name).versioning_configuration(on).send().await.unwrap();
    }
    name
}

fn options(bucket: &str, clock: Arc<dyn Clock>) -> Options {
    Options::new(bucket, clock, Arc::new(Counting))
}

/// Blobs in a new bucket, and what can happen to their requests.
pub(crate) async fn blobs() -> (S3Blobs, Faults, String) {
    let (faults, name) = (Faults::default(), bucket(true).await);
    let config = aws::config(&Cloud::shared().await.unwrap().endpoint()).http_client(faults.client()).build();
    (S3Blobs::new(&config, options(&name, Arc::new(HandClock::new()))), faults, name)
}

#[tokio::test]
async fn the_suite_runs_on_all_blobs() {
    let folder = tempfile::tempdir().unwrap();
    suite::blobs::run(&MemoryBlobs::new()).await.unwrap();
    suite::blobs::run(&FolderBlobs::open(folder.path()).unwrap()).await.unwrap();
    suite::blobs::run(&blobs().await.0).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    suite::blobs::run_sweepable(&FolderBlobs::open(folder.path()).unwrap()).await.unwrap();
    suite::blobs::run_sweepable(&blobs().await.0).await.unwrap();
}

#[tokio::test]
async fn calls_are_repeated_and_bounded() {
    let (blobs, faults, _) = blobs().await;
    let slow = || Fault::Answer(503, "<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>".to_owned());
    let trouble = || Fault::Answer(500, "<Error><Code>InternalError</Code></Error>".to_owned());
    let conflict = || Fault::Answer(409, "<Error><Code>ConditionalRequestConflict</Code></Error>".to_owned());
    faults.plan([slow(), trouble(), Fault::Lost, conflict(), Fault::AnswerLost]);
    let digest = blobs.put(b"x").await.unwrap();
    faults.plan([slow(), trouble(), Fault::Lost, Fault::AnswerLost]);
    assert_eq!(blobs.get(&digest).await.unwrap().as_deref(), Some(b"x".as_slice()));
    faults.plan((0..6).map(|_| trouble()));
    assert!(matches!(blobs.get(&digest).await, Err(StoreError::Unavailable(_))));
    faults.plan((0..6).map(|_| Fault::AnswerLost));
    assert!(matches!(blobs.put(b"y").await, Err(StoreError::Unavailable(_))));
    blobs.put(b"y").await.unwrap();
    faults.plan([Fault::Answer(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>".to_owned())]);
    let error = blobs.put(b"z").await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("policy")), "{error}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_or_keeps_no_versions_is_told() {
    let clock = Arc::new(HandClock::new());
    let config = aws::plain(&Cloud::shared().await.unwrap().endpoint());
    let nowhere = S3Blobs::new(&config, options("nowhere", clock.clone()));
    for error in [nowhere.put(b"x").await.unwrap_err(), nowhere.verify().await.unwrap_err()] {
        assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("`nowhere`") && text.contains("create it")), "{error}");
    }
    let plain = S3Blobs::new(&config, options(&bucket(false).await, clock));
    plain.put(b"x").await.unwrap();
    let error = plain.verify().await.unwrap_err();
    assert!(error.to_string().contains("versioning"), "{error}");
    let swept = sweep(&Memory::new(Arc::new(HandClock::new())), &plain, LATER, 1).await;
    assert!(matches!(swept, Err(StoreError::Unavailable(_))), "nothing is swept there");
}

#[tokio::test]
async fn a_changed_blob_is_refused_and_mended_by_putting_it_again() {
    let (blobs, _, name) = blobs().await;
    let digest = blobs.put(b"x").await.unwrap();
    let (client, key) = (client().await, format!("blobs/{digest}"));
    client.put_object().bucket(&name).key(&key).body(b"other".to_vec().into()).send().await.unwrap();
    assert!(matches!(blobs.get(&digest).await, Err(StoreError::Damaged(text)) if text.contains(&digest)));
    blobs.put(b"x").await.unwrap();
    assert_eq!(blobs.get(&digest).await.unwrap().as_deref(), Some(b"x".as_slice()));
    // The bucket was emptied: what is gone is none, and can be put again.
    client.delete_object().bucket(&name).key(&key).send().await.unwrap();
    assert_eq!(blobs.get(&digest).await.unwrap(), None);
    assert!(blobs.list(None, 10).await.unwrap().0.is_empty());
    blobs.put(b"x").await.unwrap();
    assert!(blobs.get(&digest).await.unwrap().is_some());
}

#[tokio::test]
async fn a_young_blob_is_stored_once_and_an_old_one_anew() {
    let (faults, name) = (Faults::default(), bucket(true).await);
    let config = aws::config(&Cloud::shared().await.unwrap().endpoint()).http_client(faults.client()).build();
    let young = S3Blobs::new(&config, Options { grace_ms: u64::MAX / 2, ..options(&name, Arc::new(HandClock::new())) });
    let digest = young.put(b"x").await.unwrap();
    let first = young.list(None, 10).await.unwrap().0;
    young.put(b"x").await.unwrap();
    assert_eq!(young.list(None, 10).await.unwrap().0, first);
    let old = S3Blobs::new(&config, options(&name, Arc::new(HandClock::new())));
    old.put(b"x").await.unwrap();
    let second = old.list(None, 10).await.unwrap().0;
    assert!(second.len() == 1 && second[0].copy != first[0].copy);
    assert!(old.remove(&first[0]).await.is_ok());
    assert!(old.get(&digest).await.unwrap().is_some(), "only the old copy is gone");
}

/// Both kinds, fresh.
async fn both() -> Vec<(Arc<dyn Sweepable>, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().unwrap();
    vec![(Arc::new(FolderBlobs::open(folder.path()).unwrap()), Some(folder)), (Arc::new(blobs().await.0), None)]
}

fn reference(key: &str, text: &str) -> Transaction {
    Transaction::of(vec![Write::Put(Item::new(Key::new("P", key), text.as_bytes().to_vec()), vec![])])
}

#[tokio::test]
async fn what_is_referred_to_stays_and_the_rest_goes() {
    for (blobs, _folder) in both().await {
        let table = Memory::new(Arc::new(HandClock::new()));
        let put = |text: String| {
            let blobs = blobs.clone();
            async move { blobs.put(text.as_bytes()).await.unwrap() }
        };
        let component = put("component".to_owned()).await;
        let plan = put(format!("{{\"component\":\"{component}\"}}")).await;
        let (output, attribute, key) = (put("output".to_owned()).await, put("attribute".to_owned()).await, put("key".to_owned()).await);
        let garbage = put("garbage".to_owned()).await;
        let circle = put("circle".to_owned()).await;
        let around = put(format!("names {circle}")).await;
        table.transact(reference("1", &format!("{{\"plan\":\"{plan}\"}}"))).await.unwrap();
        table.transact(reference("2", &format!("sha256:{output} and more"))).await.unwrap();
        let item = Item::new(Key::new("P", format!("BLOB#{key}")), vec![]).attribute("blob", attribute.as_str());
        table.transact(Transaction::of(vec![Write::Put(item, vec![])])).await.unwrap();
        assert_eq!(sweep(&table, &*blobs, 1_000, GRACE_MS).await.unwrap(), Swept::default(), "before time began");
        let now = u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let young = sweep(&table, &*blobs, now, GRACE_MS).await.unwrap();
        assert_eq!(young, Swept { blobs: 8, ..Swept::default() }, "all are young");
        let swept = sweep(&table, &*blobs, LATER, GRACE_MS).await.unwrap();
        assert_eq!(swept, Swept { blobs: 8, old: 8, removed: 3, ..Swept::default() });
        for kept in [&component, &plan, &output, &attribute, &key] {
            assert!(blobs.get(kept).await.unwrap().is_some());
        }
        for gone in [&garbage, &circle, &around] {
            assert!(blobs.get(gone).await.unwrap().is_none());
        }
    }
}

/// Somebody who puts a blob and refers to it when the sweep comes to its nth step.
struct Racing {
    blobs: Arc<dyn Sweepable>,
    table: Arc<Memory>,
    steps: AtomicUsize,
    at: usize,
    /// In which item, so that it stands in a page that was read already, or in one that was not.
    key: &'static str,
    committed: Mutex<Option<String>>,
}

impl Racing {
    async fn step(&self) {
        if self.steps.fetch_add(1, Ordering::SeqCst) == self.at {
            let digest = self.blobs.put(b"wanted again").await.unwrap();
            self.table.transact(reference(self.key, &digest)).await.unwrap();
            *self.committed.lock().unwrap() = Some(digest);
        }
    }
}

#[async_trait]
impl Blobs for Racing {
    async fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        self.blobs.put(bytes).await
    }

    async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.step().await;
        self.blobs.get(sha256).await
    }
}

#[async_trait]
impl Sweepable for Racing {
    async fn list(&self, after: Option<&str>, limit: usize) -> Result<(Vec<Stored>, Option<String>), StoreError> {
        self.step().await;
        let page = self.blobs.list(after, limit).await;
        self.step().await;
        page
    }

    async fn remove(&self, stored: &Stored) -> Result<bool, StoreError> {
        self.step().await;
        self.blobs.remove(stored).await
    }
}

#[async_trait]
impl Everything for Racing {
    async fn page(&self, after: Option<&Key>, _: usize) -> Result<(Vec<Item>, Option<Key>), StoreError> {
        self.step().await;
        self.table.page(after, 1).await
    }
}

#[tokio::test]
async fn a_blob_that_is_wanted_again_while_it_is_swept_stays() {
    for key in ["0", "9"] {
        for at in 0.. {
            let mut reached = false;
            for (blobs, _folder) in both().await {
                let digest = blobs.put(b"wanted again").await.unwrap();
                blobs.put(b"garbage").await.unwrap();
                let kept = blobs.put(b"kept").await.unwrap();
                let table = Arc::new(Memory::new(Arc::new(HandClock::new())));
                table.transact(reference("4", &kept)).await.unwrap();
                table.transact(reference("5", "nothing")).await.unwrap();
                let racing = Racing { blobs: blobs.clone(), table, steps: AtomicUsize::new(0), at, key, committed: Mutex::default() };
                sweep(&racing, &racing, LATER, GRACE_MS).await.unwrap();
                if racing.committed.lock().unwrap().is_some() {
                    reached = true;
                    assert!(blobs.get(&digest).await.unwrap().is_some(), "committed at step {at}, in item {key}");
                }
            }
            if !reached {
                assert!(at > 8, "there are more steps than that");
                break;
            }
        }
    }
}

fn age(file: &Path, by: Duration) {
    let file = File::options().write(true).open(file).unwrap();
    let at = file.metadata().unwrap().modified().unwrap() - by;
    file.set_modified(at).unwrap();
}

#[tokio::test]
async fn a_file_that_is_put_again_is_young_again() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path()).unwrap();
    let digest = blobs.put(b"x").await.unwrap();
    let file = folder.path().join(&digest[..2]).join(&digest);
    age(&file, Duration::from_secs(3 * 24 * 3_600));
    let table = Memory::new(Arc::new(HandClock::new()));
    let now = u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    blobs.put(b"x").await.unwrap();
    assert_eq!(sweep(&table, &blobs, now, GRACE_MS).await.unwrap().old, 0);
    age(&file, Duration::from_secs(3 * 24 * 3_600));
    assert_eq!(sweep(&table, &blobs, now, GRACE_MS).await.unwrap().removed, 1);
}
