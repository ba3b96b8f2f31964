//! Why a view cannot run beyond one machine.

use std::time::Duration;

use mainstem_kernel::{Answer, Code, ColumnName, Fault, StreamName};
use mainstem_sql::spark::Unspelled;

/// Why a planned view has no lowering. It runs on one machine as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// Caller: write it in another way.
    #[error("view \"{view}\" has no spelling in Spark SQL")]
    Unspelled {
        /// The view.
        view: StreamName,
        /// What of it.
        #[source]
        what: Unspelled,
    },
    /// Caller: read a stream, or a view whose rows are final.
    #[error("view \"{view}\" reads rows that change")]
    Changing {
        /// The view.
        view: StreamName,
    },
    /// Caller: let each part be a view of its own, or run it on one machine.
    #[error("view \"{view}\" puts rows of several streams together")]
    Several {
        /// The view.
        view: StreamName,
    },
    /// Caller: declare it NOT NULL, or group by `coalesce` of it.
    #[error("column \"{column}\" of the key of view \"{view}\" may be NULL")]
    NullableKey {
        /// The view.
        view: StreamName,
        /// The column.
        column: ColumnName,
    },
    /// Caller: leave TIME ZONE out.
    #[error("windows of view \"{view}\" follow the time zone \"{zone}\"")]
    Zone {
        /// The view.
        view: StreamName,
        /// The zone.
        zone: String,
    },
    /// Caller: use a column of the event.
    #[error("view \"{view}\" reads \"{column}\", a place in the log of one machine")]
    Place {
        /// The view.
        view: StreamName,
        /// The column.
        column: String,
    },
    /// Caller: a longer retention, or a shorter window.
    #[error(
        "stream \"{stream}\" keeps rows for {} s, windows of view \"{view}\" can change for {} s",
        .retention.as_secs(), .needed.as_secs()
    )]
    Retention {
        /// The view.
        view: StreamName,
        /// What it reads.
        stream: StreamName,
        /// How long that keeps rows.
        retention: Duration,
        /// How long it would have to.
        needed: Duration,
    },
    /// Operator: bring all nodes to one version of the program, or apply the application again.
    #[error("view \"{view}\" is declared, and this program does not plan it: {reason}")]
    Unplanned {
        /// The view.
        view: StreamName,
        /// What stands against it.
        reason: String,
    },
}

impl Fault for LowerError {
    fn answer(&self) -> Answer {
        Answer::caller(match self {
            Self::Unspelled { .. } => Code::Clus030,
            Self::Changing { .. } => Code::Clus031,
            Self::NullableKey { .. } => Code::Clus032,
            Self::Several { .. } => Code::Clus035,
            Self::Zone { .. } => Code::Clus033,
            Self::Place { .. } => Code::Clus034,
            Self::Retention { .. } => Code::Clus061,
            Self::Unplanned { .. } => Code::Clus070,
        })
    }

    fn detail(&self) -> Option<String> {
        Some(match self {
            Self::Unspelled { what, .. } => {
                let mut text = what.to_string();
                if let Some(first) = text.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                format!("{text}.")
            }
            Self::Changing { .. } => "Versions of its rows would not only grow, so an older row \
                                      could replace a newer one."
                .to_owned(),
            Self::Several { .. } => {
                "A query of Spark reads one topic, and a row is told apart by its \
                                     place in it; over several topics there is no one order."
                    .to_owned()
            }
            Self::NullableKey { .. } => "Its rows are kept in Cassandra, whose keys are never \
                                         NULL."
                .to_owned(),
            Self::Zone { .. } => "Windows of Spark are all of one length, in UTC.".to_owned(),
            Self::Place { .. } => "The same row has another place on Kafka, and there is no one \
                                   order over all partitions."
                .to_owned(),
            Self::Retention { .. } => "A view that is computed anew reads its stream from the \
                                       beginning, and the topic would have forgotten rows of \
                                       windows that still change."
                .to_owned(),
            Self::Unplanned { .. } => "Another version of the program, or another state of the \
                                       definitions, has declared it."
                .to_owned(),
        })
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unspelled { .. } => {
                "write it in another way; docs/reference/functions.md says which functions there are"
                    .to_owned()
            }
            Self::Changing { .. } => {
                "read the stream below it, or let the view below emit on window close".to_owned()
            }
            Self::Several { .. } => {
                "make a view of each side, and ask over all of them: SELECT … UNION ALL SELECT …"
                    .to_owned()
            }
            Self::NullableKey { column, .. } => {
                format!("declare it NOT NULL, or group by coalesce({column}, …)")
            }
            Self::Zone { .. } => "leave TIME ZONE out, or shift windows by an offset".to_owned(),
            Self::Place { .. } => "use a column of the event".to_owned(),
            Self::Retention { stream, needed, .. } => format!(
                "declare retention of stream \"{stream}\" as {} hours or more, or leave it out",
                needed.as_secs().div_ceil(3_600)
            ),
            Self::Unplanned { .. } => {
                "bring all nodes to one version of the program, then apply the application again"
                    .to_owned()
            }
        })
    }
}
