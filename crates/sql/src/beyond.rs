//! Questions beyond one machine: read and planned as on one, so that names, types and mistakes are
//! the same, and then spelled in Spark SQL.
//!
//! It never speaks to Spark and does not know where rows are: what it spells reads relations called
//! `r0`, `r1`, …, and whoever asks says what each is. What Spark would answer otherwise is refused
//! by name; how expressions are spelled is in `crate::spark`.
//!
//! | plan | Spark SQL |
//! |---|---|
//! | any operator | a SELECT over the one below, its columns called `c0`, `c1`, … by position |
//! | a join for IN, EXISTS or NOT IN | LEFT SEMI, LEFT ANTI, EXISTS, NOT IN |
//! | a scalar subquery | the same, which fails on a second row in both |
//! | the last rows of all | cast to the types that one machine answers with, by whoever asks |

mod errors;
mod exprs;
mod groups;
mod joins;
mod level;
mod plan;
mod windows;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt};

use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef};
use mainstem_catalog::Definitions;
use mainstem_kernel::{StreamId, TenantId, Timestamp};
use sqlparser::ast::Statement;

use self::{errors::refused, level::Levels};
use crate::{
    engine::{self, Asked},
    error::QueryError,
    spark::Note,
};

pub use errors::refuse;

/// What a text asks, beyond one machine.
#[derive(Debug)]
pub enum Beyond {
    /// The rows of a question.
    Question(SparkQuestion),
    /// How a question would be answered.
    Explain(SparkQuestion),
    /// What is known without asking anybody: SHOW, DESCRIBE, EXPLAIN VIEW, and questions that name
    /// nothing.
    Known(SchemaRef, Vec<RecordBatch>),
    /// INSERT, UPDATE and DELETE.
    Write,
    /// VERIFY VIEW of this one.
    Verify(StreamId),
}

/// A question in Spark SQL.
#[derive(Clone, Debug)]
pub struct SparkQuestion {
    /// It reads `r0`, `r1`, …; its columns are `c0`, `c1`, ….
    pub sql: String,
    /// What these are.
    pub reads: Vec<SparkRead>,
    /// What the answer is cast to; UUID and JSON are marked by metadata.
    pub schema: SchemaRef,
    /// What may differ from the answer of one machine.
    pub notes: BTreeSet<Note>,
    /// The plan, for EXPLAIN.
    pub plan: String,
}

/// A relation that a question reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkRead {
    /// What the question calls it.
    pub relation: String,
    /// The stream, table or view.
    pub object: StreamId,
    /// The columns of it that are read, by their names.
    pub columns: Vec<String>,
}

/// Reads and plans a text, at a moment and for a tenant.
///
/// # Errors
/// What is wrong with it, as on one machine; `CLUS-100` when it has no spelling in Spark SQL.
pub async fn understand(
    sql: &str,
    (defs, tenant): (&Definitions, TenantId),
    now: Timestamp,
) -> Result<Beyond, QueryError> {
    Ok(match engine::read(sql)? {
        Asked::Query(statement) => return asked(*statement, (defs, tenant), now).await,
        Asked::Write(_) => Beyond::Write,
        Asked::Verify(named) => Beyond::Verify(engine::verified(defs, tenant, &named)?),
        shown => {
            let batch = engine::shown(&shown, defs, tenant)?;
            Beyond::Known(batch.schema(), vec![batch])
        }
    })
}

async fn asked(
    statement: Statement,
    (defs, tenant): (&Definitions, TenantId),
    now: Timestamp,
) -> Result<Beyond, QueryError> {
    let explained = matches!(&statement, Statement::Explain { .. });
    let query = match statement {
        Statement::Explain { analyze: true, .. } => return Err(refused("EXPLAIN ANALYZE")),
        Statement::Explain { statement, .. } => *statement,
        query => query,
    };
    let mut query = query;
    let relations = engine::resolve(&mut query, defs, tenant)?;
    let planned = plan::plan(query, &relations, now)?;
    if relations.is_empty() && !explained {
        let (schema, rows) = plan::here(&planned).await?;
        return Ok(Beyond::Known(schema, rows));
    }
    let question = Levels::spelled(&planned, &relations)?;
    Ok(match explained {
        true => Beyond::Explain(question),
        false => Beyond::Question(question),
    })
}

impl fmt::Display for SparkQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}
