//! The proof of the expression language: hand-made tables, the real evaluator as oracle, random texts and mangled bytes.
//!
//! * `table/*.txt` holds texts with what comes out, checked here without Java and confirmed by the oracle.
//! * `oracle/` is the real evaluator, a small Java program that `cargo dev` builds; tests that ask it fail without it.
//! * `differences.md` lists every class of texts on which we and it may disagree, with the reason.
//!
//! Nothing here is part of the product.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these are tests, helpers and all; the counts are what they are run for"
)]

mod agree;
mod chance;
mod fuzz;
mod grammar;
mod host;
mod jvm;
mod random;
mod table;
