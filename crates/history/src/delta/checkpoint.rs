//! Checkpoints: the whole state of a table as one Parquet file, so that readers need not replay
//! every entry. Never decides when.
//!
//! Classic single-part checkpoints: a row per action, a struct column per kind of action. The
//! rows are built as JSON lines and decoded by arrow-json against `schema`; reading goes the other
//! way, so that both use the structs of `action`.

use std::{io, path::Path, sync::Arc};

use arrow::{
    datatypes::{DataType, Field, Fields, Schema, SchemaRef},
    json::{LineDelimitedWriter, ReaderBuilder},
};
use bytes::Bytes;
use mainstem_disk::{Disk, write_durably};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::Compression,
    errors::ParquetError,
    file::properties::WriterProperties,
};
use serde_json::json;

use super::{LOG_FOLDER, action::Action, checkpoint_path};

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8_192;

/// Why a checkpoint could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// Could not be encoded.
    #[error(transparent)]
    Encode(#[from] ParquetError),
    /// Could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Writes the checkpoint of `version`, synced, and then the hint that points to it.
pub(crate) fn write(
    disk: &dyn Disk,
    folder: &Path,
    version: u64,
    actions: &[Action],
) -> Result<(), CheckpointError> {
    let bytes = encode(actions)?;
    write_durably(disk, &folder.join(checkpoint_path(version)), &bytes)?;
    let adds = actions.iter().filter(|action| action.add.is_some()).count();
    let hint = json!({
        "version": version,
        "size": actions.len(),
        "sizeInBytes": bytes.len(),
        "numOfAddFiles": adds,
    });
    let path = folder.join(LOG_FOLDER).join("_last_checkpoint");
    Ok(write_durably(disk, &path, hint.to_string().as_bytes())?)
}

/// The bytes of a checkpoint.
pub(crate) fn encode(actions: &[Action]) -> Result<Vec<u8>, ParquetError> {
    let schema = schema();
    let mut decoder = ReaderBuilder::new(Arc::clone(&schema))
        .with_batch_size(BATCH_ROWS)
        .build_decoder()?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
    for some in actions.chunks(BATCH_ROWS) {
        decoder.serialize(some)?;
        if let Some(batch) = decoder.flush()? {
            writer.write(&batch)?;
        }
    }
    writer.into_inner()
}

/// The actions of a checkpoint.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<Vec<Action>, ParquetError> {
    let mut actions = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))?.build()? {
        let mut lines = LineDelimitedWriter::new(Vec::new());
        lines.write(&batch?)?;
        lines.finish()?;
        for line in lines
            .into_inner()
            .split(|byte| *byte == b'\n')
            .filter(|l| !l.is_empty())
        {
            let action = serde_json::from_slice(line);
            actions.push(action.map_err(|error| ParquetError::External(Box::new(error)))?);
        }
    }
    Ok(actions)
}

fn required(name: &str, ty: DataType) -> Field {
    Field::new(name, ty, false)
}

fn optional(name: &str, ty: DataType) -> Field {
    Field::new(name, ty, true)
}

fn map() -> DataType {
    let fields = [
        required("key", DataType::Utf8),
        optional("value", DataType::Utf8),
    ];
    let entries = required("key_value", DataType::Struct(Fields::from(fields.to_vec())));
    DataType::Map(Arc::new(entries), false)
}

fn list() -> DataType {
    DataType::List(Arc::new(required("element", DataType::Utf8)))
}

fn group(name: &str, fields: Vec<Field>) -> Field {
    optional(name, DataType::Struct(fields.into()))
}

/// The columns that the protocol asks for.
fn schema() -> SchemaRef {
    let (text, long, int, flag) = (
        DataType::Utf8,
        DataType::Int64,
        DataType::Int32,
        DataType::Boolean,
    );
    let format = vec![
        required("provider", text.clone()),
        optional("options", map()),
    ];
    Arc::new(Schema::new(vec![
        group(
            "txn",
            vec![
                required("appId", text.clone()),
                required("version", long.clone()),
                optional("lastUpdated", long.clone()),
            ],
        ),
        group(
            "add",
            vec![
                required("path", text.clone()),
                required("partitionValues", map()),
                required("size", long.clone()),
                required("modificationTime", long.clone()),
                required("dataChange", flag.clone()),
                optional("stats", text.clone()),
                optional("tags", map()),
            ],
        ),
        group(
            "remove",
            vec![
                required("path", text.clone()),
                optional("deletionTimestamp", long.clone()),
                required("dataChange", flag.clone()),
                optional("extendedFileMetadata", flag),
                optional("partitionValues", map()),
                optional("size", long.clone()),
            ],
        ),
        group(
            "metaData",
            vec![
                required("id", text.clone()),
                optional("name", text.clone()),
                optional("description", text.clone()),
                required("format", DataType::Struct(format.into())),
                required("schemaString", text),
                required("partitionColumns", list()),
                required("configuration", map()),
                optional("createdTime", long),
            ],
        ),
        group(
            "protocol",
            vec![
                required("minReaderVersion", int.clone()),
                required("minWriterVersion", int),
                optional("readerFeatures", list()),
                optional("writerFeatures", list()),
            ],
        ),
    ]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::delta::action::{Add, Format, MetaData, Protocol, Remove, Txn};

    #[test]
    fn reads_what_it_writes() {
        let day = BTreeMap::from([("_day".to_owned(), Some("2026-11-21".to_owned()))]);
        let meta = MetaData {
            id: "6d7c".into(),
            name: Some("readings".into()),
            format: Format {
                provider: "parquet".into(),
                options: BTreeMap::new(),
            },
            schema_string: "{}".into(),
            partition_columns: vec!["_day".into()],
            configuration: BTreeMap::from([("mainstem.format".into(), "1".into())]),
            created_time: Some(1),
        };
        let add = |i: u64| Add {
            path: format!("_day=2026-11-21/{i}.parquet"),
            partition_values: day.clone(),
            size: i,
            modification_time: 3,
            data_change: false,
            stats: Some("{\"numRecords\":1}".into()),
        };
        let remove = Remove {
            path: "gone".into(),
            deletion_timestamp: 9,
            data_change: false,
            extended_file_metadata: true,
            partition_values: day.clone(),
            size: 4,
        };
        let txn = Txn {
            app_id: "mainstem-16".into(),
            version: i64::MAX,
            last_updated: None,
        };
        let mut actions: Vec<Action> = vec![
            Protocol::mapped().into(),
            meta.clone().into(),
            txn.clone().into(),
        ];
        actions.push(remove.clone().into());
        actions.extend((0..20_000).map(|i| Action::from(add(i))));

        let read = decode(encode(&actions).unwrap()).unwrap();
        assert_eq!(read.len(), actions.len());
        assert_eq!(read[0].protocol, Some(Protocol::mapped()));
        assert_eq!(read[1].meta_data, Some(meta));
        assert_eq!(read[2].txn, Some(txn));
        assert_eq!(read[3].remove, Some(remove));
        assert_eq!(read[20_003].add, Some(add(19_999)));
    }
}
