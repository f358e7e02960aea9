//! `waybill`: every function in one process, and the client.

use std::process::ExitCode;

/// A step of an execution is many small pieces of memory on several threads; the system's allocator takes a quarter more CPU
/// time for the whole of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    local::main()
}
