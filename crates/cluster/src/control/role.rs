//! The role of control: waits for its turn, and leads while it has it.

use std::{sync::Arc, time::Duration};

use mainstem_catalog::Catalog;
use mainstem_kernel::{Fault as _, Problem, clock::SharedClock, fault::chain};
use tokio::{runtime::Handle, sync::watch};

use super::{ControlError, QueryEngine, leader::Membership, leading::Leading};
use crate::{ClusterConfig, progress::read_once};

/// Between two rounds, and between two looks at whose turn it is.
const ROUND: Duration = Duration::from_millis(500);
/// Pauses after a failure, at first and at most.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// What control works with.
#[derive(Debug)]
pub struct ControlParts {
    /// How the engines are reached.
    pub config: ClusterConfig,
    /// What is declared. Somebody else follows what other nodes change.
    pub catalog: Arc<Catalog>,
    /// What runs queries.
    pub engine: Arc<dyn QueryEngine>,
    /// What time it is.
    pub clock: SharedClock,
    /// Where what is asynchronous runs.
    pub runtime: Handle,
    /// The name of this node, for people.
    pub node: String,
    /// Tells this run of this node from all others, for ever.
    pub instance: String,
}

/// Waits for its turn, and leads while it has it, until told to stop. Blocks: for a thread of its
/// own. What fails is named in the log and in what is published, and tried again; nothing ends it.
/// What keeps it from its turn, or from publishing, is noted here, and that nothing does any more.
pub fn run(parts: ControlParts, stop: &watch::Receiver<bool>, note: &dyn Fn(Option<Problem>)) {
    let parts = Arc::new(parts);
    let mut pause = PAUSE;
    while !*stop.borrow() {
        match follow(&parts, (stop, &mut pause), note) {
            Ok(()) => return,
            Err(ControlError::Superseded { .. }) => {
                tracing::warn!(node = parts.node, "another node has taken over control");
            }
            Err(error) => {
                note(Some(error.problem()));
                let error = chain(&error);
                tracing::warn!(node = parts.node, error, ?pause, "control does not get on");
            }
        }
        wait(stop, pause);
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

/// Follows the group, and leads while it says so.
fn follow(
    parts: &Arc<ControlParts>,
    (stop, pause): (&watch::Receiver<bool>, &mut Duration),
    note: &dyn Fn(Option<Problem>),
) -> Result<(), ControlError> {
    let kafka = &parts.config.kafka;
    let mut membership = Membership::join(kafka, &parts.instance)?;
    let mut leading: Option<Leading> = None;
    let mut last = Duration::ZERO;
    while !*stop.borrow() {
        let elapsed = parts.clock.monotonic();
        let rest = ROUND.saturating_sub(elapsed.saturating_sub(last));
        if !membership.leads(rest)? {
            note(None);
            if leading.take().is_some() {
                tracing::warn!(node = parts.node, "another node is in control");
            }
            continue;
        }
        let now = parts.clock.monotonic();
        if now.saturating_sub(last) < ROUND {
            continue;
        }
        last = now;
        match &mut leading {
            Some(leading) => leading.round()?,
            none => {
                // Read behind the fence: nobody else can have published since.
                let mut taken = Leading::open(parts)?;
                taken.remember(read_once(kafka)?);
                none.insert(taken).round()?;
            }
        }
        *pause = PAUSE;
        note(None);
    }
    Ok(())
}

/// Waits on a thread of its own.
fn wait(stop: &watch::Receiver<bool>, span: Duration) {
    const STEP: Duration = Duration::from_millis(100);
    let mut waited = Duration::ZERO;
    while waited < span && !*stop.borrow() {
        std::thread::sleep(STEP);
        waited += STEP;
    }
}
