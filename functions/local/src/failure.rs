//! Why a command did not do what it was asked, and the exit code that says so.

use crate::api::Problem;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Why a command failed, split by what the person at the terminal can do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The words do not make sense together: call it otherwise.
    #[error("{0}")]
    Usage(String),
    /// The server refused: its words say why.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The server does not answer: it may later, or it is somewhere else.
    #[error("{url} does not answer: {message}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the system says.
        message: String,
    },
    /// The server answers something that is not its API.
    #[error("{url} answered what cannot be understood: {message}")]
    NotUnderstood {
        /// What was asked.
        url: String,
        /// What was wrong with it.
        message: String,
    },
    /// A file of this machine.
    #[error("{path}: {message}")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        message: String,
    },
    /// What was followed did not end well; it was shown already.
    #[error("")]
    EndedBadly,
    /// Whoever reads our output has gone.
    #[error("")]
    OutputClosed,
    /// The server cannot start or go on; the message says what helps.
    #[error("{0}")]
    Server(String),
}

impl Failure {
    /// A file's trouble.
    pub(crate) fn file(path: impl AsRef<std::path::Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().display().to_string();
        move |error| Self::File { path, message: error.to_string() }
    }

    /// 2 for words that do not make sense, 1 for everything else.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if matches!(self, Self::Usage(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
    }

    /// What is printed; nothing where everything was said already.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::EndedBadly | Self::OutputClosed => None,
            Self::Refused(problem) => Some(problem.to_string()),
            other => {
                let mut text = String::new();
                // Writing to a String does not fail.
                let _ = write!(text, "waybill: {other}");
                Some(text)
            }
        }
    }

    /// The refusal's HTTP status, where the server refused.
    pub(crate) fn status(&self) -> Option<u16> {
        if let Self::Refused(problem) = self { Some(problem.status) } else { None }
    }
}
