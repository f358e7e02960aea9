//! Blobs in a folder, and the key file that seals secrets: what is kept, and every refusal.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use app::ports::{Blobs, SealError, Sealer, StoreError};
use model::account::Sealed;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use store::OpenError;
use store::folder_blobs::FolderBlobs;
use store::key_file::KeyFile;

const X: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

#[tokio::test]
async fn blobs_come_back_by_their_digest() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path()).unwrap();
    assert_eq!(blobs.get(X).await.unwrap(), None);
    assert_eq!(blobs.put(b"x").await.unwrap(), X);
    assert_eq!(blobs.put(b"x").await.unwrap(), X, "the same again is fine");
    let empty = blobs.put(b"").await.unwrap();
    let big = vec![7; 3 << 20];
    let big_digest = blobs.put(&big).await.unwrap();
    drop(blobs);
    let blobs = FolderBlobs::open(folder.path()).unwrap();
    assert_eq!(blobs.get(X).await.unwrap(), Some(b"x".to_vec()));
    assert_eq!(blobs.get(&empty).await.unwrap(), Some(vec![]));
    assert_eq!(blobs.get(&big_digest).await.unwrap(), Some(big));
    assert_eq!(fs::read_dir(folder.path().join("unfinished")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_text_that_is_no_digest_reaches_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path().join("blobs")).unwrap();
    fs::write(folder.path().join("secret"), "x").unwrap();
    let upper = X.to_uppercase();
    for text in ["", "2d", "../secret", "unfinished", upper.as_str(), &format!("{X}0"), &format!("../{}", &X[3..])] {
        assert_eq!(blobs.get(text).await.unwrap(), None, "{text}");
    }
}

#[tokio::test]
async fn a_changed_blob_is_refused_and_mended_by_putting_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path()).unwrap();
    blobs.put(b"x").await.unwrap();
    fs::write(folder.path().join("2d").join(X), "y").unwrap();
    assert!(matches!(blobs.get(X).await, Err(StoreError::Damaged(text)) if text.contains(X)));
    blobs.put(b"x").await.unwrap();
    assert_eq!(blobs.get(X).await.unwrap(), Some(b"x".to_vec()));
}

#[tokio::test]
async fn many_puts_of_one_blob_at_once_are_one_blob() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(folder.path()).unwrap();
    let digests = futures::future::join_all((0..20).map(|_| blobs.put(b"x"))).await;
    assert!(digests.into_iter().all(|digest| digest.unwrap() == X));
    assert_eq!(fs::read_dir(folder.path().join("2d")).unwrap().count(), 1);
}

#[tokio::test]
async fn what_a_crash_left_unfinished_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    drop(FolderBlobs::open(folder.path()).unwrap());
    fs::write(folder.path().join("unfinished/0"), "half").unwrap();
    let blobs = FolderBlobs::open(folder.path()).unwrap();
    assert_eq!(blobs.put(b"x").await.unwrap(), X);
    assert!(matches!(FolderBlobs::open(folder.path().join("2d").join(X)), Err(OpenError::Io { .. })));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_key_is_made_once_and_opens_what_it_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/key");
    let first = KeyFile::open(&path).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no other file is left");
    let sealed = first.seal("account:a", b"secret").await.unwrap();
    let again = first.seal("account:a", b"secret").await.unwrap();
    assert_ne!(sealed.data, again.data, "a fresh nonce each time");
    assert!(KeyFile::existing(folder.path().join("other")).is_err(), "none is made");
    assert!(!folder.path().join("other").exists());
    assert_eq!(format!("{:?}", KeyFile::existing(&path).unwrap()), format!("{first:?}"));
    let second = KeyFile::open(&path).unwrap();
    assert_eq!(second.open("account:a", &sealed).await.unwrap(), b"secret");
    let empty = second.seal("", b"").await.unwrap();
    assert_eq!(first.open("", &empty).await.unwrap(), b"");
}

#[tokio::test]
async fn what_was_changed_or_moved_is_not_opened() {
    let key = KeyFile::fleeting().unwrap();
    let sealed = key.seal("account:a", b"secret").await.unwrap();
    assert!(matches!(key.open("account:b", &sealed).await, Err(SealError::Damaged)), "another place");
    let other = KeyFile::fleeting().unwrap();
    assert!(matches!(other.open("account:a", &sealed).await, Err(SealError::OtherKey)));
    let renamed = Sealed { key: other.seal("x", b"").await.unwrap().key, ..sealed.clone() };
    assert!(matches!(other.open("account:a", &renamed).await, Err(SealError::Damaged)), "a key id that lies");
    // Every character matters; so does the length.
    for place in 0..sealed.data.len() {
        let mut data = sealed.data.clone().into_bytes();
        data[place] = if data[place] == b'A' { b'B' } else { b'A' };
        let changed = Sealed { data: String::from_utf8(data).unwrap(), ..sealed.clone() };
        assert!(matches!(key.open("account:a", &changed).await, Err(SealError::Damaged)), "changed at {place}");
    }
    for data in ["", "AA==", "AQ==", "not base64!", &sealed.data[..sealed.data.len() - 4]] {
        let cut = Sealed { data: data.to_owned(), ..sealed.clone() };
        assert!(matches!(key.open("account:a", &cut).await, Err(SealError::Damaged)), "{data}");
    }
}

#[tokio::test]
async fn a_key_that_others_may_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    drop(KeyFile::open(&path).unwrap());
    for bits in [0o640, 0o604, 0o620, 0o601, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        let refused = KeyFile::open(&path).unwrap_err();
        assert!(matches!(&refused, OpenError::Refused { .. }) && refused.to_string().contains("chmod 600"), "{refused}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    KeyFile::open(&path).unwrap();
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let hex = "00".repeat(32);
    let bad = [
        String::new(),
        hex.clone(),
        "waybill-key-1 ".to_owned(),
        format!("waybill-key-1 {}", &hex[2..]),
        format!("waybill-key-1 {hex}00"),
        format!("waybill-key-1 {}zz", &hex[2..]),
        format!("waybill-key-2 {hex}"),
        format!("waybill-key-1{hex}"),
    ];
    for text in bad {
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let refused = KeyFile::open(&path).unwrap_err();
        assert!(matches!(&refused, OpenError::Damaged { .. }), "{text}: {refused}");
        assert!(!refused.to_string().contains("0000"), "nothing of a key is told");
    }
    assert!(matches!(KeyFile::open(folder.path()).unwrap_err(), OpenError::Refused { .. } | OpenError::Io { .. }));
    let loose = folder.path().join("loose");
    symlink(folder.path().join("nowhere/key"), &loose).unwrap();
    assert!(KeyFile::open(&loose).is_err(), "a link to nothing is never replaced");
}

#[test]
fn nothing_of_a_key_is_in_its_debug_text() {
    let key = KeyFile::fleeting().unwrap();
    let text = format!("{key:?}");
    assert!(text.starts_with("KeyFile(file-") && text.len() == "KeyFile(file-)".len() + 16, "{text}");
}
