//! Why a use case failed, split by what the caller can do about it. `edge` maps it to HTTP once, `orchestrator` to retry or park.

use crate::ports::{SealError, StoreError, TransactError};
use model::problem::Problem;
use serde_json::Value;

/// Why a use case failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppError {
    /// There is no such thing, or the caller may not know of it.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// In words: `pipeline`, `project`, ….
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// It changed in between, or exists already; read again and decide again.
    #[error("{message}")]
    Conflict {
        /// Stable, kebab-case.
        code: &'static str,
        /// For people.
        message: String,
        /// For machines.
        data: Value,
    },
    /// The caller's document or arguments are wrong; everything found, with its place.
    #[error("the request is not valid")]
    Invalid(Vec<Problem>),
    /// Understood, but the state of things forbids it now.
    #[error("{message}")]
    Refused {
        /// Stable, kebab-case.
        code: String,
        /// For people.
        message: String,
        /// For machines.
        data: Value,
    },
    /// The caller may not do this.
    #[error("{message}")]
    Denied {
        /// Stable, kebab-case.
        code: String,
        /// For people.
        message: String,
    },
    /// A part that we need does not answer; the same call may work later.
    #[error("a part that is needed does not answer")]
    Unavailable(String),
    /// Something stored cannot be understood; an administrator must look.
    #[error("something that is stored cannot be understood")]
    Damaged(String),
    /// It was written by a newer program and is left alone: that one can read it, and so can this one once it is updated.
    #[error("{what} was written by a newer Waybill (version {needs}, this one knows {knows}): update this one")]
    Newer {
        /// What it is.
        what: String,
        /// The version it has.
        needs: u64,
        /// The newest that is known here.
        knows: u64,
    },
}

impl AppError {
    /// One problem at one place.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem { pointer: pointer.into(), code: code.to_owned(), message: message.into(), warning: false }])
    }

    /// A refusal without data.
    #[must_use]
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::Refused { code: code.to_owned(), message: message.into(), data: Value::Null }
    }

    /// A conflict without data.
    #[must_use]
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into(), data: Value::Null }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(inside) => Self::Unavailable(inside),
            StoreError::Damaged(inside) => Self::Damaged(inside),
            StoreError::Newer { what, needs, knows } => Self::Newer { what, needs, knows },
        }
    }
}

impl From<TransactError> for AppError {
    fn from(error: TransactError) -> Self {
        match error {
            TransactError::Conflict(_) => Self::conflict("changed-in-between", "it changed in between: read it again"),
            TransactError::Invalid(message) => Self::refused("too-large", message),
            TransactError::Unknown(inside) | TransactError::Unavailable(inside) => Self::Unavailable(inside),
        }
    }
}

impl From<SealError> for AppError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Unavailable(inside) => Self::Unavailable(inside),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// Fails with [`AppError::Denied`] unless the verdict is yes.
pub fn require(may: model::person::May) -> Result<(), AppError> {
    if may.allowed {
        return Ok(());
    }
    Err(AppError::Denied { code: may.code.unwrap_or_default(), message: may.message.unwrap_or_default() })
}
