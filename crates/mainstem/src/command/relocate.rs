//! `move`: everything that this server keeps, to another one, while it serves on.
//!
//! 1. Both servers declare the same streams and tables (`compare`).
//! 2. Rows of tables, then rows of streams, follow through the other server's own doors (`tables`,
//!    `stream`); where each stands is in the notebook, so that a run that breaks off is taken up.
//! 3. Once all streams have nearly caught up, the doors of this server are paused: for ten seconds at
//!    most, and they open by themselves if this command dies. The last rows follow, and counts are
//!    compared with what the other server has acknowledged.
//! 4. The doors say where the data is now. Then the other server counts its rows itself.
//!
//! Dead letters stay where they are: they are about events that never were in a stream.

mod asking;
mod bar;
mod compare;
mod errors;
mod literal;
mod notebook;
mod stream;
mod tables;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mainstem_gateway::Doors;
use mainstem_kernel::{Clock, clock::SystemClock};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    args::{Move, Target},
    client::{DATA_DEFAULT, Server},
    failure::{Failure, Outcome},
    screen::{self, thousands},
    table,
};

use bar::Bar;
use compare::Goods;
use errors::MoveError;
use notebook::Notebook;
use tables::Carried;

/// Doors are paused for no longer.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The last rows have this long to follow; what is left of the pause is for closing.
const LAST_ROWS_MAX: Duration = Duration::from_secs(9);
/// Doors are paused when no more rows than this are on their way.
const NEAR_ROWS: u64 = 20_000;
/// Between two looks at how far everything is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The other server may take this long until its own counts show the last rows.
const COUNTED_MAX: Duration = Duration::from_secs(120);

/// Answer of `POST /v1/doors`.
#[derive(Debug, Deserialize)]
struct Changed {
    position: String,
}

/// Rows by stream, as far as the other server has acknowledged them.
type Sent = BTreeMap<String, watch::Receiver<u64>>;

/// Moves everything, or opens the doors of a server again.
pub(crate) async fn relocate(target: &Target, options: &Move) -> Outcome {
    let here = Server::find(target)?;
    if options.back {
        change(&here, Doors::Open).await?;
        screen::note(&format!("{} takes writes again", here.url));
        return Ok(());
    }
    let there = Server::find(&Target {
        url: options.to.clone(),
        key: options.to_key.clone(),
        data: options.to_data.clone(),
    })?;
    let goods = compare::goods(&here, &there).await?;
    let data = target.data.clone().unwrap_or_else(|| DATA_DEFAULT.into());
    let file = options
        .notebook
        .clone()
        .unwrap_or_else(|| data.join("moving.json"));
    let notebook = Notebook::open(file, (&here.url, &there.url))?;
    screen::note(&format!(
        "{} tables and {} streams go from {} to {}; writes go on here",
        goods.tables.len(),
        goods.streams.len(),
        here.url,
        there.url
    ));
    Journey {
        here,
        there,
        goods,
        notebook,
    }
    .travel()
    .await
}

/// One move under way.
struct Journey {
    here: Server,
    there: Server,
    goods: Goods,
    notebook: Arc<Notebook>,
}

impl Journey {
    async fn travel(self) -> Outcome {
        let mut carried = Vec::new();
        for table in &self.goods.tables {
            let mut one = Carried::new(table.clone());
            let work = one.follow(&self.here, &self.there, None);
            let rows = screen::while_waiting(&format!("table {}", table.name), work).await?;
            screen::note(&format!(
                "table \"{}\": {} rows",
                table.name,
                thousands(rows)
            ));
            carried.push(one);
        }
        let (mut carriers, sent) = self.carriers();
        self.approach(&mut carriers, &sent).await?;
        let paused = SystemClock.monotonic();
        let counts = self.close(&mut carriers, &sent, &mut carried).await?;
        let took = SystemClock.monotonic().saturating_sub(paused);
        carriers.abort_all();
        screen::note(&format!(
            "doors were paused for {:.1} s; from now on they say: {}",
            took.as_secs_f64(),
            self.there.url
        ));
        self.compare(&counts).await
    }

    /// Starts one carrier per stream.
    fn carriers(&self) -> (JoinSet<Outcome>, Sent) {
        let (mut carriers, mut sent) = (JoinSet::new(), Sent::new());
        for stream in &self.goods.streams {
            let (progress, seen) = watch::channel(self.notebook.stream(stream).rows);
            let carrier = stream::Carrier {
                here: self.here.clone(),
                there: self.there.clone(),
                stream: stream.clone(),
                notebook: Arc::clone(&self.notebook),
                progress,
            };
            carriers.spawn(carrier.carry());
            sent.insert(stream.clone(), seen);
        }
        (carriers, sent)
    }

    /// Waits until all streams have nearly caught up.
    async fn approach(&self, carriers: &mut JoinSet<Outcome>, sent: &Sent) -> Outcome {
        let mut bar = Bar::new();
        loop {
            let counts = self.counts(None).await?;
            let left: u64 = counts
                .iter()
                .map(|(stream, rows)| rows.saturating_sub(*sent[stream].borrow()))
                .sum();
            let all: u64 = counts.values().sum();
            bar.show(all.saturating_sub(left), all);
            if left <= NEAR_ROWS {
                bar.end();
                return Ok(());
            }
            tokio::select! {
                Some(ended) = carriers.join_next() => return Err(failure(ended)),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Pauses the doors, lets the last rows follow, and has the doors say where the data is. If
    /// anything stands against it, they are opened again.
    async fn close(
        &self,
        carriers: &mut JoinSet<Outcome>,
        sent: &Sent,
        tables: &mut [Carried],
    ) -> Outcome<BTreeMap<String, u64>> {
        let milliseconds = u64::try_from(PAUSE_MAX.as_millis()).unwrap_or(u64::MAX);
        let position = change(&self.here, Doors::Paused { milliseconds }).await?;
        let last = self.last_rows(carriers, sent, (tables, &position));
        let outcome = match tokio::time::timeout(LAST_ROWS_MAX, last).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(MoveError::Slow {
                seconds: LAST_ROWS_MAX.as_secs(),
            }
            .into()),
        };
        let to = self.there.url.clone();
        match outcome {
            Ok(counts) => change(&self.here, Doors::Moved { to })
                .await
                .map(|_| counts),
            Err(failure) => {
                // It opens by itself within seconds if this does not reach it.
                drop(change(&self.here, Doors::Open).await);
                Err(failure)
            }
        }
    }

    async fn last_rows(
        &self,
        carriers: &mut JoinSet<Outcome>,
        sent: &Sent,
        (tables, position): (&mut [Carried], &str),
    ) -> Outcome<BTreeMap<String, u64>> {
        for table in tables.iter_mut() {
            table
                .follow(&self.here, &self.there, Some(position))
                .await?;
        }
        let mut counts = self.counts(Some(position)).await?;
        for (stream, rows) in &counts {
            let mut seen = sent[stream].clone();
            tokio::select! {
                Some(ended) = carriers.join_next() => return Err(failure(ended)),
                reached = seen.wait_for(|sent| sent >= rows) => drop(reached),
            }
        }
        for table in tables {
            counts.insert(table.name().to_owned(), table.rows());
        }
        Ok(counts)
    }

    /// Rows of each stream on this server.
    async fn counts(&self, position: Option<&str>) -> Outcome<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for stream in &self.goods.streams {
            let rows = asking::count(&self.here, stream, position).await?;
            counts.insert(stream.clone(), rows);
        }
        Ok(counts)
    }

    /// Has the other server count, and shows both.
    async fn compare(&self, counts: &BTreeMap<String, u64>) -> Outcome {
        let deadline = SystemClock.monotonic().saturating_add(COUNTED_MAX);
        let mut rows = Vec::new();
        for (object, here) in counts {
            let counted = self.counted_there(object, *here, deadline);
            let there = screen::while_waiting(&format!("counting {object} there"), counted).await?;
            rows.push((object, *here, there));
        }
        let head = [("object", false), ("rows here", true), ("rows there", true)];
        let lines = rows.iter().map(|(object, here, there)| {
            vec![(*object).clone(), thousands(*here), thousands(*there)]
        });
        screen::print(format!("{}\n", table::render(&head, lines)).as_bytes())?;
        // Clients who heard where the data is have perhaps written there by now.
        match rows.iter().find(|(_, here, there)| there < here) {
            None => Ok(()),
            Some((object, here, there)) => Err(MoveError::Counts {
                object: (*object).clone(),
                here: *here,
                there: *there,
            }
            .into()),
        }
    }

    async fn counted_there(&self, object: &str, wanted: u64, deadline: Duration) -> Outcome<u64> {
        loop {
            let there = asking::count(&self.there, object, None).await?;
            if there >= wanted || SystemClock.monotonic() > deadline {
                return Ok(there);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Changes the doors of a server; the newest position of before.
async fn change(server: &Server, doors: Doors) -> Outcome<String> {
    let changed: Changed = server.post("/v1/doors", &json!(doors)).await?;
    Ok(changed.position)
}

/// Why a carrier has ended: it never does when all is well.
fn failure(ended: Result<Outcome, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(Err(failure)) => failure,
        Ok(Ok(())) | Err(_) => MoveError::Ended.into(),
    }
}
