//! The acknowledgement ledger, kept outside of the server: writers note every acknowledgement,
//! the server is killed at seeded moments, and after each restart everything is read back.
//!
//! An acknowledged event is there once. An event whose request got no answer is there at most
//! once; sent again with its stamp (an Idempotency-Key, or row numbers) it is there once.
//! Events describe themselves, so that a wrong value is seen too.
//!
//! `MAINSTEM_KILLS=100` makes it the long run, `MAINSTEM_SEED` chooses another one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::Notify, task::JoinSet};

use crate::world::{Server, World};

const STREAM: &str = "CREATE STREAM ledger (writer INTEGER NOT NULL, n BIGINT NOT NULL, \
                      proof BIGINT NOT NULL) PARTITION BY (writer);";
const WRITERS: u64 = 6;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % n
    }
}

fn mix(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What event `n` of a writer has to say, below 2⁵².
fn proof(writer: u64, n: u64) -> u64 {
    mix(writer << 48 | n) >> 12
}

/// How a writer's requests are recognised when they are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamped {
    Not,
    ByKey,
    ByRow,
}

/// One writer and its page of the ledger.
struct Writer {
    id: u64,
    stamped: Stamped,
    random: Random,
    next: u64,
    /// First event and number of events of requests without an answer.
    open: Vec<(u64, u64)>,
    /// The same of acknowledged requests.
    acked: Vec<(u64, u64)>,
}

impl Writer {
    fn new(id: u64, seed: u64) -> Self {
        let stamped =
            [Stamped::Not, Stamped::ByKey, Stamped::ByRow][usize::try_from(id % 3).unwrap()];
        let random = Random(mix(seed ^ id));
        Self {
            id,
            stamped,
            random,
            next: 0,
            open: Vec::new(),
            acked: Vec::new(),
        }
    }

    /// Sends until the server is gone. What is open and stamped goes first.
    async fn write(mut self, server: Target, acks: Arc<Acks>) -> Self {
        let again = match self.stamped {
            Stamped::Not => Vec::new(),
            Stamped::ByKey | Stamped::ByRow => std::mem::take(&mut self.open),
        };
        let mut again = again.into_iter();
        loop {
            let (first, count) = again.next().unwrap_or_else(|| {
                let first = self.next;
                let count = 1 + self.random.below(300);
                self.next += count;
                (first, count)
            });
            if server.send(&self, first, count).await {
                self.acked.push((first, count));
                acks.count();
            } else {
                self.open.push((first, count));
                self.open.extend(again);
                return self;
            }
        }
    }

    fn events(parts: &[(u64, u64)]) -> u64 {
        parts.iter().map(|(_, count)| count).sum()
    }
}

/// Counts acknowledgements and tells when there are enough.
struct Acks {
    left: AtomicU64,
    enough: Notify,
}

impl Acks {
    fn count(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.enough.notify_one();
        }
    }
}

/// Where writers send to.
#[derive(Clone)]
struct Target {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Target {
    fn new(server: &Server) -> Self {
        let http = reqwest::Client::new();
        Self {
            http,
            url: server.url.clone(),
            key: server.key.clone(),
        }
    }

    /// Sends some events; whether they were acknowledged. A refusal is a failure of the test.
    async fn send(&self, writer: &Writer, first: u64, count: u64) -> bool {
        let id = writer.id;
        let body: String = (first..first + count)
            .map(|n| format!("{{\"writer\":{id},\"n\":{n},\"proof\":{}}}\n", proof(id, n)))
            .collect();
        let request = self
            .http
            .post(format!("{}/v1/streams/ledger/events", self.url))
            .bearer_auth(&self.key)
            .header("Content-Type", "application/x-ndjson")
            .body(body);
        let request = match writer.stamped {
            Stamped::Not => request,
            Stamped::ByKey => request.header("Idempotency-Key", format!("{id}/{first}")),
            Stamped::ByRow => request
                .header("Mainstem-Producer", format!("writer-{id}"))
                .header("Mainstem-First-Row", first),
        };
        let Ok(response) = request.send().await else {
            return false;
        };
        let status = response.status();
        let Ok(text) = response.text().await else {
            return false;
        };
        assert!(
            status.is_success(),
            "writer {id}, events from {first}: {status} {text}"
        );
        assert!(
            text.contains(&format!("\"accepted\":{count}")),
            "{count} events: {text}"
        );
        true
    }

    async fn flush(&self) {
        let url = format!("{}/v1/flush", self.url);
        let request = self.http.post(url).bearer_auth(&self.key).body("{}");
        // It may meet the kill.
        let _outcome = request
            .header("Content-Type", "application/json")
            .send()
            .await;
    }
}

/// How a life of the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// kill -9.
    Killed,
    /// SIGTERM: requests under way are answered, or were never acknowledged.
    Stopped,
}

/// One life of the server, ended after `acks` acknowledgements while writers go on.
async fn live(
    server: Server,
    writers: Vec<Writer>,
    (acks, flushes, end): (u64, bool, End),
) -> Vec<Writer> {
    let target = Target::new(&server);
    let counter = Arc::new(Acks {
        left: AtomicU64::new(acks),
        enough: Notify::new(),
    });
    let mut tasks = JoinSet::new();
    for writer in writers {
        tasks.spawn(writer.write(target.clone(), Arc::clone(&counter)));
    }
    let flusher = flushes.then(|| tokio::task::spawn(async move { target.flush().await }));
    counter.enough.notified().await;
    let ending = move || match end {
        End::Killed => server.kill(),
        End::Stopped => {
            let (said, code) = server.stop();
            assert_eq!(code, 0, "{said}");
        }
    };
    tokio::task::spawn_blocking(ending).await.unwrap();
    let mut writers = tasks.join_all().await;
    if let Some(flusher) = flusher {
        flusher.await.unwrap();
    }
    writers.sort_by_key(|writer| writer.id);
    writers
}

#[test]
fn a_backup_under_load_holds_everything_acknowledged_before_it() {
    let world = World::new();
    world.write("app/ledger.sql", STREAM);
    let runtime = runtime();
    let server = world.serve();
    world.ok(&["apply", &world.path("app").display().to_string(), "--yes"]);
    let writers = (0..WRITERS).map(|id| Writer::new(id, 7)).collect();
    let writers = runtime.block_on(live(server, writers, (40, true, End::Stopped)));
    let before: Vec<_> = writers.iter().map(|writer| writer.acked.len()).collect();

    let server = world.serve();
    let to = world.path("backup").display().to_string();
    let target = Target::new(&server);
    let acks = Arc::new(Acks {
        left: AtomicU64::new(30),
        enough: Notify::new(),
    });
    let mut writers = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for writer in writers {
            tasks.spawn(writer.write(target.clone(), Arc::clone(&acks)));
        }
        acks.enough.notified().await;
        tokio::task::block_in_place(|| {
            world.ok(&["backup", "--to", &to]);
            server.kill();
        });
        tasks.join_all().await
    });
    writers.sort_by_key(|writer| writer.id);
    std::fs::rename(world.data(), world.path("old")).unwrap();
    world.ok(&["restore", "--from", &to]);
    let _server = world.serve();
    // What was acknowledged while the copy was made may be in it or not.
    for (writer, before) in writers.iter_mut().zip(before) {
        let meanwhile = writer.acked.split_off(before);
        writer.open.extend(meanwhile);
    }
    assert!(check_all(by_sql(&world).into_iter(), &writers) > 0);
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// Sums that are cheap enough for every restart.
fn check_sums(world: &World, writers: &[Writer], life: u64) {
    let question = "SELECT writer, count(*), count(DISTINCT n) FROM ledger GROUP BY 1 ORDER BY 1";
    let answer = world.ok(&["sql", "--format", "csv", question]);
    let mut found = BTreeMap::new();
    for line in answer.lines().skip(1) {
        let numbers: Vec<u64> = line.split(',').map(|n| n.parse().unwrap()).collect();
        found.insert(numbers[0], (numbers[1], numbers[2]));
    }
    for writer in writers {
        let (rows, distinct) = found.get(&writer.id).copied().unwrap_or_default();
        let (acked, open) = (Writer::events(&writer.acked), Writer::events(&writer.open));
        let name = format!("life {life}, writer {} ({:?})", writer.id, writer.stamped);
        assert_eq!(rows, distinct, "{name}: events are there twice");
        assert!(
            rows >= acked,
            "{name}: {} acknowledged events are lost",
            acked - rows
        );
        assert!(
            rows <= acked + open,
            "{name}: {rows} events of {acked} + {open} that were sent"
        );
    }
}

/// Each event by itself: there once if acknowledged, at most once if open, with the right value.
fn check_all(rows: impl Iterator<Item = (u64, u64, u64)>, writers: &[Writer]) -> usize {
    let mut times: BTreeMap<(u64, u64), u32> = BTreeMap::new();
    for (writer, n, found) in rows {
        assert_eq!(
            found,
            proof(writer, n),
            "writer {writer}, event {n} has another value"
        );
        *times.entry((writer, n)).or_default() += 1;
    }
    let count = times.values().map(|times| *times as usize).sum();
    for writer in writers {
        for (parts, is_acked) in [(&writer.acked, true), (&writer.open, false)] {
            for n in parts
                .iter()
                .flat_map(|(first, count)| *first..first + count)
            {
                let times = times.remove(&(writer.id, n)).unwrap_or(0);
                let is_right = times == 1 || (times == 0 && !is_acked);
                assert!(
                    is_right,
                    "writer {}, event {n}: {times} times, acked: {is_acked}",
                    writer.id
                );
            }
        }
    }
    assert!(
        times.is_empty(),
        "events that nobody sent: {:?}",
        times.keys().next()
    );
    count
}

fn by_sql(world: &World) -> Vec<(u64, u64, u64)> {
    let answer = world.ok(&[
        "sql",
        "--format",
        "csv",
        "SELECT writer, n, proof FROM ledger",
    ]);
    let rows = answer.lines().skip(1).map(|line| {
        let numbers: Vec<u64> = line.split(',').map(|n| n.parse().unwrap()).collect();
        (numbers[0], numbers[1], numbers[2])
    });
    rows.collect()
}

fn by_feed(world: &World, count: usize) -> Vec<(u64, u64, u64)> {
    let limit = count.to_string();
    let text = world.ok(&["tail", "ledger", "--from", "earliest", "--limit", &limit]);
    let rows = text.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| row[name].as_u64().unwrap();
        (number("writer"), number("n"), number("proof"))
    });
    rows.collect()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn what_was_acknowledged_outlives_every_kill() {
    let (kills, seed) = (setting("MAINSTEM_KILLS", 10), setting("MAINSTEM_SEED", 1));
    println!("MAINSTEM_KILLS={kills} MAINSTEM_SEED={seed}");
    let mut random = Random(mix(seed));
    let world = World::new();
    world.write("app/ledger.sql", STREAM);
    let runtime = runtime();
    let mut writers: Vec<_> = (0..WRITERS).map(|id| Writer::new(id, seed)).collect();
    let server = world.serve();
    world.ok(&["apply", &world.path("app").display().to_string(), "--yes"]);
    server.kill();
    for life in 0..kills {
        let server = world.serve();
        check_sums(&world, &writers, life);
        if random.below(5) == 0 {
            // At once, while it may still be busy with what it recovered.
            server.kill();
            continue;
        }
        let (acks, flushes) = (1 + random.below(120), random.below(2) == 0);
        let end = match random.below(5) {
            0 => End::Stopped,
            _ => End::Killed,
        };
        writers = runtime.block_on(live(server, writers, (acks, flushes, end)));
    }
    let acked: usize = writers.iter().map(|writer| writer.acked.len()).sum();
    assert!(
        acked >= usize::try_from(kills).unwrap(),
        "only {acked} requests were acknowledged"
    );

    let server = world.serve();
    check_sums(&world, &writers, kills);
    let count = check_all(by_sql(&world).into_iter(), &writers);
    assert_eq!(
        check_all(by_feed(&world, count).into_iter(), &writers),
        count
    );
    // What is open and stamped is sent again: each is there once in the end.
    writers = runtime.block_on(live(server, writers, (60, false, End::Killed)));
    let server = world.serve();
    for writer in writers
        .iter_mut()
        .filter(|writer| writer.stamped != Stamped::Not)
    {
        let target = Target::new(&server);
        for (first, count) in std::mem::take(&mut writer.open) {
            assert!(runtime.block_on(target.send(writer, first, count)));
            writer.acked.push((first, count));
        }
    }
    let count = check_all(by_sql(&world).into_iter(), &writers);
    runtime.block_on(Target::new(&server).flush());
    assert_eq!(
        check_all(by_sql(&world).into_iter(), &writers),
        count,
        "after it was archived"
    );
    println!("{acked} requests acknowledged, {count} events, {kills} kills");
}
