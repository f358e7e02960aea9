//! One error for the whole kit, split by what the reader can do about it.

use std::path::{Path, PathBuf};

/// What a helper of the kit answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a piece of the testbed could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something must be installed or built first; `advice` says how.
    #[error("{what} is missing: {advice}")]
    Missing {
        /// The missing piece.
        what: String,
        /// How to get it.
        advice: String,
    },
    /// A process was started and did not come up.
    #[error("{part} did not come up: {reason}")]
    Start {
        /// Which process.
        part: String,
        /// What its log says.
        reason: String,
    },
    /// A condition did not come true in time.
    #[error("waited {waited_ms} ms for {what}; last seen: {last}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        waited_ms: u128,
        /// The last thing seen instead.
        last: String,
    },
    /// A server answered with an unexpected status.
    #[error("{method} {path} was answered with {status}: {message}")]
    Refused {
        /// The method of the request.
        method: String,
        /// The path of the request.
        path: String,
        /// The status of the answer.
        status: u16,
        /// The body of the answer, shortened.
        message: String,
    },
    /// A request did not get an answer.
    #[error("a request got no answer")]
    Http(#[from] reqwest::Error),
    /// A file or a socket could not be used.
    #[error("cannot use {path}")]
    Io {
        /// Which file, folder or address.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Keys or certificates could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// What was handed in, or came back, makes no sense.
    #[error("not usable: {0}")]
    Invalid(String),
}

impl Error {
    /// For `map_err`: an input or output error, with what it was about.
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// A process that did not come up.
    pub(crate) fn start(part: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Start { part: part.into(), reason: reason.into() }
    }
}
