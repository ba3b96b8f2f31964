//! `Apart`: the operators of a view that keep nothing, for rows that somebody else reads and
//! writes: filters, projections, and tables that are looked up.
//!
//! It never orders rows: each says itself as of when it sees its tables.

use std::{collections::HashMap, sync::Arc};

use datafusion::arrow::{
    array::{BooleanArray, RecordBatch},
    datatypes::SchemaRef,
};
use mainstem_catalog::TableDef;
use mainstem_kernel::{Seq, StreamId};
use mainstem_sql::view::{Input, Node};
use mainstem_table::TableSchema;

use crate::{
    aside::{Aside, letter_rows},
    change::Weighted,
    errors::FlowError,
    stage::{Lookup, Stage},
    table::{LookupTable, LookupTables},
};

/// The operators of a view that keep nothing.
#[derive(Debug)]
pub struct Apart {
    source: usize,
    columns: Vec<String>,
    source_schema: SchemaRef,
    stages: Vec<Stage>,
    schema: SchemaRef,
    tables: Vec<StreamId>,
}

/// What became of rows.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Those that came out, in their order.
    pub rows: RecordBatch,
    /// Those on which the view fails, as rows of its dead letters; none if there are none.
    pub letters: Option<RecordBatch>,
}

impl Apart {
    /// The operators of a plan over some inputs, down to its source.
    ///
    /// # Errors
    /// `Plan` names an operator that keeps something.
    pub fn compile(view: StreamId, plan: &Node, inputs: &[Input]) -> Result<Self, FlowError> {
        let refused = |reason: &str| FlowError::Plan {
            view,
            reason: reason.to_owned(),
        };
        let mut nodes = vec![plan];
        while let Some(below) = nodes.last().and_then(|node| node.input()) {
            nodes.push(below);
        }
        let Some(Node::Source {
            input,
            columns,
            schema,
        }) = nodes.pop()
        else {
            return Err(refused("it has no source"));
        };
        let mut stages = Vec::with_capacity(nodes.len());
        let mut tables = Vec::new();
        for node in nodes.into_iter().rev() {
            stages.push(match node {
                Node::Filter { predicate, .. } => Stage::Filter(Arc::clone(predicate)),
                Node::Project { exprs, schema, .. } => Stage::Project {
                    exprs: exprs.clone(),
                    schema: Arc::clone(schema),
                },
                Node::Lookup {
                    table,
                    keys,
                    outer,
                    columns,
                    schema,
                    ..
                } => {
                    let table = inputs.get(*table).map(Input::id);
                    let table = table.ok_or_else(|| refused("it looks up none of its inputs"))?;
                    tables.push(table);
                    Stage::Lookup(Lookup {
                        table,
                        keys: keys.clone(),
                        outer: *outer,
                        columns: columns.clone(),
                        schema: Arc::clone(schema),
                    })
                }
                Node::Source { .. }
                | Node::Union { .. }
                | Node::Pairs(_)
                | Node::Window { .. }
                | Node::Aggregate { .. }
                | Node::Rank(_)
                | Node::Running(_) => {
                    return Err(refused("one of its operators keeps something"));
                }
            });
        }
        Ok(Self {
            source: *input,
            columns: columns.clone(),
            source_schema: Arc::clone(schema),
            stages,
            schema: Arc::clone(plan.schema()),
            tables,
        })
    }

    /// Which of the inputs its rows come from.
    #[must_use]
    pub const fn source(&self) -> usize {
        self.source
    }

    /// The columns that it reads of its source, by name.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The columns and types of rows that go in.
    #[must_use]
    pub const fn source_schema(&self) -> &SchemaRef {
        &self.source_schema
    }

    /// The columns and types of rows that come out.
    #[must_use]
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The tables that are looked up.
    #[must_use]
    pub fn tables(&self) -> &[StreamId] {
        &self.tables
    }

    /// Runs rows of the source, each with tables as they were at its seq: it sees changes of smaller
    /// ones. Seqs ascend. Rows on which an expression fails are set aside, as rows of dead letters with
    /// the columns `letters`.
    ///
    /// # Errors
    /// When rows have other columns, or a table is missing.
    pub fn run(
        &self,
        (rows, seqs): (RecordBatch, &[Seq]),
        tables: &ApartTables,
        letters: &SchemaRef,
    ) -> Result<Ran, FlowError> {
        let mut aside = Aside::default();
        let mut rows = Weighted::arrived(rows, seqs);
        for stage in &self.stages {
            if rows.rows() == 0 {
                rows = rows.with_batch(RecordBatch::new_empty(Arc::clone(&self.schema)));
                break;
            }
            rows = stage.run(rows, &tables.tables, &mut aside)?;
        }
        let failed = match aside.letters.is_empty() {
            true => None,
            false => Some(letter_rows(&aside.letters, letters)?),
        };
        Ok(Ran {
            rows: rows.batch,
            letters: failed,
        })
    }
}

/// Tables in memory, to look rows up in.
#[derive(Debug, Default)]
pub struct ApartTables {
    tables: LookupTables,
}

impl ApartTables {
    /// None of them.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tables: HashMap::new(),
        }
    }

    /// Takes a table, without rows. Its rows are there until a change says otherwise: whoever owns
    /// the table deletes those that expire.
    ///
    /// # Errors
    /// When a column of its key has a type that is not looked up.
    pub fn add(&mut self, def: &TableDef) -> Result<(), FlowError> {
        let schema = TableSchema::of_table(def).row_schema();
        let key = def.spec.key.iter();
        let key = key.map(|name| schema.index_of(name.as_str()));
        let key = key.collect::<Result<_, _>>()?;
        let table = LookupTable::new(schema, key, None)?;
        self.tables.insert(def.id, Arc::new(table));
        Ok(())
    }

    /// Takes changes of a table with their seqs, of a key the last ones last: after images, and
    /// whether each row is gone.
    ///
    /// # Errors
    /// When it has other columns.
    pub fn change(
        &mut self,
        table: StreamId,
        (rows, deleted): (&RecordBatch, &BooleanArray),
        seqs: &[Seq],
    ) -> Result<(), FlowError> {
        let Some(table) = self.tables.get_mut(&table) else {
            return Ok(());
        };
        Arc::make_mut(table).change(rows, deleted, seqs)?;
        Ok(())
    }

    /// No row is run as of a smaller seq than this any more: what was replaced before it is
    /// forgotten.
    ///
    /// # Errors
    /// When columns cannot be joined.
    pub fn settle(&mut self, before: Seq) -> Result<(), FlowError> {
        for table in self.tables.values_mut() {
            Arc::make_mut(table).settle_before(before)?;
        }
        Ok(())
    }

    /// Rows of a table.
    #[must_use]
    pub fn rows(&self, table: StreamId) -> usize {
        self.tables.get(&table).map_or(0, |table| table.rows())
    }

    /// Bytes that all of them take, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.tables.values().map(|table| table.size()).sum()
    }
}
