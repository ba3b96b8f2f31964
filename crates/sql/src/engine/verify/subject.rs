//! The view that is verified: its plan, the question for its rows, and what stands against asking.

use std::{sync::Arc, time::Duration};

use datafusion::arrow::datatypes::{Field, SchemaRef};
use mainstem_catalog::{Definitions, Object, ViewDef};
use mainstem_kernel::{Code, Place, Problem, StreamId, TenantId, Timestamp};
use sqlparser::ast::Statement;

use super::super::{
    columns::StreamColumns,
    names::{self, Relations},
    relation::Relation,
    statement::Named,
};
use crate::{
    declare::{Told, mistake, span_text},
    error::QueryError,
    view::{Node, PlannedView, changes_name, check_question, plan_again},
};

/// A view that is verified.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) def: Arc<ViewDef>,
    pub(super) plan: PlannedView,
    /// The question for its rows, without hidden columns.
    pub(super) question: Statement,
    /// What identifies a row of each source, if rows of that change.
    pub(super) source_keys: Vec<Vec<String>>,
    place: Place,
}

impl Subject {
    /// The view of a name, and everything that it and its question name.
    ///
    /// # Errors
    /// When there is no such view, it is being built, or it cannot be verified.
    pub(super) fn of(
        (defs, tenant): (&Definitions, TenantId),
        named: &Named,
        now: Timestamp,
    ) -> Result<(Self, Relations), QueryError> {
        let def = view(defs, tenant, named)?;
        let own = Relation::of(Object::View(def))?;
        let place = named.place.clone();
        let against = |problems: Vec<Problem>| -> QueryError {
            let mut problems = problems.into_iter();
            problems.next().map_or_else(
                || {
                    unverifiable(
                        def,
                        &place,
                        "Its text means another plan by now than when it was applied.",
                    )
                },
                |problem| unplaced(problem, &place),
            )
        };
        let (plan, defs) = plan_again(&with_lower_names(defs, def), def).map_err(against)?;
        let read = read(&defs, def, &plan);
        let question = check_question(&defs, def, &plan).map_err(against)?;
        if let Some((stream, retention)) = forgetful(&defs, &read, now) {
            let retention = span_text(retention);
            let reason = format!(
                "Rows of stream \"{stream}\" are gone that were older than its retention of {retention}."
            );
            return Err(unverifiable(def, &place, &reason));
        }
        let mut given = Relations::new();
        given.insert(def.spec.name.to_string(), own);
        for table in read.iter().filter_map(|id| defs.tables.get(id)) {
            let changes = StreamColumns::new(&Arc::new(table.change_stream()));
            let name = changes_name(table.spec.name.as_str());
            given.insert(name, Relation::Stream(Arc::new(changes)));
        }
        let mut question = Statement::Query(Box::new(question));
        let relations = names::resolve_with(&mut question, &defs, tenant, given)?;
        let subject = Self {
            source_keys: source_keys(&defs, &plan),
            def: Arc::clone(def),
            plan,
            question,
            place,
        };
        Ok((subject, relations))
    }

    /// Places of the columns that identify a row; all columns of a view that is a stream.
    pub(super) fn key(&self) -> Vec<usize> {
        match self.plan.key.is_empty() {
            true => (0..self.plan.columns.0.len()).collect(),
            false => self.plan.key.clone(),
        }
    }

    /// Whether rows have a key, so that there is one of each.
    pub(super) fn is_keyed(&self) -> bool {
        !self.plan.key.is_empty()
    }

    /// Its columns; any of them may be NULL.
    pub(super) fn fields(&self) -> Vec<Field> {
        let columns = self.plan.columns.0.iter();
        columns.map(|c| c.ty.field(c.name.as_str(), true)).collect()
    }

    /// Its columns at some places, as a schema.
    pub(super) fn schema_at(&self, places: &[usize]) -> SchemaRef {
        let fields = self.fields();
        let fields = places
            .iter()
            .filter_map(|place| fields.get(*place).cloned());
        Arc::new(datafusion::arrow::datatypes::Schema::new(
            fields.collect::<Vec<_>>(),
        ))
    }

    /// What an error of its question means: the view sets rows aside, a question cannot.
    pub(super) fn failed(&self, error: QueryError) -> QueryError {
        match error {
            QueryError::Row { message } => {
                let reason = format!("Its SELECT fails on a row that it reads: {message}.");
                let letters = format!("{}_dead_letters", self.def.spec.name);
                let problem = problem(&self.def, &self.place, &reason);
                let hint = format!(
                    "the view goes on without such rows: SELECT * FROM {letters}; guard the expression to verify it"
                );
                problem.hint(hint).into()
            }
            other => other,
        }
    }
}

/// The view of a name that is to be verified.
///
/// # Errors
/// When there is none.
pub(crate) fn verified(
    defs: &Definitions,
    tenant: TenantId,
    named: &Named,
) -> Result<StreamId, QueryError> {
    Ok(view(defs, tenant, named)?.id)
}

fn view<'a>(
    defs: &'a Definitions,
    tenant: TenantId,
    named: &Named,
) -> Result<&'a Arc<ViewDef>, QueryError> {
    match defs.object(tenant, &named.name) {
        Some(Object::View(def)) => Ok(def),
        Some(_) => {
            let message = format!("\"{}\" is no view", named.name);
            Err(mistake(Code::Sql021, named.place.clone(), message)
                .hint("SHOW VIEWS lists them")
                .into())
        }
        None => Err(names::unknown(&named.name, named.place.clone())
            .hint_if(names::near(defs, tenant, &named.name))
            .into()),
    }
}

fn problem(def: &ViewDef, place: &Place, reason: &str) -> Problem {
    let message = format!("view \"{}\" cannot be verified", def.spec.name);
    mistake(Code::View014, place.clone(), message).detail(reason)
}

fn unverifiable(def: &ViewDef, place: &Place, reason: &str) -> QueryError {
    problem(def, place, reason)
        .hint("ask the view and a question of your own for the rows that you doubt")
        .into()
}

/// A problem of the view's own text, as one of the question that was asked.
fn unplaced(problem: Problem, place: &Place) -> QueryError {
    Problem {
        position: Some(place.clone()),
        ..problem
    }
    .into()
}

/// What a view reads; of what is judged and reads a view that is a stream what that reads, too: the
/// streams at the bottom have the watermark.
fn read(defs: &Definitions, def: &ViewDef, plan: &PlannedView) -> Vec<StreamId> {
    let mut read = def.spec.reads.clone();
    let mut next = 0;
    while let Some(id) = read.get(next).copied() {
        let below = defs.views.get(&id);
        let below = below.filter(|below| below.spec.emit.is_stream() && judges(&plan.plan));
        read.extend(below.iter().flat_map(|below| &below.spec.reads));
        next = next.saturating_add(1);
    }
    read
}

/// Whether rows may be too late.
fn judges(node: &Node) -> bool {
    let own = match node {
        Node::Window { .. } => true,
        Node::Pairs(pairs) => pairs.near().is_some(),
        Node::Running(running) => running.turns.is_some(),
        _ => false,
    };
    own || node.inputs().into_iter().any(judges)
}

/// Definitions in which what is read below a view has its name, whatever has it by now.
fn with_lower_names(defs: &Definitions, def: &ViewDef) -> Definitions {
    let mut named = defs.clone();
    let mut read = def.spec.reads.clone();
    while let Some(id) = read.pop() {
        let Some(below) = defs.views.get(&id) else {
            continue;
        };
        for id in &below.spec.reads {
            if let Some(object) = defs.by_id(*id) {
                let name = (def.tenant, object.name().clone());
                named.names.insert(name, *id);
            }
            read.push(*id);
        }
    }
    named
}

/// A stream among what a view reads of which rows may be gone, and how long it keeps them.
fn forgetful<'a>(
    defs: &'a Definitions,
    read: &[StreamId],
    now: Timestamp,
) -> Option<(&'a str, Duration)> {
    let streams = read.iter().filter_map(|id| defs.streams.get(id));
    let mut forgetful = streams.filter_map(|stream| {
        let retention = stream.spec.retention?;
        let is_older = stream.created.arrival() < now.minus(retention);
        is_older.then(|| (stream.spec.name.as_str(), retention))
    });
    forgetful.next()
}

fn source_keys(defs: &Definitions, plan: &PlannedView) -> Vec<Vec<String>> {
    let key = |at: usize| {
        let source = plan.inputs.get(at);
        let key = match source.and_then(|input| defs.by_id(input.id())) {
            Some(Object::Table(def)) => def.spec.key.as_slice(),
            Some(Object::View(def)) => def.spec.key.as_slice(),
            Some(Object::Stream(_)) | None => &[],
        };
        key.iter().map(|name| name.as_str().to_owned()).collect()
    };
    plan.plan.sources().into_iter().map(key).collect()
}
