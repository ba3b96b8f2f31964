//! `QueryEngine`: what control asks of Spark. So the loop can be tried without.

use std::{collections::BTreeMap, fmt::Debug};

use mainstem_kernel::{Fault, StreamId, Timestamp};

use super::Need;
use crate::progress::Query;

/// Why Spark did not do what it was asked for.
pub type EngineFault = Box<dyn Fault + Send + Sync>;

/// One run of a query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Stays as long as its checkpoint does.
    pub id: String,
    /// Another one each time it is started.
    pub run: String,
}

/// What Spark has said of the last batch that it has committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Its number.
    pub number: u64,
    /// Of each partition of each topic, the offset that comes next.
    pub next: BTreeMap<(String, u16), u64>,
    /// Rows that come in per second.
    pub rows_in_per_second: f64,
    /// Rows per second that it takes while it computes.
    pub rows_taken_per_second: f64,
    /// Rows of its state.
    pub state_rows: u64,
    /// No window that ends before it is open.
    pub watermark: Option<Timestamp>,
}

/// What runs queries.
pub trait QueryEngine: Debug + Send + Sync {
    /// All queries of ours that run, whoever started them.
    ///
    /// # Errors
    /// When it does not answer.
    fn active(&self) -> Result<BTreeMap<Query, Run>, EngineFault>;

    /// What it says of a query's last batch; nothing before the first one of this run.
    ///
    /// # Errors
    /// When it does not answer.
    fn last_batch(&self, run: &Run) -> Result<Option<Batch>, EngineFault>;

    /// Why a run has ended by itself; nothing if it has not, or nobody knows of it any more.
    ///
    /// # Errors
    /// When it does not answer.
    fn failure(&self, run: &Run) -> Result<Option<EngineFault>, EngineFault>;

    /// Starts a query over these topics, from its checkpoint if it has one.
    ///
    /// # Errors
    /// What stands against it, by name.
    fn start(&self, query: Query, need: &Need, topics: &QueryTopics) -> Result<Run, EngineFault>;

    /// Stops a run. One that does not run is fine.
    ///
    /// # Errors
    /// When it does not answer.
    fn stop(&self, run: &Run) -> Result<(), EngineFault>;

    /// Whether what a query has done is there, for it to go on from.
    ///
    /// # Errors
    /// When it does not answer.
    fn has_checkpoint(&self, query: Query, generation: u16) -> Result<bool, EngineFault>;

    /// Up to where the history of a stream is written, by partition of its topic.
    ///
    /// # Errors
    /// When it does not answer, or cannot read it.
    fn written(&self, history: &HistoryOf) -> Result<BTreeMap<u16, u64>, EngineFault>;

    /// Takes days before this one (`YYYY-MM-DD`) out of the history of a stream. Whoever reads them
    /// already reads on: their files stay for a week.
    ///
    /// # Errors
    /// When it does not answer, or cannot read it.
    fn expire(&self, history: &HistoryOf, day: &str) -> Result<(), EngineFault>;

    /// Deletes what is kept of an object that is forgotten: what its queries have done, in all
    /// generations up to this one, and its history. Nothing there is fine.
    ///
    /// # Errors
    /// When it does not answer, or may not.
    fn forget(&self, history: &HistoryOf, generation: u16) -> Result<(), EngineFault>;
}

/// The history of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryOf {
    /// The stream.
    pub stream: StreamId,
    /// The topic of its rows: the history is called as it.
    pub topic: String,
}

/// The topics of a query, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryTopics {
    /// It reads these; one that it reads twice is there twice.
    pub inputs: Vec<String>,
    /// And writes that one, unless it writes history.
    pub changes: Option<String>,
    /// How often it was begun from the first row, from 1.
    pub generation: u16,
    /// Where it begins if nothing is known of what it has done, by partition; at the first row
    /// there is if none.
    pub from: Option<BTreeMap<u16, Option<u64>>>,
}
