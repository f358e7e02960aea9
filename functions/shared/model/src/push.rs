//! Image pushes as registries tell of them, brought to one form.

use crate::Millis;
use crate::id::{AppName, PipelineId, TriggerId};
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

/// A push that fits a trigger, stored before the sender gets its 2xx and kept for 24 h against repeats.
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
