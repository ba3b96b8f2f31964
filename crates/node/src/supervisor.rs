//! `Supervisor`: starts named threads and tasks, and hears of it when one panics.
//!
//! A thread is a part of the node (the log's, an admission worker, history): a panic in it
//! poisons the node, which then refuses writes until it is restarted. A task belongs to one
//! connection: a panic in it ends that connection and is counted.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{Builder, JoinHandle, sleep},
    time::Duration,
};

use futures::FutureExt;
use mainstem_kernel::{
    metrics::Metrics,
    spawn::{Spawn, TaskBody, ThreadBody},
};
use parking_lot::Mutex;
use tokio::runtime::Handle;

/// Pause between two looks at a thread that is to end.
const JOIN_LOOK: Duration = Duration::from_millis(5);

/// Starts and watches.
#[derive(Debug)]
pub(crate) struct Supervisor {
    runtime: Handle,
    metrics: Arc<Metrics>,
    poisoned: Arc<Mutex<Option<Poisoned>>>,
    threads: Mutex<Vec<(String, JoinHandle<()>)>>,
}

/// A part that has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poisoned {
    /// Name of the thread.
    pub(crate) part: String,
    /// Its last words.
    pub(crate) words: String,
}

impl Supervisor {
    pub(crate) fn new(runtime: Handle, metrics: Arc<Metrics>) -> Arc<Self> {
        let (poisoned, threads) = (Arc::default(), Mutex::default());
        Arc::new(Self {
            runtime,
            metrics,
            poisoned,
            threads,
        })
    }

    /// The first part that has stopped.
    pub(crate) fn poisoned(&self) -> Option<Poisoned> {
        self.poisoned.lock().clone()
    }

    /// Waits for the thread of that name to end; whether it did in time, or never was.
    pub(crate) fn join_within(&self, name: &str, time: Duration) -> bool {
        let found = {
            let mut threads = self.threads.lock();
            let at = threads.iter().position(|(known, _)| known == name);
            at.map(|at| threads.swap_remove(at).1)
        };
        let Some(handle) = found else { return true };
        for _ in 0..=time.as_millis() / JOIN_LOOK.as_millis() {
            if handle.is_finished() {
                // A panic in it has been reported where it happened.
                drop(handle.join());
                return true;
            }
            sleep(JOIN_LOOK);
        }
        false
    }
}

impl Spawn for Supervisor {
    fn thread(&self, name: &str, body: ThreadBody) -> io::Result<()> {
        let (metrics, poisoned) = (Arc::clone(&self.metrics), Arc::clone(&self.poisoned));
        let part = name.to_owned();
        let run = move || {
            let Err(panic) = catch_unwind(AssertUnwindSafe(body)) else {
                return;
            };
            let words = words(&*panic);
            metrics.task_panics.inc();
            tracing::error!(part, words, "a part of the node has stopped");
            poisoned.lock().get_or_insert(Poisoned { part, words });
        };
        let handle = Builder::new().name(name.to_owned()).spawn(run)?;
        let mut threads = self.threads.lock();
        threads.retain(|(_, handle)| !handle.is_finished());
        threads.push((name.to_owned(), handle));
        Ok(())
    }

    fn task(&self, name: &str, body: TaskBody) {
        let metrics = Arc::clone(&self.metrics);
        let task = name.to_owned();
        let run = async move {
            if let Err(panic) = AssertUnwindSafe(body).catch_unwind().await {
                metrics.task_panics.inc();
                tracing::error!(task, words = words(&*panic), "a task panicked");
            }
        };
        drop(self.runtime.spawn(run));
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_thread_poisons_and_a_panicking_task_is_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let metrics = Metrics::new();
        let supervisor = Supervisor::new(runtime.handle().clone(), Arc::clone(&metrics));
        supervisor.task("http-1", Box::pin(async { panic!("of a task") }));
        runtime.block_on(async { tokio::task::yield_now().await });
        assert_eq!(metrics.task_panics.get(), 1);
        assert_eq!(supervisor.poisoned(), None);
        supervisor.thread("good", Box::new(|| {})).unwrap();
        supervisor
            .thread("history", Box::new(|| panic!("row {}", 7)))
            .unwrap();
        assert!(supervisor.join_within("good", Duration::from_secs(60)));
        assert!(supervisor.join_within("history", Duration::from_secs(60)));
        let expected = Poisoned {
            part: "history".to_owned(),
            words: "row 7".to_owned(),
        };
        assert_eq!(supervisor.poisoned(), Some(expected));
        assert_eq!(metrics.task_panics.get(), 2);
    }
}
