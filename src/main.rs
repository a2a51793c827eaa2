//! The `tandem` binary. Everything lives in the library.

fn main() {}
