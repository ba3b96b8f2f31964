//! The query of a view: its input through its question into its change topic.

use std::time::Duration;

use crate::{
    lower::Lowered,
    spark::record::{self, Spelled},
};

use super::{QueryParts, QuerySpec, Sink, Stage, options};

/// How often at most, unless EVERY says so: each look for new events asks the brokers.
const EVERY: Duration = Duration::from_millis(200);
/// Largest record that is written: as much as the topics of views take.
const RECORD_BYTES_MAX: u32 = 16 << 20;

/// A view that becomes a query.
#[derive(Clone, Debug)]
pub struct ViewQuery<'a> {
    /// Of its input: the stream's topic, or what a worker made of it.
    pub parts: QueryParts<'a>,
    /// What it computes.
    pub lowered: &'a Lowered,
    /// The relation that it was lowered over; a name that no other query of the session has.
    pub relation: &'a str,
    /// The stream whose topic is read; not of what a worker or another view has written.
    pub spelled: Spelled<'a>,
    /// Where its rows go.
    pub change_topic: String,
    /// How often it was computed from its first row; 1 at first.
    pub generation: u16,
}

impl QuerySpec {
    /// The query of a view.
    #[must_use]
    pub fn view(view: &ViewQuery<'_>) -> Self {
        let ViewQuery {
            parts,
            lowered,
            relation,
            spelled,
            ..
        } = view;
        let (records, rows) = (parts.relation("records"), parts.relation("rows"));
        let input = &lowered.input.columns;
        let watermark = lowered.watermark.as_ref();
        let stages = vec![
            Stage {
                name: (*relation).to_owned(),
                sql: record::rows(&records, input, *spelled),
                watermark: watermark.map(|mark| (mark.column.clone(), mark.delay)),
            },
            Stage {
                name: rows.clone(),
                sql: lowered.spark_sql.clone(),
                watermark: None,
            },
            Stage {
                name: parts.relation("changes"),
                sql: record::changes(&rows, lowered, view.generation),
                watermark: None,
            },
        ];
        Self {
            name: parts.name.clone(),
            before: Vec::new(),
            source: parts.source(record::needs_headers(input, *spelled)),
            records,
            stages,
            sink: Sink::Topic {
                options: options([
                    ("kafka.bootstrap.servers", parts.kafka.brokers.join(",")),
                    ("topic", view.change_topic.clone()),
                    ("kafka.acks", "all".to_owned()),
                    ("kafka.compression.type", "lz4".to_owned()),
                    ("kafka.max.request.size", RECORD_BYTES_MAX.to_string()),
                ]),
            },
            output_mode: lowered.output_mode,
            every: Some(lowered.every.unwrap_or(EVERY)),
            checkpoint: parts.checkpoint.clone(),
        }
    }
}
