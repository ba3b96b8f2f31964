//! `Runtimes`: the doors' threads and those of questions, apart, so that a question that computes
//! for long keeps no door waiting.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::{errors::NodeError, parts::cores};

/// The asynchronous runtimes of a node.
#[derive(Debug)]
pub(crate) struct Runtimes {
    /// Sockets and requests.
    pub(crate) doors: Runtime,
    /// Planning and running questions.
    pub(crate) queries: Runtime,
}

impl Runtimes {
    /// Starts the threads of both.
    pub(crate) fn start() -> Result<Self, NodeError> {
        Ok(Self {
            doors: runtime("http", "threads for the network")?,
            queries: runtime("query", "threads for questions")?,
        })
    }

    /// Ends both; what does not end in time is left to the end of the process.
    pub(crate) fn shutdown(self, wait: Duration) {
        self.queries.shutdown_timeout(wait);
        self.doors.shutdown_timeout(wait);
    }
}

fn runtime(name: &str, what: &'static str) -> Result<Runtime, NodeError> {
    Builder::new_multi_thread()
        .worker_threads(cores().max(2))
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|source| NodeError::System { what, source })
}
