//! Control plane and registry for the time somebody needs them. Everything is in `testkit::testbed`.

use std::process::ExitCode;

fn main() -> ExitCode {
    testkit::testbed::run(std::env::args_os().skip(1))
}
