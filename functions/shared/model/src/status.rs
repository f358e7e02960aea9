//! Statuses of executions and stages: Spinnaker's words with Spinnaker's meaning.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an execution or a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Created or queued.
    NotStarted,
    /// At work, or waiting for something it named.
    Running,
    /// Held by a person.
    Paused,
    /// Waits for a signal or an instant.
    Suspended,
    /// Done well.
    Succeeded,
    /// Not needed: its condition was false, or somebody skipped it.
    Skipped,
    /// Failed, and the failure is ignored.
    FailedContinue,
    /// Failed, and takes the execution with it.
    Terminal,
    /// Cancelled.
    Canceled,
    /// Failed; this branch stops, others go on.
    Stopped,
}

impl Status {
    /// Nothing will change any more within this generation.
    #[must_use]
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped | Self::FailedContinue | Self::Terminal | Self::Canceled | Self::Stopped)
    }

    /// A stage below may start.
    #[must_use]
    pub fn lets_pass(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped | Self::FailedContinue)
    }

    /// A stage below never starts.
    #[must_use]
    pub fn is_halt(self) -> bool {
        matches!(self, Self::Terminal | Self::Canceled | Self::Stopped)
    }

    /// The word as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Suspended => "SUSPENDED",
            Self::Succeeded => "SUCCEEDED",
            Self::Skipped => "SKIPPED",
            Self::FailedContinue => "FAILED_CONTINUE",
            Self::Terminal => "TERMINAL",
            Self::Canceled => "CANCELED",
            Self::Stopped => "STOPPED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Status; 10] = [
        Status::NotStarted,
        Status::Running,
        Status::Paused,
        Status::Suspended,
        Status::Succeeded,
        Status::Skipped,
        Status::FailedContinue,
        Status::Terminal,
        Status::Canceled,
        Status::Stopped,
    ];

    // Rule 2.2: A complete status either lets what follows start, or halts it
    #[test]
    fn a_complete_status_either_lets_pass_or_halts() {
        for status in ALL {
            assert_eq!(status.is_complete(), status.lets_pass() || status.is_halt(), "{status}");
            assert!(!(status.lets_pass() && status.is_halt()), "{status}");
        }
    }

    #[test]
    fn words_are_those_of_the_json() {
        for status in ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
