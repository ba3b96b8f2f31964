//! The doors: sockets and sessions; the only crate that knows a status code.
//!
//! It never decides what a row means and never writes a file.

mod http;

use std::{fmt::Debug, future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use mainstem_admit::Admission;
use mainstem_app::Apps;
use mainstem_catalog::Catalog;
use mainstem_kernel::{
    ByteSize, Offsets, Position, Problem, Reached, StreamId, clock::SharedClock, metrics::Metrics,
    spawn::SharedSpawn,
};
use mainstem_log::SharedLog;
use mainstem_sql::{Engine, SharedQuestions};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::watch};
use utoipa::ToSchema;

/// Limits of the HTTP door.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Largest body as it is sent.
    pub body_size_max: ByteSize,
    /// Largest body once it is decompressed.
    pub decoded_size_max: ByteSize,
    /// Largest ratio of the two, for bodies that are larger than 1 MiB once decompressed.
    pub decompression_ratio_max: u64,
    /// All bodies together that are being received and decompressed; beyond it requests are
    /// refused as busy.
    pub bodies_size_max: ByteSize,
    /// Connections at once.
    pub connections_max: usize,
    /// Time for a request's head, and between two reads of its body.
    pub read_time_max: Duration,
    /// Change feeds at once.
    pub feeds_max: usize,
    /// Longest time that `?wait=` waits.
    pub wait_max: Duration,
}

/// What the doors lead to.
#[derive(Clone, Debug)]
pub struct GatewayParts {
    /// Events go here.
    pub admission: Arc<Admission>,
    /// Questions go here.
    pub questions: SharedQuestions,
    /// Applications go here.
    pub apps: Arc<Apps>,
    /// Names of streams.
    pub catalog: Arc<Catalog>,
    /// What only one machine has.
    pub local: Option<Local>,
    /// Feeds of a node of many.
    pub feeds: Option<Arc<dyn RemoteFeeds>>,
    /// The node's own affairs.
    pub control: Arc<dyn Control>,
    /// Time.
    pub clock: SharedClock,
    /// Tasks.
    pub spawn: SharedSpawn,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The only key: whoever bears it may do everything.
    pub admin_key: Arc<str>,
}

/// What only one machine has: one order, and feeds that come from it.
#[derive(Clone, Debug)]
pub struct Local {
    /// Feeds come from here.
    pub log: SharedLog,
    /// Rows by key, as they change.
    pub engine: Arc<Engine>,
}

/// Where a feed of a node of many begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedBegin {
    /// At the first row that there is.
    Earliest,
    /// Behind the last one.
    Now,
    /// At a place that was told of.
    At(Offsets),
}

/// Feeds of changes of a node of many.
pub trait RemoteFeeds: Debug + Send + Sync {
    /// Follows a stream, a table or a view. Blocks for a while.
    ///
    /// # Errors
    /// The problem that stands against it.
    fn follow(&self, object: StreamId, begin: FeedBegin) -> Result<Box<dyn RemoteFeed>, Problem>;
}

/// The data of an event, and the place behind it where there is one.
pub type RemoteEvent = (Vec<u8>, Option<Offsets>);

/// A feed of a node of many. What is not read is kept by nobody but the log.
pub trait RemoteFeed: Send {
    /// What there is by now. Waits for nothing.
    ///
    /// # Errors
    /// The problem that ends it.
    fn read(&mut self) -> Result<Vec<RemoteEvent>, Problem>;
    /// How far it was read.
    fn place(&self) -> Offsets;
}

/// An answer of the node that takes a while.
pub type Later<T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send>>;

/// What the node does for its doors.
pub trait Control: Debug + Send + Sync {
    /// Whether requests are served, and by which applications not.
    ///
    /// # Errors
    /// The problem that stands against it.
    fn ready(&self) -> Result<Readiness, Problem>;
    /// Whether events and questions are for this node; whatever is said of the node itself is.
    ///
    /// # Errors
    /// The problem that says where they are to go.
    fn door(&self) -> Result<(), Problem> {
        Ok(())
    }
    /// How the node is doing.
    fn status(&self) -> Status;
    /// Archives a stream, or all, up to now.
    fn flush(&self, stream: Option<String>) -> Later<Position>;
    /// Writes a consistent copy into an empty or absent folder of the node's machine.
    fn backup(&self, folder: PathBuf) -> Later<BackupSummary>;
    /// Opens or closes the doors to writes; the position is the newest that was written before. It
    /// returns once no write is under way.
    fn doors(&self, doors: Doors) -> Later<Position>;
    /// Called after every apply: streams may have come, gone or changed.
    fn definitions_changed(&self);
}

/// What becomes of writes while data is moved to another server; reads always go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase", deny_unknown_fields)]
pub enum Doors {
    /// They are taken.
    Open,
    /// They are refused for so long, ten seconds at most, and are taken again by themselves then.
    Paused {
        /// The time.
        milliseconds: u64,
    },
    /// They are refused, and told to go to another server, also after a restart.
    Moved {
        /// Its address.
        to: String,
    },
}

/// Requests are served. Whoever asks needs no key, so it says no more than which applications stand
/// still: one of them is no reason to take the whole node out of service.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Applications whose tables and views stand still; the status says why.
    pub paused: Vec<Standing>,
}

/// An application that stands still.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Standing {
    /// Name.
    pub name: String,
    /// Code of the reason.
    pub code: String,
}

/// How a node is doing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// The newest durable position.
    #[schema(value_type = String)]
    pub position: Reached,
    /// Why writes are refused at present.
    pub problem: Option<String>,
    /// Resident bytes of the process.
    pub memory_resident_bytes: u64,
    /// The memory budget.
    pub memory_budget_bytes: u64,
    /// Journal files on disk.
    pub journal_bytes: u64,
    /// Journal bytes that are not in history.
    pub journal_live_bytes: u64,
    /// Parquet files of history.
    pub history_files: u64,
    /// Their bytes.
    pub history_bytes: u64,
    /// By application.
    pub apps: Vec<AppStatus>,
    /// By name.
    pub streams: Vec<StreamStatus>,
    /// Versions of views that run, by application.
    #[serde(default)]
    pub views: Vec<ViewStatus>,
    /// Applications whose tables and views stand still.
    #[serde(default)]
    pub paused: Vec<PausedApp>,
    /// Applications of which tables cannot be asked yet, because they were just applied or the
    /// node has just started.
    #[serde(default)]
    pub starting: Vec<String>,
    /// Of a node of many: rows of views and tables on their way to where they are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptStatus>,
}

/// Rows of views and tables, on their way to Cassandra.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeptStatus {
    /// Whether this node writes any.
    pub writes: bool,
    /// Partitions of changes that this node has.
    pub partitions: u64,
    /// Rows that it has written since it was started.
    pub rows: u64,
    /// Rows that it could not write and has set aside.
    pub dead_letters: u64,
    /// Changes that are not written yet, for all nodes.
    pub lag_rows: u64,
}

/// An application of a node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = App)]
pub struct AppStatus {
    /// Name.
    pub name: String,
    /// Version from its `mainstem.toml`.
    pub version: Option<String>,
    /// How often it was applied.
    pub revision: u32,
}

/// An application whose tables and views stand still.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PausedApp {
    /// Name.
    pub name: String,
    /// Why.
    pub problem: String,
}

/// A version of a view that runs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ViewStatus {
    /// Name.
    pub name: String,
    /// Its application.
    pub app: String,
    /// `live`, `ready` to be shown, `building`, `starting` or `paused`.
    pub state: String,
    /// While it is built: how much of its input it has read.
    pub percent: Option<u8>,
    /// While it is built: rows of its input that it has read.
    #[serde(default)]
    pub rows_read: Option<u64>,
    /// While it is built: rows of its input as far as is known.
    #[serde(default)]
    pub rows_to_read: Option<u64>,
    /// While it is built: how long the rest takes at the present pace.
    pub remaining_seconds: Option<u64>,
    /// How far it is behind the newest durable row.
    pub behind_ms: u64,
    /// Rows and changes that it has told since the start.
    pub rows: u64,
    /// Rows on which it failed since the start.
    pub dead_letters: u64,
    /// Rows that came too late since the start.
    pub late: u64,
    /// Its state in memory.
    pub state_bytes: u64,
    /// Its groups in memory.
    #[serde(default)]
    pub groups: u64,
    /// Which version of it: another number once it was changed.
    #[serde(default)]
    pub version: u64,
    /// The operators of its plan, from the inputs up; nothing where they are not counted.
    #[serde(default)]
    pub operators: Vec<OperatorStatus>,
    /// Why it stands still, if it does.
    pub problem: Option<String>,
}

/// How an operator of a view's plan goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperatorStatus {
    /// Rows and changes that came out of it since the view was opened.
    pub rows: u64,
    /// Its state in memory.
    pub state_bytes: u64,
}

/// A stream of a node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StreamStatus {
    /// Name.
    pub name: String,
    /// Its application.
    pub app: String,
    /// Rows in history.
    pub history_rows: u64,
    /// Rows in the log and not yet in history.
    pub log_rows: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Rows among its dead letters.
    pub dead_letters: u64,
}

/// What a backup holds.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackupSummary {
    /// Where it is.
    #[schema(value_type = String)]
    pub folder: PathBuf,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// It holds everything up to here.
    #[schema(value_type = String)]
    pub position: Position,
}

/// Serves HTTP on a listener until `shutdown` turns true, then lets requests under way finish.
///
/// # Errors
/// When the listener breaks.
pub async fn serve_http(
    parts: GatewayParts,
    config: HttpConfig,
    listener: TcpListener,
    shutdown: watch::Receiver<bool>,
) -> std::io::Result<()> {
    http::listener::serve(http::Door::new(parts, config, shutdown), listener).await
}

/// The description of every route, as `/openapi.json` serves it.
#[must_use]
pub fn openapi_json() -> &'static str {
    http::openapi::document()
}
