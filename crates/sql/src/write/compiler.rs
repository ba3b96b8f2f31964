//! `Compiler`: statements that write, compiled where neither log nor history is at hand: doors and
//! owners of tables at scale. Questions inside of statements have nobody to answer them there, and
//! are refused by name.
//!
//! It never decides and never writes. It is the very code that `Engine` compiles with.

use datafusion::{arrow::array::RecordBatch, execution::session_state::SessionState};
use mainstem_catalog::Definitions;
use mainstem_kernel::{AppName, Code, StreamId, TenantId, Timestamp};
use mainstem_table::{Outcome, Transaction};

use super::{Form, Forms, Known, Planning, Plans, Prepared, Write, compile, take_out};
use crate::{
    declare::{Told, mistake},
    engine::{
        Rights, session,
        statement::{self, Asked},
    },
    error::{QueryError, from_engine},
};

/// Compiles statements that write.
#[derive(Debug)]
pub struct Compiler {
    state: SessionState,
    plans: Plans,
    forms: Forms,
}

/// How a text is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// By its form if it has one, which is quick: what is refused may not say where it stands.
    Quick,
    /// As it is written.
    Whole,
}

/// A request that writes.
#[derive(Clone, Copy, Debug)]
pub struct WriteText<'a> {
    /// Who writes.
    pub tenant: TenantId,
    /// One statement, or several between BEGIN and COMMIT.
    pub sql: &'a str,
    /// What whoever asks may do.
    pub rights: Rights,
    /// What `now()` is.
    pub now: Timestamp,
    /// How it is compiled.
    pub reading: Reading,
}

/// A request that writes, compiled.
#[derive(Debug)]
pub struct CompiledWrite(Write);

impl Compiler {
    /// A compiler that knows of no statement yet.
    ///
    /// # Errors
    /// What DataFusion says of its own defaults.
    pub fn open() -> Result<Self, QueryError> {
        Ok(Self {
            state: session::prototype(1).map_err(from_engine)?,
            plans: Plans::default(),
            forms: Forms::default(),
        })
    }

    /// Compiles a text; `None` if it is a question.
    ///
    /// # Errors
    /// What is wrong with the text, as `Engine::ask` says it; that it asks a question inside.
    pub fn compile(
        &self,
        defs: &Definitions,
        text: WriteText<'_>,
    ) -> Result<Option<CompiledWrite>, QueryError> {
        let is_quick = text.reading == Reading::Quick && text.rights == Rights::Write;
        let form = is_quick.then(|| Form::of(text.sql)).flatten();
        let known = form
            .as_ref()
            .and_then(|form| self.forms.write((defs, text.tenant), form));
        if let Some(write) = known {
            return Ok(Some(CompiledWrite(write)));
        }
        let Asked::Write(statements) = statement::read(text.sql)? else {
            return Ok(None);
        };
        if text.rights == Rights::Read {
            return Err(statement::only_reading(&statements).into());
        }
        let prepared = take_out(statements)?;
        refuse_inner(&prepared)?;
        let planning = Planning {
            state: &self.state,
            now: text.now,
            plans: &self.plans,
        };
        let known = Known::default();
        let mut write = compile(planning, (defs, text.tenant), &prepared, &known)?;
        if let Some(form) = form {
            self.forms.keep(form, &mut write);
        }
        Ok(Some(CompiledWrite(write)))
    }
}

/// Nobody is there to answer a question at the moment of the decision.
fn refuse_inner(prepared: &Prepared) -> Result<(), QueryError> {
    let Some(inner) = prepared.inner.first() else {
        return Ok(());
    };
    let message = "a question inside of a statement that writes has no answer beyond one machine";
    Err(mistake(Code::Clus091, inner.place.clone(), message)
        .detail("Whoever decides writes there has the rows of tables and asks no other engine.")
        .hint("ask first, and write the values that were answered")
        .into())
}

impl CompiledWrite {
    /// Whose tables it writes to.
    #[must_use]
    pub const fn app(&self) -> &AppName {
        &self.0.app
    }

    /// The tables that it writes to or locks rows of.
    #[must_use]
    pub fn tables(&self) -> Vec<StreamId> {
        let statements = self.0.transaction.statements.iter();
        let mut tables: Vec<StreamId> = statements.map(|statement| statement.table).collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// Whether what it refuses says where it stands; if not, it is compiled again as a whole.
    #[must_use]
    pub const fn is_placed(&self) -> bool {
        self.0.is_placed
    }

    /// What is to be decided.
    #[must_use]
    pub const fn transaction(&self) -> &Transaction {
        &self.0.transaction
    }

    /// The answer, given what became of each statement.
    ///
    /// # Errors
    /// Never, in practice: the columns are ours.
    pub fn answer(&self, outcomes: &[Outcome]) -> Result<RecordBatch, QueryError> {
        self.0.answer(outcomes)
    }
}

impl AsRef<Transaction> for CompiledWrite {
    fn as_ref(&self) -> &Transaction {
        self.transaction()
    }
}

#[cfg(test)]
mod tests;
