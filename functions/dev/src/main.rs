//! `cargo dev …`: everything a person or CI does with this checkout, in Rust instead of scripts.
//!
//! It is a driver of other programs (cargo, go, rustup, apt-get, python), builds in a few seconds, and links nothing of
//! Waybill. Progress goes to standard error, figures to standard output.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod arguments;
mod bench;
mod bench_reference;
mod bench_rows;
mod capacity;
mod cluster;
mod error;
mod libtest;
mod lint;
mod oracle;
mod places;
mod plugins;
mod process;
mod progress;
mod report;
mod setup;
mod simulate;
mod test;
mod torture;
mod up;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os().skip(1)).and_then(arguments::Command::run) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo dev: {error}");
            ExitCode::FAILURE
        }
    }
}
