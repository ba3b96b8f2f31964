//! `Unit`: a view beside others: where its rows come from, and what it needs for a step.
//!
//! It never reads a log or a store itself: a track feeds it.

use std::{collections::HashMap, sync::Arc};

use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    error::ArrowError,
};
use mainstem_catalog::{Definitions, Object, ViewDef};
use mainstem_kernel::{Seq, StreamId};
use mainstem_sql::view::{Input, PlannedView, plan_again};

use crate::{
    change::{Run, Weighted, Weights},
    errors::FlowError,
    moment::Moment,
    pane::Tells,
    pool::Pool,
    source::{SourceColumn, fitting},
    state::SharedState,
    table::LookupTables,
    view::{Kept, Output, Pipeline, StepParts, View},
};

/// A view that is run.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) def: Arc<ViewDef>,
    pub(crate) view: View,
    pub(crate) source: Source,
    /// The tables that it looks rows up in.
    pub(crate) lookups: Vec<StreamId>,
}

/// Where the rows of a view come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A stream of the log.
    Stream {
        id: StreamId,
        columns: Vec<SourceColumn>,
    },
    /// A view that is a stream; its watermark, and how far this one's is behind.
    Derived { id: StreamId, delay_us: i64 },
    /// The changes of a table or a keyed view.
    Keyed { id: StreamId },
}

impl Source {
    pub(crate) fn id(&self) -> StreamId {
        match self {
            Self::Stream { id, .. } | Self::Derived { id, .. } | Self::Keyed { id } => *id,
        }
    }
}

/// The tables and keyed views whose changes views of a track read.
#[derive(Debug)]
pub(crate) struct ReadChanges(Vec<StreamId>);

impl ReadChanges {
    pub(crate) fn of(units: &[Unit]) -> Self {
        let read = units.iter().filter_map(|unit| match unit.source {
            Source::Keyed { id } => Some(id),
            Source::Stream { .. } | Source::Derived { .. } => None,
        });
        Self(read.collect())
    }

    /// What the readers of a view need of it.
    pub(crate) fn tells(&self, view: StreamId) -> Tells {
        match self.0.contains(&view) {
            true => Tells::Changes,
            false => Tells::Rows,
        }
    }
}

/// What the views of a track take in a step.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) through: Seq,
    pub(crate) streams: HashMap<StreamId, Fed>,
    /// Rows of views, changes of tables and keyed views.
    pub(crate) changes: HashMap<StreamId, Vec<Weighted>>,
    /// How far event time is in streams and views that have it.
    pub(crate) moments: HashMap<StreamId, Moment>,
}

impl Inputs {
    pub(crate) fn new(through: Seq) -> Self {
        Self {
            through,
            streams: HashMap::new(),
            changes: HashMap::new(),
            moments: HashMap::new(),
        }
    }
}

/// Rows of a stream, with the columns that all views of the track want.
#[derive(Debug)]
pub(crate) struct Fed {
    pub(crate) wanted: Vec<SourceColumn>,
    pub(crate) pieces: Vec<(Vec<ArrayRef>, Arc<[Run]>)>,
}

/// Plans a view again, over exactly what it reads, whatever has the names by now.
///
/// # Errors
/// `Planned` when it is not the plan that it was created with.
pub(crate) fn plan(defs: &Definitions, def: &ViewDef) -> Result<PlannedView, FlowError> {
    let refused = |problems| FlowError::Planned {
        view: def.spec.name.clone(),
        problems,
    };
    let (plan, _) = plan_again(defs, def).map_err(refused)?;
    Ok(plan)
}

impl Unit {
    /// The view of a definition, with state that is kept under the id of `owner`, operators from
    /// `first` on.
    ///
    /// # Errors
    /// `Planned`, `Plan`, `State`.
    pub(crate) fn open(
        defs: &Definitions,
        def: &Arc<ViewDef>,
        (owner, first): (StreamId, u8),
        state: (&SharedState, Kept),
    ) -> Result<Self, FlowError> {
        let plan = plan(defs, def)?;
        let pipeline = Pipeline::compile(owner, &plan)?;
        let source = source_of(defs, &pipeline, &plan)?;
        let lookups = pipeline.lookups().collect();
        Ok(Self {
            def: Arc::clone(def),
            view: View::open(pipeline, first, state)?,
            source,
            lookups,
        })
    }

    /// Takes over other names of what it reads; its state stays.
    ///
    /// # Errors
    /// As `open`.
    pub(crate) fn replan(
        &mut self,
        defs: &Definitions,
        def: &Arc<ViewDef>,
    ) -> Result<(), FlowError> {
        let plan = plan(defs, def)?;
        let pipeline = Pipeline::compile(self.view.pipeline().view, &plan)?;
        self.source = source_of(defs, &pipeline, &plan)?;
        self.view.replan(pipeline);
        self.def = Arc::clone(def);
        Ok(())
    }

    /// Takes the rows of a step; gives what comes of them, and how far its event time is.
    pub(crate) fn step(
        &mut self,
        inputs: &Inputs,
        (tables, tells): (&Arc<LookupTables>, Tells),
        pool: &Pool,
    ) -> Result<(Output, Moment), FlowError> {
        let moment = self.moment(inputs);
        let rows = self.rows(inputs, &moment)?;
        let parts = StepParts {
            tables,
            moment: &moment,
            pool,
            tells,
        };
        let output = self.view.step(rows, &parts)?;
        Ok((output, moment))
    }

    fn moment(&self, inputs: &Inputs) -> Moment {
        let known = inputs.moments.get(&self.source.id());
        match (&self.source, known) {
            (Source::Stream { .. }, Some(moment)) => moment.clone(),
            (Source::Derived { delay_us, .. }, Some(moment)) => moment.behind(*delay_us),
            _ => Moment::timeless(inputs.through),
        }
    }

    /// The rows of its source, in the columns that it wants.
    fn rows(&self, inputs: &Inputs, moment: &Moment) -> Result<Vec<Weighted>, ArrowError> {
        match &self.source {
            Source::Stream { id, columns } => match inputs.streams.get(id) {
                Some(fed) => self.of_stream(fed, columns),
                None => Ok(Vec::new()),
            },
            Source::Derived { id, .. } => {
                let rows = inputs.changes.get(id).into_iter().flatten();
                let rows = rows.map(|rows| {
                    let mut rows = self.projected(rows)?;
                    let runs = rows.runs.iter().map(|run| Run {
                        watermark: moment.as_of(run.seq),
                        ..*run
                    });
                    rows.runs = runs.collect();
                    Ok(rows)
                });
                rows.collect()
            }
            Source::Keyed { id } => {
                let rows = inputs.changes.get(id).into_iter().flatten();
                rows.map(|rows| self.projected(rows)).collect()
            }
        }
    }

    fn of_stream(&self, fed: &Fed, columns: &[SourceColumn]) -> Result<Vec<Weighted>, ArrowError> {
        let (_, schema) = self.view.pipeline().source_columns();
        let place = |column: &SourceColumn| fed.wanted.iter().position(|wanted| wanted == column);
        let places: Vec<Option<usize>> = columns.iter().map(place).collect();
        let piece = |(arrays, runs): &(Vec<ArrayRef>, Arc<[Run]>)| {
            let rows = runs.iter().map(|run| run.rows).sum();
            let array = |(place, ty)| {
                let array = Option::and_then(place, |at: usize| arrays.get(at).cloned());
                fitting(array, ty, rows)
            };
            let types = schema.fields().iter().map(|field| field.data_type());
            let columns = places.iter().copied().zip(types).map(array);
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            Ok(Weighted {
                batch: RecordBatch::try_new_with_options(
                    Arc::clone(schema),
                    columns.collect::<Result<_, _>>()?,
                    &options,
                )?,
                weights: Weights::Inserts,
                runs: Arc::clone(runs),
            })
        };
        fed.pieces.iter().map(piece).collect()
    }

    fn projected(&self, rows: &Weighted) -> Result<Weighted, ArrowError> {
        let (names, schema) = self.view.pipeline().source_columns();
        let count = rows.rows();
        let columns = names.iter().zip(schema.fields()).map(|(name, field)| {
            let array = rows.batch.column_by_name(name).cloned();
            fitting(array, field.data_type(), count)
        });
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(
            Arc::clone(schema),
            columns.collect::<Result<_, _>>()?,
            &options,
        )?;
        Ok(rows.with_batch(batch))
    }
}

fn source_of(
    defs: &Definitions,
    pipeline: &Pipeline,
    plan: &PlannedView,
) -> Result<Source, FlowError> {
    let refused = |reason: &str| FlowError::Plan {
        view: pipeline.view,
        reason: reason.to_owned(),
    };
    let input = plan.inputs.get(pipeline.source());
    let input = input.ok_or_else(|| refused("its source is none of its inputs"))?;
    let id = input.id();
    Ok(match input {
        Input::Stream { .. } => {
            let Some(Object::Stream(stream)) = defs.by_id(id) else {
                return Err(refused("its stream is not defined"));
            };
            let (names, _) = pipeline.source_columns();
            let columns = names.iter().map(|name| SourceColumn::named(stream, name));
            let columns: Option<Vec<_>> = columns.collect();
            Source::Stream {
                id,
                columns: columns.ok_or_else(|| refused("its stream lacks a column"))?,
            }
        }
        Input::View {
            emit, watermark, ..
        } if emit.is_stream() => {
            let delay = watermark.as_ref().map(|watermark| watermark.delay);
            let delay = delay.unwrap_or_default().as_micros();
            Source::Derived {
                id,
                delay_us: i64::try_from(delay).unwrap_or(i64::MAX),
            }
        }
        Input::Table { .. } | Input::View { .. } => Source::Keyed { id },
    })
}
