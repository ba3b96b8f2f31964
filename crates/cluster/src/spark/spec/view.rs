//! The query of a view: its inputs through its question into its change topic.

use std::time::Duration;

use crate::{
    lower::Lowered,
    spark::record::{self, Spelled},
};

use super::{QueryParts, QuerySpec, Sink, Source, Stage, options};

/// How often at most, unless EVERY says so: each look for new events asks the brokers.
const EVERY: Duration = Duration::from_millis(200);
/// Largest record that is written: as much as the topics of views take.
const RECORD_BYTES_MAX: u32 = 16 << 20;

/// A view that becomes a query.
#[derive(Clone, Debug)]
pub struct ViewQuery<'a> {
    /// What all queries are made of.
    pub parts: QueryParts<'a>,
    /// What it computes, over relations that no other query of the session has.
    pub lowered: &'a Lowered,
    /// What it reads, as `Lowered::inputs` has it.
    pub inputs: Vec<ViewInput<'a>>,
    /// Where its rows go.
    pub change_topic: String,
    /// How often it was computed from its first row; 1 at first.
    pub generation: u16,
}

/// A topic that a view reads: a stream's, or what a worker made of it.
#[derive(Clone, Debug)]
pub struct ViewInput<'a> {
    /// Its name.
    pub topic: String,
    /// The stream whose topic it is; not of what a worker or another view has written.
    pub spelled: Spelled<'a>,
}

impl QuerySpec {
    /// The query of a view.
    #[must_use]
    pub fn view(view: &ViewQuery<'_>) -> Self {
        let ViewQuery {
            parts,
            lowered,
            inputs,
            ..
        } = view;
        let rows = parts.relation("rows");
        let (mut sources, mut stages) = (Vec::new(), Vec::new());
        for (number, (read, input)) in lowered.inputs().zip(inputs).enumerate() {
            let name = parts.relation(&format!("records{number}"));
            let watermark = read.watermark.as_ref();
            stages.push(Stage {
                name: read.relation.clone(),
                sql: record::rows(&name, &read.columns, input.spelled),
                watermark: watermark.map(|mark| (mark.column.clone(), mark.delay)),
            });
            let has_headers = record::needs_headers(&read.columns, input.spelled);
            let options = parts.source(&input.topic, has_headers);
            sources.push(Source { name, options });
        }
        stages.extend([
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
        ]);
        Self {
            name: parts.name.clone(),
            before: Vec::new(),
            sources,
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
