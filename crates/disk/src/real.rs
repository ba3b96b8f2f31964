//! The machine's disk.

/// The machine's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;
