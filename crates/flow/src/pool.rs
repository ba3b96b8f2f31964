//! `Pool`: a few threads that an application's steps share their work among. The order of results
//! is that of the work, whatever thread did it, and a panic in a thread is a panic of the step.

use std::{
    any::Any,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use mainstem_kernel::spawn::SharedSpawn;

type Job = Box<dyn FnOnce() + Send>;
type Outcome<R> = (usize, Result<R, Box<dyn Any + Send>>);

/// Threads that work for steps.
pub(crate) struct Pool {
    jobs: Option<Sender<Job>>,
    threads: usize,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// What is worked on, taken out and dealt to the threads, each with its number.
    pub(crate) fn deal<T: Default>(&self, all: &mut [T]) -> Vec<Vec<(usize, T)>> {
        let lanes = self.threads();
        let mut dealt: Vec<Vec<(usize, T)>> = (0..lanes).map(|_| Vec::new()).collect();
        for (number, one) in all.iter_mut().enumerate() {
            dealt[number % lanes].push((number, std::mem::take(one)));
        }
        dealt
    }

    /// A pool that does everything in the caller's thread.
    pub(crate) const fn alone() -> Self {
        Self {
            jobs: None,
            threads: 1,
        }
    }

    /// A pool of `threads` threads, the caller's included.
    ///
    /// # Errors
    /// When the machine refuses a thread.
    pub(crate) fn start(spawn: &SharedSpawn, name: &str, threads: usize) -> io::Result<Self> {
        if threads <= 1 {
            return Ok(Self::alone());
        }
        let (jobs, rx) = bounded::<Job>(threads * JOBS_PER_THREAD);
        for number in 1..threads {
            let rx: Receiver<Job> = rx.clone();
            let body = move || rx.iter().for_each(|job| job());
            spawn.thread(&format!("{name}-{number}"), Box::new(body))?;
        }
        Ok(Self {
            jobs: Some(jobs),
            threads,
        })
    }

    /// Threads, the caller's included.
    pub(crate) const fn threads(&self) -> usize {
        self.threads
    }

    /// Does something with every item.
    pub(crate) fn map<T, R>(
        &self,
        items: Vec<T>,
        work: impl Fn(T) -> R + Send + Sync + 'static,
    ) -> Vec<R>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let Some(jobs) = self.jobs.as_ref().filter(|_| items.len() > 1) else {
            return items.into_iter().map(work).collect();
        };
        let work = Arc::new(work);
        let count = items.len();
        let (tx, rx) = bounded::<Outcome<R>>(count);
        let mut own = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            let (work, tx) = (Arc::clone(&work), tx.clone());
            let job: Job = Box::new(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| work(item)));
                // What the work holds is free again before the caller goes on.
                drop(work);
                // Whoever waits has room for all; it is gone only if another job panicked.
                match tx.send((at, outcome)) {
                    Ok(()) | Err(_) => {}
                }
            });
            // What the threads have no room for, the caller does.
            if at % self.threads == 0 {
                own.push(job);
            } else if let Err(refused) = jobs.try_send(job) {
                own.push(refused.into_inner());
            }
        }
        drop(tx);
        own.into_iter().for_each(|job| job());
        let mut results: Vec<Option<R>> = (0..count).map(|_| None).collect();
        for (at, outcome) in rx {
            match outcome {
                Ok(result) => results[at] = Some(result),
                Err(panic) => resume_unwind(panic),
            }
        }
        results.into_iter().flatten().collect()
    }
}

/// Jobs that may wait per thread.
const JOBS_PER_THREAD: usize = 64;

#[cfg(test)]
mod tests;
