//! The command line.

use clap::Parser;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Vets stage components and compiles them ahead of time.
#[derive(Debug, Parser)]
#[command(version)]
pub enum Command {
    /// Writes native code and `index.json` into a folder: of all components, or of none.
    Precompile {
        /// The folder.
        #[arg(long)]
        out: PathBuf,
        /// The components.
        #[arg(required = true)]
        components: Vec<PathBuf>,
    },
}

impl Command {
    /// Does it; says on standard error what became of it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let Self::Precompile { out, components } = self;
        let (code, text) = match crate::precompile(&out, &components) {
            Ok(rows) => (ExitCode::SUCCESS, rows.iter().map(|row| format!("{} {}\n", row.name, row.cwasm_sha256)).collect()),
            Err(error) => (ExitCode::FAILURE, format!("{error}\n")),
        };
        let _ = std::io::stderr().write_all(text.as_bytes());
        code
    }
}
