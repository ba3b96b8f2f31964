//! `View`: one view as it runs: the operators of its plan, and the state of its groupings.
//!
//! A plan is a chain above what feeds it (`feed`): stages without state, then perhaps a grouping, then
//! stages again, and so on. Chunks pass the stages before a grouping in any thread, are pre-aggregated there, and merge into
//! its buckets; what it tells passes the next stages. Where pairs are joined again, the rows of the other side
//! come in beside them (`Segment::beside`).
//!
//! It never reads a log or a store, and never knows where its rows go.

mod compile;
mod feed;

use std::sync::Arc;

use datafusion::arrow::{
    array::RecordBatch, compute::cast, datatypes::SchemaRef, error::ArrowError,
};
use mainstem_kernel::StreamId;

use crate::{
    aside::Aside,
    buckets::Buckets,
    change::{Weighted, regroup},
    errors::FlowError,
    group_by::{GroupBy, Partial},
    moment::Moment,
    pairs::Pairs,
    pane::Tells,
    pool::Pool,
    stage::Stage,
    state::{SharedState, StateChange, StateKey},
    table::LookupTables,
    tally::{Noted, Tally},
};
use feed::Feeding;
pub(crate) use feed::merged;
pub(crate) use feed::{Feed, Side, SourceRead};

/// Rows of a chunk: enough to spread the cost of a call, few enough for the processor's cache.
pub(crate) const CHUNK_ROWS: usize = 16_384;

/// What a view does with its rows.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) view: StreamId,
    /// What it reads, one per source of its plan.
    pub(crate) sources: Vec<SourceRead>,
    /// How these become the rows of the first segment.
    pub(crate) feed: Feed,
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The columns of its rows.
    pub(crate) schema: SchemaRef,
}

/// Stages, and what groups their rows, if something does.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) stages: Vec<Stage>,
    pub(crate) by: Option<Arc<GroupBy>>,
    /// Rows that are grouped with those of the stages, in the same columns: those of another side.
    pub(crate) beside: Option<Side>,
    /// Of which operator of the plan the rows are that come out of each stage, and behind the stages
    /// out of the grouping. What only prepares rows for the next one is none.
    pub(crate) places: Vec<Option<usize>>,
}

/// A view as it runs.
#[derive(Debug)]
pub(crate) struct View {
    pipeline: Arc<Pipeline>,
    /// Rows that wait for others, of each join of streams.
    pairs: Vec<Pairs>,
    /// One per grouping.
    states: Vec<Buckets>,
    /// What came out of its operators since it was opened.
    tally: Tally,
}

/// Whether a view goes on with the state that is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It does.
    State,
    /// It begins anew: whatever is kept does not count.
    Nothing,
}

/// What a step of a view gave.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Its rows, or the changes of its rows.
    pub(crate) rows: Vec<Weighted>,
    /// What it set aside.
    pub(crate) aside: Aside,
}

/// What a step is run with.
#[derive(Clone, Debug)]
pub(crate) struct StepParts<'a> {
    /// The tables that it looks rows up in.
    pub(crate) tables: &'a Arc<LookupTables>,
    /// How far event time is.
    pub(crate) moment: &'a Moment,
    /// Who works.
    pub(crate) pool: &'a Pool,
    /// What its readers need.
    pub(crate) tells: Tells,
}

impl View {
    /// A view with the state that was kept of it, its groupings numbered from `first`.
    ///
    /// # Errors
    /// `State` when it is damaged.
    pub(crate) fn open(
        pipeline: Arc<Pipeline>,
        first: u8,
        (source, kept): (&SharedState, Kept),
    ) -> Result<Self, FlowError> {
        let mut states: Vec<Buckets> = Vec::new();
        for segment in &pipeline.segments {
            if let Some(by) = &segment.by {
                let operator = u8::try_from(states.len()).unwrap_or(u8::MAX);
                let operator = first.saturating_add(operator);
                let key = StateKey {
                    view: pipeline.view,
                    operator,
                };
                states.push(Buckets::open(
                    Arc::clone(by),
                    key,
                    (Arc::clone(source), kept),
                )?);
            }
        }
        let mut tally = Tally::default();
        for place in pipeline.places() {
            tally.add(place, 0);
        }
        let pairings = pipeline.feed.pairings().into_iter().enumerate();
        let pairs = pairings.map(|(number, (plan, _))| {
            let key = (pipeline.view, first, number);
            Pairs::open(Arc::clone(plan), key, (source, kept))
        });
        let pairs = pairs.collect::<Result<_, _>>()?;
        Ok(Self {
            pairs,
            pipeline,
            states,
            tally,
        })
    }

    /// Its plan.
    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Goes on with a plan that computes the same from columns of other names.
    pub(crate) fn replan(&mut self, pipeline: Arc<Pipeline>) {
        let groupings = pipeline
            .segments
            .iter()
            .filter_map(|segment| segment.by.as_ref());
        for (state, by) in self.states.iter_mut().zip(groupings) {
            state.replan(by);
        }
        let pairings = pipeline.feed.pairings().into_iter();
        for (pairs, (plan, _)) in self.pairs.iter_mut().zip(pairings) {
            pairs.replan(plan);
        }
        self.pipeline = pipeline;
    }

    /// Takes the rows of a step, of each source its own, and gives what comes of them.
    ///
    /// # Errors
    /// `Operator` when a column is not what the plan says.
    pub(crate) fn step(
        &mut self,
        sources: Vec<Vec<Weighted>>,
        parts: &StepParts<'_>,
    ) -> Result<Output, FlowError> {
        let mut noted = Noted::default();
        for (read, rows) in self.pipeline.sources.iter().zip(&sources) {
            noted.tally.add(read.place, count(rows));
        }
        let mut feeding = Feeding {
            sources,
            pairs: &mut self.pairs,
        };
        let mut rows = self.pipeline.feed.rows(&mut feeding, parts, &mut noted)?;
        let tells = self.pipeline.tells(parts.tells);
        let nothing = Arc::new(Segment::of(Vec::new()));
        let mut states = self.states.iter_mut();
        for segment in &self.pipeline.segments {
            rows = match (&segment.by, states.next()) {
                (Some(by), Some(state)) => {
                    let mut partials = aggregate(segment, by, rows, parts, &mut noted)?;
                    if let Some(side) = &segment.beside {
                        let rows = side.rows(&mut feeding, parts, &mut noted)?;
                        partials.extend(aggregate(&nothing, by, rows, parts, &mut noted)?);
                    }
                    let at = (parts.moment, tells);
                    let told = state.step(partials, at, parts.pool, &mut noted.aside)?;
                    segment.count(segment.stages.len(), count(&told), &mut noted.tally);
                    told
                }
                _ => pass(segment, rows, parts, &mut noted)?,
            };
        }
        self.tally.append(&noted.tally);
        let rows = rows.into_iter().filter(|rows| rows.rows() > 0);
        let rows = rows
            .map(|rows| shaped(rows, &self.pipeline.schema))
            .collect::<Result<_, _>>()?;
        Ok(Output {
            rows,
            aside: noted.aside,
        })
    }

    /// What its state changed since the last call.
    ///
    /// # Errors
    /// As `step`.
    pub(crate) fn checkpoint(&mut self) -> Result<Vec<StateChange>, FlowError> {
        let mut changes = Vec::new();
        for state in &mut self.states {
            changes.extend(state.checkpoint()?);
        }
        changes.extend(self.pairs.iter_mut().flat_map(Pairs::checkpoint));
        Ok(changes)
    }

    /// The last checkpoint is committed. Lets go of state, down to about `size_max` bytes, which
    /// steps keep to, too.
    ///
    /// # Errors
    /// As `step`.
    pub(crate) fn let_go(&mut self, size_max: usize) -> Result<(), FlowError> {
        let parts = self.states.len() + self.pairs.len();
        let share = size_max / parts.max(1);
        for pairs in &mut self.pairs {
            pairs.let_go(share);
        }
        let mut states = self.states.iter_mut();
        states.try_for_each(|state| state.let_go(share))
    }

    /// Bytes of state in memory.
    pub(crate) fn size(&self) -> usize {
        let pairs = self.pairs.iter().map(Pairs::size).sum::<usize>();
        pairs + self.states.iter().map(Buckets::size).sum::<usize>()
    }

    /// Bytes of changed state that was let go and waits for the next checkpoint.
    pub(crate) fn waiting(&self) -> usize {
        let pairs = self.pairs.iter().map(Pairs::waiting).sum::<usize>();
        pairs + self.states.iter().map(Buckets::waiting).sum::<usize>()
    }

    /// Whether steps load state and let it go again.
    pub(crate) fn is_spilled(&self) -> bool {
        self.pairs.iter().any(Pairs::is_spilled) || self.states.iter().any(Buckets::is_spilled)
    }

    /// Whether it has something to say once event time goes on.
    pub(crate) fn waits(&self) -> bool {
        self.pairs.iter().any(Pairs::waits) || self.states.iter().any(Buckets::waits)
    }

    /// Rows that came out of each operator of its plan since it was opened.
    pub(crate) fn passed(&self) -> &[u64] {
        self.tally.counts()
    }

    /// Bytes of state in memory of each operator of its plan, those that keep nothing with none.
    pub(crate) fn kept(&self) -> Vec<u64> {
        let mut kept = vec![0_u64; self.tally.counts().len()];
        let segments = self.pipeline.segments.iter();
        let groupings = segments.filter(|segment| segment.by.is_some());
        let states = groupings.map(|segment| segment.places.iter().flatten().last());
        let states = states.zip(self.states.iter().map(Buckets::size));
        // Rows that take turns wait for the operator above them.
        let above = self.pipeline.segments.iter();
        let above = above
            .flat_map(|segment| segment.places.iter().flatten())
            .next();
        let pairings = self.pipeline.feed.pairings().into_iter();
        let feeds = pairings.map(|(_, place)| place.or(above.copied()));
        let pairs = feeds.zip(self.pairs.iter().map(Pairs::size));
        for (place, bytes) in pairs.chain(states.map(|(place, bytes)| (place.copied(), bytes))) {
            if let Some(kept) = place.and_then(|place| kept.get_mut(place)) {
                *kept += bytes as u64;
            }
        }
        kept
    }

    /// Groups in memory, and rows that wait for others.
    pub(crate) fn groups(&self) -> usize {
        let pairs = self.pairs.iter().map(Pairs::rows).sum::<usize>();
        pairs + self.states.iter().map(Buckets::groups).sum::<usize>()
    }
}

impl Pipeline {
    /// What its only grouping tells. Rows alone are enough where nothing behind it chooses among
    /// them: a row that no longer passes a filter would stay.
    fn tells(&self, wanted: Tells) -> Tells {
        let groupings = self
            .segments
            .iter()
            .filter_map(|segment| segment.by.as_ref());
        let only_grow =
            groupings.clone().count() == 1 && groupings.into_iter().all(|by| by.only_grows);
        let last = self
            .segments
            .iter()
            .rev()
            .take_while(|segment| segment.by.is_none());
        let mut behind = last.flat_map(|segment| &segment.stages);
        let chooses = behind.any(|stage| !matches!(stage, Stage::Project { .. }));
        match only_grow && !chooses {
            true => wanted,
            false => Tells::Changes,
        }
    }

    /// The operators of the plan that are counted, which are all of them.
    fn places(&self) -> Vec<usize> {
        let mut places = self.feed.places();
        places.extend(self.sources.iter().map(|read| read.place));
        let own = self.segments.iter().flat_map(|segment| &segment.places);
        places.extend(own.flatten());
        places.sort_unstable();
        places
    }

    /// The tables that it looks rows up in.
    pub(crate) fn lookups(&self) -> impl Iterator<Item = StreamId> {
        let beside = self.segments.iter();
        let beside = beside.filter_map(|segment| segment.beside.as_ref());
        let fed = self.feed.segments().into_iter();
        let fed = fed.chain(beside.flat_map(Side::segments));
        let segments = fed.chain(&self.segments);
        let stages = segments.flat_map(|segment| &segment.stages);
        stages.filter_map(|stage| match stage {
            Stage::Lookup(lookup) => Some(lookup.table),
            Stage::Filter(_) | Stage::Project { .. } | Stage::Window(_) => None,
        })
    }
}

impl Segment {
    /// Stages that nothing groups.
    fn of(stages: Vec<Stage>) -> Self {
        Self {
            stages,
            by: None,
            beside: None,
            places: Vec::new(),
        }
    }

    fn run(
        &self,
        rows: Weighted,
        tables: &LookupTables,
        noted: &mut Noted,
    ) -> Result<Weighted, ArrowError> {
        let mut rows = rows;
        for (number, stage) in self.stages.iter().enumerate() {
            rows = stage.run(rows, tables, &mut noted.aside)?;
            self.count(number, rows.rows(), &mut noted.tally);
        }
        Ok(rows)
    }

    /// Counts what came out of a stage or, behind the last one, out of the grouping.
    fn count(&self, number: usize, rows: usize, tally: &mut Tally) {
        if let Some(Some(place)) = self.places.get(number) {
            tally.add(*place, rows);
        }
    }
}

/// How many rows.
fn count(rows: &[Weighted]) -> usize {
    rows.iter().map(Weighted::rows).sum()
}

/// Passes rows through stages, chunk by chunk.
fn pass(
    segment: &Arc<Segment>,
    rows: Vec<Weighted>,
    parts: &StepParts<'_>,
    noted: &mut Noted,
) -> Result<Vec<Weighted>, FlowError> {
    if segment.stages.is_empty() {
        return Ok(rows);
    }
    let (segment, tables) = (Arc::clone(segment), Arc::clone(parts.tables));
    let passed = parts.pool.map(regroup(rows, CHUNK_ROWS)?, move |chunk| {
        let mut noted = Noted::default();
        let rows = segment.run(chunk, &tables, &mut noted)?;
        Ok::<_, ArrowError>((rows, noted))
    });
    collect(passed, noted)
}

/// Passes rows through stages and aggregates each chunk.
fn aggregate(
    segment: &Arc<Segment>,
    by: &Arc<GroupBy>,
    rows: Vec<Weighted>,
    parts: &StepParts<'_>,
    noted: &mut Noted,
) -> Result<Vec<Partial>, FlowError> {
    let (segment, by, tables) = (
        Arc::clone(segment),
        Arc::clone(by),
        Arc::clone(parts.tables),
    );
    let aggregated = parts.pool.map(regroup(rows, CHUNK_ROWS)?, move |chunk| {
        let mut noted = Noted::default();
        let rows = segment.run(chunk, &tables, &mut noted)?;
        let partial = Partial::of(&by, rows, &mut noted.aside)?;
        Ok::<_, ArrowError>((partial, noted))
    });
    collect(aggregated, noted)
}

fn collect<T>(
    done: Vec<Result<(T, Noted), ArrowError>>,
    noted: &mut Noted,
) -> Result<Vec<T>, FlowError> {
    let mut all = Vec::with_capacity(done.len());
    for one in done {
        let (one, of_chunk) = one?;
        noted.append(of_chunk);
        all.push(one);
    }
    Ok(all)
}

/// Rows with exactly the view's columns: expressions may give text in another layout.
fn shaped(rows: Weighted, schema: &SchemaRef) -> Result<Weighted, ArrowError> {
    if rows.batch.schema_ref() == schema {
        return Ok(rows);
    }
    let columns = rows
        .batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                cast(column, field.data_type())
            }
        });
    let batch = RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)?;
    Ok(rows.with_batch(batch))
}

#[cfg(test)]
pub(crate) mod tests;
