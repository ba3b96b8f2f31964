//! Why a view cannot run beyond one machine.

use std::{fmt, time::Duration};

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
    /// Caller: let a part be a view of its own, or run it on one machine.
    #[error("view \"{view}\" {what}")]
    Several {
        /// The view.
        view: StreamName,
        /// What it does beside putting rows of several streams together.
        what: Together,
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
            Self::Several { what, .. } => what.detail().to_owned(),
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
            Self::Several { what, .. } => what.hint().to_owned(),
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

/// What a view does beside putting rows of several streams together, which no query of Spark does as we do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// Looks a table up.
    LooksUp,
    /// Groups pairs.
    GroupsPairs,
    /// Waits for the event time of pairs.
    WaitsForPairs,
    /// A union of rows that are told apart in different ways.
    Unlike,
}

impl fmt::Display for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LooksUp => "looks up rows of a table beside several streams",
            Self::GroupsPairs => "groups pairs of rows of two streams",
            Self::WaitsForPairs => "waits for the event time of pairs of rows of two streams",
            Self::Unlike => "puts pairs of rows and single rows of streams together",
        })
    }
}

impl Together {
    const fn detail(self) -> &'static str {
        match self {
            Self::LooksUp => {
                "A lookup is done once, by a worker, which leaves its rows in one topic."
            }
            Self::GroupsPairs => {
                "A query of Spark that joins streams gives rows that are final, and keeps no groups \
                 that change."
            }
            Self::WaitsForPairs => {
                "Pairs come in no order of time, so rows would be dropped as late that one machine \
                 counts."
            }
            Self::Unlike => "Rows are told apart by their places in topics, and a pair has two.",
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::LooksUp => {
                "let what looks up be a view of its own, and put its rows together with the others"
            }
            Self::GroupsPairs => {
                "make a view of the pairs, and group over that with EMIT ON UPDATE"
            }
            Self::WaitsForPairs => {
                "group the pairs by a column with date_bin or date_trunc and EMIT ON UPDATE"
            }
            Self::Unlike => "make a view of the pairs, and read that on a side of UNION ALL",
        }
    }
}
