//! All of a store in one file, and back into an empty one: from a folder to AWS, from AWS to a folder, or to another of the same
//! kind. Secrets stay sealed; whoever shall open them needs the key as well.
//!
//! The file is JSON lines: a header, a line for each item and each blob, and an end with a digest, so that a file that was cut
//! off or changed is refused before anything is written.

mod export;
mod import;
mod line;

pub use export::{From, export};
pub use import::{Checked, check, import};
pub use line::{FORMAT, Header};

use app::error::AppError;
use app::ports::StoreError;
use std::path::{Path, PathBuf};

/// What was carried over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Items.
    pub items: u64,
    /// Blobs.
    pub blobs: u64,
    /// It went on with what an earlier call had begun.
    pub resumed: bool,
}

/// Why nothing, or not all, was carried over. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It would do harm.
    #[error("{0}")]
    Refused(String),
    /// A line of the file is not what it should be.
    #[error("{path}, line {line}: {message}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
    /// The file system.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// The store; with what is inside, for whoever is at the console.
    #[error("{1}")]
    Store(#[source] Box<AppError>, String),
}

impl TransferError {
    fn file(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        move |error| Self::File { path: path.to_owned(), message: error.to_string() }
    }
}

impl std::convert::From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        Self::Store(Box::new(error.into()), text)
    }
}

impl std::convert::From<AppError> for TransferError {
    fn from(error: AppError) -> Self {
        let text = match &error {
            AppError::Unavailable(inside) | AppError::Damaged(inside) => format!("{error}: {inside}"),
            other => other.to_string(),
        };
        Self::Store(Box::new(error), text)
    }
}
