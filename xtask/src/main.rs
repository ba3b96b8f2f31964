//! Build and checks: tidy, test, bench, codegen.
fn main() {}
