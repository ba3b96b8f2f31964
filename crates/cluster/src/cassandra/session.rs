//! `Rows`: a session with Cassandra, and tables that are made in it.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use mainstem_kernel::StreamId;
use parking_lot::Mutex;
use scylla::{
    client::{
        execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder,
    },
    errors::{DbError, ExecutionError, PrepareError, RequestAttemptError},
    frame::types::Consistency,
    policies::retry::FallthroughRetryPolicy,
    statement::{prepared::PreparedStatement, unprepared::Statement},
};

use super::{CassandraConfig, CassandraError, RowTable};
use crate::errors::Source;

/// Longest name of a keyspace.
const KEYSPACE_MAX: usize = 48;
/// One attempt; those that fail are repeated here, with `acknowledge_max` for all of them.
const ATTEMPT_MAX: Duration = Duration::from_secs(5);
/// Whoever reads waits for an answer: a few attempts, soon.
const READ_TRIES: u32 = 3;
const READ_PAUSE: Duration = Duration::from_millis(100);

/// Rows of views in Cassandra.
pub struct Rows {
    pub(super) session: Session,
    pub(super) config: CassandraConfig,
    /// Statements that read slices, by their text.
    pub(super) slices: Mutex<HashMap<String, PreparedStatement>>,
}

/// A table that is there, and statements on it.
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) table: Arc<RowTable>,
    pub(super) insert: PreparedStatement,
    pub(super) delete: PreparedStatement,
    pub(super) select: PreparedStatement,
}

impl Target {
    /// The table, by the name that it was made with.
    #[must_use]
    pub fn table(&self) -> &RowTable {
        &self.table
    }
}

impl Rows {
    /// Connects, and makes the keyspace if it is not there.
    ///
    /// # Errors
    /// `Unreachable`, or `Refused`.
    pub async fn open(config: CassandraConfig) -> Result<Self, CassandraError> {
        let profile = ExecutionProfile::builder()
            .consistency(Consistency::LocalQuorum)
            .request_timeout(Some(ATTEMPT_MAX))
            .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
            .build();
        let session = SessionBuilder::new()
            .known_nodes(&config.nodes)
            .connection_timeout(config.connect_max)
            .default_execution_profile_handle(profile.into_handle())
            .build()
            .await;
        let session = session.map_err(|error| CassandraError::Unreachable {
            nodes: config.nodes.join(", "),
            source: Box::new(error),
        })?;
        let rows = Self {
            session,
            config,
            slices: Mutex::default(),
        };
        rows.judge().await?;
        rows.create_keyspace().await?;
        Ok(rows)
    }

    /// Where all tables are.
    #[must_use]
    pub fn keyspace(&self) -> &str {
        &self.config.keyspace
    }

    /// Whether it is of a version that was tried.
    async fn judge(&self) -> Result<(), CassandraError> {
        let asked = "SELECT release_version FROM system.local";
        let refused = |source: Source| CassandraError::Refused {
            doing: "read",
            name: "system.local".to_owned(),
            source,
        };
        let answered = self.session.query_unpaged(asked, ()).await;
        let answered = answered.map_err(|error| refused(Box::new(error)))?;
        let rows = answered.into_rows_result();
        let rows = rows.map_err(|error| refused(Box::new(error)))?;
        let row = rows.first_row::<(String,)>();
        let (found,) = row.map_err(|error| refused(Box::new(error)))?;
        match is_tried(&found) {
            true => Ok(()),
            false => Err(CassandraError::Version {
                nodes: self.config.nodes.join(", "),
                found,
            }),
        }
    }

    async fn create_keyspace(&self) -> Result<(), CassandraError> {
        let CassandraConfig {
            keyspace, replicas, ..
        } = &self.config;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if keyspace.is_empty() || keyspace.len() > KEYSPACE_MAX || !keyspace.chars().all(is_name) {
            return Err(CassandraError::Refused {
                doing: "make keyspace",
                name: keyspace.clone(),
                source: format!("a name has 1 to {KEYSPACE_MAX} of a-z, 0-9 and _").into(),
            });
        }
        let text = format!(
            "CREATE KEYSPACE IF NOT EXISTS \"{keyspace}\" WITH replication = \
             {{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}"
        );
        self.change("make keyspace", keyspace, text).await
    }

    /// The table of a view's version, made if it is not there.
    ///
    /// # Errors
    /// `Table` when one of this name has other columns; `Refused`; `Unacknowledged`.
    pub async fn create(&self, table: RowTable) -> Result<Target, CassandraError> {
        let made = self.tables_of(table.object()).await?.into_iter().next();
        let table = match made {
            Some(name) => table.called(name),
            None => {
                let made = self.change("make table", table.name(), table.create());
                made.await?;
                table
            }
        };
        self.compare(&table).await?;
        Ok(Target {
            insert: self.prepare(&table, table.insert()).await?,
            delete: self.prepare(&table, table.delete()).await?,
            select: self.prepare(&table, table.select()).await?,
            table: Arc::new(table),
        })
    }

    /// Removes the table of an object that is forgotten.
    ///
    /// # Errors
    /// `Refused` or `Unacknowledged`.
    pub async fn forget(&self, object: StreamId) -> Result<(), CassandraError> {
        let keyspace = self.keyspace();
        for name in self.tables_of(object).await? {
            let text = format!("DROP TABLE IF EXISTS \"{keyspace}\".\"{name}\"");
            self.change("drop table", &name, text).await?;
        }
        Ok(())
    }

    /// The tables that are there of an object: one, by whatever name it was made, or none.
    async fn tables_of(&self, object: StreamId) -> Result<Vec<String>, CassandraError> {
        let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
        let keyspace = self.keyspace();
        let read = || self.session.query_unpaged(text, (keyspace,));
        let found = self.again("system_schema.tables", read).await?;
        let shape = |reason: String| CassandraError::Shape {
            table: "system_schema.tables".to_owned(),
            reason,
        };
        let found = found.into_rows_result();
        let found = found.map_err(|error| shape(error.to_string()))?;
        let found = found.rows::<(String,)>();
        let found = found.map_err(|error| shape(error.to_string()))?;
        let mut names = Vec::new();
        for name in found {
            let (name,) = name.map_err(|error| shape(error.to_string()))?;
            names.push(name);
        }
        names.retain(|name| RowTable::is_of(name, object));
        names.sort_unstable();
        Ok(names)
    }

    /// Removes the keyspace and all in it.
    ///
    /// # Errors
    /// `Refused` or `Unacknowledged`.
    pub(crate) async fn forget_keyspace(&self) -> Result<(), CassandraError> {
        let name = self.keyspace();
        let text = format!("DROP KEYSPACE IF EXISTS \"{name}\"");
        self.change("drop keyspace", name, text).await
    }

    /// A change of what is declared.
    async fn change(
        &self,
        doing: &'static str,
        name: &str,
        text: String,
    ) -> Result<(), CassandraError> {
        let mut statement = Statement::new(text);
        statement.set_is_idempotent(true);
        let done = self.session.query_unpaged(statement, ()).await;
        done.map(drop)
            .map_err(|error| self.failed((doing, name), error))
    }

    pub(super) async fn prepare(
        &self,
        table: &RowTable,
        text: String,
    ) -> Result<PreparedStatement, CassandraError> {
        let prepared = self.session.prepare(text).await;
        let mut prepared = prepared.map_err(|error: PrepareError| {
            self.failed(("prepare statements on", table.name()), error.into())
        })?;
        // It says the same at whatever time it comes: its timestamp decides.
        prepared.set_is_idempotent(true);
        Ok(prepared)
    }

    /// Whether the table that is there is the view's. Columns that were declared later are added.
    async fn compare(&self, table: &RowTable) -> Result<(), CassandraError> {
        let found = self.columns(table).await?;
        let there = |column: &str| {
            let there = found.iter().find(|(name, _)| name == column);
            there.map(|(_, ty)| ty.as_str())
        };
        for (column, wanted) in table.declared() {
            match (there(column), table.add(column)) {
                (Some(found), _) if found == wanted => {}
                (None, Some(text)) => self.change("add a column to", table.name(), text).await?,
                (found, _) => {
                    return Err(CassandraError::Table {
                        table: table.name().to_owned(),
                        column: column.to_owned(),
                        found: found.unwrap_or("not there").to_owned(),
                        wanted: wanted.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The columns that are there, and their types.
    async fn columns(&self, table: &RowTable) -> Result<Vec<(String, String)>, CassandraError> {
        let text = "SELECT column_name, type FROM system_schema.columns \
                    WHERE keyspace_name = ? AND table_name = ?";
        let doing = ("read the columns of", table.name());
        let found = self
            .session
            .query_unpaged(text, (table.keyspace(), table.name()))
            .await
            .map_err(|error| self.failed(doing, error))?;
        let shape = |reason: String| CassandraError::Shape {
            table: table.name().to_owned(),
            reason,
        };
        let found = found
            .into_rows_result()
            .map_err(|error| shape(error.to_string()))?;
        let found = found.rows::<(String, String)>();
        let found = found.map_err(|error| shape(error.to_string()))?;
        let found: Result<Vec<_>, _> = found.collect();
        found.map_err(|error| shape(error.to_string()))
    }

    /// Reads, and once more if a node has just gone: another one has the row, too.
    pub(super) async fn again<T, F: Future<Output = Result<T, ExecutionError>>>(
        &self,
        table: &str,
        mut read: impl FnMut() -> F,
    ) -> Result<T, CassandraError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match read().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if tries >= READ_TRIES || !passes(&error) {
                return Err(self.failed(("read from", table), error));
            }
            tokio::time::sleep(READ_PAUSE).await;
        }
    }

    /// What an error means for whoever asked.
    pub(super) fn failed(
        &self,
        (doing, name): (&'static str, &str),
        error: ExecutionError,
    ) -> CassandraError {
        match passes(&error) {
            true => CassandraError::Unacknowledged {
                table: name.to_owned(),
                limit: self.config.acknowledge_max,
                source: Box::new(error),
            },
            false => CassandraError::Refused {
                doing,
                name: name.to_owned(),
                source: Box::new(error),
            },
        }
    }
}

/// Whether the same may succeed later, without anybody changing anything.
pub(super) fn passes(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::BadQuery(_) | ExecutionError::UseKeyspaceError(_) => false,
        ExecutionError::LastAttemptError(attempt) => match attempt {
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_) => false,
            RequestAttemptError::DbError(error, _) => !matches!(
                error,
                DbError::SyntaxError
                    | DbError::Invalid
                    | DbError::AlreadyExists { .. }
                    | DbError::AuthenticationError
                    | DbError::Unauthorized
                    | DbError::ConfigError
                    | DbError::ProtocolError
            ),
            _ => true,
        },
        ExecutionError::PrepareError(PrepareError::AllAttemptsFailed { first_attempt }) => {
            passes(&ExecutionError::LastAttemptError(first_attempt.clone()))
        }
        _ => true,
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Whether a version is one that rows were tried on, or a newer one.
fn is_tried(version: &str) -> bool {
    let major = version.split('.').next();
    major.and_then(|major| major.parse().ok()) >= Some(5_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_cassandra_5_or_something_else_is_refused() {
        for (version, expected) in [
            ("5.0.5", true),
            ("5.1-beta1", true),
            ("6.0", true),
            ("4.1.3", false),
            ("3.11.2", false),
            ("", false),
        ] {
            assert_eq!(is_tried(version), expected, "{version}");
        }
    }
}
