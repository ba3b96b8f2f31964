//! Which EMIT a view can have. Pure decisions over its operators.

use mainstem_catalog::Emit;
use mainstem_kernel::{Code, Place, Problem};

use super::{Node, WindowKind, lineage, node::Rank, refuse::unbuilt};
use crate::declare::{Told, mistake};

/// What of a view decides when its rows come out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) plan: &'a Node,
    /// Whether all rows behind FROM are only added.
    pub(crate) only_adds: bool,
    /// The clause as written.
    pub(crate) written: Option<Emit>,
    /// Where it stands, or could.
    pub(crate) place: &'a Place,
}

/// When the rows of a view come out.
///
/// # Errors
/// When the clause does not fit, is missing, or leaves state without bound.
pub(crate) fn decide(subject: Subject<'_>) -> Result<Emit, Problem> {
    takes_back(subject)?;
    if let Some(rank) = lineage::rank(subject.plan) {
        return ranked(subject, rank);
    }
    match lineage::aggregate(subject.plan) {
        None => ungrouped(subject),
        Some(Node::Aggregate {
            window: Some(_), ..
        }) => windowed(subject),
        Some(node) => keyed(subject, node),
    }
}

fn unfit(subject: Subject<'_>, message: &str) -> Problem {
    mistake(Code::View003, subject.place.clone(), message)
}

fn ungrouped(subject: Subject<'_>) -> Result<Emit, Problem> {
    match (subject.written, subject.only_adds) {
        (None, true) => Ok(Emit::Append),
        (Some(emit @ Emit::OnUpdate { .. }), false) => Ok(emit),
        (Some(Emit::OnUpdate { .. }), true) => Err(unfit(
            subject,
            "EMIT ON UPDATE of a view without GROUP BY, over rows that are only added",
        )
        .detail("Its rows never change: the view is a stream, and would otherwise keep every row.")
        .hint("leave EMIT out")),
        (None, false) => Err(unfit(
            subject,
            "a view over rows that change does not say when it emits",
        )
        .hint("add EMIT ON UPDATE")),
        (Some(Emit::OnWindowClose { .. }), true) => Err(no_window(subject)),
        (Some(_), _) => Err(unfit(subject, "EMIT ON WINDOW CLOSE over rows that change")
            .hint("write EMIT ON UPDATE")),
    }
}

fn windowed(subject: Subject<'_>) -> Result<Emit, Problem> {
    match subject.written {
        Some(
            Emit::OnUpdate { .. }
            | Emit::OnWindowClose {
                corrections: Some(_),
            },
        ) if is_session(subject.plan) => {
            Err(unbuilt("telling a change of session windows", subject.place.clone())
                .detail("A row that comes late may join two sessions that were told apart.")
                .hint("write EMIT ON WINDOW CLOSE: late rows go to the view's _late stream"))
        }
        Some(emit @ (Emit::OnWindowClose { .. } | Emit::OnUpdate { .. })) => Ok(emit),
        Some(Emit::Append) => Err(unfit(subject, "a view over windows that emits rows as they come")),
        None => Err(unfit(subject, "a view over windows does not say when it emits")
            .hint("add EMIT ON WINDOW CLOSE, or EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 day'")),
    }
}

/// Rows of a key that a view may tell.
const NUMBER_MAX: u64 = 10_000;

fn ranked(subject: Subject<'_>, rank: &Rank) -> Result<Emit, Problem> {
    if rank.limit > NUMBER_MAX {
        let message = "ROW_NUMBER() without a bound would keep more and more rows of each key";
        return Err(
            mistake(Code::View002, subject.place.clone(), message).hint(format!(
                "SELECT … FROM (SELECT …, ROW_NUMBER() OVER (…) AS n FROM …) WHERE n <= 10: any number up to {NUMBER_MAX}"
            )),
        );
    }
    if rank.window.is_some() {
        if let Some(Emit::OnUpdate { .. }) = subject.written {
            return Err(unbuilt(
                "EMIT ON UPDATE of ROW_NUMBER() over windows",
                subject.place.clone(),
            )
            .hint("write EMIT ON WINDOW CLOSE, or add WITH CORRECTIONS FOR INTERVAL '1 day'"));
        }
        return windowed(subject);
    }
    match subject.written {
        Some(emit @ Emit::OnUpdate { .. }) => Ok(emit),
        Some(_) => Err(no_window(subject)),
        None => Err(unfit(
            subject,
            "a view of the first rows of a key does not say when it emits",
        )
        .hint("add EMIT ON UPDATE, or EMIT ON UPDATE EVERY INTERVAL '1 second'")),
    }
}

fn is_session(plan: &Node) -> bool {
    matches!(
        lineage::window(plan),
        Some(Node::Window { windows, .. }) if windows.kind == WindowKind::Session
    )
}

fn keyed(subject: Subject<'_>, aggregate: &Node) -> Result<Emit, Problem> {
    match subject.written {
        Some(emit @ Emit::OnUpdate { .. }) => {
            bounded(subject, aggregate)?;
            Ok(emit)
        }
        Some(_) => Err(no_window(subject)),
        None => Err(
            unfit(subject, "a view with groups does not say when it emits")
                .hint("add EMIT ON UPDATE, or EMIT ON UPDATE EVERY INTERVAL '1 second'"),
        ),
    }
}

fn no_window(subject: Subject<'_>) -> Problem {
    let problem = unfit(subject, "EMIT ON WINDOW CLOSE of a view without windows");
    match lineage::window(subject.plan) {
        Some(_) => problem.hint("add window_start and window_end to GROUP BY"),
        None => problem.hint(
            "read TUMBLE(stream, time, INTERVAL '1 minute') and GROUP BY window_start, window_end; \
             or write EMIT ON UPDATE",
        ),
    }
}

/// Refuses aggregates that cannot take rows back over rows that are.
fn takes_back(subject: Subject<'_>) -> Result<(), Problem> {
    let Some(Node::Aggregate { calls, .. }) = lineage::aggregate(subject.plan) else {
        return Ok(());
    };
    let unfit = calls.iter().find(|call| !call.function.retracts());
    match unfit {
        Some(call) if !subject.only_adds => {
            let message = format!("{} over rows that change", call.function.as_str());
            Err(unbuilt(&message, subject.place.clone())
                .detail("A sketch does not know which of its values are gone when a row is taken back.")
                .hint("count(DISTINCT x) takes rows back: WITH (distinct_max = 100000) in front of AS"))
        }
        _ => Ok(()),
    }
}

/// Refuses state that grows with every event.
fn bounded(subject: Subject<'_>, aggregate: &Node) -> Result<(), Problem> {
    let Node::Aggregate { calls, .. } = aggregate else {
        return Ok(());
    };
    let mut unbounded = calls.iter().filter(|call| call.distinct_max.is_none());
    if let Some(of) = unbounded.find_map(|call| call.function.of_different()) {
        let name = of.as_str();
        let message = format!("{name}(DISTINCT …) would keep more and more values of each group");
        return Err(mistake(Code::View002, subject.place.clone(), message)
            .detail("Without windows, a group never ends, and every different value is kept to be recognised.")
            .hint("say how many a group may have, in front of AS: WITH (distinct_max = 100000); or group by windows"));
    }
    Ok(())
}
