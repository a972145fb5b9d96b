//! The entrance of the binary: everything else is in the library, so that tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    accolade::cli::main()
}
