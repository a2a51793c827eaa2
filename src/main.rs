//! The `tandem` binary. Everything lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tandem::cli::main(&tandem::app::Parts)
}
