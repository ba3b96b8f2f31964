//! From the text of a view to its plan: refuse, bind, let DataFusion plan, take over as our
//! operators, decide when rows come out and what identifies one.

use std::sync::Arc;

use mainstem_catalog::{Definitions, Emit, ViewDef, ViewSpec, Watermark};
use mainstem_kernel::{ColumnName, Problem, StreamId, TenantId};
use sqlparser::ast::Query;

use super::{
    Input, Node, PlannedView, WindowKind, asof, bounds, emission, explain, fingerprint,
    lineage::{self, Origin},
    names::{self, Against, Bound, Waits},
    output::{self, RowKey},
    places, refuse, session,
    shape::Shape,
    ties, with,
};
use crate::declare::{ViewText, view_text};

/// Plans a view against everything that is declared beside it.
///
/// # Errors
/// What cannot be computed, by name, each with its place and the next step.
pub fn plan_view(
    defs: &Definitions,
    tenant: TenantId,
    text: &ViewText,
) -> Result<PlannedView, Vec<Problem>> {
    let written = &text.places;
    let query = &text.parsed.query;
    let mut problems = refuse::clauses(query, &written.file, &written.name);
    problems.extend(refuse::unnamed(query, &written.file));
    let query = ties::complete(query, defs, tenant);
    let bound = names::bind(&query, against(defs, tenant, text));
    let bound = match bound {
        Ok(bound) if problems.is_empty() => bound,
        Ok(_) => return Err(problems),
        Err(more) => {
            problems.extend(more);
            problems.sort_by(|a, b| a.position.cmp(&b.position));
            return Err(problems);
        }
    };
    let logical = session::plan(&bound.streaming, &bound.relations, &written.name)
        .map_err(|problem| vec![problem])?;
    let shape = Shape {
        bound: &bound,
        place: &written.name,
        distinct_max: text.distinct_max,
    };
    let plan = shape.node(&logical).map_err(|problem| vec![problem])?;
    if takes_several_turns(&plan) && places::is_by_more(&text.parsed.query) {
        return Err(vec![refuse::other_order(written.name.clone())]);
    }
    finish(defs, text, &bound, plan)
}

/// Whether rows of several sources take turns.
fn takes_several_turns(plan: &Node) -> bool {
    lineage::turns(plan).is_some() && plan.sources().len() > 1
}

/// Plans a view that is defined again, over exactly what it reads, whatever has the names by now;
/// gives the definitions in which these have their names, too.
///
/// # Errors
/// Why it does not plan; nothing if its plan is not the one that it was created with.
pub fn plan_again(
    defs: &Definitions,
    def: &ViewDef,
) -> Result<(PlannedView, Definitions), Vec<Problem>> {
    let mut defs = defs.clone();
    // What a view that is looked up reads is read in its place.
    let views = def.spec.reads.iter().filter_map(|id| defs.views.get(id));
    let below: Vec<StreamId> = views.flat_map(|view| view.spec.reads.clone()).collect();
    for read in below.iter().chain(&def.spec.reads) {
        let name = defs.by_id(*read).map(|object| object.name().clone());
        if let Some(name) = name {
            defs.names.insert((def.tenant, name), *read);
        }
    }
    let text = view_text(&def.spec.sql)?;
    let plan = plan_view(&defs, def.tenant, &text)?;
    match plan.fingerprint == def.spec.fingerprint {
        true => Ok((plan, defs)),
        false => Err(Vec::new()),
    }
}

/// The plain question for the rows that a view with this plan has by now; what is read has to have the
/// names that `plan_again` gives.
///
/// # Errors
/// What stands against asking it.
pub(crate) fn check_question(
    defs: &Definitions,
    def: &ViewDef,
    plan: &PlannedView,
) -> Result<Query, Vec<Problem>> {
    let text = view_text(&def.spec.sql)?;
    let query = with::put_in_place(&text.parsed.query);
    let waits = Waits::of(&plan.plan, &plan.inputs);
    let against = Against {
        waits: waits.as_ref(),
        ..against(defs, def.tenant, &text)
    };
    let carried = takes_several_turns(&plan.plan).then(|| {
        let carried = places::carried(&query, defs, def.tenant);
        carried.ok_or_else(|| vec![names::without_places(against)])
    });
    let mut query = match carried {
        Some(carried) => carried?,
        None => ties::complete(&query, defs, def.tenant),
    };
    asof::rewrite(&mut query, against).map_err(|problem| vec![problem])?;
    names::bind_check(&query, against)
}

fn against<'a>(defs: &'a Definitions, tenant: TenantId, text: &'a ViewText) -> Against<'a> {
    Against {
        defs,
        tenant,
        marks: &text.parsed.marks,
        file: &text.places.file,
        own: text.name.as_str(),
        emit: text.emit,
        distinct_max: text.distinct_max,
        waits: None,
    }
}

fn finish(
    defs: &Definitions,
    text: &ViewText,
    bound: &Bound,
    plan: Node,
) -> Result<PlannedView, Vec<Problem>> {
    let known = &bound.inputs;
    let sources = plan.sources();
    let sources: Vec<_> = sources.iter().filter_map(|at| known.get(*at)).collect();
    let Some(source) = sources.first() else {
        return Err(vec![refuse::unbuilt(
            "this question",
            text.places.name.clone(),
        )]);
    };
    bounds::check(&plan, &text.places.name).map_err(|problem| vec![problem])?;
    let subject = emission::Subject {
        plan: &plan,
        only_adds: sources.iter().all(|known| known.input.is_append_only()),
        written: text.emit,
        place: &text.places.emit,
    };
    let emit = emission::decide(subject).map_err(|problem| vec![problem])?;
    let row_key = RowKey {
        source: &source.key,
        schema: &source.schema,
    };
    let row_key = (!emit.is_stream()).then_some(&row_key);
    let schemas: Vec<_> = known
        .iter()
        .map(|known| Arc::clone(&known.schema))
        .collect();
    let plan = output::with_a_column(plan, &schemas);
    let output = output::complete(plan, row_key, &text.places.name)?;
    let named = |index: usize| {
        let column = output.columns.0.get(index);
        column.map(|column: &mainstem_kernel::Column| column.name.clone())
    };
    let inputs: Vec<Input> = known.iter().map(|known| known.input.clone()).collect();
    let watermark = watermark(&output.plan, &inputs, emit, named);
    let (keepers, state) = explain::notes(&output.plan, emit, known)
        .into_iter()
        .unzip();
    let fingerprint = fingerprint::fingerprint(defs, (&inputs, &output.plan), &output.key, emit);
    Ok(PlannedView {
        inputs,
        plan: output.plan,
        columns: output.columns,
        hidden: output.hidden,
        key: output.key,
        emit,
        watermark,
        fingerprint,
        state,
        keepers,
        looked_up: bound.looked_up.iter().map(|view| view.id).collect(),
        batch_sql: bound.batch.to_string(),
    })
}

/// The event time of the rows of a view that is a stream.
fn watermark(
    plan: &Node,
    inputs: &[Input],
    emit: Emit,
    named: impl Fn(usize) -> Option<ColumnName>,
) -> Option<Watermark> {
    let mut columns = 0..plan.schema().fields().len();
    match emit {
        Emit::Append => columns.find_map(|index| {
            Some(Watermark {
                delay: lineage::event_time(plan, index, inputs)?,
                column: named(index)?,
                idle_timeout: None,
            })
        }),
        // A window comes out when the watermark passes its end: its start is its length behind.
        Emit::OnWindowClose { corrections: None } => {
            let Some(Node::Window { windows, .. }) = lineage::window(plan) else {
                return None;
            };
            // A session may have begun at any time before.
            if windows.kind == WindowKind::Session {
                return None;
            }
            // A day of a zone may be longer than 24 hours, never by as much as a day.
            let most = match windows.zone {
                Some(_) => windows.size_us.saturating_add(super::tumble::DAY_US),
                None => windows.size_us,
            };
            let delay = std::time::Duration::from_micros(u64::try_from(most).unwrap_or(0));
            let is_start =
                |index: &usize| lineage::origin(plan, *index) == Some(Origin::WindowStart);
            Some(Watermark {
                column: named(columns.find(is_start)?)?,
                delay,
                idle_timeout: None,
            })
        }
        Emit::OnUpdate { .. } | Emit::OnWindowClose { .. } => None,
    }
}

impl PlannedView {
    /// What it comes from: the inputs, and views of which it computes the rows anew.
    fn reads(&self) -> Vec<StreamId> {
        let mut reads: Vec<StreamId> = self.inputs.iter().map(Input::id).collect();
        reads.extend(&self.looked_up);
        reads
    }

    /// What the catalog keeps of it.
    #[must_use]
    pub fn spec(&self, text: &ViewText) -> ViewSpec {
        let key = self
            .key
            .iter()
            .filter_map(|index| self.columns.0.get(*index));
        ViewSpec {
            name: text.name.clone(),
            columns: self.columns.clone(),
            hidden: self.hidden.clone(),
            key: key.map(|column| column.name.clone()).collect(),
            emit: self.emit,
            watermark: self.watermark.clone(),
            reads: self.reads(),
            fingerprint: self.fingerprint.clone(),
            sql: text.sql.clone(),
        }
    }
}
