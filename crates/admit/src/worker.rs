//! A worker: gathers payloads, decodes them, sorts and encodes the rows, and hands them to the
//! log. It never waits for a sync while there is work, and never answers a request itself.
//!
//! # What blocks where
//!
//! With nothing to do it waits for a request. With something in its hands and an append under
//! way it waits a moment for more (`gather_max`), so that the next frame is larger; the end of
//! that append wakes it at once. With `FLIGHTS_MAX` appends under way it waits for one to end,
//! and goes on gathering. `Log::append` blocks while the log's queue is full.

mod bench;
mod gather;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use mainstem_kernel::{StreamId, clock::SharedClock, metrics::Metrics};
use mainstem_log::{Refusal, SharedIntake};
use parking_lot::Mutex;

use crate::{
    AdmitConfig, AdmitError, Format,
    decode::{PartLimit, Progress},
    request::Request,
    stamp::Sender as Who,
    submission::{Submission, Target, refusal},
};
use bench::Bench;

/// Drains whose appends are not durable yet: enough for decoding to go on during a sync.
const FLIGHTS_MAX: usize = 3;

/// Streams whose columns a worker keeps at hand.
const BENCHES_MAX: usize = 256;

/// What a worker is sent.
#[derive(Debug)]
pub(crate) enum Message {
    /// A payload.
    Job(Box<Job>),
    /// Nothing comes after this.
    Stop,
}

/// One payload.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) target: Target,
    pub(crate) format: Format,
    pub(crate) body: Bytes,
    pub(crate) sender: Who,
    pub(crate) request: Arc<Request>,
    /// Counts this job among the worker's until it is handed to the log.
    pub(crate) waiting: crate::lane::Waiting,
}

/// What the workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) log: SharedIntake,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) config: AdmitConfig,
}

/// Submissions of which the log may take a part.
type Returned = Arc<Mutex<Vec<(Submission, Refusal)>>>;

/// Tells the worker, when the last share of it is gone, that a drain is durable or has failed.
#[derive(Debug)]
struct Flight {
    ended: Sender<()>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        // There is room for all flights, and a worker that is gone need not know.
        let is_told = self.ended.try_send(()).is_ok();
        tracing::trace!(is_told, "drain ended");
    }
}

/// A worker.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    jobs: Receiver<Message>,
    ended: Receiver<()>,
    ended_tx: Sender<()>,
    returned: Returned,
    in_flight: usize,
    is_stopping: bool,
    benches: HashMap<StreamId, Bench>,
}

impl Worker {
    /// A worker that takes its work from `jobs`.
    pub(crate) fn new(shared: Arc<Shared>, jobs: Receiver<Message>) -> Self {
        let (ended_tx, ended) = crossbeam_channel::bounded(2 * FLIGHTS_MAX);
        Self {
            shared,
            jobs,
            ended,
            ended_tx,
            returned: Returned::default(),
            in_flight: 0,
            is_stopping: false,
            benches: HashMap::new(),
        }
    }

    /// Works until it is told to stop, and everything that came before is answered.
    pub(crate) fn run(mut self) {
        while let Some(jobs) = self.gather() {
            self.drain(jobs);
        }
        while self.in_flight > 0 && self.ended.recv().is_ok() {
            self.flight_ended();
        }
    }

    /// Decodes payloads and hands their rows to the log, a frame per stream.
    fn drain(&mut self, mut jobs: Vec<Job>) {
        let flight = self.take_off();
        jobs.sort_by_key(|job| job.target.stream.id);
        let jobs_bytes = jobs.iter().map(|job| job.body.len()).sum();
        let mut rest = jobs.into_iter().peekable();
        while let Some(job) = rest.next() {
            let target = job.target.clone();
            let mut bench = self.bench(&target);
            let coming = jobs_bytes;
            bench.begin(
                self.shared.clock.now().plus(self.shared.config.ahead_max),
                coming,
            );
            let id = target.stream.id;
            self.decode(&mut bench, job, &flight);
            while let Some(job) = rest.next_if(|job| job.target.is_same(&target)) {
                self.decode(&mut bench, job, &flight);
            }
            self.submit(&mut bench, &flight);
            if self.benches.len() >= BENCHES_MAX {
                self.benches.clear();
            }
            self.benches.insert(id, bench);
        }
    }

    /// The columns of a stream, as they were left or new.
    fn bench(&mut self, target: &Target) -> Bench {
        let kept = self.benches.remove(&target.stream.id);
        kept.filter(|bench| bench.target.is_same(target))
            .unwrap_or_else(|| {
                let config = &self.shared.config;
                let limit = PartLimit {
                    rows_max: config.frame_rows_max,
                    bytes_max: config.frame_bytes_max.as_usize() * 8,
                };
                Bench::new(target.clone(), limit)
            })
    }

    /// Decodes one payload, in as many parts as it takes. Parts of one body share their appends
    /// with nobody: else one could be given back for a neighbour's sake, and come after the next.
    fn decode(&self, bench: &mut Bench, job: Job, flight: &Arc<Flight>) {
        let Job {
            format,
            body,
            sender,
            request,
            waiting,
            ..
        } = job;
        let is_alone = bench.may_take_parts(body.len());
        let mut source = match bench.open(format, body) {
            Ok(source) => source,
            Err(error) => return request.fail(error),
        };
        for part in 0.. {
            let seed = sender.seed(part, source.row());
            if is_alone || bench.is_full() || seed.is_some_and(|seed| bench.has(seed.producer())) {
                self.submit(bench, flight);
            }
            match bench.part(&mut source, &request, seed) {
                Ok(Progress::More) => {}
                Ok(Progress::Finished) => {
                    request.complete();
                    break;
                }
                Err(error) => {
                    request.fail(error);
                    break;
                }
            }
        }
        if is_alone {
            self.submit(bench, flight);
        }
        drop(waiting);
    }

    /// Hands everything decoded to the log.
    fn submit(&self, bench: &mut Bench, flight: &Arc<Flight>) {
        if let Some(submission) = bench.finish(&self.shared.metrics) {
            self.hand_over(submission, flight);
        }
    }

    fn hand_over(&self, submission: Submission, flight: &Arc<Flight>) {
        let append = match submission.encode() {
            Ok(append) => append,
            Err(source) => {
                let source = Arc::new(source);
                return submission.fail(|| AdmitError::Encode {
                    source: Arc::clone(&source),
                });
            }
        };
        let (returned, flight) = (Arc::clone(&self.returned), Arc::clone(flight));
        let done = move |result: Result<_, Refusal>| {
            match result {
                Ok(reached) => submission.answer(&reached),
                Err(refused) if is_partial(&refused) => {
                    returned.lock().push((submission, refused));
                }
                Err(refused) => submission.fail(|| refusal(&refused)),
            }
            drop(flight);
        };
        self.shared.log.append(append, Box::new(done));
    }

    fn take_off(&mut self) -> Arc<Flight> {
        self.in_flight += 1;
        Arc::new(Flight {
            ended: self.ended_tx.clone(),
        })
    }

    /// A drain is durable or has failed; what the log gave back is appended again.
    fn flight_ended(&mut self) {
        self.in_flight -= 1;
        let returned = std::mem::take(&mut *self.returned.lock());
        if returned.is_empty() {
            return;
        }
        let flight = self.take_off();
        for (submission, refused) in returned {
            let rest = match refused {
                Refusal::Repeated(list) => submission.settle(&list).into_iter().collect(),
                other => submission.split(&other),
            };
            for rest in rest {
                self.hand_over(rest, &flight);
            }
        }
    }
}

/// Whether the log may take a part of what it refused.
const fn is_partial(refused: &Refusal) -> bool {
    match refused {
        Refusal::Repeated(_) | Refusal::Conflict | Refusal::Gap { .. } => true,
        Refusal::Fault(_) => false,
    }
}
