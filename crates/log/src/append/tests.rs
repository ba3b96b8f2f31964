use mainstem_kernel::{ProducerId, Seq, StreamId};
use tokio::sync::watch;

use super::*;
use crate::{Chunk, Extent, ReadError, ReadFrom};

/// Answers in a thread of its own, or forgets to.
#[derive(Debug)]
struct Elsewhere {
    seq: Option<Seq>,
    frontier: watch::Sender<Seq>,
}

impl Log for Elsewhere {
    #[expect(clippy::disallowed_methods, reason = "this is the test's spawner")]
    fn append(&self, _append: Append, done: Done) {
        let seq = self.seq;
        drop(std::thread::spawn(move || {
            if let Some(seq) = seq {
                done(Ok(Appended {
                    seqs: vec![seq],
                    first_offsets: Vec::new(),
                }));
            }
        }));
    }

    fn read(&self, _stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        Ok(Chunk {
            frames: Vec::new(),
            through: from.through,
            is_end: true,
        })
    }

    fn extent(&self, _stream: StreamId) -> Option<Extent> {
        None
    }

    fn extents(&self) -> Vec<(StreamId, Extent)> {
        Vec::new()
    }

    fn trim(&self, _stream: StreamId, _through: Seq) {}

    fn next_row(&self, _stream: StreamId, _producer: ProducerId) -> Option<u64> {
        None
    }

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

fn wait(seq: Option<Seq>) -> Result<Appended, AppendError> {
    let log = Elsewhere {
        seq,
        frontier: watch::Sender::new(Seq::ZERO),
    };
    append_and_wait(&log, Append { frames: Vec::new() })
}

#[test]
fn whoever_waits_is_told_once_it_is_durable_or_that_it_will_never_be() {
    for seq in 1..200 {
        assert_eq!(wait(Some(Seq(seq))).unwrap().last(), Seq(seq));
    }
    assert!(matches!(wait(None), Err(AppendError::Closed)));
}
