//! Why an engine did not do what it was asked for.

use std::{error::Error, time::Duration};

use mainstem_kernel::{Answer, Blame, ByteSize, Code, Fault, Retry, StreamId};

/// What a client of an engine said, whatever it is.
pub(crate) type Source = Box<dyn Error + Send + Sync>;

/// Why an engine did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// Dependency: passes once a broker can be reached.
    #[error("none of the Kafka brokers {brokers} could be reached")]
    Unreachable {
        /// The brokers that were asked.
        brokers: String,
        /// What the client said.
        #[source]
        source: Source,
    },
    /// Operator: the address is that of another program.
    #[error("\"{address}\" answers, and does not speak Kafka")]
    Stranger {
        /// One of the brokers.
        address: String,
    },
    /// Operator: this program relies on what the broker does not have.
    #[error("the broker at \"{address}\" is older than Kafka 2.5: it knows no {lacks}")]
    Version {
        /// One of the brokers.
        address: String,
        /// What it would have to know.
        lacks: &'static str,
    },
    /// Operator: the topic is not this stream's.
    #[error("topic \"{topic}\" has {found} partitions, its stream has {wanted}")]
    Partitions {
        /// The topic.
        topic: String,
        /// Of the topic.
        found: usize,
        /// Of the stream.
        wanted: u16,
    },
    /// Operator: the topic must keep what its stream declares.
    #[error("topic \"{topic}\" has {setting} = {found}, which is less than its stream declares")]
    Retention {
        /// The topic.
        topic: String,
        /// `retention.ms` or `retention.bytes`.
        setting: &'static str,
        /// As the topic has it.
        found: String,
        /// As it has to be.
        wanted: String,
    },
    /// Operator: with this setting acknowledged rows could be lost.
    #[error("topic \"{topic}\" has {setting} = {found}, expected {wanted}")]
    Unsafe {
        /// The topic.
        topic: String,
        /// Which setting.
        setting: &'static str,
        /// As the topic has it.
        found: String,
        /// As it has to be.
        wanted: String,
    },
    /// Dependency: rows may or may not be there; a retry under the same key completes them.
    #[error("Kafka did not acknowledge rows of topic \"{topic}\" within {} s", .limit.as_secs())]
    Unacknowledged {
        /// The topic.
        topic: String,
        /// How long it had.
        limit: Duration,
        /// What the client said.
        #[source]
        source: Source,
    },
    /// Operator: what the broker said has to be mended.
    #[error("Kafka refused to {doing} \"{topic}\"")]
    Refused {
        /// What was asked for.
        doing: &'static str,
        /// The topic.
        topic: String,
        /// What the broker said.
        #[source]
        source: Source,
    },
    /// Caller: another node has begun to change definitions.
    #[error("another node has taken over control of \"{topic}\"")]
    Fenced {
        /// The topic of definitions.
        topic: String,
    },
    /// Caller: plan again.
    #[error("definitions have changed: known up to {known}, there are {found}")]
    Behind {
        /// Changes that this node knows of.
        known: u64,
        /// Changes that there are.
        found: u64,
    },
    /// Operator: somebody else writes to a topic that is only ours.
    #[error("record {offset} of partition {partition} of topic \"{topic}\" is not ours: {reason}")]
    Record {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// What was expected.
        reason: &'static str,
    },
    /// Caller: read history, or begin later.
    #[error("topic \"{topic}\" does not hold offset {wanted} of partition {partition} any more")]
    Gone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// What was asked for.
        wanted: u64,
    },
    /// Caller: shorten the row.
    #[error("a row of {size} is more than Kafka takes for topic \"{topic}\"")]
    TooLarge {
        /// The topic.
        topic: String,
        /// The row as JSON.
        size: ByteSize,
    },
    /// Operator: this machine gives no more threads.
    #[error("thread \"{name}\" could not be started")]
    Thread {
        /// What it was to do.
        name: &'static str,
        /// What the machine said.
        #[source]
        source: std::io::Error,
    },
    /// Node: another one works on; nothing that this one wrote stays.
    #[error("another member of \"{group}\" has taken over")]
    Superseded {
        /// The consumer group, or the name of who writes.
        group: String,
        /// What the broker said.
        #[source]
        source: Source,
    },
    /// Operator: rows were deleted before they were worked on.
    #[error(
        "group \"{group}\" has read partition {partition} of topic \"{topic}\" up to {wanted}, and its first offset is {first}"
    )]
    Outrun {
        /// The consumer group.
        group: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the group goes on.
        wanted: u64,
        /// What the topic still has.
        first: u64,
    },
    /// Caller: a defect of whoever built the append.
    #[error("rows of stream {stream} do not fit its definition: {reason}")]
    Shape {
        /// The stream.
        stream: StreamId,
        /// What was expected.
        reason: String,
    },
}

/// The operator of an engine has to act; nothing is lost by trying on.
const fn dependency(code: Code) -> Answer {
    Answer {
        code,
        blame: Blame::Dependency,
        retry: Retry::Backoff,
    }
}

impl Fault for ClusterError {
    fn answer(&self) -> Answer {
        match self {
            Self::Unreachable { .. } => dependency(Code::Clus001),
            Self::Stranger { .. } | Self::Version { .. } => dependency(Code::Clus114),
            Self::Partitions { .. } => dependency(Code::Clus002),
            Self::Retention { .. } => dependency(Code::Clus003),
            Self::Unsafe { .. } => dependency(Code::Clus004),
            Self::Unacknowledged { .. } => dependency(Code::Clus005),
            Self::Refused { .. } => dependency(Code::Clus006),
            Self::Fenced { .. } => Answer::caller(Code::Clus007),
            Self::Behind { .. } => Answer::caller(Code::Clus008),
            Self::Record { .. } => dependency(Code::Clus009),
            Self::Gone { .. } => Answer::caller(Code::Clus010),
            Self::TooLarge { .. } => Answer::caller(Code::Clus011),
            Self::Thread { .. } => Answer::node(Code::Clus065),
            Self::Superseded { .. } => Answer::node(Code::Clus080),
            Self::Outrun { .. } => dependency(Code::Clus081),
            Self::Shape { .. } => Answer::caller(Code::Log006),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { .. } => {
                "see whether the brokers run, and compare cluster.kafka with their \
                 advertised.listeners"
                    .to_owned()
            }
            Self::Stranger { .. } => "name host and port of a listener of the brokers that speaks \
                 PLAINTEXT in cluster.kafka"
                .to_owned(),
            Self::Version { .. } => "run Apache Kafka 4".to_owned(),
            Self::Partitions { topic, wanted, .. } => format!(
                "delete topic \"{topic}\" if it holds nothing that is needed, or declare the \
                 stream anew; {wanted} partitions cannot be had from another number"
            ),
            Self::Retention {
                topic,
                setting,
                wanted,
                ..
            }
            | Self::Unsafe {
                topic,
                setting,
                wanted,
                ..
            } => format!("set {setting} = {wanted} for topic \"{topic}\""),
            Self::Unacknowledged { .. } => {
                "send it again under the same Idempotency-Key; see whether enough brokers run for \
                 min.insync.replicas, and whether their disks are full"
                    .to_owned()
            }
            Self::Refused { .. } => {
                "the node's log has what Kafka said. Most often rights are missing: mainstem \
                 explain-error CLUS-006 lists them"
                    .to_owned()
            }
            Self::Fenced { .. } | Self::Behind { .. } => {
                "plan again on what the other node has changed".to_owned()
            }
            Self::Record { .. } => "bring all nodes to one version, and let nobody else write to \
                 this topic"
                .to_owned(),
            Self::Gone { .. } => "read history, or begin at the earliest position".to_owned(),
            Self::TooLarge { topic, .. } => format!(
                "raise max.message.bytes of topic \"{topic}\", or lower event_size_max of the \
                 stream"
            ),
            Self::Thread { .. } => "raise the limit of processes of this machine".to_owned(),
            Self::Superseded { .. } => {
                "nothing is lost: it goes on where the last commit was. If it happens all the \
                 time, nodes are held up for longer than the session of their group"
                    .to_owned()
            }
            Self::Outrun { topic, .. } => format!(
                "raise retention.ms of topic \"{topic}\"; to go on without what is gone, move \
                 the group to its first offset with kafka-consumer-groups.sh --reset-offsets \
                 --to-earliest"
            ),
            Self::Shape { .. } => return None,
        })
    }
}
