//! The `tandem` binary: wires the parts together. Everything lives in the library.

use std::process::ExitCode;

use tandem::cli::Hooks;

/// The parts of this build. What is not wired here answers with [`Hooks`]' own clear error.
struct Parts;

impl Hooks for Parts {}

fn main() -> ExitCode {
    tandem::cli::main(&Parts)
}
