//! A log in memory, for tests of the parts above.

/// A log in memory.
#[derive(Debug)]
pub struct MemoryLog;
