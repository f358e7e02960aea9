//! Small seams: hints, blobs, secrets, time, randomness, changes to follow, registries.

use async_trait::async_trait;
use model::Millis;
use model::account::{RegistryCredentials, Sealed};
use model::id::{AccountName, ExecutionId, PipelineId};
use model::image::Digest;
use serde::{Deserialize, Serialize};

/// A hint to look at something. Losing one loses nothing: the `due` index says the same, later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Hint {
    /// An execution has something to do.
    Execution {
        /// Which.
        id: ExecutionId,
    },
    /// A stored push waits to be looked at.
    Delivery {
        /// Its trigger, which names the partition.
        trigger: String,
        /// Its id.
        id: String,
    },
    /// An execution that has ended may be kept no longer.
    Retention {
        /// Of which pipeline.
        pipeline: PipelineId,
        /// Which.
        execution: ExecutionId,
    },
    /// A cloud account wants to be verified.
    CloudAccount {
        /// Which.
        name: AccountName,
    },
    /// A registry account wants to be verified.
    RegistryAccount {
        /// Which.
        name: AccountName,
    },
}

/// Sends hints. Never the only copy of anything.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Delivers the hint after the delay (at most 15 minutes), at least once unless it is lost. Never fails the caller: a
    /// hint that cannot be sent is logged by the adapter and made good by the tick.
    async fn hint(&self, hint: Hint, delay_ms: u64);

    /// The same for many hints, each with its delay.
    async fn hint_all(&self, hints: Vec<(Hint, u64)>) {
        for (hint, delay_ms) in hints {
            self.hint(hint, delay_ms).await;
        }
    }
}

/// Bytes by their digest. A reference is written only after its blob.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores bytes and gives their SHA-256, hex. Storing the same again is fine.
    async fn put(&self, bytes: &[u8]) -> Result<String, super::StoreError>;
    /// Reads bytes back; none when there is no such blob. The digest is checked.
    async fn get(&self, sha256: &str) -> Result<Option<Vec<u8>>, super::StoreError>;
}

/// Why a secret could not be sealed or opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealError {
    /// Sealed with a key we do not hold.
    #[error("the secret was sealed with another key")]
    OtherKey,
    /// Changed since, or sealed for something else.
    #[error("the secret cannot be opened")]
    Damaged,
    /// The key's holder cannot be reached.
    #[error("the key is not available: {0}")]
    Unavailable(String),
}

/// Encrypts secrets before they are stored. `context` binds a secret to its place, so that it cannot be moved to another.
#[async_trait]
pub trait Sealer: Send + Sync {
    /// Encrypts.
    async fn seal(&self, context: &str, secret: &[u8]) -> Result<Sealed, SealError>;
    /// Decrypts.
    async fn open(&self, context: &str, sealed: &Sealed) -> Result<Vec<u8>, SealError>;
}

/// The only clock.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now_ms(&self) -> Millis;
    /// Returns at that instant, or a little after it.
    async fn sleep_until(&self, at: Millis);
}

/// The only randomness.
pub trait Entropy: Send + Sync {
    /// A fresh ULID for this instant.
    fn ulid(&self, now: Millis) -> String;
    /// Unguessable text of 256 bits, URL-safe.
    fn token(&self) -> String;
    /// A number for jitter.
    fn number(&self) -> u64;
}

/// Something that changed, by topic: `execution:<id>`, `orders:<project>`, `account:<name>`, ….
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What changed.
    pub topic: String,
    /// Its version now, where it has one.
    pub version: u64,
}

/// Tells those who follow something that it changed. Hints only: whoever follows reads again.
#[async_trait]
pub trait Changes: Send + Sync {
    /// Says that something changed.
    fn publish(&self, change: Change);
    /// The cursor of now.
    fn cursor(&self) -> u64;
    /// Waits until one of the topics changed after the cursor, at most until `until`. Gives the new cursor and the changes;
    /// `None` for the changes means that the cursor is too old to tell, and everything must be read again.
    async fn wait(&self, topics: &[String], since: u64, until: Millis) -> (u64, Option<Vec<Change>>);
}

/// A registry, opened: address and credentials.
#[derive(Debug, Clone)]
pub struct RegistryAccess {
    /// `host[:port]`.
    pub address: String,
    /// Speak HTTP.
    pub plain_http: bool,
    /// How to log in.
    pub credentials: RegistryCredentials,
}

/// One version of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageVersion {
    /// The tag.
    pub tag: String,
    /// What it points at.
    pub digest: Digest,
}

/// Why a registry did not answer well.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// No such repository or tag.
    #[error("not found: {0}")]
    NotFound(String),
    /// It refuses our credentials.
    #[error("the registry refuses the credentials: {0}")]
    Denied(String),
    /// It cannot be reached, or is in trouble; may work later.
    #[error("the registry is not available: {0}")]
    Unavailable(String),
    /// It answered something that is not the protocol.
    #[error("the registry's answer cannot be understood: {0}")]
    Protocol(String),
}

/// Reads from container registries.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Checks address, certificate and credentials (`GET /v2/`).
    async fn check(&self, access: &RegistryAccess) -> Result<(), RegistryError>;
    /// The digest a tag points at now.
    async fn digest(&self, access: &RegistryAccess, repository: &str, tag: &str) -> Result<Digest, RegistryError>;
    /// Tags of a repository after `after`, at most `limit`, as the registry orders them.
    async fn tags(
        &self,
        access: &RegistryAccess,
        repository: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, RegistryError>;
}
