//! Figures of the rows of a chunk, in rounds: one row of each key at a time, so that each round is
//! computed as columns and every row sees those of its key before it.

use datafusion::arrow::{
    array::{Array, ArrayRef, UInt32Array},
    compute::{concat, take},
    error::ArrowError,
};

use mainstem_sql::pattern::{Answered, Rows};

use super::Pane;
use crate::{
    aggregate::{Aggregate, Taken, Unfit},
    group_by::Partial,
    running::{Chunk, Figure, Ran, Running},
    slots::tag_of,
};

/// A key of the chunk: its number here, and its rows.
type Key<'a> = (u32, &'a [u32]);

impl Pane {
    /// Takes the rows of some groups of a chunk; gives the figures of each.
    pub(crate) fn run(
        &mut self,
        running: &Running,
        (partial, chunk): (&Partial, &Chunk),
        groups: &[u32],
    ) -> Result<Ran, ArrowError> {
        let mut keys: Vec<Key<'_>> = Vec::with_capacity(groups.len());
        for group in groups {
            let at = *group as usize;
            let tag = tag_of(partial.hashes[at]);
            keys.push((
                self.number(tag, partial.keys.get(at)),
                chunk.of_group(*group),
            ));
        }
        self.grow();
        for ((number, rows), group) in keys.iter().zip(groups) {
            debug_assert_eq!(
                rows.len(),
                chunk.of_group(*group).len(),
                "one key, one group"
            );
            self.rows
                .add(*number as usize, partial.rows[*group as usize]);
            self.mark_dirty(*number);
        }
        // Those with many rows first: each round has some of the first ones.
        keys.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
        let mut all = Ran {
            rows: Vec::new(),
            columns: Vec::new(),
            unfit: Vec::new(),
        };
        let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); running.figures.len()];
        for number in 0.. {
            let width = keys.partition_point(|(_, rows)| rows.len() > number);
            if width == 0 {
                break;
            }
            let round = Round {
                running,
                chunk,
                numbers: keys[..width].iter().map(|(number, _)| *number).collect(),
                rows: keys[..width].iter().map(|(_, rows)| rows[number]).collect(),
            };
            let (figures, unfit) = round.run(&mut self.aggregates)?;
            for (columns, figure) in columns.iter_mut().zip(figures) {
                columns.push(figure);
            }
            all.unfit.extend(unfit);
            all.rows.extend(round.rows);
        }
        for pieces in columns {
            let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
            all.columns.push(concat(&pieces)?);
        }
        Ok(all)
    }
}

/// One row of some keys each.
struct Round<'a> {
    running: &'a Running,
    chunk: &'a Chunk,
    /// The keys.
    numbers: Vec<u32>,
    /// Their rows in the chunk.
    rows: Vec<u32>,
}

/// The rows that came so many before those of a round.
struct Before {
    rows: usize,
    /// Which of the round have one.
    places: Vec<u32>,
    /// Their arguments.
    args: Vec<ArrayRef>,
}

impl Round<'_> {
    /// The figures of its rows.
    fn run(&self, aggregates: &mut [Aggregate]) -> Result<(Vec<ArrayRef>, Vec<Unfit>), ArrowError> {
        let [aggregates @ .., Aggregate::Rings(rings)] = aggregates else {
            return Err(ArrowError::ComputeError("a pane lacks its rows".to_owned()));
        };
        let mut known: Vec<Before> = Vec::new();
        for figure in &self.running.figures {
            let reads = match figure {
                Figure::Aggregate { enters, leaves, .. } => [Some(*enters), *leaves],
                Figure::Lag { rows, .. } => [Some(*rows), None],
                Figure::Pattern { .. } => [None, None],
            };
            for rows in reads.into_iter().flatten().filter(|rows| *rows > 0) {
                if known.iter().all(|before| before.rows != rows) {
                    known.push(self.before(rows, |number| rings.back(number, rows))?);
                }
            }
        }
        let here = UInt32Array::from(self.rows.clone());
        let (calls, patterns) =
            aggregates.split_at_mut(aggregates.len() - self.chunk.patterns.len());
        let mut patterns = patterns.iter_mut().zip(&self.chunk.patterns);
        let mut columns = Vec::with_capacity(self.running.figures.len());
        let mut unfit = Vec::new();
        for figure in &self.running.figures {
            let read = |rows: usize| known.iter().find(|before| before.rows == rows);
            columns.push(match figure {
                Figure::Lag { arg, rows } => self.lagged(read(*rows), *arg)?,
                Figure::Pattern { answered, .. } => self.matched(answered, patterns.next())?,
                Figure::Aggregate {
                    call,
                    arg,
                    enters,
                    leaves,
                } => {
                    let aggregate = &mut calls[*call];
                    match read(*enters) {
                        Some(before) => self.move_rows(aggregate, (before, *arg), 1)?,
                        None => {
                            let column = arg.map(|arg| take(&self.chunk.args[arg], &here, None));
                            let taken = Taken {
                                groups: &self.numbers,
                                weights: None,
                                chosen: None,
                            };
                            aggregate.update(&taken, column.transpose()?.as_ref())?;
                        }
                    }
                    if let Some(before) = leaves.and_then(read) {
                        self.move_rows(aggregate, (before, *arg), -1)?;
                    }
                    let answers = aggregate.answers(&self.numbers)?;
                    unfit.extend(answers.unfit.iter().map(|unfit| Unfit {
                        at: self.rows[unfit.at] as usize,
                        ..*unfit
                    }));
                    answers.column
                }
            });
        }
        if let Some(entries) = &self.chunk.entries {
            for (number, row) in self.numbers.iter().zip(&self.rows) {
                rings.push(*number as usize, entries.value(*row as usize));
            }
        }
        Ok((columns, unfit))
    }

    /// What is told of the matches that its rows end.
    fn matched(
        &self,
        answered: &Answered,
        kept: Option<(&mut Aggregate, &Rows)>,
    ) -> Result<ArrayRef, ArrowError> {
        let Some((Aggregate::Patterns(kept), rows)) = kept else {
            return Err(ArrowError::ComputeError(
                "a pane lacks a pattern".to_owned(),
            ));
        };
        let all = self.numbers.iter().zip(&self.rows);
        let found =
            all.map(|(number, row)| kept.step(*number as usize, answered, (rows, *row as usize)));
        answered.answers(&found.collect::<Vec<_>>())
    }

    fn before<'r>(
        &self,
        rows: usize,
        entry: impl Fn(usize) -> Option<&'r [u8]>,
    ) -> Result<Before, ArrowError> {
        let (mut places, mut entries) = (Vec::new(), Vec::new());
        for (place, number) in (0_u32..).zip(&self.numbers) {
            if let Some(entry) = entry(*number as usize) {
                places.push(place);
                entries.push(entry);
            }
        }
        Ok(Before {
            rows,
            places,
            args: self.running.args(&entries)?,
        })
    }

    /// Puts earlier rows into an aggregate, or takes them back.
    fn move_rows(
        &self,
        aggregate: &mut Aggregate,
        (before, arg): (&Before, Option<usize>),
        weight: i64,
    ) -> Result<(), ArrowError> {
        let groups: Vec<u32> = before
            .places
            .iter()
            .map(|place| self.numbers[*place as usize])
            .collect();
        let weights = vec![weight; groups.len()];
        let taken = Taken {
            groups: &groups,
            weights: Some(&weights),
            chosen: None,
        };
        aggregate.update(&taken, arg.map(|arg| &before.args[arg]))
    }

    /// An argument of earlier rows; NULL where there is none.
    fn lagged(&self, before: Option<&Before>, arg: usize) -> Result<ArrayRef, ArrowError> {
        let missing = || ArrowError::ComputeError("earlier rows were not looked for".to_owned());
        let before = before.ok_or_else(missing)?;
        let mut found: Vec<Option<u32>> = vec![None; self.numbers.len()];
        for (at, place) in (0_u32..).zip(&before.places) {
            found[*place as usize] = Some(at);
        }
        take(&before.args[arg], &UInt32Array::from(found), None)
    }
}
