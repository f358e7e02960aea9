//! Image pushes: from a hook's request to a start.
//!
//! Two halves. [`receive`] runs while the sender waits: it stores what fits and asks nobody outside. [`process`] runs
//! later, as often as needed: it asks the registry what the tag really points at and starts the pipeline with that. A push
//! is a hint that cannot bring an image in; only what the registry says is ever started.

mod list;
mod process;
mod receive;
mod sources;

pub use list::{Deliveries, deliveries};
pub use process::{Processing, process};
pub use receive::{Event, Hook, Received, Receiving, Verdict, find_hook, receive};
pub use sources::StoredSources;

use crate::error::AppError;
use crate::ports::{Hint, Key, RegistryAccess};
use crate::record::{Record, Shape, shape};
use async_trait::async_trait;
use model::Millis;
use model::artifact::Artifact;
use model::id::{AccountName, AppName, ExecutionId, PipelineId, TriggerId};
use model::push::{Delivery, IgnoredPushes, ImagePushed};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// How long a push is remembered, against repeats and for display.
const KEPT_MS: Millis = 48 * 3_600_000;
/// How long a start is tried.
const TRIED_MS_MAX: Millis = 24 * 3_600_000;

/// Where a hook's token leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookTarget {
    /// The trigger.
    pub trigger: TriggerId,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// The pipeline's application.
    pub application: AppName,
}

/// What pushes need to know of pipelines and accounts.
#[async_trait]
pub trait PushSources: Send + Sync {
    /// The trigger that a hook's token names; looked up by the token's hash, so that nothing is learned from the time it takes.
    async fn trigger_by_hook(&self, token: &str) -> Result<Option<HookTarget>, AppError>;
    /// The document of a pipeline's newest revision.
    async fn pipeline(&self, application: &AppName, id: &PipelineId) -> Result<Option<Value>, AppError>;
    /// The address of a registry account.
    async fn registry_address(&self, account: &AccountName) -> Result<Option<String>, AppError>;
    /// A registry account with its secrets opened.
    async fn open_registry(&self, account: &AccountName) -> Result<RegistryAccess, AppError>;
}

/// Starts what a push asks for.
#[async_trait]
pub trait Starter: Send + Sync {
    /// Starts the pipeline with the artifact. Asked again for the same delivery it starts nothing, and gives what it started.
    async fn start(
        &self,
        pipeline: &PipelineId,
        trigger: &TriggerId,
        artifact: Artifact,
        delivery: &Delivery,
    ) -> Result<Vec<ExecutionId>, AppError>;
}

/// The hint for an item that the `due` index names; none when it is no push.
#[must_use]
pub fn due_hint(key: &Key) -> Option<Hint> {
    let trigger = key.partition.strip_prefix(PARTITION)?;
    let id = key.sort.strip_prefix(DELIVERY)?;
    Some(Hint::Delivery { trigger: trigger.to_owned(), id: id.to_owned() })
}

const PARTITION: &str = "PUSH#";
const DELIVERY: &str = "DLV#";

fn partition(trigger: &TriggerId) -> String {
    format!("{PARTITION}{trigger}")
}

fn delivery_key(trigger: &TriggerId, id: &str) -> Key {
    Key::new(partition(trigger), format!("{DELIVERY}{id}"))
}

fn ignored_key(trigger: &TriggerId) -> Key {
    Key::new(partition(trigger), "IGN")
}

/// Where it is said which delivery starts this image: one start for one (repository, tag, digest), however many tell of it.
fn bound_key(trigger: &TriggerId, pushed: &ImagePushed, digest: &str) -> Key {
    let tag = pushed.tag.as_deref().unwrap_or_default();
    Key::new(partition(trigger), format!("BND#{}", fingerprint(&[&pushed.repository, tag, digest])))
}

/// The id of a delivery. A sender that says no digest may tell of another image under the same tag each time, so there it
/// is the sender's own id that tells repeats apart.
fn delivery_id(trigger: &TriggerId, pushed: &ImagePushed) -> String {
    let tag = pushed.tag.as_deref().unwrap_or_default();
    let (kind, what) = match (&pushed.digest, &pushed.delivery) {
        (Some(digest), _) => ("digest", digest.as_str()),
        (None, Some(delivery)) => ("delivery", delivery.as_str()),
        (None, None) => ("nothing", ""),
    };
    fingerprint(&[trigger.as_str(), &pushed.repository, tag, kind, what])
}

/// 160 bits over parts that cannot run into one another.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut hex = hex::encode(hash.finalize());
    hex.truncate(40);
    hex
}

impl Record for Delivery {
    const SHAPE: &'static str = "delivery";
}

impl Record for IgnoredPushes {
    const SHAPE: &'static str = "ignored-pushes";
}

/// Which delivery starts an image.
#[derive(Debug, Serialize, Deserialize)]
struct Bound {
    delivery: String,
}

impl Record for Bound {
    const SHAPE: &'static str = "bound-push";
}

/// What is stored from here.
pub(crate) const SHAPES: &[Shape] = &[shape::<Delivery>(), shape::<IgnoredPushes>(), shape::<Bound>()];

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(tag: &str, digest: Option<&str>, delivery: Option<&str>) -> ImagePushed {
        ImagePushed {
            source: "coding".into(),
            registry: None,
            repository: "a/b".into(),
            tag: Some(tag.into()),
            digest: digest.map(Into::into),
            actor: None,
            delivery: delivery.map(Into::into),
        }
    }

    #[test]
    fn a_delivery_is_told_by_its_digest_else_by_the_senders_id() {
        let trigger = TriggerId::parse("t").unwrap();
        let id = |p: &ImagePushed| delivery_id(&trigger, p);
        assert_eq!(id(&pushed("1", Some("d"), Some("x"))), id(&pushed("1", Some("d"), Some("y"))));
        assert_ne!(id(&pushed("1", Some("d"), None)), id(&pushed("2", Some("d"), None)));
        assert_ne!(id(&pushed("1", None, Some("x"))), id(&pushed("1", None, Some("y"))));
        assert_ne!(id(&pushed("1", Some("x"), None)), id(&pushed("1", None, Some("x"))));
        assert_ne!(id(&pushed("1", None, None)), delivery_id(&TriggerId::parse("u").unwrap(), &pushed("1", None, None)));
        assert_eq!(id(&pushed("1", None, None)).len(), 40);
    }

    #[test]
    fn due_items_lead_to_their_delivery() {
        let trigger = TriggerId::parse("t").unwrap();
        assert_eq!(due_hint(&delivery_key(&trigger, "i")), Some(Hint::Delivery { trigger: "t".into(), id: "i".into() }));
        assert_eq!(due_hint(&ignored_key(&trigger)), None);
        assert_eq!(due_hint(&Key::new("EXEC#x", "META")), None);
    }
}
