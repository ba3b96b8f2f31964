//! `?wait=`: reads wait until what was acknowledged before is visible.

use mainstem_kernel::Position;

use super::{Door, errors::HttpError, stopped};

/// Waits until everything up to a position is visible.
///
/// # Errors
/// When that takes longer than the limit, or the node stops.
pub(crate) async fn reach(door: &Door, position: Position) -> Result<(), HttpError> {
    let limit = door.config.wait_max;
    let mut frontier = door.parts.log.watch();
    let mut shutdown = door.shutdown.clone();
    let is_reached = tokio::select! {
        biased;
        reached = frontier.wait_for(|frontier| *frontier >= position.seq()) => reached.is_ok(),
        () = stopped(&mut shutdown) => false,
        () = tokio::time::sleep(limit) => false,
    };
    match is_reached {
        true => Ok(()),
        false => Err(HttpError::NotReached { position, limit }),
    }
}
