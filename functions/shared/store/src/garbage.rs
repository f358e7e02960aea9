//! Blobs that nothing refers to any more. What is thrown away is at least as old as the grace period, stands in no item and
//! in no blob that is kept, and is still the very copy that was looked at.
//!
//! A reference is any text of 64 hexadecimal digits, wherever it stands: nobody has to say here that there is a new place
//! for one. It is committed within half the grace period of its `put`, and a `put` of a blob that is older than that makes
//! a new copy of it. So whatever is committed while this looks around refers to a blob that is too young to be thrown away,
//! or to a copy that is not thrown away.

use crate::Everything;
use app::ports::{Blobs, Clock, Item, StoreError};
use async_trait::async_trait;
use futures::future::{Either, select};
use model::Millis;
use std::collections::BTreeMap;

/// The grace period where nobody says another.
pub const GRACE_MS: Millis = 24 * 3_600_000;
const DAY_MS: Millis = 24 * 3_600_000;
const ITEMS_A_PAGE: usize = 500;
const BLOBS_A_PAGE: usize = 1_000;
/// Pages of a table are not read at one instant: a reference that moves could be missed once.
const LOOKS: usize = 2;

/// One copy of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Which blob.
    pub sha256: String,
    /// When this copy was stored.
    pub stored_ms: Millis,
    /// Tells this copy from a later one.
    pub copy: String,
}

/// Blobs that can be listed and thrown away.
#[async_trait]
pub trait Sweepable: Blobs {
    /// Blobs after a digest, in order of digests, each with its newest copy, and where to go on; none at the end.
    async fn list(&self, after: Option<&str>, limit: usize) -> Result<(Vec<Stored>, Option<String>), StoreError>;
    /// Removes exactly this copy; false when it is there no more.
    async fn remove(&self, stored: &Stored) -> Result<bool, StoreError>;
}

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs there were.
    pub blobs: usize,
    /// Of them, old enough to be thrown away.
    pub old: usize,
    /// Thrown away.
    pub removed: usize,
    /// Given up for want of time.
    pub cut: bool,
}

/// How much one sweep may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Nothing younger is thrown away.
    pub grace_ms: Millis,
    /// Most blobs that are thrown away; each day the look begins at other ones.
    pub removed_max: usize,
    /// Gives up then: nothing is thrown away before everything that could refer to it was looked at.
    pub until_ms: Option<Millis>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { grace_ms: GRACE_MS, removed_max: 10_000, until_ms: None }
    }
}

/// Throws away what nothing refers to and what was stored before `now - grace_ms`.
///
/// # Errors
/// When something cannot be read or removed; what was removed until then is gone, and was garbage.
pub async fn sweep(table: &dyn Everything, blobs: &dyn Sweepable, now: Millis, grace_ms: Millis) -> Result<Swept, StoreError> {
    let bounds = Bounds { grace_ms, removed_max: usize::MAX, until_ms: None };
    sweep_bounded(table, blobs, now, bounds).await
}

/// The same within bounds.
///
/// # Errors
/// As [`sweep`].
pub async fn sweep_within(table: &dyn Everything, blobs: &dyn Sweepable, clock: &dyn Clock, bounds: Bounds) -> Result<Swept, StoreError> {
    let sweeping = Box::pin(sweep_bounded(table, blobs, clock.now_ms(), bounds));
    let Some(until) = bounds.until_ms else { return sweeping.await };
    match select(sweeping, clock.sleep_until(until)).await {
        Either::Left((swept, _)) => swept,
        Either::Right(_) => {
            tracing::warn!("the time was too short to sweep blobs; what was not thrown away stays until another time");
            Ok(Swept { cut: true, ..Swept::default() })
        }
    }
}

/// Some of what is old, beginning at another place each day, so that all have their turn.
fn only_some(old: &mut BTreeMap<String, Stored>, kept: &mut Vec<String>, now: Millis, most: usize) {
    if old.len() <= most {
        return;
    }
    let from = format!("{:02x}", (now / DAY_MS) % 256);
    let first = old.split_off(&from);
    let second = std::mem::take(old);
    for (place, (digest, stored)) in first.into_iter().chain(second).enumerate() {
        if place < most {
            old.insert(digest, stored);
        } else {
            kept.push(digest);
        }
    }
}

async fn sweep_bounded(table: &dyn Everything, blobs: &dyn Sweepable, now: Millis, bounds: Bounds) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    let Some(until) = now.checked_sub(bounds.grace_ms) else { return Ok(swept) };
    let mut kept = Vec::new();
    let mut old = BTreeMap::new();
    let mut after = None;
    loop {
        let (page, next) = blobs.list(after.as_deref(), BLOBS_A_PAGE).await?;
        for stored in page {
            swept.blobs += 1;
            if stored.stored_ms > until {
                kept.push(stored.sha256);
            } else {
                old.insert(stored.sha256.clone(), stored);
            }
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    swept.old = old.len();
    only_some(&mut old, &mut kept, now, bounds.removed_max);
    for _ in 0..LOOKS {
        if old.is_empty() {
            return Ok(swept);
        }
        spare_what_items_name(table, &mut old, &mut kept).await?;
        spare_what_blobs_name(blobs, &mut old, &mut kept).await?;
    }
    for stored in old.values() {
        swept.removed += usize::from(blobs.remove(stored).await?);
    }
    tracing::info!(blobs = swept.blobs, old = swept.old, removed = swept.removed, "blobs that nothing refers to were thrown away");
    Ok(swept)
}

async fn spare_what_items_name(
    table: &dyn Everything,
    old: &mut BTreeMap<String, Stored>,
    kept: &mut Vec<String>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let (items, next) = table.page(after.as_ref(), ITEMS_A_PAGE).await?;
        for item in &items {
            spare_what_item_names(item, old, kept);
        }
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn spare_what_item_names(item: &Item, old: &mut BTreeMap<String, Stored>, kept: &mut Vec<String>) {
    spare(&item.body, old, kept);
    let texts = item.attributes.values().chain([&item.key.partition, &item.key.sort]);
    texts.for_each(|text| spare(text.as_bytes(), old, kept));
}

/// Every blob that is kept is read once: a plan names what it was made of. What it names is kept and read, too.
async fn spare_what_blobs_name(
    blobs: &dyn Sweepable,
    old: &mut BTreeMap<String, Stored>,
    kept: &mut Vec<String>,
) -> Result<(), StoreError> {
    while !old.is_empty() {
        let Some(sha256) = kept.pop() else { return Ok(()) };
        match blobs.get(&sha256).await {
            Ok(bytes) => spare(&bytes.unwrap_or_default(), old, kept),
            // It is told when it is needed; nobody can tell what it named.
            Err(StoreError::Damaged(problem)) => tracing::warn!(%sha256, %problem, "a blob is damaged"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes out of `old` what is named in these bytes.
fn spare(bytes: &[u8], old: &mut BTreeMap<String, Stored>, kept: &mut Vec<String>) {
    const DIGITS: usize = 64;
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    for run in bytes.split(|byte| !is_digit(byte)).filter(|run| run.len() >= DIGITS) {
        for digest in run.windows(DIGITS) {
            let Ok(digest) = std::str::from_utf8(digest) else { continue };
            if let Some((digest, _)) = old.remove_entry(digest) {
                kept.push(digest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_leave_some_for_another_day() {
        let stored = |digest: &str| (digest.to_owned(), Stored { sha256: digest.to_owned(), stored_ms: 1, copy: String::new() });
        let some = |day: Millis, most: usize| {
            let (mut old, mut kept) = (["00", "7f", "80", "ff"].map(stored).into_iter().collect(), vec![]);
            only_some(&mut old, &mut kept, day * DAY_MS, most);
            (old.into_keys().collect::<Vec<_>>(), kept)
        };
        assert_eq!(some(0, 4).0.len(), 4);
        assert_eq!(some(0, 2), (vec!["00".to_owned(), "7f".to_owned()], vec!["80".to_owned(), "ff".to_owned()]));
        assert_eq!(some(0x80, 3), (vec!["00".to_owned(), "80".to_owned(), "ff".to_owned()], vec!["7f".to_owned()]));
    }

    /// A store that never answers.
    struct Silent;

    #[async_trait]
    impl Blobs for Silent {
        async fn put(&self, _: &[u8]) -> Result<String, StoreError> {
            std::future::pending().await
        }

        async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
            std::future::pending().await
        }
    }

    #[async_trait]
    impl Sweepable for Silent {
        async fn list(&self, _: Option<&str>, _: usize) -> Result<(Vec<Stored>, Option<String>), StoreError> {
            std::future::pending().await
        }

        async fn remove(&self, _: &Stored) -> Result<bool, StoreError> {
            std::future::pending().await
        }
    }

    #[async_trait]
    impl Everything for Silent {
        async fn page(&self, _: Option<&app::ports::Key>, _: usize) -> Result<(Vec<Item>, Option<app::ports::Key>), StoreError> {
            std::future::pending().await
        }
    }

    #[async_trait]
    impl Clock for Silent {
        fn now_ms(&self) -> Millis {
            2 * GRACE_MS
        }

        async fn sleep_until(&self, at: Millis) {
            assert_eq!(at, 2 * GRACE_MS + 5);
        }
    }

    #[tokio::test]
    async fn a_sweep_gives_up_in_time() {
        let bounds = Bounds { until_ms: Some(2 * GRACE_MS + 5), ..Bounds::default() };
        let swept = sweep_within(&Silent, &Silent, &Silent, bounds).await.unwrap();
        assert_eq!(swept, Swept { cut: true, ..Swept::default() });
    }

    #[test]
    fn a_digest_is_found_wherever_it_stands() {
        let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let spares = |bytes: &[u8]| {
            let stored = Stored { sha256: digest.to_owned(), stored_ms: 1, copy: String::new() };
            let (mut old, mut kept) = (BTreeMap::from([(digest.to_owned(), stored)]), vec![]);
            spare(bytes, &mut old, &mut kept);
            old.is_empty() && kept == [digest]
        };
        let named = [digest.to_owned(), format!("{{\"blob\":\"sha256:{digest}\"}}"), format!("aa{digest}00"), format!("x{digest}\u{e9}")];
        assert!(named.iter().all(|text| spares(text.as_bytes())));
        assert!(spares(&[&[0, 255], digest.as_bytes(), &[254]].concat()));
        assert!(!spares(&digest.as_bytes()[1..]) && !spares(digest.to_uppercase().as_bytes()) && !spares(b""));
    }
}
