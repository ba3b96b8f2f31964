//! The archiver goes on while questions are asked: every row is seen once all the same.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use mainstem_kernel::{ProducerId, Seq, StreamId};
use mainstem_log::{Append, AppendError, Chunk, Done, Extent, Log, ReadError, ReadFrom, SharedLog};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::bed::{Bed, config};

/// What runs, and before which reading.
type Meddler = (usize, Box<dyn FnOnce() + Send>);

/// A log that runs something before its n-th reading.
struct Meddling {
    inner: SharedLog,
    reads: AtomicUsize,
    armed: AtomicBool,
    before: Mutex<Option<Meddler>>,
}

impl std::fmt::Debug for Meddling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meddling")
    }
}

impl Meddling {
    fn arm(&self, read: usize, before: impl FnOnce() + Send + 'static) {
        *self.before.lock() = Some((read, Box::new(before)));
        self.reads.store(0, Ordering::SeqCst);
        self.armed.store(true, Ordering::SeqCst);
    }

    fn meddle(&self) {
        if !self.armed.load(Ordering::SeqCst) {
            return;
        }
        let read = self.reads.fetch_add(1, Ordering::SeqCst);
        let due = {
            let mut before = self.before.lock();
            match &*before {
                Some((at, _)) if *at == read => before.take(),
                _ => None,
            }
        };
        if let Some((_, run)) = due {
            run();
        }
    }
}

impl Log for Meddling {
    fn append(&self, append: Append, done: Done) {
        self.inner.append(append, done);
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        self.meddle();
        // Small chunks, so that there is something between two readings.
        self.inner.read(
            stream,
            ReadFrom {
                bytes_max: 1,
                ..from
            },
        )
    }

    fn extent(&self, stream: StreamId) -> Option<Extent> {
        self.meddle();
        self.inner.extent(stream)
    }

    fn extents(&self) -> Vec<(StreamId, Extent)> {
        self.inner.extents()
    }

    fn trim(&self, stream: StreamId, through: Seq) {
        self.inner.trim(stream, through);
    }

    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.inner.next_row(stream, producer)
    }

    fn heartbeat(&self) -> Result<Seq, AppendError> {
        self.inner.heartbeat()
    }

    fn frontier(&self) -> Seq {
        self.inner.frontier()
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.inner.watch()
    }
}

#[tokio::test]
async fn archiving_at_any_moment_of_a_question_loses_and_doubles_nothing() {
    let cell: Arc<Mutex<Option<Arc<Meddling>>>> = Arc::default();
    let keep = Arc::clone(&cell);
    let bed = Bed::with(config(), |inner| {
        let log = Arc::new(Meddling {
            inner,
            reads: AtomicUsize::new(0),
            armed: AtomicBool::new(false),
            before: Mutex::new(None),
        });
        *keep.lock() = Some(Arc::clone(&log));
        log
    });
    let log = cell.lock().take().unwrap();
    bed.declare("CREATE STREAM a (id BIGINT, country TEXT)");
    let id = bed.def("a").id;
    let mut rows = 0;
    let mut meddled = 0;
    for moment in 0..8 {
        // Some of it archived, then four frames that are not.
        for frame in 0..6 {
            bed.append("a", rows..rows + 10);
            rows += 10;
            if frame == 1 {
                bed.flush("a");
            }
        }
        let (history, inner, fired) = (
            Arc::clone(&bed.history),
            Arc::clone(&log.inner),
            Arc::new(AtomicBool::new(false)),
        );
        let mark = Arc::clone(&fired);
        log.arm(moment, move || {
            mark.store(true, Ordering::SeqCst);
            history.flush(id).unwrap();
            let extent = inner.extent(id);
            assert!(extent.is_none(), "flushing trims the log: {extent:?}");
        });
        let sql = "SELECT count(*) AS n, count(DISTINCT id) AS d, max(id) AS top, count(country) AS c FROM a";
        let expected = format!(
            "{{\"n\":{rows},\"d\":{rows},\"top\":{},\"c\":{rows}}}\n",
            rows - 1
        );
        assert_eq!(
            bed.ask(sql).await,
            expected,
            "archived before reading {moment}"
        );
        meddled += usize::from(fired.load(Ordering::SeqCst));
    }
    assert!(meddled >= 4, "only {meddled} moments were reached");
}
