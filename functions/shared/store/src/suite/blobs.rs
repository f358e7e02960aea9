//! Every promise of [`app::ports::Blobs`] and of [`crate::garbage::Sweepable`], written once and run against every backend.

use super::Failure;
use crate::garbage::{Stored, Sweepable};
use app::ports::{Blobs, StoreError};
use sha2::{Digest, Sha256};

type Checked = Result<(), Failure>;

fn holds(holds: bool, what: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(Failure::Broken("blobs", what.into())) }
}

fn read(error: StoreError) -> Failure {
    Failure::Read("blobs", error)
}

/// Runs everything that all blobs promise.
///
/// # Errors
/// The first promise that is not kept.
pub async fn run(blobs: &dyn Blobs) -> Result<(), Failure> {
    let big = vec![7; 3 << 20];
    for bytes in [b"x".as_slice(), b"", &[0, 255, 0], b"{\"a\":1}", &big] {
        let digest = hex::encode(Sha256::digest(bytes));
        holds(blobs.get(&digest).await.map_err(read)?.is_none(), "nothing before it is put")?;
        for turn in 0..2 {
            let put = blobs.put(bytes).await.map_err(read)?;
            holds(put == digest, format!("the digest of {} bytes, turn {turn}", bytes.len()))?;
            holds(blobs.get(&digest).await.map_err(read)?.as_deref() == Some(bytes), "the bytes that were put")?;
        }
    }
    let digest = hex::encode(Sha256::digest(b"x"));
    let upper = digest.to_uppercase();
    for text in ["", "2d", "../x", "unfinished", upper.as_str(), &format!("{digest}0"), &digest.replace('d', "g")] {
        holds(blobs.get(text).await.map_err(read)?.is_none(), format!("`{text}` is no digest"))?;
    }
    let puts = futures::future::try_join_all((0..10).map(|_| blobs.put(b"many"))).await.map_err(read)?;
    holds(puts.iter().all(|put| Some(put) == puts.first()), "many puts of one blob are one blob")
}

async fn all(blobs: &dyn Sweepable, limit: usize) -> Result<Vec<Stored>, Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..1_000 {
        let (page, next) = blobs.list(after.as_deref(), limit).await.map_err(read)?;
        all.extend(page);
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
    Err(Failure::Broken("blobs", "the pages have no end".to_owned()))
}

/// Runs everything that blobs promise that can be swept. There may be none before.
///
/// # Errors
/// The first promise that is not kept.
pub async fn run_sweepable(blobs: &dyn Sweepable) -> Result<(), Failure> {
    holds(all(blobs, 10).await?.is_empty(), "no blobs at first")?;
    let mut digests = Vec::new();
    for n in 0..25_u8 {
        digests.push(blobs.put(&[n]).await.map_err(read)?);
    }
    digests.sort();
    for limit in [1, 7, 100] {
        let listed: Vec<String> = all(blobs, limit).await?.into_iter().map(|stored| stored.sha256).collect();
        holds(listed == digests, format!("all of them in order, by pages of {limit}"))?;
    }
    let listed = all(blobs, 100).await?;
    let Some(first) = listed.first() else { return holds(false, "there are blobs") };
    let other = Stored { copy: "1".to_owned(), ..first.clone() };
    let removed = blobs.remove(&other).await.unwrap_or(false);
    holds(!removed || blobs.get(&first.sha256).await.map_err(read)?.is_some(), "another copy is not removed")?;
    holds(blobs.remove(first).await.map_err(read)?, "the copy that is there is removed")?;
    holds(blobs.get(&first.sha256).await.map_err(read)?.is_none(), "what was removed is gone")?;
    holds(all(blobs, 100).await?.len() + 1 == digests.len(), "and nothing else")
}
