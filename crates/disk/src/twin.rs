//! A disk in memory that loses power and fails on demand.

/// What a power cut leaves of unsynced bytes.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Nothing unsynced survives.
    DropAll,
    /// Each unsynced sector and name survives or not, by this seed.
    Random(u64),
}

/// What a call does instead of its work.
#[derive(Clone, Copy, Debug)]
pub enum FailureKind {
    /// EIO.
    Io,
    /// ENOSPC.
    Full,
    /// Half of the bytes are written, then EIO.
    ShortWrite,
}

/// The call that is to fail.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// Counted from 0 over all calls of the disk.
    pub call: u64,
    /// How.
    pub kind: FailureKind,
}

/// A disk in memory that loses power and fails on demand.
#[derive(Debug, Default)]
pub struct TwinDisk;
