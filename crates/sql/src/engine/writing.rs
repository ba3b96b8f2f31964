//! Statements that write: compiled, or found compiled by their form, then committed. Whether rows are
//! changed is decided by `table`, never here.

use super::{
    Engine, Question, Rights, Time,
    begin::{Begun, Started, one},
    statement,
};
use crate::{
    error::QueryError,
    rows::AppRows,
    write::{self, Form, Known, Planning, Write, Written},
};

impl Engine {
    /// A statement whose form was compiled before; `None` if none was, or its values do not fit.
    pub(super) fn formed(
        &self,
        question: &Question,
        form: &Form,
    ) -> Option<Result<Started, QueryError>> {
        let tenant = question.tenant;
        let defs = self.parts.catalog.definitions();
        let write = self.forms.write((&defs, tenant), form)?;
        let rows = self.rows_of(tenant, &write.app);
        Some(rows.map(|rows| Started::Write(Box::new(write), rows)))
    }

    /// Compiles statements that write, once the questions inside of them are answered.
    pub(super) async fn write(
        &self,
        statements: Vec<Written>,
        (question, form): (&Question, Option<Form>),
        time: Time,
    ) -> Result<Started, QueryError> {
        if question.rights == Rights::Read {
            return Err(statement::only_reading(&statements).into());
        }
        let prepared = write::take_out(statements)?;
        let tenant = question.tenant;
        let known = match prepared.inner.is_empty() {
            true => Known::default(),
            false => Box::pin(self.ask_inner(&prepared, tenant, time)).await?,
        };
        let defs = self.parts.catalog.definitions();
        let planning = Planning {
            state: self.prototype.as_ref().map_err(QueryError::broken)?,
            now: self.parts.clock.now(),
            plans: &self.plans,
        };
        let mut write = write::compile(planning, (&defs, tenant), &prepared, &known)?;
        if let Some(form) = form {
            self.forms.keep(form, &mut write);
        }
        let rows = self.rows_of(tenant, &write.app)?;
        Ok(Started::Write(Box::new(write), rows))
    }
}

/// Writes, and answers when it is durable.
pub(super) async fn commit(mut write: Write, rows: &AppRows) -> Result<Begun, QueryError> {
    let transaction = std::mem::take(&mut write.transaction);
    let written = rows.writer.commit(transaction).await?;
    let answer = write.answer(&written.outcomes)?;
    Ok((one(answer), written.position.seq()))
}
