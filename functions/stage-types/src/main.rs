//! `stage-types precompile --out DIR IN.wasm…`: vets components and compiles them ahead of time.

use clap::Parser;
use stage_types::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    Command::parse().run()
}
