//! An image small enough to make by hand: one layer that holds the given bytes, a configuration, a manifest. The bytes
//! decide every digest, so the same content pushed by any means is the same image. Nothing can run it.

use std::fs;
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// `sha256:` and 64 hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// The three documents of an image.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) manifest: Vec<u8>,
    pub(super) blobs: [Vec<u8>; 2],
}

impl Image {
    pub(super) fn new(content: &[u8]) -> Self {
        let layer = content.to_vec();
        let config = json!({ "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] } });
        let config = config.to_string().into_bytes();
        let describe = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() });
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": describe(CONFIG_TYPE, &config), "layers": [describe(LAYER_TYPE, &layer)] });
        Self { manifest: manifest.to_string().into_bytes(), blobs: [config, layer] }
    }

    pub(super) fn digest(&self) -> String {
        digest(&self.manifest)
    }

    /// Writes it as an OCI image layout, which skopeo reads.
    pub(super) fn write_layout(&self, folder: &Path) -> Result<()> {
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, bytes).map_err(Error::io(path))
        };
        fs::create_dir_all(folder.join("blobs/sha256")).map_err(Error::io(folder))?;
        write("oci-layout", json!({ "imageLayoutVersion": "1.0.0" }).to_string().as_bytes())?;
        let index = json!({ "schemaVersion": 2, "manifests":
            [{ "mediaType": MANIFEST_TYPE, "digest": self.digest(), "size": self.manifest.len() }] });
        write("index.json", index.to_string().as_bytes())?;
        for bytes in self.blobs.iter().chain([&self.manifest]) {
            write(&format!("blobs/{}", digest(bytes).replace(':', "/")), bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_the_digest() {
        assert_eq!(Image::new(b"one").digest(), Image::new(b"one").digest());
        assert_ne!(Image::new(b"one").digest(), Image::new(b"two").digest());
    }

    #[test]
    fn the_layout_holds_every_blob_under_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let image = Image::new(b"content");
        image.write_layout(folder.path()).unwrap();
        let name = image.digest().replace(':', "/");
        assert_eq!(fs::read(folder.path().join("blobs").join(name)).unwrap(), image.manifest);
    }
}
