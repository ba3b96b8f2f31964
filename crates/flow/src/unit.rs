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
    view::{Kept, Output, Pipeline, SourceRead, StepParts, View},
};

/// A view that is run.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) def: Arc<ViewDef>,
    pub(crate) view: View,
    /// What it reads, one per source of its plan.
    pub(crate) sources: Vec<Source>,
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
        let sources = units.iter().flat_map(|unit| &unit.sources);
        let read = sources.filter_map(|source| match source {
            Source::Keyed { id } => Some(*id),
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
        let sources = sources_of(defs, &pipeline, &plan)?;
        let lookups = pipeline.lookups().collect();
        Ok(Self {
            def: Arc::clone(def),
            view: View::open(pipeline, first, state)?,
            sources,
            lookups,
        })
    }

    /// Whether its rows come from this one.
    pub(crate) fn reads(&self, id: StreamId) -> bool {
        self.sources.iter().any(|source| source.id() == id)
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
        self.sources = sources_of(defs, &pipeline, &plan)?;
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

    /// How far event time is: as far as the last of its sources.
    fn moment(&self, inputs: &Inputs) -> Moment {
        let of = |source: &Source| match (source, inputs.moments.get(&source.id())) {
            (Source::Stream { .. }, Some(moment)) => moment.clone(),
            (Source::Derived { delay_us, .. }, Some(moment)) => moment.behind(*delay_us),
            _ => Moment::timeless(inputs.through),
        };
        match self.sources.as_slice() {
            [only] => of(only),
            several => {
                let moments: Vec<Moment> = several.iter().map(of).collect();
                Moment::smallest(&moments, inputs.through)
            }
        }
    }

    /// The rows of each source, in the columns that it wants, with the watermarks that they are
    /// judged by.
    fn rows(&self, inputs: &Inputs, moment: &Moment) -> Result<Vec<Vec<Weighted>>, ArrowError> {
        let reads = &self.view.pipeline().sources;
        let each = self.sources.iter().zip(reads).map(|(source, read)| {
            let mut rows = of_source((source, read), inputs)?;
            let is_judged = matches!(source, Source::Stream { .. }) && self.sources.len() == 1;
            if !is_judged && !matches!(source, Source::Keyed { .. }) {
                rows.iter_mut().for_each(|rows| judge(rows, moment));
            }
            Ok::<_, ArrowError>(rows)
        });
        each.collect()
    }
}

/// Each row is judged by the watermark as of all rows with smaller seqs.
fn judge(rows: &mut Weighted, moment: &Moment) {
    let runs = rows.runs.iter().map(|run| Run {
        watermark: moment.as_of(run.seq),
        ..*run
    });
    rows.runs = runs.collect();
}

fn of_source(
    (source, read): (&Source, &SourceRead),
    inputs: &Inputs,
) -> Result<Vec<Weighted>, ArrowError> {
    match source {
        Source::Stream { id, columns } => match inputs.streams.get(id) {
            Some(fed) => read.of_stream(fed, columns),
            None => Ok(Vec::new()),
        },
        Source::Derived { id, .. } | Source::Keyed { id } => {
            let rows = inputs.changes.get(id).into_iter().flatten();
            rows.map(|rows| read.projected(rows)).collect()
        }
    }
}

impl SourceRead {
    fn of_stream(&self, fed: &Fed, columns: &[SourceColumn]) -> Result<Vec<Weighted>, ArrowError> {
        let schema = &self.schema;
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
        let schema = &self.schema;
        let count = rows.rows();
        let columns = self
            .columns
            .iter()
            .zip(schema.fields())
            .map(|(name, field)| {
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

fn sources_of(
    defs: &Definitions,
    pipeline: &Pipeline,
    plan: &PlannedView,
) -> Result<Vec<Source>, FlowError> {
    let reads = pipeline.sources.iter();
    let sources = reads.map(|read| source_of(defs, (pipeline.view, read), plan));
    sources.collect()
}

fn source_of(
    defs: &Definitions,
    (view, read): (StreamId, &SourceRead),
    plan: &PlannedView,
) -> Result<Source, FlowError> {
    let refused = |reason: &str| FlowError::Plan {
        view,
        reason: reason.to_owned(),
    };
    let input = plan.inputs.get(read.input);
    let input = input.ok_or_else(|| refused("its source is none of its inputs"))?;
    let id = input.id();
    Ok(match input {
        Input::Stream { .. } => {
            let Some(Object::Stream(stream)) = defs.by_id(id) else {
                return Err(refused("its stream is not defined"));
            };
            let columns = read
                .columns
                .iter()
                .map(|name| SourceColumn::named(stream, name));
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
