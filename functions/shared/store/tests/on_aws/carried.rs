//! All of a store in one file, from a folder to AWS and back: the same item for item. And the archive, on both.

use crate::aws;
use crate::blobs;
use crate::clock::{HandClock, START};
use crate::flows::Flows;
use app::importing;
use app::ports::{Blobs, Item, Key, Table, Transaction, Write};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use store::archive::FolderArchive;
use store::embedded::{Embedded, Options};
use store::folder_blobs::FolderBlobs;
use store::garbage::Sweepable;
use store::memory::Memory;
use store::transfer::{self, From, TransferError};
use store::{Everything, Restorable, suite};

async fn all(table: &dyn Everything) -> Vec<Item> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = table.page(after.as_ref(), 100).await.unwrap();
        all.extend(items);
        after = next;
        if after.is_none() {
            all.sort_by(|one, other| one.key.cmp(&other.key));
            return all;
        }
    }
}

async fn digests(blobs: &dyn Sweepable) -> Vec<String> {
    blobs.list(None, 1_000).await.unwrap().0.into_iter().map(|stored| stored.sha256).collect()
}

fn from(place: &str) -> From {
    From { place: place.to_owned(), sealed_with: Some("file-1".to_owned()) }
}

fn embedded(folder: &Path, clock: &HandClock) -> (Arc<Embedded>, FolderBlobs) {
    let table = Embedded::open(folder.join("store"), Options::new(Arc::new(clock.clone()))).unwrap();
    (table, FolderBlobs::open(folder.join("blobs")).unwrap())
}

/// An embedded store with everything that the flows write, an item that has ended, one that will, and a few blobs.
async fn filled(folder: &Path, clock: &HandClock) -> (Arc<Embedded>, FolderBlobs) {
    let (table, blobs) = embedded(folder, clock);
    Flows::new(table.clone(), clock).run().await;
    let token = br#"{"shape":"tokens-guard","v":1,"data":{}}"#.to_vec();
    let put = |sort: &str, at| Write::Put(Item::new(Key::new("TOKENS", sort), token.clone()).expires(Some(at)), vec![]);
    let now = app::ports::Clock::now_ms(clock);
    table.transact(Transaction::of(vec![put("gone", now - 1), put("will-go", now + 1_000_000)])).await.unwrap();
    for blob in [b"{\"shape\":\"value\",\"v\":1,\"data\":1}".as_slice(), b"", &[0, 255, 10], &vec![b'x'; 3 << 20]] {
        blobs.put(blob).await.unwrap();
    }
    (table, blobs)
}

#[tokio::test]
async fn from_a_folder_to_aws_and_back_it_stays_the_same() {
    let (clock, folder) = (HandClock::new(), tempfile::tempdir().unwrap());
    let (table, stored) = filled(&folder.path().join("one"), &clock).await;
    let (out, back) = (folder.path().join("out.jsonl"), folder.path().join("back.jsonl"));
    let exported = transfer::export(&*table, &stored, &clock, from("one"), &out).await.unwrap();
    let items = all(&*table).await;
    assert_eq!((exported.items, exported.blobs), (items.len() as u64, 4));
    assert!(items.iter().any(|item| item.revision > 1) && items.iter().any(|item| item.due_ms.is_some()));
    let again = transfer::export(&*table, &stored, &clock, from("one"), &out).await.unwrap_err();
    assert!(matches!(&again, TransferError::Refused(text) if text.contains("already")), "{again}");

    let dynamo = aws::table("carried", &clock).await;
    let (bucket, ..) = blobs::blobs().await;
    let imported = transfer::import(&dynamo, &bucket, &clock, &out).await.unwrap();
    assert_eq!(imported, exported);
    assert_eq!(all(&dynamo).await, items);
    assert_eq!(digests(&bucket).await, digests(&stored).await);
    assert_eq!(dynamo.due(u64::MAX, 500).await.unwrap().len(), table.due(u64::MAX, 500).await.unwrap().len(), "what is due is due there");

    transfer::export(&dynamo, &bucket, &clock, from("two"), &back).await.unwrap();
    let (third, of_third) = embedded(&folder.path().join("three"), &clock);
    transfer::import(&*third, &of_third, &clock, &back).await.unwrap();
    assert_eq!(all(&*third).await, items);
    assert_eq!(digests(&of_third).await, digests(&stored).await);
    assert_eq!(third.due(u64::MAX, 500).await.unwrap(), table.due(u64::MAX, 500).await.unwrap());
    clock.advance(2_000_000);
    assert!(third.sweep_expired(app::ports::Clock::now_ms(&clock), 100).await.unwrap() > 0, "what expires still does");
    importing::require_none(&*third).await.unwrap();
    let text = fs::read_to_string(&out).unwrap();
    assert!(!text.contains("secret-token") && text.lines().next().unwrap().contains("\"sealedWith\":\"file-1\""));
}

/// A file that was exported from a small store, and what an import of its changed text says.
async fn file(folder: &Path) -> (Vec<String>, HandClock) {
    let clock = HandClock::new();
    let table = Arc::new(Memory::new(Arc::new(clock.clone())));
    Flows::new(table.clone(), &clock).run().await;
    let blobs = FolderBlobs::open(folder.join("blobs")).unwrap();
    blobs.put(b"{}").await.unwrap();
    let path = folder.join("good.jsonl");
    transfer::export(&*table, &blobs, &clock, from("memory"), &path).await.unwrap();
    (fs::read_to_string(&path).unwrap().lines().map(|line| format!("{line}\n")).collect(), clock)
}

#[tokio::test]
async fn a_file_that_was_cut_off_changed_or_is_newer_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, clock) = file(folder.path()).await;
    let (path, blobs) = (folder.path().join("bad.jsonl"), FolderBlobs::open(folder.path().join("into")).unwrap());
    let last = lines.len();
    let changed = |at: usize, from: &str, to: &str| {
        let mut lines = lines.clone();
        assert!(lines[at].contains(from), "{}", lines[at]);
        lines[at] = lines[at].replacen(from, to, 1);
        lines.concat()
    };
    let revision = "\"revision\":";
    let wrong: Vec<(String, u64, &str)> = vec![
        (String::new(), 1, "empty"),
        ("{}\n".to_owned(), 1, "no export"),
        (lines.concat()[..lines.concat().len() - 5].to_owned(), last as u64, "cut off"),
        (lines[..last - 1].concat(), last as u64, "cut off"),
        (lines[..last - 3].concat() + &lines[last - 1], last as u64 - 2, "missing or were changed"),
        (changed(5, revision, "revision:"), 6, "cannot be read"),
        (changed(5, revision, "\"revision\":1"), last as u64, "missing or were changed"),
        (changed(0, "\"format\":1", "\"format\":2"), 1, "update this one"),
        (changed(0, "memory", "Memory"), last as u64, "missing or were changed"),
        (changed(6, "\"v\":1", "\"v\":9"), 7, "newer Waybill"),
        (changed(7, "\"shape\":\"", "\"shape\":\"x"), 8, "no shape that is known"),
        (changed(last - 2, "\"json\":{}", "\"json\":[]"), last as u64 - 1, "does not match its digest"),
        (lines.concat() + "{}\n", last as u64 + 1, "after the end"),
    ];
    for (text, number, told) in wrong {
        fs::write(&path, &text).unwrap();
        let table = Memory::new(Arc::new(clock.clone()));
        let error = transfer::import(&table, &blobs, &clock, &path).await.unwrap_err();
        let TransferError::Line { line, message, .. } = &error else { panic!("{told}: {error:?}") };
        assert!(*line == number && message.contains(told), "{told}: {error}");
        assert_eq!((table.items().len(), digests(&blobs).await.len()), (0, 0), "{told}");
    }
}

#[tokio::test]
async fn only_an_empty_store_takes_it_and_whoever_is_interrupted_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, clock) = file(folder.path()).await;
    let (path, blobs) = (folder.path().join("good.jsonl"), FolderBlobs::open(folder.path().join("into")).unwrap());
    let table = Memory::new(Arc::new(clock.clone()));
    let one = Item::new(Key::new("APPS", "mine"), br#"{"shape":"counter","v":1,"data":{"last":1}}"#.to_vec());
    table.restore(vec![Item { revision: 3, ..one.clone() }]).await.unwrap();
    let refused = transfer::import(&table, &blobs, &clock, &path).await.unwrap_err();
    assert!(matches!(&refused, TransferError::Refused(text) if text.contains("APPS / mine")), "{refused}");
    assert_eq!(table.items().len(), 1);
    // Interrupted after a few items: the mark is there, nobody serves it, and the same file goes on.
    let table = Memory::new(Arc::new(clock.clone()));
    let checked = transfer::check(&path).unwrap();
    let (items, blobs_of) = (checked.header.items, checked.header.blobs);
    let mark = importing::Importing { sha256: checked.sha256.clone(), items, blobs: blobs_of, begun_ms: START };
    importing::begin(&table, &mark).await.unwrap();
    table.restore(vec![]).await.unwrap();
    assert!(importing::require_none(&table).await.is_err());
    let unfinished = folder.path().join("unfinished.jsonl");
    let half = transfer::export(&table, &blobs, &clock, from("half"), &unfinished).await.unwrap_err();
    assert!(matches!(&half, TransferError::Refused(text) if text.contains("half an import")), "{half}");
    assert!(!unfinished.exists());
    let other = folder.path().join("other.jsonl");
    let empty = Memory::new(Arc::new(clock.clone()));
    transfer::export(&empty, &blobs, &clock, from("empty"), &other).await.unwrap();
    let refused = transfer::import(&table, &blobs, &clock, &other).await.unwrap_err();
    assert!(matches!(&refused, TransferError::Refused(text) if text.contains("another file")), "{refused}");
    let report = transfer::import(&table, &blobs, &clock, &path).await.unwrap();
    assert!(report.resumed && report.items == items && table.items().len() as u64 == items);
    importing::require_none(&table).await.unwrap();
    assert_eq!(lines.len() as u64, 2 + items + blobs_of);
}

#[tokio::test]
async fn the_archive_keeps_its_promises_in_a_folder_and_in_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    suite::archive::run(&FolderArchive::new(folder.path().join("archive"))).await.unwrap();
    let (bucket, ..) = blobs::blobs().await;
    suite::archive::run(&bucket).await.unwrap();
    assert_eq!(digests(&bucket).await, Vec::<String>::new(), "a sweep of blobs does not see it");
}
