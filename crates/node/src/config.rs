//! `Config`: every setting of a node, read from `default.toml` and a file laid over it.
//!
//! `default.toml` is the only home of defaults. It never asks the environment, and a setting
//! that it does not know is refused by name and line.

mod cluster;
mod layer;
mod limits;
mod reference;
mod span;
#[cfg(test)]
mod tests;

use std::{fmt, path::Path};

use mainstem_kernel::ByteSize;
use serde::{Deserialize, Deserializer, de::Error};

#[cfg(feature = "cluster")]
pub(crate) use cluster::ClusterLimits;
pub use cluster::{ClusterSettings, RoleSetting, SettingError};
pub use layer::ConfigError;
pub use reference::settings_page;
pub use span::Span;

/// Every setting with its default and its meaning, as `--print-config` prints it.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// Every setting of a node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Memory of the whole process, split by fixed shares.
    pub memory: Memory,
    /// What is told on standard error.
    pub trace: TraceConfig,
    /// Room that stays free.
    pub disk: DiskConfig,
    /// The log on disk.
    pub journal: JournalConfig,
    /// Delta tables.
    pub history: HistoryConfig,
    /// The way in.
    pub admit: AdmitConfig,
    /// Questions.
    pub sql: SqlConfig,
    /// Rows by key.
    pub table: TableConfig,
    /// Views.
    pub flow: ViewConfig,
    /// The HTTP door.
    pub http: HttpConfig,
    /// Engines beyond one machine.
    pub cluster: ClusterSettings,
}

/// What is told on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceConfig {
    /// Least level, also by part: `info,mainstem_log=debug`.
    pub level: String,
    /// For people or for programs.
    pub format: TraceFormat,
}

/// How lines on standard error are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Room that stays free.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskConfig {
    /// Percent of the file system that stays free; with less, writes are refused.
    pub free_min: Percent,
    /// What is always enough, however large the file system is.
    pub free_enough: ByteSize,
}

/// The log on disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalConfig {
    /// Size of one journal file.
    pub file_size: ByteSize,
    /// Largest journal; writes slow down at 80 % and are refused at 100 %.
    pub size_max: ByteSize,
    /// Largest append, and most that one sync makes durable.
    pub group_size_max: ByteSize,
    /// Appends that wait for the disk.
    pub queue_max: usize,
    /// Loaders and Kafka producers whose place is remembered.
    pub producers_max: usize,
    /// How long an Idempotency-Key is remembered.
    pub request_keep: Span,
    /// Writes are refused while the wall clock is this far behind the newest row.
    pub clock_behind_max: Span,
    /// Start although the journal is damaged, leaving out what is damaged.
    pub accept_damage: bool,
}

/// Delta tables.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryConfig {
    /// A file is closed at this size, however young it is.
    pub file_size_max: ByteSize,
}

/// The way in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmitConfig {
    /// Threads that decode and check rows; 0 for one per core.
    pub workers: usize,
    /// Payload that a worker writes at once.
    pub frame_bytes_max: ByteSize,
    /// Rows that a worker writes at once.
    pub frame_rows_max: usize,
    /// Longest wait for more small requests.
    pub gather_max: Span,
    /// Event times further ahead of arrival are rejected.
    pub ahead_max: Span,
}

/// Questions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    /// Longest time of one query.
    pub query_time_max: Span,
    /// Largest memory of one query.
    pub query_memory_max: ByteSize,
    /// Queries at once.
    pub queries_max: usize,
    /// Threads that one query is planned for; 0 for one per core.
    pub threads: usize,
}

/// Rows by key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Writes of one application that wait to be decided.
    pub queue_max: usize,
    /// Rows that one statement may change.
    pub statement_rows_max: usize,
    /// Checkpoints that are kept for feeds that go on after a pause: how many.
    pub redo_files_max: usize,
    /// And how large together.
    pub redo_size_max: ByteSize,
    /// Changes that feeds find in memory.
    pub feed_size_max: ByteSize,
    /// Longest time that committed changes wait for more before the store gets them.
    pub apply_interval: Span,
}

/// Views.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewConfig {
    /// Threads that one application runs its views in; 0 for one per core.
    pub threads: usize,
    /// Rows that views take at once, in bytes of memory.
    pub step_size_max: ByteSize,
    /// Memory for tables that views of one application look up: a share of `memory`, or a size.
    pub lookup_size_max: Memory,
    /// Longest time between a change and its checkpoint.
    pub checkpoint_interval: Span,
    /// Shortest time between two checkpoints while rows of views wait to leave.
    pub outgoing_interval: Span,
}

/// The HTTP door.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Largest body as it is sent.
    pub body_size_max: ByteSize,
    /// Largest body once it is decompressed.
    pub decoded_size_max: ByteSize,
    /// How many times larger decompression may make a body.
    pub decompression_ratio_max: u64,
    /// Connections at once.
    pub connections_max: usize,
    /// Time for a request's head, and between two parts of its body.
    pub read_time_max: Span,
    /// Change feeds at once.
    pub feeds_max: usize,
    /// Longest time that a read waits for a position.
    pub wait_max: Span,
}

impl Config {
    /// The defaults.
    ///
    /// # Errors
    /// Never for the program as it was tested.
    pub fn defaults() -> Result<Self, ConfigError> {
        layer::read(Path::new("default.toml"), "")
    }

    /// The defaults with the settings of `text` laid over them; `path` names it in errors.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn read(path: &Path, text: &str) -> Result<Self, ConfigError> {
        layer::read(path, text)
    }
}

/// A budget of memory: a share of what the machine has, or a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Percent of the machine's or container's memory.
    Share(Percent),
    /// That much.
    Size(ByteSize),
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(percent) = text.trim().strip_suffix('%') {
            let percent = percent.trim().parse().ok().and_then(Percent::new);
            return percent.map(Self::Share).ok_or_else(|| {
                D::Error::custom(format!("expected a share from 1% to 95%, found \"{text}\""))
            });
        }
        text.parse().map(Self::Size).map_err(D::Error::custom)
    }
}

/// 1 to 95 percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// Takes 1 to 95.
    #[must_use]
    pub fn new(percent: u8) -> Option<Self> {
        (1..=95).contains(&percent).then_some(Self(percent))
    }

    /// That share of a size.
    #[must_use]
    pub fn of(self, size: ByteSize) -> ByteSize {
        ByteSize(size.0 / 100 * u64::from(self.0))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = u8::deserialize(deserializer)?;
        Self::new(percent)
            .ok_or_else(|| D::Error::custom(format!("expected 1 to 95 percent, found {percent}")))
    }
}
