//! The checkout keeps its own rules: arrows between crates, what each may use from outside, habits of the files, licences.
//!
//! Every rule is a function from what it looks at to the breaches it finds, and is shown to find one in a bad sample: a
//! rule that cannot fail is worth nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

mod arrows;
mod compiler;
mod licences;
mod outside;
mod planted;
mod tidy;
mod workspace;

/// Fails with every breach on a line of its own.
#[track_caller]
fn check(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}
