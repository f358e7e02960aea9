//! The bounds of everything that is read here.

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 16 << 20;
/// Deepest nesting of a document.
pub const DEPTH_MAX: usize = 128;
/// Most things that one file's reader remarks on; more are counted, not listed.
pub const NOTES_MAX: usize = 100;
/// Most pipelines of one file.
pub const PIPELINES_MAX: usize = 5_000;
/// Most templates that are kept for the pipelines of other files.
pub const TEMPLATES_MAX: usize = 1_000;
/// Most expressions that one report lists as failed.
pub const FAILED_MAX: usize = 200;
/// Longest text that a report repeats, in characters.
pub const SHOWN_CHARS_MAX: usize = 160;
/// Most places that a report lists for one thing.
pub const POINTERS_MAX: usize = 50;
/// Largest base64 text that is looked into for secrets, in bytes.
pub const BASE64_BYTES_MAX: usize = 1 << 20;
