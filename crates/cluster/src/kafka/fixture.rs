//! Streams and drafts to test with.

#[cfg(feature = "engines")]
use std::process::{Child, Command};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use mainstem_catalog::{Durability, SchemaEntry, StreamDef, StreamSpec};
use mainstem_kernel::{
    AppName, ByteSize, Column, ColumnName, ColumnType, Columns, PartitionId, SchemaVersion, Seq,
    StreamId, StreamName, TenantId, key::partition_of,
};
use mainstem_log::{Draft, DraftEntry, Stamp};

/// `readings (device TEXT NOT NULL, n BIGINT) PARTITION BY (device)` as stream 16.
pub(crate) fn readings(partitions: u16) -> StreamDef {
    let column = |id, name: &str, ty| Column {
        id,
        name: ColumnName::new(name).unwrap(),
        ty,
        nullable: id > 1,
    };
    let columns = Columns(vec![
        column(1, "device", ColumnType::Text),
        column(2, "n", ColumnType::BigInt),
    ]);
    let spec = StreamSpec {
        name: StreamName::new("readings").unwrap(),
        columns: columns.clone(),
        partition_by: vec![ColumnName::new("device").unwrap()],
        partitions,
        watermark: None,
        retention: Some(Duration::from_secs(7 * 86_400)),
        deduplicate: None,
        foreign: None,
        durability: Durability::Strict,
        event_size_max: ByteSize::kib(32),
        sql: "CREATE STREAM readings (…)".to_owned(),
    };
    StreamDef {
        id: StreamId(16),
        tenant: TenantId::ONLY,
        app: AppName::new("shop").unwrap(),
        spec,
        schemas: vec![SchemaEntry {
            version: SchemaVersion(1),
            columns,
        }],
        dead_letters: None,
        created: Seq(1),
        dropped: None,
    }
}

/// Rows of `readings`, by partition.
pub(crate) fn draft(rows: &[(&str, i64)], partitions: u16, stamp: Option<Stamp>) -> Draft {
    let mut places: BTreeMap<u16, Vec<(&str, i64)>> = BTreeMap::new();
    for (device, n) in rows {
        let place = partition_of(device.as_bytes(), partitions);
        places.entry(place).or_default().push((*device, *n));
    }
    let entries = places.iter().map(|(place, rows)| DraftEntry {
        partition: PartitionId(*place),
        rows: u32::try_from(rows.len()).unwrap(),
        stamp,
    });
    let sorted: Vec<(&str, i64)> = places.values().flatten().copied().collect();
    let devices: ArrayRef = Arc::new(StringArray::from_iter_values(
        sorted.iter().map(|(device, _)| *device),
    ));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(sorted.iter().map(|(_, n)| *n)));
    let batch = RecordBatch::try_from_iter([("device", devices), ("n", numbers)]).unwrap();
    Draft::encode(StreamId(16), SchemaVersion(1), entries.collect(), batch).unwrap()
}

/// Another process of these tests, to be killed or held up.
#[cfg(feature = "engines")]
#[derive(Debug)]
pub(crate) struct Process(Child);

#[cfg(feature = "engines")]
impl Process {
    /// Runs one test of this program, which finds `value` in the environment.
    pub(crate) fn start(test: &str, (variable, value): (&str, &str)) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut command = Command::new(this);
        command.args([test, "--exact", "--nocapture"]);
        command.env(variable, value);
        Self(command.spawn().unwrap())
    }

    /// Such as `-9` or `-STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.0.id().to_string();
        let done = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(done.success());
    }
}

#[cfg(feature = "engines")]
impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed before.
        self.0.kill().unwrap_or_default();
        self.0.wait().unwrap();
    }
}
