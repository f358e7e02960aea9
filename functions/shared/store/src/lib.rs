//! Where things are kept: the table on DynamoDB or in a folder, blobs on S3 or in a folder, the key file, and models of them
//! for tests.
//!
//! Every backend of [`app::ports::Table`] runs the one suite in [`suite`]. Nothing here knows what the items mean.

pub mod archive;
pub mod dynamodb;
pub mod embedded;
pub mod folder_blobs;
pub mod garbage;
pub mod key_file;
pub mod memory;
pub mod s3_blobs;
pub mod suite;
pub mod transfer;

mod everything;
mod fault;
mod files;
mod pause;
mod rules;

use std::path::PathBuf;

pub use everything::{Everything, Restorable};

pub use rules::{ATTRIBUTES_BYTES_MAX, BODY_BYTES_MAX, PAGE_BYTES_MAX, PARTITION_BYTES_MAX, SORT_BYTES_MAX, TOKEN_BYTES_MAX};

/// Why a folder or a key file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open; stop that one first.
    #[error("{path} is in use by another process{by}")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// ` (process N)`, or nothing when it cannot be told.
        by: String,
    },
    /// It is not safe to use as it is; the message says what to change.
    #[error("{path}: {message}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what helps.
        message: String,
    },
    /// What is there cannot be understood.
    #[error("{path} is damaged: {message}")]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// The file system refuses.
    #[error("{path}: {message}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
}

impl OpenError {
    pub(crate) fn io(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Self::Io { path: path.into(), message: error.to_string() }
    }
}
