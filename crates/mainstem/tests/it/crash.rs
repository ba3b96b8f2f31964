//! The acknowledgement ledger, kept outside of the server: writers note every acknowledgement,
//! the server is killed at seeded moments, and after each restart everything is read back.
//!
//! An acknowledged event is there once. An event whose request got no answer is there at most
//! once; sent again with its stamp (an Idempotency-Key, or row numbers) it is there once.
//! Events describe themselves, so that a wrong value is seen too. Views count the same events by
//! writer, by event and by window: no acknowledged one is counted zero times or twice, whatever is
//! killed, and a view that is built anew meanwhile agrees. Who follows a view through all of it, from
//! position to position, is told nothing that is taken back, and ends with the view's rows.
//!
//! `MAINSTEM_KILLS=100` makes it the long run, `MAINSTEM_SEED` chooses another one.

mod follower;
mod read;
mod views;
mod voucher;
mod writer;

use std::sync::{Arc, atomic::AtomicU64};

use tokio::{sync::Notify, task::JoinSet};

use crate::world::{Server, World};
use follower::Follower;
use read::{by_feed, by_sql, check_all, check_sums};
use writer::{Acks, Random, Stamped, Target, Writer, mix};

const STREAM: &str = "CREATE STREAM ledger (writer INTEGER NOT NULL, n BIGINT NOT NULL, \
                      proof BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL, \
                      WATERMARK FOR at AS at - INTERVAL '20 seconds') PARTITION BY (writer);";
const WRITERS: u64 = 6;

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
    let mut follower = Follower::default();
    let server = world.serve();
    views::apply(&world, 0);
    server.kill();
    for life in 0..kills {
        let server = world.serve();
        check_sums(&world, &writers, life);
        views::check(&world, &writers, life);
        if random.below(4) == 0 {
            // Another version of a view is computed while the server is killed.
            views::apply(&world, life);
        }
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
        let following = runtime.spawn(follower.follow(Target::new(&server)));
        writers = runtime.block_on(live(server, writers, (acks, flushes, end)));
        follower = runtime.block_on(following).unwrap();
    }
    let acked: usize = writers.iter().map(|writer| writer.acked.len()).sum();
    assert!(
        acked >= usize::try_from(kills).unwrap(),
        "only {acked} requests were acknowledged"
    );

    let server = world.serve();
    check_sums(&world, &writers, kills);
    views::check(&world, &writers, kills);
    let count = check_all(by_sql(&world).into_iter(), &writers);
    assert_eq!(
        check_all(by_feed(&world, count).into_iter(), &writers),
        count
    );
    // What is open and stamped is sent again: each is there once in the end.
    writers = runtime.block_on(live(server, writers, (60, false, End::Killed)));
    let server = world.serve();
    runtime.block_on(send_again(&mut writers, Target::new(&server)));
    let count = check_all(by_sql(&world).into_iter(), &writers);
    runtime.block_on(Target::new(&server).flush());
    let rows = by_sql(&world);
    views::check(&world, &writers, kills);
    views::check_all(&world, &rows, &writers);
    assert_eq!(
        check_all(rows.into_iter(), &writers),
        count,
        "after it was archived"
    );
    let counted = views::counted(&world);
    runtime.block_on(follower.catch_up(Target::new(&server), &counted));
    views::apply(&world, kills + 1);
    views::check(&world, &writers, kills + 1);
    println!("{acked} requests acknowledged, {count} events, {kills} kills");
    follower.tell();
}

/// Sends what is open and stamped again.
async fn send_again(writers: &mut [Writer], target: Target) {
    let stamped = writers
        .iter_mut()
        .filter(|writer| writer.stamped != Stamped::Not);
    for writer in stamped {
        for (first, count) in std::mem::take(&mut writer.open) {
            let position = target.send(writer, first, count).await;
            writer.position = position.unwrap();
            writer.acked.push((first, count));
        }
    }
}
