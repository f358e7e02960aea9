//! Why something waits, was skipped, blocked, cancelled or failed: one list of codes, never reused.

use crate::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Every reason the platform itself gives. A stage type's own codes travel as [`Code::Stage`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ReasonCode {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }

        impl ReasonCode {
            /// All codes, for the reference page and for tests.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The code as it stands in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// What it means and who can do what about it.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

codes! {
    /// A stage before it has not finished; nothing to do but wait.
    WaitingForUpstream = "waiting-for-upstream",
    /// A stage before it failed or was cancelled, so it never starts; look at that stage.
    UpstreamHalted = "upstream-halted",
    /// The execution ended before the stage could start; look at the execution's reason.
    ExecutionEnded = "execution-ended",
    /// The stage waits for a person's judgment; somebody who is allowed to can answer it.
    AwaitingJudgment = "awaiting-judgment",
    /// The stage waits for a signal; the data names it.
    AwaitingSignal = "awaiting-signal",
    /// The stage waits until an instant, given in the data.
    AwaitingTime = "awaiting-time",
    /// A step failed in a way that may pass; it is tried again at the instant in the data.
    RetryBackOff = "retry-back-off",
    /// The stage's step failed too often; the data holds the last failure.
    RetriesExhausted = "retries-exhausted",
    /// The stage did not end within its time; raise `stageTimeoutMs` or look at what it waited for.
    StageTimedOut = "stage-timed-out",
    /// The stage failed; the data holds the stage type's own code and message.
    StageFailed = "stage-failed",
    /// The stage failed and the pipeline says to go on.
    FailureIgnored = "failure-ignored",
    /// The stage failed and the pipeline says to stop this branch only.
    BranchStopped = "branch-stopped",
    /// A stage failed and took the execution with it; the data names the stage.
    ExecutionFailed = "execution-failed",
    /// Somebody cancelled it; the data says who and why.
    CanceledByUser = "canceled-by-user",
    /// Cancelled because another stage failed; the data names it.
    CanceledByFailure = "canceled-by-failure",
    /// The stage's condition was false.
    ConditionFalse = "condition-false",
    /// The stage's condition could not be evaluated; mend the expression at the pointer in the data.
    ConditionInvalid = "condition-invalid",
    /// The stage said itself that there was nothing to do.
    SkippedByStage = "skipped-by-stage",
    /// An expression could not be evaluated; mend it at the pointer in the data.
    ExpressionFailed = "expression-failed",
    /// No stage type of this name is installed; install it or change the stage.
    UnsupportedStageType = "unsupported-stage-type",
    /// The stage's settings break its own rules; the data lists pointers and messages.
    InvalidStageSettings = "invalid-stage-settings",
    /// The stage type was removed or its bytes do not match the registry row; an administrator installs it again.
    ComponentUnavailable = "component-unavailable",
    /// The component broke the contract (trap, limit, bad answer); tell its author, the data says how.
    PluginFault = "plugin-fault",
    /// The component asked for something else on a repeated step; a person must look before it goes on.
    PluginNondeterministic = "plugin-nondeterministic",
    /// The component used more time than a step may take; tell its author.
    PluginTimeout = "plugin-timeout",
    /// The component's checkpoint is larger than allowed or of an unknown schema.
    CheckpointRefused = "checkpoint-refused",
    /// Expected artifacts could not be bound when the execution started; the data names them.
    ArtifactsUnresolved = "artifacts-unresolved",
    /// The trigger runs as a user whom nobody here knows; give that user a token, or take `runAsUser` out of the trigger.
    RunAsUnknown = "run-as-unknown",
    /// The registry account the trigger needs cannot be reached; the start is tried again.
    RegistryUnavailable = "registry-unavailable",
    /// The worker that ran the execution died repeatedly without getting anywhere; an administrator looks at the log.
    OrchestratorCrash = "orchestrator-crash",
    /// The stage was still stopping when its time for that was over.
    CancelTimeout = "cancel-timeout",
    /// The pipeline is disabled; enable it to start it.
    PipelineDisabled = "pipeline-disabled",
    /// The account's host name is not known; check the address, or the name server of this installation.
    AccountNameNotFound = "account-name-not-found",
    /// Nothing listens at the account's address; check the port, and that the server runs.
    AccountConnectionRefused = "account-connection-refused",
    /// The server's certificate is not signed by the authority the account names; give the right one.
    AccountCertificateNotTrusted = "account-certificate-not-trusted",
    /// The server did not answer in time; check the address, and what stands between.
    AccountTimedOut = "account-timed-out",
    /// The server cannot be reached, or is in trouble; the message says what happened.
    AccountUnreachable = "account-unreachable",
    /// The server does not accept the account's credentials; give new ones.
    AccountUnauthorized = "account-unauthorized",
    /// The server accepts the credentials and denies the check itself; whoever runs it can allow it.
    AccountForbidden = "account-forbidden",
    /// The credentials lack rights that stages need; the checks name each right and namespace.
    AccountRightsMissing = "account-rights-missing",
    /// The server answers something else than was expected; check that the address is the right kind of server.
    AccountNotUnderstood = "account-not-understood",
    /// The stored credentials cannot be opened; give them again.
    AccountSecretUnreadable = "account-secret-unreadable",
    /// A stage was cancelled, by its own word or because what it waited for was, and the execution with it; the data names the stage.
    StageCanceled = "stage-canceled",
    /// The plan of the execution cannot be read any more; an administrator looks at the store.
    PlanUnreadable = "plan-unreadable",
    /// As many executions of the pipeline run as may at once; the data holds its place in the queue and the limit.
    WaitingForSlot = "waiting-for-slot",
    /// A newer execution of the pipeline took the slot it waited for; the data names it. `keepWaitingPipelines` keeps all.
    Superseded = "superseded",
    /// It had not begun by the time its start gave (`startTimeExpiry`); start it again.
    StartTimeExpired = "start-time-expired",
    /// The stage's execution window is closed; the data holds when it opens, the time zone, and whether that is the pipeline's or the server's default. Somebody may skip the wait.
    ExecutionWindow = "execution-window",
    /// The execution window is open and its random delay is not over; the data holds when it is. Somebody may skip the wait.
    WindowJitter = "window-jitter",
    /// Somebody paused the execution; the data says who. It goes on when somebody resumes it.
    PausedByUser = "paused-by-user",
    /// Somebody skipped the stage; the data says who and why.
    SkippedByUser = "skipped-by-user",
    /// The stage was not run because the execution is a dry run.
    DryRun = "dry-run",
    /// The stages that this one unfolds into could not be planned; the data says why. Tell the author of the stage type.
    PlanningFailed = "planning-failed",
    /// A stage that this one unfolded into failed; the data names it.
    SyntheticStageFailed = "synthetic-stage-failed",
    /// The stage waits for another execution to end; the data names it.
    AwaitingChild = "awaiting-child",
    /// The stage waits for the stages that it unfolded into; look at those.
    AwaitingSyntheticStages = "awaiting-synthetic-stages",
    /// The execution is ending and waits for stages that are still stopping; the data names them.
    WindingDown = "winding-down",
    /// The execution that the stage waited for failed; the data names it.
    ChildFailed = "child-failed",
    /// The execution that the stage asked for could not be started; the data holds the refusal.
    ChildRefused = "child-refused",
    /// The execution ran more stages than it may, restarts and unfolded ones counted; an administrator can raise the limit.
    TooManyStageRuns = "too-many-stage-runs",
    /// The execution that started this one was cancelled; the data names it.
    CanceledByParent = "canceled-by-parent",
    /// What the stages of the execution left behind is larger than allowed; the data names the stage and the limit.
    ContextTooLarge = "context-too-large",
}

/// A reason's code: the platform's own, or one that a stage type documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Code {
    /// One of the platform's.
    Known(ReasonCode),
    /// A stage type's, kebab-case.
    Stage(String),
}

/// Why, since when, and the data that lets a machine act on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What kind of reason.
    pub code: Code,
    /// For people.
    pub message: String,
    /// For machines: names, instants, the stage type's own code. `null` when there is nothing to add.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
    /// Since when it holds.
    pub since: Millis,
}

impl Reason {
    /// A reason without data.
    #[must_use]
    pub fn new(code: ReasonCode, message: impl Into<String>, since: Millis) -> Self {
        Self { code: Code::Known(code), message: message.into(), data: Value::Null, since }
    }

    /// The same reason with data for machines.
    #[must_use]
    pub fn with(mut self, data: Value) -> Self {
        self.data = data;
        self
    }

    /// True when it carries this code of the platform.
    #[must_use]
    pub fn is(&self, code: ReasonCode) -> bool {
        self.code == Code::Known(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_kebab_case_unique_and_explained() {
        let mut seen = BTreeSet::new();
        for code in ReasonCode::ALL {
            let text = code.as_str();
            assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{text}");
            assert!(seen.insert(text), "{text} twice");
            assert!(code.help().len() > 20, "{text} is not explained");
            assert_eq!(serde_json::to_value(code).unwrap(), text);
        }
    }

    #[test]
    fn a_stage_types_code_survives() {
        let reason: Reason = serde_json::from_str(r#"{"code":"pod-failing","message":"m","since":1}"#).unwrap();
        assert_eq!(reason.code, Code::Stage("pod-failing".to_owned()));
        let reason: Reason = serde_json::from_str(r#"{"code":"stage-failed","message":"m","since":1}"#).unwrap();
        assert!(reason.is(ReasonCode::StageFailed));
    }
}
