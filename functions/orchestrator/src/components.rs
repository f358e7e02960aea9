//! Components where there is no folder of them: fetched from the blobs when a step first needs one, and kept in a folder of
//! this machine. What is fetched is not trusted: whoever maps it checks its digest.

use app::ports::{Blobs, StageHost, StepCall, StepFault, StepReport, StoreError};
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A host whose components are fetched into its folder before they are needed.
pub struct Fetching {
    host: Arc<dyn StageHost>,
    blobs: Arc<dyn Blobs>,
    folder: PathBuf,
    /// Tells apart what is being written side by side.
    writes: AtomicU64,
}

/// Where a process that has no folder of components keeps them.
#[must_use]
pub fn components_folder() -> PathBuf {
    std::env::temp_dir().join("waybill-components")
}

fn unavailable(path: &Path) -> impl Fn(std::io::Error) -> StepFault {
    let path = path.display().to_string();
    move |error| StepFault::Unavailable(format!("{path}: {error}"))
}

impl Fetching {
    /// This host, which looks for components in this folder; they are fetched from these blobs.
    #[must_use]
    pub fn new(host: Arc<dyn StageHost>, blobs: Arc<dyn Blobs>, folder: PathBuf) -> Arc<Self> {
        Arc::new(Self { host, blobs, folder, writes: AtomicU64::new(0) })
    }

    async fn fetch(&self, sha256: &str) -> Result<(), StepFault> {
        let path = self.folder.join(format!("{sha256}.cwasm"));
        if tokio::fs::try_exists(&path).await.unwrap_or(false) {
            return Ok(());
        }
        let bytes = self.blobs.get(sha256).await.map_err(|error| match error {
            StoreError::Unavailable(text) => StepFault::Unavailable(text),
            other => StepFault::Component(other.to_string()),
        })?;
        let gone = || StepFault::Component(format!("the component {sha256} is not among the blobs: install the stage types again"));
        let bytes = bytes.ok_or_else(gone)?;
        // Under another name first: another step, or another process, may look for it in this instant.
        let place = format!("{sha256}.{}-{}.new", std::process::id(), self.writes.fetch_add(1, Ordering::Relaxed));
        let temporary = self.folder.join(place);
        tokio::fs::create_dir_all(&self.folder).await.map_err(unavailable(&self.folder))?;
        tokio::fs::write(&temporary, bytes).await.map_err(unavailable(&temporary))?;
        tokio::fs::rename(&temporary, &path).await.map_err(unavailable(&path))
    }
}

#[async_trait]
impl StageHost for Fetching {
    async fn step(&self, call: StepCall) -> Result<StepReport, StepFault> {
        self.fetch(&call.cwasm_sha256).await?;
        self.host.step(call).await
    }

    async fn validate(&self, cwasm_sha256: &str, params: &str) -> Result<Vec<(String, String)>, StepFault> {
        self.fetch(cwasm_sha256).await?;
        self.host.validate(cwasm_sha256, params).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Blobs of which one is there, and one cannot be reached; each question is kept.
    #[derive(Default)]
    struct Few(Mutex<Vec<String>>);

    #[async_trait]
    impl Blobs for Few {
        async fn put(&self, _: &[u8]) -> Result<String, StoreError> {
            Err(StoreError::Unavailable("no".to_owned()))
        }

        async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
            self.0.lock().unwrap().push(sha256.to_owned());
            match sha256 {
                "there" => Ok(Some(b"code".to_vec())),
                "away" => Err(StoreError::Unavailable("it is away".to_owned())),
                _ => Ok(None),
            }
        }
    }

    /// Finds what lies in the folder.
    struct Looks(PathBuf);

    #[async_trait]
    impl StageHost for Looks {
        async fn step(&self, _: StepCall) -> Result<StepReport, StepFault> {
            Err(StepFault::Fenced)
        }

        async fn validate(&self, cwasm_sha256: &str, _: &str) -> Result<Vec<(String, String)>, StepFault> {
            let code = std::fs::read_to_string(self.0.join(format!("{cwasm_sha256}.cwasm"))).unwrap();
            Ok(vec![(String::new(), code)])
        }
    }

    #[tokio::test]
    async fn a_component_is_fetched_once_and_what_is_missing_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("components");
        let blobs = Arc::new(Few::default());
        let host = Fetching::new(Arc::new(Looks(folder.clone())), blobs.clone(), folder.clone());
        for _ in 0..2 {
            assert_eq!(host.validate("there", "{}").await.unwrap(), [(String::new(), "code".to_owned())]);
        }
        let gone = host.validate("gone", "{}").await.unwrap_err();
        assert!(matches!(&gone, StepFault::Component(text) if text.contains("install")), "{gone}");
        assert!(matches!(host.validate("away", "{}").await.unwrap_err(), StepFault::Unavailable(_)));
        assert_eq!(*blobs.0.lock().unwrap(), ["there", "gone", "away"]);
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["there.cwasm"]);
    }
}
