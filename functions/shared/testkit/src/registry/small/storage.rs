//! What was pushed. Synchronous, in memory; it checks digests as a real registry does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use serde_json::Value;

use crate::registry::image::digest;

/// One thing pushed, as a notification describes it.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    pub(super) repository: String,
    pub(super) digest: String,
    pub(super) media_type: String,
    pub(super) size: usize,
    pub(super) tag: Option<String>,
}

/// Blobs are shared by all repositories; manifests are not.
#[derive(Debug, Default)]
pub(super) struct Storage {
    blobs: HashMap<String, Bytes>,
    manifests: HashMap<(String, String), (String, Bytes)>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
    uploads: HashMap<String, Vec<u8>>,
    uploads_begun: u64,
}

impl Storage {
    pub(super) fn tags(&self, repository: &str) -> Option<BTreeSet<String>> {
        Some(self.tags.get(repository)?.keys().cloned().collect())
    }

    pub(super) fn blob(&self, digest: &str) -> Option<Bytes> {
        self.blobs.get(digest).cloned()
    }

    /// Digest, media type and bytes of what a tag or a digest names.
    pub(super) fn manifest(&self, repository: &str, reference: &str) -> Option<(String, String, Bytes)> {
        let tagged = self.tags.get(repository).and_then(|tags| tags.get(reference));
        let digest = tagged.map_or(reference, String::as_str).to_owned();
        let (media_type, bytes) = self.manifests.get(&(repository.to_owned(), digest.clone()))?.clone();
        Some((digest, media_type, bytes))
    }

    pub(super) fn put_manifest(
        &mut self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Pushed, &'static str> {
        let manifest: Value = serde_json::from_slice(&bytes).map_err(|_| "MANIFEST_INVALID")?;
        let layers = manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
        for blob in layers.chain(manifest.get("config")).filter_map(|part| part.get("digest")?.as_str()) {
            if !self.blobs.contains_key(blob) {
                return Err("MANIFEST_BLOB_UNKNOWN");
            }
        }
        let digest = digest(&bytes);
        let by_digest = reference.starts_with("sha256:");
        if by_digest && reference != digest {
            return Err("DIGEST_INVALID");
        }
        let tag = (!by_digest).then(|| reference.to_owned());
        let tags = self.tags.entry(repository.to_owned()).or_default();
        if let Some(tag) = &tag {
            tags.insert(tag.clone(), digest.clone());
        }
        let size = bytes.len();
        self.manifests.insert((repository.to_owned(), digest.clone()), (media_type.to_owned(), bytes));
        Ok(Pushed { repository: repository.to_owned(), digest, media_type: media_type.to_owned(), size, tag })
    }

    pub(super) fn begin_upload(&mut self) -> String {
        self.uploads_begun += 1;
        let id = format!("upload-{}", self.uploads_begun);
        self.uploads.insert(id.clone(), Vec::new());
        id
    }

    /// Whether there is such an upload.
    pub(super) fn extend_upload(&mut self, id: &str, bytes: &[u8]) -> bool {
        self.uploads.get_mut(id).map(|upload| upload.extend_from_slice(bytes)).is_some()
    }

    pub(super) fn end_upload(&mut self, repository: &str, id: &str, wanted: &str) -> Result<Pushed, &'static str> {
        let bytes = self.uploads.remove(id).ok_or("BLOB_UPLOAD_UNKNOWN")?;
        let digest = digest(&bytes);
        if digest != wanted {
            return Err("DIGEST_INVALID");
        }
        let size = bytes.len();
        self.blobs.insert(digest.clone(), bytes.into());
        Ok(Pushed { repository: repository.to_owned(), digest, media_type: "application/octet-stream".into(), size, tag: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_do_not_match_their_digest_are_refused() {
        let mut storage = Storage::default();
        let id = storage.begin_upload();
        assert!(storage.extend_upload(&id, b"bytes"));
        assert_eq!(storage.end_upload("a", &id, "sha256:00").unwrap_err(), "DIGEST_INVALID");
        assert!(!storage.extend_upload("upload-9", b""));
    }

    #[test]
    fn a_manifest_whose_layers_are_not_there_is_refused() {
        let manifest = Bytes::from_static(br#"{"layers":[{"digest":"sha256:00"}]}"#);
        let refused = Storage::default().put_manifest("a", "1", "", manifest);
        assert_eq!(refused.unwrap_err(), "MANIFEST_BLOB_UNKNOWN");
    }
}
