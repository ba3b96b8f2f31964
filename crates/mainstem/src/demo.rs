//! `demo`: a node in this process, and a fleet that talks to it over HTTP.

use crate::{
    args::{Demo, Target},
    failure::Outcome,
};

/// Runs the demo.
pub(crate) fn demo(_target: &Target, _options: &Demo) -> Outcome {
    Ok(())
}
