//! Image pushes as registries tell of them, brought to one form.

use crate::Millis;
use crate::id::{AppName, PipelineId, TriggerId};
use crate::image::Digest;
use serde::{Deserialize, Serialize};

/// One image version that a registry says was pushed. A hint only: the registry is asked before anything starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePushed {
    /// Which envelope it came in: `distribution`, `harbor`, `tcr`, `coding`, …
    pub source: String,
    /// Registry as the sender says it, normalised; some senders do not say.
    pub registry: Option<String>,
    /// Repository path, without registry.
    pub repository: String,
    /// The tag; an event without one never fires.
    pub tag: Option<String>,
    /// The digest; half of the senders do not say.
    pub digest: Option<String>,
    /// Who pushed, as the sender says.
    pub actor: Option<String>,
    /// The sender's id of the delivery or event.
    pub delivery: Option<String>,
}

/// A push that fits a trigger, stored before the sender gets its 2xx and kept for two days against repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Its id: trigger and a digest of (repository, tag, digest).
    pub id: String,
    /// The trigger it fits.
    pub trigger: TriggerId,
    /// The trigger's pipeline.
    pub pipeline: PipelineId,
    /// The pipeline's application.
    pub application: AppName,
    /// What was pushed.
    pub pushed: ImagePushed,
    /// When it was received.
    pub received_ms: Millis,
    /// What the registry said the tag points at when it was asked; what is started is bound to this, whatever was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Digest>,
    /// What became of it.
    pub state: DeliveryState,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum DeliveryState {
    /// Stored, not looked at yet.
    Received,
    /// The registry could not be asked; tried again at the instant.
    Waiting {
        /// How often it was tried.
        tries: u32,
        /// When it is tried again.
        again_ms: Millis,
        /// Why it failed.
        message: String,
    },
    /// Executions were started.
    Started {
        /// Their ids.
        executions: Vec<String>,
    },
    /// Nothing was started, and why: kebab-case code and message.
    Dropped {
        /// Why, for machines.
        code: String,
        /// Why, for people.
        message: String,
    },
}

impl DeliveryState {
    /// Nothing more is done about it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Started { .. } | Self::Dropped { .. })
    }
}

/// Most pushes without effect that a trigger remembers.
pub const IGNORED_MAX: usize = 50;

/// A push that a trigger was told of and that does not fit it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredPush {
    /// What was pushed.
    pub pushed: ImagePushed,
    /// Why it does not fit, kebab-case.
    pub code: String,
    /// Why it does not fit, for people.
    pub message: String,
    /// When it was received.
    pub received_ms: Millis,
}

/// The pushes without effect that a trigger was told of: how many, and the last of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredPushes {
    /// How many there were.
    pub count: u64,
    /// The last ones, newest first, at most [`IGNORED_MAX`].
    pub last: Vec<IgnoredPush>,
}

impl IgnoredPushes {
    /// Adds one, and forgets the oldest beyond the limit.
    pub fn add(&mut self, push: IgnoredPush) {
        self.count = self.count.saturating_add(1);
        self.last.insert(0, push);
        self.last.truncate(IGNORED_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_counted() {
        let pushed = ImagePushed {
            source: "harbor".into(),
            registry: None,
            repository: "a".into(),
            tag: None,
            digest: None,
            actor: None,
            delivery: None,
        };
        let mut ignored = IgnoredPushes::default();
        for received_ms in 0..60 {
            ignored.add(IgnoredPush { pushed: pushed.clone(), code: "no-tag".into(), message: "m".into(), received_ms });
        }
        assert_eq!((ignored.count, ignored.last.len()), (60, IGNORED_MAX));
        assert_eq!(ignored.last[0].received_ms, 59);
    }
}
