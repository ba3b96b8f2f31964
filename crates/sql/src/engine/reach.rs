//! Waiting for a position: of the log, and of the rows by key that a question names.

use mainstem_kernel::{Position, Reached, Seq};
use tokio::{sync::watch, time::timeout_at};

use super::{Engine, Question, Time, statement::Asked};
use crate::error::QueryError;

impl Engine {
    /// Waits until the log is at a position.
    pub(super) async fn wait_for(&self, position: Position, time: Time) -> Result<(), QueryError> {
        reach(self.parts.log.watch(), position, time).await
    }

    /// Waits until rows by key that the question names are at the position too.
    pub(super) async fn wait_for_rows(
        &self,
        asked: &Asked,
        question: &Question,
        time: Time,
    ) -> Result<(), QueryError> {
        let Some(wait) = &question.wait else {
            return Ok(());
        };
        let position = here(wait)?;
        let defs = self.parts.catalog.definitions();
        let rows = match asked {
            Asked::Query(ast) => self.parts.rows_named(ast, &defs, question.tenant)?,
            Asked::Verify(named) => match defs.object(question.tenant, &named.name) {
                Some(object) => Some(self.rows_of(question.tenant, object.app())?),
                None => None,
            },
            _ => None,
        };
        match rows {
            Some(rows) => reach(rows.tables.watch(), position, time).await,
            None => Ok(()),
        }
    }
}

/// A position of this machine.
///
/// # Errors
/// `Elsewhere` if it is one of many machines.
pub(super) fn here(wait: &Reached) -> Result<Position, QueryError> {
    wait.position().ok_or_else(|| QueryError::Elsewhere {
        position: wait.clone(),
    })
}

/// Waits until a frontier is at a position.
pub(super) async fn reach(
    mut frontier: watch::Receiver<Seq>,
    position: Position,
    (deadline, limit): Time,
) -> Result<(), QueryError> {
    let reached = frontier.wait_for(|seq| *seq >= position.seq());
    match timeout_at(deadline, reached).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => {
            let position = position.into();
            Err(QueryError::Position { position, limit })
        }
    }
}
