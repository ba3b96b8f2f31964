//! The promises of `Log`, as tests that every engine passes.
