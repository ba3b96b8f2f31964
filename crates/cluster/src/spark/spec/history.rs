//! The query of a stream's history: its topic into a Delta table, as one machine lays it out.
//!
//! The table is `FOLDER/NAME-ID`, partitioned by the day of arrival (`_day`); its columns are the
//! declared ones, `_extra`, `_seq`, `_partition`, `_offset`, of the types that the `history` crate
//! writes. `_seq` has the time of arrival and no order within a millisecond: (`_partition`,
//! `_offset`) name a row. Spark writes each row once: the micro-batch is in the table's log.

use std::{collections::BTreeMap, time::Duration};

use mainstem_catalog::StreamDef;
use mainstem_kernel::{
    ColumnType, StreamId,
    types::{EXTRA_COLUMN, OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};
use mainstem_sql::spark::spark_type;

use crate::{
    lower::{OutputMode, SparkColumn},
    spark::record::{self, Spelled, literal, quoted},
};

use super::{QueryParts, QuerySpec, Sink, Source, Stage, options};

/// Column of the day of arrival, which the table is partitioned by.
pub const DAY_COLUMN: &str = "_day";
/// How often files are added at most: questions read what came since from the topic.
const EVERY: Duration = Duration::from_secs(10);

/// A stream whose history is kept.
#[derive(Clone, Debug)]
pub struct HistoryQuery<'a> {
    /// What all queries are made of.
    pub parts: QueryParts<'a>,
    /// Its topic.
    pub topic: String,
    /// The stream.
    pub stream: &'a StreamDef,
    /// Where the tables of all streams are: a path or URI without a slash at its end.
    pub folder: String,
    /// Where it begins if its checkpoint is not there, by partition: at the first row there is if
    /// nothing is said.
    pub from: Option<&'a BTreeMap<u16, Option<u64>>>,
}

impl HistoryQuery<'_> {
    /// Where the table is.
    #[must_use]
    pub fn path(&self) -> String {
        let name = folder_name(&self.topic, self.stream.id);
        format!("{}/{name}", self.folder)
    }

    /// The declared columns and `_extra`, by their names of today.
    fn columns(&self) -> Vec<SparkColumn> {
        let declared = self.stream.spec.columns.0.iter();
        let mut columns: Vec<SparkColumn> = declared
            .map(|column| plain(column.name.as_str(), &column.ty))
            .collect();
        columns.push(plain(EXTRA_COLUMN, &ColumnType::Json));
        columns
    }

    /// Makes the table, with the columns that may be NULL as one machine has them.
    fn create(&self) -> String {
        let declared = &self.stream.spec.columns;
        let mut fields: Vec<String> = self
            .columns()
            .iter()
            .map(|column| {
                let is_nullable = declared.get(&column.name).is_none_or(|c| c.nullable);
                let not_null = if is_nullable { "" } else { " NOT NULL" };
                format!("{} {}{not_null}", quoted(&column.name), column.ty)
            })
            .collect();
        for (name, ty) in [
            (SEQ_COLUMN, "BIGINT NOT NULL"),
            (PARTITION_COLUMN, "INT NOT NULL"),
            (OFFSET_COLUMN, "BIGINT NOT NULL"),
            (DAY_COLUMN, "DATE NOT NULL"),
        ] {
            fields.push(format!("{} {ty}", quoted(name)));
        }
        format!(
            "CREATE TABLE IF NOT EXISTS delta.{} ({}) USING delta PARTITIONED BY (`{DAY_COLUMN}`) \
             TBLPROPERTIES ('delta.autoOptimize.autoCompact' = 'true', 'mainstem.stream' = {})",
            quoted(&self.path()),
            fields.join(", "),
            literal(&self.stream.id.0.to_string()),
        )
    }
}

/// What the folder of a stream's table is called: by the name that its topic was made with, so it
/// stays when the stream is renamed.
#[must_use]
pub fn folder_name(topic: &str, stream: StreamId) -> String {
    let id = stream.0;
    let made = topic.split_once(&format!("-{id}-")).map(|(_, name)| name);
    let name = made.unwrap_or(topic);
    // The topic of a stream without its repetitions has a suffix.
    let name = name.split('-').next().unwrap_or(name);
    format!("{name}-{id}")
}

/// Forgets days before this one (`YYYY-MM-DD`), and the files of what was forgotten a week ago.
#[must_use]
pub fn expire(path: &str, day: &str) -> [String; 2] {
    let table = format!("delta.{}", quoted(path));
    [
        format!(
            "DELETE FROM {table} WHERE `{DAY_COLUMN}` < DATE {}",
            literal(day)
        ),
        format!("VACUUM {table}"),
    ]
}

/// Offsets as Spark's Kafka source reads them: each partition is named, -2 is the first row.
fn starting(topic: &str, from: &BTreeMap<u16, Option<u64>>) -> String {
    let places = from.iter().map(|(partition, next)| match next {
        Some(next) => format!("\"{partition}\":{next}"),
        None => format!("\"{partition}\":-2"),
    });
    let places: Vec<String> = places.collect();
    format!("{{\"{topic}\":{{{}}}}}", places.join(","))
}

fn plain(name: &str, ty: &ColumnType) -> SparkColumn {
    SparkColumn {
        name: name.to_owned(),
        ty: spark_type(ty),
        is_hidden: false,
    }
}

impl QuerySpec {
    /// The query of a stream's history.
    #[must_use]
    pub fn history(history: &HistoryQuery<'_>) -> Self {
        let parts = &history.parts;
        let columns = history.columns();
        let spelled = Spelled::Stream(history.stream);
        let records = parts.relation("records");
        let stage = Stage {
            name: parts.relation("rows"),
            sql: record::history_rows((&records, DAY_COLUMN), &columns, spelled),
            watermark: None,
        };
        let has_headers = record::needs_headers(&columns, spelled);
        let mut source = parts.source(&history.topic, has_headers);
        if let Some(from) = history.from {
            let from = starting(&history.topic, from);
            source.insert("startingOffsets".to_owned(), from);
        }
        Self {
            name: parts.name.clone(),
            before: vec![history.create()],
            sources: vec![Source {
                name: records,
                options: source,
            }],
            stages: vec![stage],
            sink: Sink::Delta {
                path: history.path(),
                partition_by: vec![DAY_COLUMN.to_owned()],
                // Columns that were declared since.
                options: options([("mergeSchema", "true".to_owned())]),
            },
            output_mode: OutputMode::Append,
            every: Some(EVERY),
            checkpoint: parts.checkpoint.clone(),
        }
    }
}
