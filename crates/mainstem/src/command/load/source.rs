//! Where rows come from: a file or standard input, unpacked.
//!
//! It never looks at a row.

use std::{
    fmt,
    io::{self, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;
use mainstem_disk::{Disk, OpenMode, RealDisk, SharedFile};
use mainstem_kernel::{Clock, clock::SystemClock};

use crate::errors::CliError;

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// Hexadecimal digits of the hash that name a file: 128 bits.
const HASH_DIGITS: usize = 32;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Unpacked bytes, and how far they have been read.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
    /// Met behind bytes that were good.
    damage: Option<io::Error>,
    /// Bytes of the file as it is on disk, if it is a file.
    pub(super) total: Option<u64>,
    /// Name under which the rows are numbered.
    pub(super) producer: String,
}

/// How many bytes of the file, as it is on disk, have been read.
#[derive(Clone, Debug)]
pub(super) struct ReadBytes(Arc<AtomicU64>);

impl ReadBytes {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Source {
    /// Opens a file and names it by the hash of its content.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let fail = |source| CliError::Read {
            path: path.to_owned(),
            source,
        };
        let file = RealDisk.open(path, OpenMode::Read).map_err(fail)?;
        let len = file.len().map_err(fail)?;
        let hash = hash(DiskReader::new(&file, len)).map_err(fail)?;
        let producer = format!("load-{}", hash.get(..HASH_DIGITS).unwrap_or(&hash));
        Self::new(DiskReader::new(&file, len), Some(len), producer).map_err(fail)
    }

    /// Standard input, numbered under a name that only this run has.
    pub(super) fn stdin() -> Result<Self, CliError> {
        let unique = format!("{}.{}", SystemClock.now().0, std::process::id());
        let hash = blake3::hash(unique.as_bytes()).to_hex();
        let producer = format!("load-stdin-{}", hash.get(..HASH_DIGITS).unwrap_or(&hash));
        Self::new(io::stdin(), None, producer).map_err(|source| CliError::Read {
            path: "-".into(),
            source,
        })
    }

    fn new(
        reader: impl Read + Send + 'static,
        total: Option<u64>,
        producer: String,
    ) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            reader,
            read: Arc::clone(&read),
        };
        Ok(Self {
            reader: unpack(counted)?,
            read,
            damage: None,
            total,
            producer,
        })
    }

    /// How far it has been read, while somebody else reads.
    pub(super) fn read_bytes(&self) -> ReadBytes {
        ReadBytes(Arc::clone(&self.read))
    }

    /// Appends some bytes to `buffer`; 0 at the end.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        if let Some(damage) = self.damage.take() {
            return Err(damage);
        }
        let before = buffer.len();
        buffer.resize(before + READ_BYTES, 0);
        let mut filled = before;
        let outcome = loop {
            let Some(room) = buffer.get_mut(filled..) else {
                break Ok(());
            };
            if room.is_empty() {
                break Ok(());
            }
            match self.reader.read(room) {
                Ok(0) => break Ok(()),
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        buffer.truncate(filled);
        match (outcome, filled - before) {
            (Err(error), 0) => Err(error),
            // What came before the damage is still good; the damage comes up at the next call.
            (outcome, n) => {
                self.damage = outcome.err();
                Ok(n)
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("producer", &self.producer)
            .finish_non_exhaustive()
    }
}

/// Unpacks by the first bytes, not by the name.
fn unpack(mut reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = Vec::new();
    (&mut reader).take(4).read_to_end(&mut magic)?;
    let is_gzip = magic.starts_with(GZIP_MAGIC);
    let is_zstd = magic.starts_with(ZSTD_MAGIC);
    let whole = io::Cursor::new(magic).chain(reader);
    match (is_gzip, is_zstd) {
        (true, _) => Ok(Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(
            1 << 17,
            whole,
        )))),
        (_, true) => Ok(Box::new(zstd::stream::read::Decoder::new(whole)?)),
        _ => Ok(Box::new(whole)),
    }
}

fn hash(reader: impl Read) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(reader)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// A file of `Disk` from its beginning to its length.
struct DiskReader {
    file: SharedFile,
    at: u64,
    len: u64,
}

impl DiskReader {
    fn new(file: &SharedFile, len: u64) -> Self {
        Self {
            file: Arc::clone(file),
            at: 0,
            len,
        }
    }
}

impl Read for DiskReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let n = left.min(buffer.len());
        if let Some(part) = buffer.get_mut(..n) {
            self.file.read_at(part, self.at)?;
        }
        self.at += n as u64;
        Ok(n)
    }
}

/// Counts what passes.
struct Counted<R> {
    reader: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
