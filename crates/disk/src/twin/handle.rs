//! Open files and held locks of the twin.
//!
//! A handle holds no bytes: it goes to the disk for each call, and errs once the power is gone.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
};

use super::{
    FailureKind, TwinDisk,
    names::NodeId,
    state::{State, error_of},
};
use crate::{DiskFile, DiskLock};

/// An open file.
#[derive(Debug)]
pub(super) struct TwinFile {
    pub(super) disk: TwinDisk,
    pub(super) node: NodeId,
    pub(super) writable: bool,
    /// Keeps the file's bytes while it has no name.
    pub(super) _open: Arc<()>,
}

impl TwinFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(ErrorKind::PermissionDenied.into())
        }
    }

    /// Writes what fits; half of it if the call is to fall short.
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state();
        match state.begin_call()? {
            None => write_what_fits(&mut state, self.node, bytes, offset),
            Some(FailureKind::ShortWrite) => {
                let half = &bytes[..bytes.len() / 2];
                write_what_fits(&mut state, self.node, half, offset)?;
                Err(error_of(FailureKind::ShortWrite))
            }
            Some(FailureKind::PowerLoss) => {
                // What was on its way may have arrived.
                let outcome = write_what_fits(&mut state, self.node, bytes, offset);
                state.lose_power();
                outcome.and(Err(error_of(FailureKind::PowerLoss)))
            }
            Some(kind @ (FailureKind::Io | FailureKind::Full)) => Err(error_of(kind)),
        }
    }
}

/// Writes up to the end of the disk.
fn write_what_fits(state: &mut State, node: NodeId, bytes: &[u8], offset: u64) -> io::Result<()> {
    let len = state.file(node)?.len();
    let end = offset + bytes.len() as u64;
    let missing = end.saturating_sub(len);
    let short = missing - state.take_space(missing);
    let count = bytes
        .len()
        .saturating_sub(usize::try_from(short).unwrap_or(usize::MAX));
    state.file(node)?.write(&bytes[..count], offset);
    if short > 0 {
        Err(error_of(FailureKind::Full))
    } else {
        Ok(())
    }
}

impl DiskFile for TwinFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.check_power()?;
        Ok(state.file(self.node)?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_power()?;
        let file = state.file(self.node)?;
        if offset.saturating_add(buffer.len() as u64) > file.len() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        file.read(buffer, offset);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes, offset)
    }

    fn write_vectored_at(&self, buffers: &[&[u8]], offset: u64) -> io::Result<()> {
        self.write(&buffers.concat(), offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        match state.begin_call()? {
            None => {
                state.file(self.node)?.sync();
                Ok(())
            }
            Some(FailureKind::PowerLoss) => {
                state.lose_power();
                Err(error_of(FailureKind::PowerLoss))
            }
            Some(kind) => {
                state.file(self.node)?.fail_sync();
                Err(error_of(kind))
            }
        }
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state();
        match state.begin_call()? {
            None => {
                let before = state.file(self.node)?.len();
                set_len(&mut state, self.node, before.max(len))?;
                state.file(self.node)?.sync();
                Ok(())
            }
            Some(FailureKind::PowerLoss) => {
                let before = state.file(self.node)?.len();
                let outcome = set_len(&mut state, self.node, before.max(len));
                state.lose_power();
                outcome.and(Err(error_of(FailureKind::PowerLoss)))
            }
            Some(kind) => Err(error_of(kind)),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.disk.call(|state| set_len(state, self.node, len))
    }
}

/// Cuts a file, or grows it by zeroes if they fit.
fn set_len(state: &mut State, node: NodeId, len: u64) -> io::Result<()> {
    let before = state.file(node)?.len();
    let missing = len.saturating_sub(before);
    let taken = state.take_space(missing);
    if taken < missing {
        state.return_space(taken);
        return Err(error_of(FailureKind::Full));
    }
    state.return_space(before.saturating_sub(len));
    state.file(node)?.set_len(len);
    Ok(())
}

/// A held lock.
#[derive(Debug)]
pub(super) struct TwinLock {
    pub(super) disk: TwinDisk,
    pub(super) node: NodeId,
}

impl Drop for TwinLock {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.node);
    }
}

impl DiskLock for TwinLock {}
