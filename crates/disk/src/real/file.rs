//! `RealFile`: an open file, and its second descriptor for whole pages that go past the system's cache.
//!
//! What the cache never holds costs it no memory and no processor time. The bytes are gathered in
//! memory that is aligned as disks want it. Where a file system offers no such way, or refuses it for
//! some write, the cache is used as ever; both ways show the same bytes to every reader.

use std::{
    cell::RefCell,
    fs::{File, OpenOptions},
    io::{self, ErrorKind, IoSlice},
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, OpenOptionsExt},
    },
    sync::OnceLock,
};

use mainstem_kernel::ByteSize;
use rustix::{fs::OFlags, io::Errno};

use crate::{DiskFile, PAGE};

/// Buffers that one `pwritev` takes; Linux's IOV_MAX.
const BUFFERS_MAX: usize = 1_024;
/// Most bytes that are gathered for one write of pages.
const GATHERED_MAX: usize = 4 << 20;
/// Zeroes that one write of a preallocation carries.
const ZEROES: usize = 1 << 20;

/// An open file.
#[derive(Debug)]
pub(super) struct RealFile {
    file: File,
    /// The same file past the cache; `None` where that cannot be.
    direct: OnceLock<Option<File>>,
}

impl RealFile {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            direct: OnceLock::new(),
        }
    }

    /// The same file past the cache. Its name may be another's by now, its descriptor is not.
    fn direct(&self) -> Option<&File> {
        let open = || {
            let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
            let mut options = OpenOptions::new();
            options.write(true).custom_flags(flags).open(path).ok()
        };
        self.direct.get_or_init(open).as_ref()
    }

    /// Writes past the cache, if it can be; whether it was.
    fn write_direct(&self, buffers: &[&[u8]], offset: u64) -> io::Result<bool> {
        let Some(file) = self.direct() else {
            return Ok(false);
        };
        let written = GATHERED.with_borrow_mut(|gathered| gathered.write(file, buffers, offset));
        match written {
            Ok(()) => Ok(true),
            // The alignment that this disk wants is another.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes zeroes and syncs. `fallocate` would leave unwritten extents, and then the first write
    /// to each commits metadata.
    fn fill(&self, from: u64, to: u64) -> io::Result<()> {
        let zeroes = vec![0; ZEROES];
        let is_whole = [from, to].iter().all(|end| end.is_multiple_of(PAGE as u64));
        let mut offset = from;
        while offset < to {
            let count = ByteSize(to - offset).as_usize().min(ZEROES);
            let some = zeroes.get(..count).unwrap_or(&zeroes);
            match is_whole {
                true => self.write_pages_at(&[some], offset)?,
                false => self.write_at(some, offset)?,
            }
            offset += count as u64;
        }
        self.sync_data()
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn write_vectored_at(&self, buffers: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> =
            buffers.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut rest = slices.as_mut_slice();
        // Advancing by nothing drops leading empty buffers.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let some = rest.get(..BUFFERS_MAX).unwrap_or(rest);
            let written =
                rustix::io::retry_on_intr(|| rustix::io::pwritev(&self.file, some, offset))?;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            offset += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn write_pages_at(&self, buffers: &[&[u8]], offset: u64) -> io::Result<()> {
        if self.write_direct(buffers, offset)? {
            return Ok(());
        }
        self.write_vectored_at(buffers, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let before = self.len()?;
        let filled = self.fill(before, len);
        if filled.is_err() {
            // Give back what a full disk could not complete.
            self.file.set_len(before)?;
        }
        filled
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

thread_local! {
    /// Kept, since few threads write pages, and these all the time.
    static GATHERED: RefCell<Gathered> = const { RefCell::new(Gathered(Vec::new())) };
}

/// Memory in which bytes are gathered, aligned to a page.
#[derive(Debug)]
struct Gathered(Vec<u8>);

impl Gathered {
    fn write(&mut self, file: &File, buffers: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let length: usize = buffers.iter().map(|bytes| bytes.len()).sum();
        let room = self.room(length.min(GATHERED_MAX));
        let mut filled = 0;
        for mut bytes in buffers.iter().copied() {
            while !bytes.is_empty() {
                let count = bytes.len().min(room.len() - filled);
                let (some, rest) = bytes.split_at(count);
                room[filled..filled + count].copy_from_slice(some);
                (bytes, filled) = (rest, filled + count);
                if filled == room.len() {
                    file.write_all_at(room, offset)?;
                    offset += filled as u64;
                    filled = 0;
                }
            }
        }
        file.write_all_at(&room[..filled], offset)
    }

    /// So many bytes that begin at a page.
    fn room(&mut self, length: usize) -> &mut [u8] {
        if self.0.len() < length + PAGE {
            self.0.resize(length + PAGE, 0);
        }
        let begin = self.0.as_ptr().align_offset(PAGE).min(PAGE);
        &mut self.0[begin..begin + length]
    }
}
