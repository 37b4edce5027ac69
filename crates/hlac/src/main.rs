//! The `hlac` command.
fn main() {}
