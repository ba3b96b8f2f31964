//! Measured comparisons: the load generator and the benches that cargo xtask bench runs.
fn main() {}
