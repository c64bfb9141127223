//! The command `waproxy`.
fn main() {}
