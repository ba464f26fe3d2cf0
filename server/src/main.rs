//! The `qualm` command.

fn main() {}
