//! Control: what is declared runs on Spark, and nothing else does; by one node at a time.
//!
//! It never touches a row, and keeps nothing that could not be read again: definitions are in their
//! topic, queries in Spark, how far they are in the topic of progress.
//!
//! # Who is in control
//!
//! All nodes of this role are members of the group `PREFIX-leader` on the topic of definitions,
//! which has one partition: whoever has it is to lead, and one that is not heard of for three
//! seconds loses it. That says who should act, not who may: whoever takes over opens the
//! transactional id `PREFIX-leader`, which fences every older holder, and each round begins with a
//! transaction, in which progress is published. So one that was held up, and does not know that
//! another has taken over, fails before it acts.
//!
//! What it still might do between that and its next look is harmless: every action may be done
//! twice or too late, since the next round decides on what is there then (`reconcile`), and changes
//! of definitions are fenced by themselves (`kafka::Control`).
//!
//! # A round
//!
//! 1. See what is declared, what Spark runs, and how far that is.
//! 2. Publish it, in a transaction. Fenced: stop.
//! 3. Decide what has to be done (`reconcile`), and do it. What fails is named, and tried again
//!    after a pause that grows; it stops nothing else.

mod backoff;
mod claims;
mod engine;
mod errors;
#[cfg(feature = "engines")]
mod leader;
#[cfg(feature = "engines")]
mod leading;
mod need;
mod needs;
#[cfg(feature = "engines")]
mod places;
mod reconcile;
#[cfg(feature = "engines")]
mod role;
#[cfg(feature = "engines")]
mod spark;
mod status;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use engine::{Batch, EngineFault, HistoryOf, QueryEngine, QueryTopics, Run};
pub use errors::ControlError;
#[cfg(feature = "engines")]
pub use leader::{Fence, leader_name};
pub use need::{Need, Read};
pub use needs::{Needs, ObjectNeeds, Part, TopicOf};
pub use reconcile::{Action, Facts, QueryFacts, reconcile};
#[cfg(feature = "engines")]
pub use role::{ControlParts, run};
#[cfg(feature = "engines")]
pub use spark::SparkQueries;
pub use status::{QueryStatus, measure, problems, statuses};
