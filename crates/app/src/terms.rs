//! `Terms`: what an engine has against declarations that are right in themselves.
//!
//! It never changes anything: what an engine does not carry out is refused before it is applied.

use std::fmt;

use mainstem_catalog::{Definitions, Foreign, StreamSpec, ViewSpec};
use mainstem_kernel::{Code, Problem};
use mainstem_sql::PlannedView;

use crate::words::problem;

/// What an engine has against declarations. Problems have no place; whoever asks knows it.
pub trait Terms: fmt::Debug + Send + Sync {
    /// Against a stream.
    fn stream(&self, spec: &StreamSpec) -> Option<Problem>;

    /// Against a view, as it was planned over these definitions.
    fn view(&self, spec: &ViewSpec, planned: (&PlannedView, &Definitions)) -> Option<Problem>;
}

/// The engine within a node: it runs whatever its planner takes.
#[derive(Clone, Copy, Debug)]
pub struct OneMachine;

impl Terms for OneMachine {
    /// What the language has and nothing here carries out: promising it would be a lie.
    fn stream(&self, spec: &StreamSpec) -> Option<Problem> {
        if let Some(foreign) = &spec.foreign {
            return Some(needs_kafka(spec, foreign));
        }
        spec.deduplicate.as_ref()?;
        let message = format!(
            "DEDUPLICATE BY of stream \"{}\" is not built on one machine yet",
            spec.name
        );
        Some(Problem {
            detail: Some(
                "Repeated events would be kept. Beyond one machine (`mainstem serve --engine \
                 cluster`) it is carried out."
                    .to_owned(),
            ),
            hint: Some(
                "send an Idempotency-Key with each request, and leave the clause out".to_owned(),
            ),
            ..problem(Code::App014, message, None)
        })
    }

    fn view(&self, _spec: &ViewSpec, _planned: (&PlannedView, &Definitions)) -> Option<Problem> {
        None
    }
}

fn needs_kafka(spec: &StreamSpec, foreign: &Foreign) -> Problem {
    let message = format!(
        "rows of stream \"{}\" are to come from topic \"{}\", and one machine reads no Kafka",
        spec.name, foreign.topic
    );
    Problem {
        detail: Some("Beyond one machine (`mainstem serve --engine cluster`) it does.".to_owned()),
        hint: Some(
            "declare it as CREATE STREAM without FROM TOPIC, and send its rows by HTTP".to_owned(),
        ),
        ..problem(Code::App021, message, None)
    }
}

/// No engine in particular: mistakes that are mistakes everywhere.
#[derive(Clone, Copy, Debug)]
pub struct AnyEngine;

impl Terms for AnyEngine {
    fn stream(&self, _spec: &StreamSpec) -> Option<Problem> {
        None
    }

    fn view(&self, _spec: &ViewSpec, _planned: (&PlannedView, &Definitions)) -> Option<Problem> {
        None
    }
}
