//! A disk in memory that loses power and fails on demand.
//!
//! For tests and simulation. It behaves like `RealDisk` until it is told otherwise, never touches
//! the machine, and gives the same answers for the same calls and seeds.
//!
//! Stricter than file systems are, within what they promise:
//!
//! * Of an unsynced sector any version since the last sync may survive, each sector for itself.
//! * Unsynced changes of names survive in order, but each directory's for itself; a rename
//!   between two directories survives in both or in none.
//! * A file's name and its bytes are independent: a renamed file may be empty after a cut.
//! * After a failed sync, what was unsynced may or may not survive, and later syncs succeed
//!   without making it durable, as Linux does.

mod content;
mod file;
mod handle;
mod names;
mod random;
mod state;
mod tree;

use std::{
    fmt,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use mainstem_kernel::ByteSize;
use parking_lot::{Mutex, MutexGuard};

use self::{
    handle::{TwinFile, TwinLock},
    state::{State, error_of},
};
use crate::{DirEntry, Disk, DiskLock, OpenMode, SharedFile};

/// What a disk without a limit says of its free space.
const FREE_SPACE: ByteSize = ByteSize::gib(1_024);

/// What a power cut leaves of unsynced bytes and names.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Nothing unsynced survives.
    DropAll,
    /// Each unsynced sector and name survives or not, by this seed.
    Random(u64),
}

/// What a call does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// EIO, and nothing was done. A sync that fails so leaves the unsynced bytes unknown.
    Io,
    /// ENOSPC, and nothing was done. A sync that fails so leaves the unsynced bytes unknown.
    Full,
    /// Half of the bytes are written, then EIO; like `Io` for a call that writes none.
    ShortWrite,
    /// The power goes during the call: this call and all later ones err, reads too. Take what
    /// survived with [`TwinDisk::cut_power`]; it may hold what this call would have written.
    PowerLoss,
}

/// The call that is to fail.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// Counted from 0 over all calls of the disk, as [`TwinDisk::calls`] counts them.
    pub call: u64,
    /// How.
    pub kind: FailureKind,
}

/// A disk in memory that loses power and fails on demand. Clones are the same disk.
#[derive(Clone, Default)]
pub struct TwinDisk {
    state: Arc<Mutex<State>>,
}

impl TwinDisk {
    /// An empty disk with a root directory and no limit. Paths with and without a leading `/`
    /// are the same.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls were made that change something or sync, whether they succeeded or not.
    ///
    /// One each: `open` with `CreateNew`, `rename`, `rename_new`, `remove_file`, `remove_dirs`,
    /// `sync_dir`, `write_at`, `write_vectored_at`, `sync_data`, `preallocate`, `truncate`, and
    /// `lock` when it creates the file. `create_dirs` counts two for each directory it makes:
    /// the making, and the sync of its parent. Calls that only read are not counted, and
    /// neither are those that come after the power has gone.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Lets a call fail, beside those already chosen.
    pub fn fail(&self, failure: Failure) {
        self.state().failures.push(failure);
    }

    /// Takes the power: this disk and its open files err from now on. The answer is a new disk,
    /// unlocked and at call 0, with what survived. One disk can be asked repeatedly, each time
    /// with another seed.
    #[must_use]
    pub fn cut_power(&self, cut: Cut) -> Self {
        let survivor = self.state().cut_power(cut);
        Self {
            state: Arc::new(Mutex::new(survivor)),
        }
    }

    /// Forgets everything that is not durable, as `Cut::DropAll` does, but stays on: to see
    /// what a reader would find. Open files stay open.
    pub fn remove_unsynced(&self) {
        self.state().cut(Cut::DropAll);
    }

    /// Bit rot: flips one bit (0 to 7) of the byte at `offset`, durable or not.
    ///
    /// # Errors
    /// `NotFound`, or `UnexpectedEof` when the file is shorter.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let mut state = self.state();
        let node = state.resolve(path)?;
        let file = state.file(node)?;
        if offset >= file.len() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        file.flip_bit(offset, bit);
        Ok(())
    }

    /// Files can grow by so many bytes from now on; then writes err with `StorageFull`.
    pub fn set_free_space(&self, bytes: u64) {
        self.state().set_free_space(bytes);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Counts a call and does its work, unless it is to fail.
    fn call<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        match state.begin_call()? {
            None => work(&mut state),
            Some(FailureKind::PowerLoss) => {
                // What was on its way may have arrived.
                let outcome = work(&mut state);
                state.lose_power();
                outcome.and(Err(error_of(FailureKind::PowerLoss)))
            }
            Some(kind) => Err(error_of(kind)),
        }
    }
}

impl fmt::Debug for TwinDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwinDisk").finish_non_exhaustive()
    }
}

impl Disk for TwinDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<SharedFile> {
        let (node, open) = match mode {
            OpenMode::CreateNew => self.call(|state| {
                let node = state.create_file(path)?;
                Ok((node, Arc::clone(&state.file(node)?.open)))
            })?,
            OpenMode::Read | OpenMode::Write => {
                let mut state = self.state();
                state.check_power()?;
                let node = state.resolve(path)?;
                (node, Arc::clone(&state.file(node)?.open))
            }
        };
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(TwinFile {
            disk: self.clone(),
            node,
            writable,
            _open: open,
        }))
    }

    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        if let Some(entry) = self.stat(path)? {
            return if entry.is_dir {
                Ok(())
            } else {
                Err(ErrorKind::AlreadyExists.into())
            };
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        self.create_dirs(parent)?;
        self.call(|state| state.create_dir(path))?;
        self.sync_dir(parent)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut state = self.state();
        state.check_power()?;
        state.entries(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<DirEntry>> {
        let mut state = self.state();
        state.check_power()?;
        match state.resolve(path) {
            Ok(node) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                Ok(Some(state.entry(name.to_string_lossy().into_owned(), node)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|state| state.rename(from, to))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|state| state.rename_new(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(|state| state.remove_file(path))
    }

    fn remove_dirs(&self, path: &Path) -> io::Result<()> {
        self.call(|state| state.remove_dirs(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        match state.begin_call()? {
            None => {
                let dir = state.resolve(path)?;
                state.sync_names(dir)
            }
            Some(FailureKind::PowerLoss) => {
                state.lose_power();
                Err(error_of(FailureKind::PowerLoss))
            }
            Some(kind) => {
                let dir = state.resolve(path)?;
                state.dir(dir)?.fail_sync();
                Err(error_of(kind))
            }
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let exists = self.stat(path)?.is_some();
        let node = if exists {
            self.state().resolve(path)?
        } else {
            self.call(|state| state.create_file(path))?
        };
        if !self.state().locked.insert(node) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(TwinLock {
            disk: self.clone(),
            node,
        }))
    }

    fn free_space(&self, _path: &Path) -> io::Result<ByteSize> {
        let state = self.state();
        state.check_power()?;
        Ok(state.free_space().map_or(FREE_SPACE, ByteSize))
    }

    fn native_path(&self, _path: &Path) -> Option<PathBuf> {
        None
    }
}

#[cfg(test)]
mod tests;
