//! Delta's actions as plain data, in the order and with the names of the protocol. Never any I/O.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{compute::kernels::cast_utils::Parser, datatypes::Date32Type};
use mainstem_kernel::{Seq, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    columns::DAY_COLUMN,
    pinned::{DataFile, FileStats},
};

/// One line of an entry, one row of a checkpoint: exactly one of these is there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Action {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit_info: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta_data: Option<MetaData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) txn: Option<Txn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remove: Option<Remove>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) add: Option<Add>,
}

macro_rules! into_action {
    ($($ty:ident as $field:ident),*) => {
        $(impl From<$ty> for Action {
            fn from(action: $ty) -> Self {
                Self { $field: Some(action), ..Self::default() }
            }
        })*
    };
}

into_action!(
    Protocol as protocol,
    MetaData as meta_data,
    Txn as txn,
    Remove as remove,
    Add as add
);

/// Who can read and write the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) min_reader_version: i32,
    pub(crate) min_writer_version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reader_features: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) writer_features: Option<Vec<String>>,
}

impl Protocol {
    /// What every program reads.
    pub(crate) fn plain() -> Self {
        let (reader_features, writer_features) = (None, None);
        Self {
            min_reader_version: 1,
            min_writer_version: 2,
            reader_features,
            writer_features,
        }
    }

    /// With column mapping, named as a feature so that a program that does not know it refuses:
    /// as reader version 2, delta-rs 1.6 reads NULL instead.
    pub(crate) fn mapped() -> Self {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        Self {
            min_reader_version: 3,
            min_writer_version: 7,
            reader_features: list(&["columnMapping"]),
            writer_features: list(&["appendOnly", "columnMapping", "invariants"]),
        }
    }
}

/// Columns and configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaData {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) format: Format,
    pub(crate) schema_string: String,
    pub(crate) partition_columns: Vec<String>,
    pub(crate) configuration: BTreeMap<String, String>,
    pub(crate) created_time: Option<i64>,
}

/// Always Parquet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
}

/// How far an application has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: i64,
    pub(crate) last_updated: Option<i64>,
}

/// A file that is in the table from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    pub(crate) path: String,
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    pub(crate) size: u64,
    pub(crate) modification_time: i64,
    pub(crate) data_change: bool,
    pub(crate) stats: Option<String>,
}

/// A file that is not in the table any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remove {
    pub(crate) path: String,
    pub(crate) deletion_timestamp: i64,
    pub(crate) data_change: bool,
    pub(crate) extended_file_metadata: bool,
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    pub(crate) size: u64,
}

/// The JSON text in `Add::stats`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    num_records: u64,
    min_values: Map<String, Value>,
    max_values: Map<String, Value>,
    null_count: Map<String, Value>,
}

/// Name of the seq's column in statistics; it is never renamed.
const SEQ: &str = mainstem_kernel::types::SEQ_COLUMN;

impl Add {
    /// Adds a file that was just written, or moves rows between files.
    pub(crate) fn of(file: &DataFile, now: Timestamp, data_change: bool) -> Self {
        let stats = Stats {
            num_records: file.rows,
            min_values: file.stats.min.clone(),
            max_values: file.stats.max.clone(),
            null_count: file.stats.nulls.clone(),
        };
        Self {
            path: file.path.clone(),
            partition_values: day_values(file.day),
            size: file.size,
            modification_time: now.millis(),
            data_change,
            stats: serde_json::to_string(&stats).ok(),
        }
    }

    /// The file as the index keeps it. Says in words what is missing.
    pub(crate) fn into_file(self) -> Result<Arc<DataFile>, String> {
        let path = self.path;
        let stats = self
            .stats
            .ok_or_else(|| format!("\"{path}\" has no stats"))?;
        let stats: Stats = serde_json::from_str(&stats)
            .map_err(|error| format!("stats of \"{path}\": {error}"))?;
        let day = self
            .partition_values
            .get(DAY_COLUMN)
            .and_then(Option::as_deref);
        let day = day
            .and_then(parse_day)
            .ok_or_else(|| format!("\"{path}\" has no day"))?;
        let seq =
            |map: &Map<String, Value>| map.get(SEQ).and_then(Value::as_i64).map(Seq::from_i64);
        let (Some(first_seq), Some(last_seq)) = (seq(&stats.min_values), seq(&stats.max_values))
        else {
            return Err(format!("\"{path}\" has no bounds of {SEQ}"));
        };
        let (min, max, nulls) = (stats.min_values, stats.max_values, stats.null_count);
        Ok(Arc::new(DataFile {
            path,
            size: self.size,
            rows: stats.num_records,
            day,
            first_seq,
            last_seq,
            stats: FileStats { min, max, nulls },
        }))
    }
}

impl Remove {
    /// Takes a file out.
    pub(crate) fn of(file: &DataFile, now: Timestamp, data_change: bool) -> Self {
        Self {
            path: file.path.clone(),
            deletion_timestamp: now.millis(),
            data_change,
            extended_file_metadata: true,
            partition_values: day_values(file.day),
            size: file.size,
        }
    }
}

/// The folder of a day's files: `_day=2026-11-21`.
pub(crate) fn day_folder(day: i64) -> String {
    format!("{DAY_COLUMN}={}", day_text(day))
}

fn day_values(day: i64) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(DAY_COLUMN.to_owned(), Some(day_text(day)))])
}

/// `YYYY-MM-DD`.
pub(crate) fn day_text(day: i64) -> String {
    // A timestamp's text begins with its day.
    let text = Timestamp(day.saturating_mul(86_400_000_000)).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

fn parse_day(text: &str) -> Option<i64> {
    Date32Type::parse(text).map(i64::from)
}
