//! Other pipelines' runs, as a stage may use them: always with the rights of the execution that the stage belongs to.

use async_trait::async_trait;
use serde_json::Value;

/// Why a call was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionsError {
    /// The execution's starter may not do that.
    #[error("denied: {0}")]
    Denied(String),
    /// There is no such application, pipeline or execution.
    #[error("there is no such execution or pipeline")]
    NotFound,
    /// It cannot be done now: disabled, parameters missing, already ended, nested too deep.
    #[error("refused: {0}")]
    Refused(String),
    /// Too many of something.
    #[error("too many: {0}")]
    Quota(String),
    /// It may work later.
    #[error("not available: {0}")]
    Unavailable(String),
}

/// The `executions` interface of one step. A stage that waits for an execution suspends on the signal `execution:<id>`.
#[async_trait]
pub trait Executions: Send + Sync {
    /// Starts a pipeline, by id or name, with a JSON trigger body; repeated by the same attempt of the same stage it gives the same child.
    async fn start(&self, application: &str, pipeline: &str, trigger: &Value) -> Result<String, ExecutionsError>;
    /// These fields of an execution: `status`, `reason`, `outputs`, `artifacts`, `stages`, `name`, ….
    async fn get(&self, id: &str, fields: &[String]) -> Result<Value, ExecutionsError>;
    /// The newest execution of a pipeline in one of these statuses; empty for any.
    async fn newest(&self, application: &str, pipeline: &str, statuses: &[String]) -> Result<Option<String>, ExecutionsError>;
    /// Asks an execution that this stage started to end; one that has ended already is fine.
    async fn cancel(&self, id: &str, reason: &str) -> Result<(), ExecutionsError>;
}

/// Denies everything: for a step that was not given the interface.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoExecutions;

#[async_trait]
impl Executions for NoExecutions {
    async fn start(&self, _application: &str, _pipeline: &str, _trigger: &Value) -> Result<String, ExecutionsError> {
        Err(denied())
    }

    async fn get(&self, _id: &str, _fields: &[String]) -> Result<Value, ExecutionsError> {
        Err(denied())
    }

    async fn newest(&self, _application: &str, _pipeline: &str, _statuses: &[String]) -> Result<Option<String>, ExecutionsError> {
        Err(denied())
    }

    async fn cancel(&self, _id: &str, _reason: &str) -> Result<(), ExecutionsError> {
        Err(denied())
    }
}

fn denied() -> ExecutionsError {
    ExecutionsError::Denied("this step has no other executions to deal with".to_owned())
}
