//! Asks the server once a second how it is, and two views in SQL; now and then it has it archive.

use std::{sync::Arc, time::Duration};

use mainstem_kernel::{Clock, clock::SystemClock};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::board::{Answer, Board};
use crate::{
    client::Server,
    failure::{Failure, Outcome},
};

/// Left to itself a stream of this size is archived after ten minutes; here it is seen sooner.
const ARCHIVE_EVERY_SECONDS: u64 = 15;
/// Title and text of each question: both ask views, which change as events come in.
const QUESTIONS: [(&str, &str); 2] = [
    (
        "view trips_by_owner",
        "SELECT owner_id AS owner, trips, km, harsh_brakes AS brakes \
         FROM trips_by_owner ORDER BY km DESC, 1 LIMIT 5",
    ),
    (
        "view shop_by_country",
        "SELECT country, orders, revenue FROM shop_by_country ORDER BY revenue DESC LIMIT 5",
    ),
];

#[derive(Debug, Deserialize)]
struct Rows {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
}

/// Asks until the end.
pub(super) async fn probe(server: Server, board: Arc<Board>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for second in 1_u64.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        if second.is_multiple_of(ARCHIVE_EVERY_SECONDS) {
            let flushed: Outcome<Value> = server.post("/v1/flush", &json!({})).await;
            flushed.unwrap_or_else(|failure| {
                board.wait(failure.to_string());
                Value::Null
            });
        }
        if let Ok(status) = server.get("/v1/status").await {
            board.note_status(status);
        }
        for (index, (title, query)) in QUESTIONS.iter().enumerate() {
            let started = SystemClock.monotonic();
            let answer = match ask(&server, query).await {
                Ok(rows) => Answer {
                    title: (*title).to_owned(),
                    columns: rows.columns.into_iter().map(|column| column.name).collect(),
                    rows: rows
                        .rows
                        .iter()
                        .map(|row| row.iter().map(text).collect())
                        .collect(),
                    took: SystemClock.monotonic().saturating_sub(started),
                },
                Err(failure) => Answer {
                    title: (*title).to_owned(),
                    rows: vec![vec![in_a_line(&failure)]],
                    ..Answer::default()
                },
            };
            board.note_answer(index, answer);
        }
    }
}

async fn ask(server: &Server, query: &str) -> Outcome<Rows> {
    server.post("/v1/sql", &json!({ "query": query })).await
}

/// A failure where there is room for a line: a view may still be being built.
fn in_a_line(failure: &Failure) -> String {
    let first = failure.problems.first();
    first.map(|shown| shown.message.clone()).unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
