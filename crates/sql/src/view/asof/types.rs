//! The types of what is counted, asked of the planner: an event has NULL of that type in its place.

use mainstem_kernel::{Code, Place, Problem};
use sqlparser::ast::{Ident, TableFactor, VisitMut};

use super::{assemble::Moved, join::View};
use crate::{
    declare::mistake,
    format::type_name,
    view::{
        names::{self, Against},
        session,
    },
};

/// The types of a view's arguments, as SQL writes them.
///
/// # Errors
/// When the planner does not take them.
pub(super) fn of_arguments(
    against: Against<'_>,
    view: &View,
    (alias, mut moved): (&Ident, Moved),
) -> Result<Vec<String>, Problem> {
    let grouping = &view.grouping;
    let arguments = grouping.arguments.iter().enumerate();
    let arguments = arguments.map(|(at, argument)| format!("{} AS _{at}", argument.text));
    let arguments: Vec<String> = arguments.collect();
    let from = &grouping.source.from;
    let text = format!(
        "(SELECT {} FROM {from} AS {alias}) AS _typed",
        arguments.join(", ")
    );
    let place = Place {
        file: against.file.to_owned(),
        line: 1,
        column: 1,
    };
    let mut factor = names::factor(&text)?;
    let _never = factor.visit(&mut moved);
    let TableFactor::Derived { subquery, .. } = factor else {
        let message = "a lookup of a view like this";
        return Err(mistake(Code::View001, place, message));
    };
    let first = |problems: Vec<Problem>| {
        let mut problems = problems.into_iter();
        problems.next().unwrap_or_else(|| {
            mistake(Code::View001, place.clone(), "a lookup of a view like this")
        })
    };
    let bound = names::bind(&subquery, against).map_err(first)?;
    let plan = session::plan(&bound.streaming, &bound.relations, &place)?;
    let fields = plan.schema().fields().iter();
    Ok(fields.map(|field| type_name(field)).collect())
}
