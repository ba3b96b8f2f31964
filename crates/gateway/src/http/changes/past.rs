//! The rows of a feed that the log no longer has: asked of the engine, in spans of `_seq` that
//! hold some ten thousand rows, so that no question has to sort all of history.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::Int64Type,
};
use bytes::Bytes;
use futures::StreamExt;
use mainstem_catalog::StreamDef;
use mainstem_kernel::{
    Position, Seq, TenantId,
    fault::chain,
    types::{EXTRA_COLUMN, OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN},
};
use mainstem_sql::{QueryError, Question, Rights, Rows};

use super::{
    Door,
    event::{self, Form},
};
use crate::http::errors::HttpError;

/// The first span: 100 ms.
const SPAN_FIRST: u64 = 100 << 16;
/// The least span: 1 ms.
const SPAN_MIN: u64 = 1 << 16;
/// Spans are made to hold about this many rows.
const SPAN_ROWS: u64 = 20_000;

/// Rows of a feed up to where the log was trimmed.
pub(super) struct Past {
    stream: Arc<StreamDef>,
    form: Form,
    /// Up to here.
    trimmed: Seq,
    span: u64,
    page: Option<Page>,
    /// A page is over, and everything up to here was sent.
    through: Option<Seq>,
    /// The next span is known to hold rows.
    is_found: bool,
}

/// The rows of one span.
struct Page {
    form: Form,
    rows: Rows,
    through: Seq,
    count: u64,
    /// The last row so far: it is sent once it is known whether its frame ends with it.
    held: Option<(Seq, Vec<u8>)>,
}

/// What comes next of the past.
pub(super) enum Next {
    /// Events.
    Rows(Bytes),
    /// Everything up to here was sent.
    Through(Seq),
    /// The log has what follows.
    Over,
}

impl Past {
    /// Rows of a stream up to a seq.
    pub(super) fn new((stream, form): (Arc<StreamDef>, Form), trimmed: Seq) -> Self {
        Self {
            stream,
            form,
            trimmed,
            span: SPAN_FIRST,
            page: None,
            through: None,
            is_found: false,
        }
    }

    /// What comes after the cursor.
    ///
    /// # Errors
    /// When history cannot be read.
    pub(super) async fn next(&mut self, door: &Door, cursor: Seq) -> Result<Next, HttpError> {
        let next = self.advance(door, cursor).await;
        next.map_err(|error| {
            tracing::warn!(stream = %self.stream.spec.name, error = chain(&error), "feed failed");
            let name = self.stream.spec.name.to_string();
            HttpError::Feed {
                name,
                reason: error.to_string(),
            }
        })
    }

    async fn advance(&mut self, door: &Door, cursor: Seq) -> Result<Next, QueryError> {
        if let Some(through) = self.through.take() {
            return Ok(Next::Through(through));
        }
        if let Some(mut page) = self.page.take() {
            if let Some(batch) = page.rows.next().await {
                let bytes = page.take(&batch?)?;
                self.page = Some(page);
                return Ok(Next::Rows(bytes));
            }
            self.adapt(page.count);
            self.through = Some(page.through);
            return Ok(Next::Rows(page.last()));
        }
        if cursor >= self.trimmed {
            return Ok(Next::Over);
        }
        if !self.is_found {
            // Over a stretch without rows in one step.
            self.is_found = true;
            let first = self.first_after(door, cursor).await?;
            let before = first.map_or(self.trimmed, |seq| Seq(seq.0.saturating_sub(1)));
            return Ok(Next::Through(before));
        }
        let through = Seq(cursor.0.saturating_add(self.span)).min(self.trimmed);
        let rows = ask(door, self.stream.tenant, self.page_sql(cursor, through)).await?;
        self.page = Some(Page {
            form: self.form,
            rows,
            through,
            count: 0,
            held: None,
        });
        Ok(Next::Through(cursor))
    }

    /// Wider or narrower, so that spans come to hold about the same number of rows.
    fn adapt(&mut self, count: u64) {
        match count {
            0 => self.is_found = false,
            n if n < SPAN_ROWS / 2 => self.span = self.span.saturating_mul(2),
            n if n > SPAN_ROWS * 2 => self.span = (self.span / 2).max(SPAN_MIN),
            _ => {}
        }
    }

    /// Seq of the first row after the cursor that is not in the log.
    async fn first_after(&mut self, door: &Door, cursor: Seq) -> Result<Option<Seq>, QueryError> {
        let sql = format!(
            "SELECT min({SEQ_COLUMN}) FROM \"{}\" WHERE {}",
            self.stream.spec.name,
            between(cursor, self.trimmed)
        );
        let mut rows = ask(door, self.stream.tenant, sql).await?;
        let mut first = None;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let column = batch
                .columns()
                .first()
                .and_then(|c| c.as_primitive_opt::<Int64Type>());
            let value = column.filter(|column| column.len() == 1 && column.is_valid(0));
            first = first.or(value.map(|column| Seq::from_i64(column.value(0))));
        }
        Ok(first)
    }

    fn page_sql(&self, after: Seq, through: Seq) -> String {
        let columns = self.stream.spec.columns.0.iter();
        let names: String = columns
            .map(|column| format!("\"{}\", ", column.name))
            .collect();
        format!(
            "SELECT {names}{EXTRA_COLUMN}, {SEQ_COLUMN} FROM \"{}\" WHERE {} \
             ORDER BY {SEQ_COLUMN}, {PARTITION_COLUMN}, {OFFSET_COLUMN}",
            self.stream.spec.name,
            between(after, through)
        )
    }
}

async fn ask(door: &Door, tenant: TenantId, sql: String) -> Result<Rows, QueryError> {
    let question = Question {
        tenant,
        sql,
        rights: Rights::Read,
        wait: None,
        time_max: None,
        request: None,
    };
    let questions = Arc::clone(&door.parts.questions);
    Ok(questions.ask(question).await?.rows)
}

impl Page {
    /// The rows of a batch as events, but for the last, and the one that was held before.
    fn take(&mut self, batch: &RecordBatch) -> Result<Bytes, QueryError> {
        let mut text = Vec::new();
        let seqs = batch.column_by_name(SEQ_COLUMN);
        let seqs = seqs.and_then(|column| column.as_primitive_opt::<Int64Type>().cloned());
        let kept: Vec<_> = (0..batch.num_columns().saturating_sub(1)).collect();
        let (Some(seqs), Ok(rows)) = (seqs, batch.project(&kept)) else {
            return Ok(text.into());
        };
        let rows = event::without_empty_extra(&rows).unwrap_or(rows);
        mainstem_sql::objects(&rows, |row, json| {
            let seq = Seq::from_i64(seqs.values().get(row).copied().unwrap_or_default());
            if let Some((held, json)) = self.held.take() {
                let is_last = held != seq;
                self.form
                    .push(&mut text, &[&json], is_last.then_some(Position::at(held)));
            }
            self.held = Some((seq, json.to_vec()));
            self.count = self.count.saturating_add(1);
        })?;
        Ok(text.into())
    }

    /// The row that was held at the end: its frame ends with it.
    fn last(self) -> Bytes {
        let mut text = Vec::new();
        if let Some((seq, json)) = self.held {
            self.form.push(&mut text, &[&json], Some(Position::at(seq)));
        }
        text.into()
    }
}

fn between(after: Seq, through: Seq) -> String {
    format!(
        "{SEQ_COLUMN} > {} AND {SEQ_COLUMN} <= {}",
        after.to_i64(),
        through.to_i64()
    )
}
