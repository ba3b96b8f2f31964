//! `DefinitionLog`: the topic of definitions as the log that the catalog folds: stream 0 and no
//! other stream, in the one order that all nodes share.
//!
//! It never contacts a broker to read: `follow` brings what other nodes have appended. The seq of
//! an entry is made of the broker's time and the seq before it, so every node gives it the same.

use std::{sync::Arc, thread, time::Duration};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringArray},
    error::ArrowError,
};
use mainstem_catalog::CHANGE_COLUMN;
use mainstem_kernel::{KeyId, Offset, PartitionId, ProducerId, SchemaVersion, Seq, StreamId};
use mainstem_log::{
    Append, AppendError, Appended, Chunk, Done, Entry as Run, Extent, Frame, Log, ReadError,
    ReadFrom,
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{Control, Entry, KafkaConfig, client::silent};
use crate::ClusterError;

/// How often it is looked whether what was committed can be seen.
const LOOK: Duration = Duration::from_millis(20);

/// The topic of definitions as a log.
#[derive(Debug)]
pub struct DefinitionLog {
    config: KafkaConfig,
    control: Control,
    /// Held from reading what there is to having it in `frames`.
    following: Mutex<()>,
    frames: RwLock<Vec<Frame>>,
    frontier: watch::Sender<Seq>,
}

impl DefinitionLog {
    /// Finds or makes the topic, and reads all of it.
    ///
    /// # Errors
    /// When Kafka cannot be reached, the topic will not do, or holds what others wrote.
    pub fn open(config: &KafkaConfig) -> Result<Arc<Self>, ClusterError> {
        let log = Self {
            config: config.clone(),
            control: Control::open(config)?,
            following: Mutex::new(()),
            frames: RwLock::default(),
            frontier: watch::Sender::new(Seq::ZERO),
        };
        log.follow()?;
        Ok(Arc::new(log))
    }

    /// Reads what was appended since, by whichever node.
    ///
    /// # Errors
    /// When Kafka cannot be reached, or an entry does not read.
    pub fn follow(&self) -> Result<(), ClusterError> {
        let _following = self.following.lock();
        for entry in self.control.read()? {
            let seq = self.frontier.borrow().next(entry.at);
            let frame = frame(entry, seq).map_err(|source| ClusterError::Shape {
                stream: StreamId::CATALOG,
                reason: source.to_string(),
            })?;
            self.frames.write().push(frame);
            self.frontier.send_replace(seq);
        }
        Ok(())
    }

    /// Reads until so many entries are known. A commit is answered when the coordinator has decided
    /// it; the mark that lets readers see it reaches the topic a moment later, and with several
    /// brokers that is another one.
    fn follow_to(&self, count: usize) -> Result<(), ClusterError> {
        let mut waited = Duration::ZERO;
        loop {
            self.follow()?;
            if self.frames.read().len() >= count {
                return Ok(());
            }
            if waited >= self.config.acknowledge_max {
                return Err(silent(&self.config));
            }
            thread::sleep(LOOK);
            waited += LOOK;
        }
    }

    fn commit(&self, append: &Append) -> Result<Appended, ClusterError> {
        let shape = |reason: &str| ClusterError::Shape {
            stream: StreamId::CATALOG,
            reason: reason.to_owned(),
        };
        let [draft] = append.frames.as_slice() else {
            return Err(shape("definitions are appended one by one"));
        };
        if draft.stream != StreamId::CATALOG || draft.batch.num_rows() != 1 {
            return Err(shape("only definitions are kept here, a row at a time"));
        }
        let texts = draft.batch.column_by_name(CHANGE_COLUMN);
        let text = texts
            .and_then(|column| column.as_string_opt::<i32>())
            .ok_or_else(|| shape("a definition is text"))?
            .value(0);
        let known = self.frames.read().len();
        let turn = self.control.take_turn()?;
        turn.append(known as u64, text.as_bytes())?;
        self.follow_to(known + 1)?;
        // Nobody else can have appended in between, but may have since.
        let frames = self.frames.read();
        let frame = frames
            .get(known)
            .ok_or_else(|| shape("it was appended and is not there"))?;
        Ok(Appended {
            seqs: vec![frame.seq],
            first_offsets: vec![vec![Offset(known as u64)]],
        })
    }
}

/// An entry as a frame of stream 0.
fn frame(entry: Entry, seq: Seq) -> Result<Frame, ArrowError> {
    let text = String::from_utf8(entry.value)
        .map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    let column: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let batch = RecordBatch::try_from_iter_with_nullable([(CHANGE_COLUMN, column, false)])?;
    let run = Run {
        partition: PartitionId(0),
        first_offset: Offset(entry.number),
        offset_span: 1,
        rows: 1,
        stamp: None,
    };
    Ok(Frame {
        seq,
        stream: StreamId::CATALOG,
        schema: SchemaVersion(1),
        key: KeyId(0),
        entries: Arc::new([run]),
        batch,
    })
}

impl Log for DefinitionLog {
    fn append(&self, append: Append, done: Done) {
        let outcome = self.commit(&append);
        done(outcome.map_err(|error| AppendError::Engine(Arc::new(error))));
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        let through = self.frontier().min(from.through);
        let is_asked = |frame: &&Frame| {
            stream == StreamId::CATALOG && frame.seq > from.after && frame.seq <= through
        };
        let frames = self
            .frames
            .read()
            .iter()
            .filter(is_asked)
            .cloned()
            .collect();
        Ok(Chunk {
            frames,
            through: through.max(from.after),
            is_end: true,
        })
    }

    fn extent(&self, stream: StreamId) -> Option<Extent> {
        let frames = self.frames.read();
        let (first, last) = (frames.first()?, frames.last()?);
        (stream == StreamId::CATALOG).then_some(Extent {
            first: first.seq,
            last: last.seq,
            rows: frames.len() as u64,
            bytes: frames.iter().map(bytes).sum(),
        })
    }

    fn extents(&self) -> Vec<(StreamId, Extent)> {
        let extent = self.extent(StreamId::CATALOG);
        extent
            .map(|extent| (StreamId::CATALOG, extent))
            .into_iter()
            .collect()
    }

    /// Definitions are kept for ever.
    fn trim(&self, _stream: StreamId, _through: Seq) {}

    fn next_row(&self, _stream: StreamId, _producer: ProducerId) -> Option<u64> {
        None
    }

    /// Definitions do not wait for time to pass.
    fn heartbeat(&self) -> Result<Seq, AppendError> {
        Ok(self.frontier())
    }

    fn frontier(&self) -> Seq {
        *self.frontier.borrow()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.frontier.subscribe()
    }
}

fn bytes(frame: &Frame) -> u64 {
    frame.batch.get_array_memory_size() as u64
}
