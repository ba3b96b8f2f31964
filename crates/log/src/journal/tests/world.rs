//! A journal on a twin disk, and what it must hold.

use std::{collections::BTreeMap, path::Path, time::Duration};

use mainstem_disk::{Disk, TwinDisk};
use mainstem_kernel::{Offset, PartitionId, Timestamp, clock::ManualClock};

use super::*;
use crate::{
    Append, Appended, Damage, DraftEntry, Frame, ReadError,
    contract::{all, draft, entry, numbers},
};

pub(super) const FOLDER: &str = "/data/journal";

/// Small files, so that a short script rolls, recycles and carries.
pub(super) fn config() -> LogConfig {
    LogConfig {
        journal_file_size: ByteSize::kib(64),
        journal_size_max: ByteSize::kib(320),
        group_size_max: ByteSize::kib(16),
        queue_max: 16,
        tail_bytes_max: ByteSize::kib(4),
        producers_max: 100,
        request_keep: Duration::from_secs(24 * 60 * 60),
        clock_behind_max: Duration::from_secs(300),
        accept_damage: false,
    }
}

/// Numbers that a seed determines (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A disk and a clock, and the journal while it is open.
#[derive(Debug)]
pub(super) struct World {
    pub(super) disk: TwinDisk,
    pub(super) clock: Arc<ManualClock>,
    pub(super) config: LogConfig,
}

impl World {
    pub(super) fn new(config: LogConfig) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_767_225_600_000));
        let disk = TwinDisk::new();
        disk.create_dirs(Path::new("/data")).unwrap();
        Self {
            disk,
            clock: Arc::new(clock),
            config,
        }
    }

    /// The same on what a disk kept.
    pub(super) fn on(&self, disk: TwinDisk) -> Self {
        Self {
            disk,
            clock: Arc::clone(&self.clock),
            config: self.config.clone(),
        }
    }

    pub(super) fn try_open(&self) -> Result<(Journal, Vec<Damage>), OpenError> {
        let needs = JournalNeeds {
            disk: Arc::new(self.disk.clone()),
            folder: PathBuf::from(FOLDER),
            clock: Arc::<ManualClock>::clone(&self.clock),
            metrics: Metrics::new(),
            spare: None,
        };
        Journal::open(needs, self.config.clone())
    }

    pub(super) fn open(&self) -> Journal {
        self.try_open().unwrap().0
    }

    /// Paths of the journal's files by name.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let entries = self.disk.list(Path::new(FOLDER)).unwrap();
        let files = entries
            .iter()
            .filter(|entry| entry.name.ends_with(".journal"));
        files
            .map(|entry| Path::new(FOLDER).join(&entry.name))
            .collect()
    }
}

/// One append of its own group.
pub(super) fn put(
    journal: &mut Journal,
    frames: Vec<crate::Draft>,
) -> Result<Appended, AppendError> {
    let prepared = Prepared::new(Append { frames }, journal.config.group_size_max)?;
    journal.commit(vec![prepared]).pop().unwrap()
}

/// So many numbers in one frame.
pub(super) fn put_numbers(
    journal: &mut Journal,
    stream: u32,
    first: i64,
    rows: u32,
) -> Result<Appended, AppendError> {
    put(
        journal,
        vec![draft(StreamId(stream), first, &[entry(0, rows, None)])],
    )
}

/// Frames behind `after`, from memory or the files.
pub(super) fn read(
    journal: &Journal,
    stream: StreamId,
    after: Seq,
) -> Result<Vec<Frame>, ReadError> {
    let found = journal.index().read().find(stream, all(after))?;
    found
        .frames
        .iter()
        .map(|frame| read_frame(stream, frame))
        .collect()
}

/// Gives up everything of a stream up to and including `through`.
pub(super) fn trim(journal: &Journal, stream: StreamId, through: Seq) {
    drop(journal.index().write().trim(stream, through));
}

/// A frame that was appended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) seq: Seq,
    pub(super) runs: Vec<(PartitionId, Offset, u32)>,
    pub(super) numbers: Vec<i64>,
}

impl Kept {
    fn of(frame: &Frame) -> Self {
        let run = |run: &crate::Entry| (run.partition, run.first_offset, run.rows);
        Self {
            seq: frame.seq,
            runs: frame.entries.iter().map(run).collect(),
            numbers: numbers(std::slice::from_ref(frame)),
        }
    }
}

/// A frame that may be there or not: its rows, because it has no seq.
type Maybe = (StreamId, Vec<i64>);

/// What a journal must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// Frames that were acknowledged.
    pub(super) acked: BTreeMap<StreamId, Vec<Kept>>,
    /// Up to where each stream was given up.
    pub(super) trimmed: BTreeMap<StreamId, Seq>,
    /// Appends whose answer never came, or said that it is not known.
    pub(super) unknown: Vec<Vec<Maybe>>,
    /// How far the last heartbeat that was acknowledged moved the frontier.
    pub(super) beat: Seq,
    next_number: i64,
}

impl Model {
    /// An append of one or two streams with rows that never come again.
    pub(super) fn draft(&mut self, random: &mut Random) -> Vec<crate::Draft> {
        let first_stream = 16 + u32::try_from(random.below(3)).unwrap();
        let count = 1 + u32::try_from(random.below(2)).unwrap();
        let drafts = (0..count).map(|at| {
            let rows = |random: &mut Random| u32::try_from(random.below(40)).unwrap();
            let entries: Vec<DraftEntry> = (0..2)
                .map(|_| entry(u16::try_from(random.below(4)).unwrap(), rows(random), None))
                .collect();
            let draft = draft(StreamId(first_stream + at), self.next_number, &entries);
            self.next_number += i64::try_from(draft.batch.num_rows()).unwrap();
            draft
        });
        drafts.collect()
    }

    /// Notes what became of an append.
    pub(super) fn note(&mut self, rows: Vec<Maybe>, runs: &[Vec<DraftEntry>], appended: &Appended) {
        for (at, (stream, numbers)) in rows.into_iter().enumerate() {
            let offsets = appended.first_offsets[at].iter();
            let runs = runs[at]
                .iter()
                .zip(offsets)
                .map(|(run, at)| (run.partition, *at, run.rows));
            let kept = Kept {
                seq: appended.seqs[at],
                runs: runs.collect(),
                numbers,
            };
            self.acked.entry(stream).or_default().push(kept);
        }
    }

    /// Everything acknowledged is there, once, where it was said to be, and nothing else is but
    /// whole appends that were under way. What was trimmed may have come back from its end.
    pub(super) fn check(&mut self, journal: &Journal) {
        let frontier = journal.frontier();
        assert!(frontier >= self.beat, "a heartbeat was taken back");
        let mut extra: BTreeMap<StreamId, Vec<Kept>> = BTreeMap::new();
        for stream in [16, 17, 18, 19].map(StreamId) {
            let trimmed = self.trimmed.get(&stream).copied().unwrap_or(Seq::ZERO);
            let frames = read(journal, stream, trimmed).unwrap();
            let found: Vec<Kept> = frames.iter().map(Kept::of).collect();
            let acked = self.acked.get(&stream).cloned().unwrap_or_default();
            let live: Vec<Kept> = acked
                .into_iter()
                .filter(|kept| kept.seq > trimmed)
                .collect();
            let (own, rest) = found.into_iter().partition(|kept| live.contains(kept));
            let own: Vec<Kept> = own;
            assert_eq!(
                own, live,
                "stream {stream}: what was acknowledged, once and in order"
            );
            extra.insert(stream, rest);
        }
        // An append under way is there whole or not at all, and stays so.
        for rows in std::mem::take(&mut self.unknown) {
            let found: Vec<Option<Kept>> = rows
                .iter()
                .map(|(stream, numbers)| {
                    let rest = extra.get_mut(stream)?;
                    let at = rest.iter().position(|kept| kept.numbers == *numbers)?;
                    Some(rest.remove(at))
                })
                .collect();
            let is_there = found.iter().all(Option::is_some);
            assert!(
                is_there || found.iter().all(Option::is_none),
                "torn append: {rows:?}"
            );
            for ((stream, _), kept) in rows.iter().zip(found) {
                let list = self.acked.entry(*stream).or_default();
                list.extend(kept);
                list.sort_by_key(|kept| kept.seq);
            }
        }
        assert!(
            extra.values().all(Vec::is_empty),
            "rows that nobody appended: {extra:?}"
        );
        self.check_offsets();
    }

    /// Offsets of a partition never come twice.
    fn check_offsets(&self) {
        for (stream, kept) in &self.acked {
            let mut next: BTreeMap<PartitionId, u64> = BTreeMap::new();
            for (partition, first, rows) in kept.iter().flat_map(|kept| &kept.runs) {
                let next = next.entry(*partition).or_default();
                assert!(
                    first.0 >= *next,
                    "stream {stream} {partition}: {first} after {next}"
                );
                *next = first.0 + u64::from(*rows);
            }
        }
    }
}
