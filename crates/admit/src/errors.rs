//! Why a request was refused as a whole. What is wrong with one row is a dead letter instead.

use std::{io, sync::Arc, time::Duration};

use arrow::error::ArrowError;
use mainstem_kernel::{Answer, ByteSize, Code, Fault};
use mainstem_log::SharedFault;

use crate::NAME_BYTES_MAX;

/// How long a sender should wait when the node is full.
pub(crate) const BUSY_WAIT: Duration = Duration::from_secs(1);

/// Why a request was refused as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// Caller: apply an application that declares it, or correct the name.
    #[error("there is no stream \"{stream}\"")]
    UnknownStream {
        /// As the request spells it.
        stream: String,
        /// A stream that is spelled nearly the same.
        near: Option<String>,
    },
    /// Caller: send to the stream itself.
    #[error("stream \"{stream}\" keeps dead letters and is written by the node alone")]
    DeadLetters {
        /// The stream.
        stream: String,
    },
    /// Caller: write to the topic.
    #[error("rows of stream \"{stream}\" come from topic \"{topic}\", which others write")]
    Foreign {
        /// The stream.
        stream: String,
        /// The topic.
        topic: String,
    },
    /// Caller: send fewer events per request.
    #[error("body of {size} is larger than {limit}")]
    BodyTooLarge {
        /// Of the body, decompressed.
        size: ByteSize,
        /// `body_size_max`.
        limit: ByteSize,
    },
    /// Caller: choose a name of another length.
    #[error("{what} has {bytes} bytes, expected 1 to {NAME_BYTES_MAX}")]
    NameLength {
        /// Idempotency key or loader's name.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// Node: send it again after a moment.
    #[error("{limit} of payload are waiting to be made durable")]
    Busy {
        /// `queue_bytes_max`.
        limit: ByteSize,
    },
    /// Node: send it again once the node is back.
    #[error("the node is shutting down")]
    Closed,
    /// Caller: use another idempotency key.
    #[error("the idempotency key was used for another body")]
    KeyReused,
    /// Caller: go on from the row that is next.
    #[error("rows begin with {found}, expected {expected}")]
    Gap {
        /// The next row of this loader.
        expected: u64,
        /// The request's first row.
        found: u64,
    },
    /// Node: restart it, then send the request again.
    #[error("the log stopped before it said whether the request was kept")]
    Unknown,
    /// Caller: name the column in the header.
    #[error("the CSV header does not name column \"{column}\", which is NOT NULL")]
    HeaderMissing {
        /// The column.
        column: String,
    },
    /// Caller: name the column once.
    #[error("the CSV header names column \"{column}\" twice")]
    HeaderTwice {
        /// The column.
        column: String,
    },
    /// Caller: begin with a header.
    #[error("the first line of the CSV body names no column of the stream")]
    HeaderUnknown {
        /// What would have been recognised.
        expected: String,
    },
    /// Caller: send UTF-8.
    #[error("the CSV header is not UTF-8")]
    HeaderText,
    /// Caller: correct the CSV body.
    #[error("the CSV body could not be read")]
    Csv {
        /// What the reader met.
        #[source]
        source: csv::Error,
    },
    /// Caller: send an Arrow IPC stream.
    #[error("the body is not an Arrow stream that can be taken: {reason}")]
    ArrowBody {
        /// What was met.
        reason: String,
    },
    /// Caller: cast the column.
    #[error("column \"{column}\" comes as {found}, expected {expected}")]
    ArrowColumn {
        /// The column.
        column: String,
        /// Its Arrow type in the body.
        found: String,
        /// The declared type.
        expected: String,
    },
    /// Caller: add the column.
    #[error("column \"{column}\" is NOT NULL and missing")]
    ArrowMissing {
        /// The column.
        column: String,
    },
    /// Node: a defect; nothing was kept.
    #[error("the rows could not be encoded")]
    Encode {
        /// What Arrow says.
        #[source]
        source: Arc<ArrowError>,
    },
    /// Node or caller, as the log says: nothing of the request was kept.
    #[error("the log did not keep the request")]
    Log {
        /// What the log says. Several requests may have been refused together.
        #[source]
        source: SharedFault,
    },
    /// Node: give it more threads.
    #[error("could not start an admission worker")]
    Thread {
        /// What the machine says.
        #[source]
        source: io::Error,
    },
}

impl Fault for AdmitError {
    fn answer(&self) -> Answer {
        match self {
            Self::UnknownStream { .. } => Answer::caller(Code::Admit001),
            Self::BodyTooLarge { .. } => Answer::caller(Code::Admit002),
            Self::Busy { .. } => Answer::busy(Code::Admit003, BUSY_WAIT),
            Self::Closed => Answer::busy(Code::Admit004, BUSY_WAIT),
            Self::KeyReused => Answer::caller(Code::Admit005),
            Self::Gap { .. } => Answer::caller(Code::Admit006),
            Self::Unknown => Answer::restart(Code::Admit007),
            Self::HeaderMissing { .. }
            | Self::HeaderTwice { .. }
            | Self::HeaderUnknown { .. }
            | Self::HeaderText
            | Self::Csv { .. } => Answer::caller(Code::Admit008),
            Self::ArrowBody { .. } => Answer::caller(Code::Admit009),
            Self::ArrowColumn { .. } | Self::ArrowMissing { .. } => Answer::caller(Code::Admit010),
            Self::NameLength { .. } => Answer::caller(Code::Admit011),
            Self::DeadLetters { .. } => Answer::caller(Code::Admit012),
            Self::Foreign { .. } => Answer::caller(Code::Admit015),
            Self::Encode { .. } => Answer::node(Code::Admit013),
            Self::Log { source } => source.answer(),
            Self::Thread { .. } => Answer::node(Code::Admit014),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Log { source } => Some(source.detail().unwrap_or_else(|| source.to_string())),
            Self::Csv { source } => Some(source.to_string()),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::UnknownStream {
                near: Some(near), ..
            } => format!("did you mean \"{near}\"?"),
            Self::UnknownStream { near: None, .. } => {
                "apply an application that declares it: mainstem apply APP".to_owned()
            }
            Self::DeadLetters { .. } => "send to the stream itself".to_owned(),
            Self::Foreign { topic, .. } => {
                format!("write to topic \"{topic}\", or declare a stream of your own")
            }
            Self::BodyTooLarge { .. } => "send fewer events per request".to_owned(),
            Self::NameLength { .. } => "use a random UUID".to_owned(),
            Self::Busy { .. } => "send it again after a second".to_owned(),
            Self::Closed => "send it again once the node is back".to_owned(),
            Self::KeyReused => "use a new Idempotency-Key for a new body".to_owned(),
            Self::Gap { expected, .. } => format!("send on from row {expected}"),
            Self::Unknown => {
                "restart the node and send it again with the same Idempotency-Key".to_owned()
            }
            Self::HeaderMissing { column } => format!("add a field \"{column}\" to the header"),
            Self::HeaderTwice { .. } => "name each column once".to_owned(),
            Self::HeaderUnknown { expected } => format!("begin with a header of: {expected}"),
            Self::HeaderText => "convert the file to UTF-8".to_owned(),
            Self::ArrowBody { .. } => {
                "send the stream format with plain, uncompressed columns".to_owned()
            }
            Self::ArrowColumn { .. } => "cast the column before sending".to_owned(),
            Self::ArrowMissing { .. } => "add the column".to_owned(),
            Self::Log { source } => return source.hint(),
            Self::Csv { .. } | Self::Encode { .. } | Self::Thread { .. } => return None,
        };
        Some(text)
    }
}

/// What Arrow refused.
pub(crate) fn encode(source: ArrowError) -> AdmitError {
    AdmitError::Encode {
        source: Arc::new(source),
    }
}
