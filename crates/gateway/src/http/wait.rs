//! `?wait=`: reads wait until what was acknowledged before is visible.

use mainstem_kernel::{Position, Reached};

use super::{Door, errors::HttpError, stopped};
use crate::Local;

/// Waits until everything up to a position is visible. Beyond one machine each question waits for
/// what it reads, and for nothing else.
///
/// # Errors
/// When that takes longer than the limit, the node stops, or the position is of another kind.
pub(crate) async fn reach(door: &Door, wait: &Reached) -> Result<(), HttpError> {
    match (&door.parts.local, wait) {
        (Some(local), Reached::Seq(position)) => frontier(door, local, *position).await,
        (None, Reached::Offsets(_)) => Ok(()),
        (Some(_), Reached::Offsets(_)) | (None, Reached::Seq(_)) => Err(HttpError::Elsewhere {
            position: wait.clone(),
        }),
    }
}

async fn frontier(door: &Door, local: &Local, position: Position) -> Result<(), HttpError> {
    let limit = door.config.wait_max;
    let mut frontier = local.log.watch();
    let mut shutdown = door.shutdown.clone();
    let is_reached = tokio::select! {
        biased;
        reached = frontier.wait_for(|frontier| *frontier >= position.seq()) => reached.is_ok(),
        () = stopped(&mut shutdown) => false,
        () = tokio::time::sleep(limit) => false,
    };
    match is_reached {
        true => Ok(()),
        false => Err(HttpError::NotReached {
            position: position.into(),
            limit,
        }),
    }
}
