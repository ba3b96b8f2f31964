//! `Spawn`: the only way to start a thread or a task, so that each has a name and a supervisor.

use std::{fmt::Debug, future::Future, io, pin::Pin, sync::Arc};

/// What a task runs.
pub type TaskBody = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;
/// What a thread runs.
pub type ThreadBody = Box<dyn FnOnce() + Send + 'static>;

/// Starts named work that somebody watches.
pub trait Spawn: Debug + Send + Sync {
    /// Starts a thread. A panic in it is reported to the supervisor under `name`.
    ///
    /// # Errors
    /// When the machine refuses another thread.
    fn thread(&self, name: &str, body: ThreadBody) -> io::Result<()>;

    /// Starts an asynchronous task. A panic in it is reported to the supervisor under `name`.
    fn task(&self, name: &str, body: TaskBody);
}

/// A spawner that parts share.
pub type SharedSpawn = Arc<dyn Spawn>;
