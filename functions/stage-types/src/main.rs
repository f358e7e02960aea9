//! `stage-types precompile --out DIR IN.wasm…`: vets components and compiles them ahead of time.

use clap::Parser;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Vets stage components and compiles them ahead of time.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Writes native code and `index.json` into a folder.
    Precompile { #[arg(long)] out: PathBuf, #[arg(required = true)] components: Vec<PathBuf> },
}

fn main() -> ExitCode {
    let Command::Precompile { out, components } = Command::parse();
    let (code, text) = match stage_types::precompile(&out, &components) {
        Ok(rows) => (ExitCode::SUCCESS, rows.iter().map(|row| format!("{} {}\n", row.name, row.cwasm_sha256)).collect()),
        Err(error) => (ExitCode::FAILURE, format!("{error}\n")),
    };
    let _ = std::io::stderr().write_all(text.as_bytes());
    code
}
