//! `waybill`: every function in one process, and the client.

use std::process::ExitCode;

fn main() -> ExitCode {
    local::main()
}
