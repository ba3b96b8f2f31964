//! Control over real topics and tables, with a Spark that does what the test says.
//!
//! The brokers are those of `MAINSTEM_KAFKA`, the nodes those of `MAINSTEM_CASSANDRA`; without them
//! each promise says that it was skipped. Every test has topics and a keyspace of its own, which it
//! deletes.

#![cfg(feature = "engines")]

mod bed;
mod real;

use std::{thread, time::Duration};

use mainstem_catalog::{Change, Stage};
use mainstem_kernel::Fault;
use tokio::time::Instant;

use super::{
    ControlError, Fence,
    fixture::{TOTALS, TOTALS_ANEW},
    leading::Leading,
    run,
};
use crate::progress::{Doing, Entry, Query, read_once};
use bed::Bed;

/// Whatever takes longer does not work.
const DEADLINE: Duration = Duration::from_secs(30);

/// Takes rounds until something is so.
fn until(leading: &mut Leading, what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    loop {
        leading.round().unwrap();
        if is_so() {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_declared_runs_and_is_live_once_it_has_caught_up() {
    let Some(bed) = Bed::open("runs", &[TOTALS]) else {
        return;
    };
    let totals = bed.view("totals");
    let query = Query::View(totals);
    let mut leading = bed.leading("one");
    until(&mut leading, "it is not started", || {
        bed.spark.is_active(query)
    });
    bed.send("orders", 5);
    // What came a moment ago may wait still; what came longer ago may not.
    bed.clock.advance(Duration::from_secs(6));
    for _ in 0..3 {
        leading.round().unwrap();
    }
    assert_eq!(bed.stage(totals), Stage::Building, "five rows wait for it");
    let published = read_once(&bed.config.kafka).unwrap();
    let progress = published.view(totals).unwrap();
    // Five rows, and the end of their transaction.
    assert_eq!((progress.doing, progress.lag_rows()), (Doing::Starting, 6));
    let leader = published.leader.unwrap();
    assert_eq!(
        (leader.node.as_str(), leader.definitions),
        ("one", bed.seq())
    );
    assert!(leader.problems.is_empty(), "{:?}", leader.problems);

    bed.spark.reads_all(query);
    until(&mut leading, "it does not get live", || {
        bed.stage(totals) == Stage::Live
    });
    let published = read_once(&bed.config.kafka).unwrap();
    let progress = published.view(totals).unwrap();
    assert_eq!((progress.doing, progress.lag_rows()), (Doing::Running, 0));
    assert!(progress.reached.covers(&progress.ends), "{progress:?}");
}

#[test]
fn a_leader_that_was_held_up_is_fenced_before_it_acts() {
    let Some(bed) = Bed::open("held-up", &[TOTALS]) else {
        return;
    };
    let totals = bed.view("totals");
    let mut held_up = bed.leading("held up");
    until(&mut held_up, "it is not live", || {
        bed.stage(totals) == Stage::Live
    });
    let mut other = bed.leading("other");
    other.round().unwrap();
    // Something that the one that was held up would do at once.
    bed.declare(TOTALS_ANEW);
    let anew = Query::View(bed.view("totals"));
    let before = bed.spark.deeds();
    let error = held_up.round().unwrap_err();
    assert!(
        matches!(error, ControlError::Superseded { .. }),
        "{error:?}"
    );
    assert_eq!(error.answer().code.as_str(), "CLUS-062");
    assert_eq!(bed.spark.deeds(), before, "it has done something");
    let again = held_up.round().unwrap_err();
    assert!(
        matches!(again, ControlError::Superseded { .. }),
        "{again:?}"
    );
    let leader = read_once(&bed.config.kafka).unwrap().leader.unwrap();
    assert_eq!(leader.node, "other", "what it published is not there");
    until(&mut other, "the other one does not do it", || {
        bed.spark.is_active(anew)
    });
}

#[test]
fn a_query_that_fails_is_named_and_started_again() {
    let Some(bed) = Bed::open("fails", &[TOTALS]) else {
        return;
    };
    let totals = bed.view("totals");
    let query = Query::View(totals);
    let mut leading = bed.leading("one");
    until(&mut leading, "it is not started", || {
        bed.spark.is_active(query)
    });
    bed.spark.fail(query, "out of memory");
    leading.round().unwrap();
    leading.round().unwrap();
    assert!(!bed.spark.is_active(query), "there is no pause");
    let published = read_once(&bed.config.kafka).unwrap();
    let progress = published.view(totals).unwrap();
    let problem = progress.problem.clone().unwrap();
    assert_eq!((progress.doing, progress.failures), (Doing::Failed, 1));
    assert_eq!(problem.code, "CLUS-060");
    assert!(problem.message.contains("out of memory"), "{problem:?}");
    bed.clock.advance(Duration::from_millis(1_100));
    until(&mut leading, "it is not started again", || {
        bed.spark.is_active(query)
    });
    // Spark is gone, and comes back without its queries.
    bed.spark.is_gone(true);
    leading.round().unwrap();
    let leader = read_once(&bed.config.kafka).unwrap().leader.unwrap();
    assert_eq!(leader.problems.len(), 1, "{leader:?}");
    bed.spark.is_gone(false);
    bed.clock.advance(Duration::from_secs(5));
    until(&mut leading, "it is not started after that", || {
        bed.clock.advance(Duration::from_millis(100));
        bed.spark.is_active(query)
    });
    let leader = read_once(&bed.config.kafka).unwrap().leader.unwrap();
    assert!(leader.problems.is_empty(), "{leader:?}");
}

#[test]
fn a_version_is_replaced_brought_back_and_forgotten_in_the_end() {
    let Some(bed) = Bed::open("versions", &[TOTALS]) else {
        return;
    };
    let first = bed.view("totals");
    let mut leading = bed.leading("one");
    until(&mut leading, "the first", || {
        bed.stage(first) == Stage::Live
    });
    bed.declare(TOTALS_ANEW);
    let second = bed.view("totals");
    until(&mut leading, "the second", || {
        bed.stage(second) == Stage::Live
    });
    let is_stopped = |id| !bed.spark.is_active(Query::View(id));
    until(&mut leading, "the first runs still", || is_stopped(first));
    // A rollback.
    bed.change(Change::RestoreView { id: first });
    until(&mut leading, "it is not back", || {
        bed.stage(first) == Stage::Live
    });
    until(&mut leading, "the second runs still", || is_stopped(second));
    assert_eq!(bed.topics_of(second).len(), 1);
    assert!(bed.has_table(second));
    bed.clock.advance(Duration::from_secs(25 * 3_600));
    until(&mut leading, "it is not forgotten", || {
        bed.is_forgotten(second)
    });
    assert!(!bed.has_table(second));
    let emptied = bed.spark.emptied();
    assert_eq!(emptied.len(), 1, "{emptied:?}");
    assert_eq!((emptied[0].0.stream, emptied[0].1), (second, 1));
    let start = Instant::now();
    while !bed.topics_of(second).is_empty() {
        assert!(start.elapsed() < DEADLINE, "its topic is there still");
    }
    let published = read_once(&bed.config.kafka).unwrap();
    assert!(published.view(second).is_none() && published.view(first).is_some());
}

#[test]
fn a_query_whose_checkpoint_is_gone_begins_anew_and_its_older_rows_go() {
    let Some(bed) = Bed::open("lost", &[TOTALS]) else {
        return;
    };
    let totals = bed.view("totals");
    let query = Query::View(totals);
    let mut leading = bed.leading("one");
    until(&mut leading, "it is not started", || {
        bed.spark.is_active(query)
    });
    bed.send("orders", 5);
    bed.clock.advance(Duration::from_secs(6));
    bed.spark.reads_all(query);
    until(&mut leading, "it does not get live", || {
        bed.stage(totals) == Stage::Live
    });
    let progress = || read_once(&bed.config.kafka).unwrap().view(totals).cloned();
    let before = progress().unwrap();
    assert_eq!((before.generation, before.lag_rows()), (1, 0));
    // It fails, and what it has done is there: the same generation goes on.
    let fail = |leading: &mut Leading| {
        bed.spark.fail(query, "killed");
        until(leading, "it is not started again", || {
            bed.clock.advance(Duration::from_millis(200));
            bed.spark.is_active(query)
        });
        bed.spark.started_with(query).unwrap().generation
    };
    assert_eq!(fail(&mut leading), 1);
    bed.spark.lose(query, 1);
    assert_eq!(fail(&mut leading), 2);
    leading.round().unwrap();
    let anew = progress().unwrap();
    // Five rows, and the end of their transaction.
    assert_eq!((anew.generation, anew.lag_rows(), anew.swept), (2, 6, 0));
    assert!(
        !anew.reached.covers(&before.reached),
        "it stands for nothing yet"
    );
    bed.spark.reads_all(query);
    until(&mut leading, "rows of before are there still", || {
        progress().is_some_and(|view| view.swept == 2)
    });
    // Whoever takes over knows.
    let mut other = bed.leading("other");
    other.round().unwrap();
    assert_eq!(fail(&mut other), 2);
}

#[test]
fn a_history_whose_checkpoint_is_gone_goes_on_behind_what_is_written() {
    let Some(bed) = Bed::open("lost-history", &[]) else {
        return;
    };
    let orders = bed
        .catalog
        .definitions()
        .streams
        .values()
        .next()
        .unwrap()
        .id;
    let query = Query::History(orders);
    let mut leading = bed.leading("one");
    until(&mut leading, "it is not started", || {
        bed.spark.is_active(query)
    });
    bed.send("orders", 5);
    bed.spark.reads_all(query);
    leading.round().unwrap();
    bed.spark.lose(query, 1);
    bed.spark.fail(query, "killed");
    until(&mut leading, "it is not started again", || {
        bed.clock.advance(Duration::from_millis(200));
        bed.spark.is_active(query)
    });
    let topics = bed.spark.started_with(query).unwrap();
    let from = topics.from.unwrap();
    assert_eq!((topics.generation, from[&0], from[&1]), (2, Some(3), None));
}

#[test]
fn days_past_the_retention_leave_history_once_and_a_new_leader_knows() {
    let short = "CREATE STREAM short (n BIGINT NOT NULL) WITH (retention = '2 days');";
    let Some(bed) = Bed::open("retention", &[short]) else {
        return;
    };
    let definitions = bed.catalog.definitions();
    let mut streams = definitions.streams.values();
    let id = streams
        .find(|def| def.spec.name.as_str() == "short")
        .unwrap()
        .id;
    let query = Query::History(id);
    let mut leading = bed.leading("one");
    until(&mut leading, "it is not started", || {
        bed.spark.is_active(query)
    });
    bed.send("short", 5);
    bed.spark.reads_all(query);
    let expired = || {
        let progress = read_once(&bed.config.kafka).unwrap();
        progress.history(id).and_then(|history| history.expired)
    };
    until(&mut leading, "nothing is taken out", || expired().is_some());
    assert_eq!(bed.spark.expired().len(), 1);
    let mut other = bed.leading("other");
    for _ in 0..5 {
        other.round().unwrap();
    }
    assert_eq!(bed.spark.expired().len(), 1, "it was done before");
    bed.clock.advance(Duration::from_secs(86_400));
    until(&mut other, "the next day stays", || {
        bed.spark.expired().len() == 2
    });
    let days = bed.spark.expired();
    assert!(days[0].1 < days[1].1, "{days:?}");
}

#[test]
fn of_two_nodes_one_leads_and_the_other_takes_over_when_it_dies() {
    let Some(bed) = Bed::open("two", &[TOTALS]) else {
        return;
    };
    let leader = || read_once(&bed.config.kafka).unwrap().leader;
    let seen = |node: &str, since: u64| {
        let start = Instant::now();
        while !leader().is_some_and(|leader| leader.node == node && leader.round > since) {
            assert!(
                start.elapsed() < DEADLINE,
                "{node} does not lead: {:?}",
                leader()
            );
            thread::sleep(Duration::from_millis(50));
        }
        leader().unwrap().round
    };
    let (stop_one, one) = tokio::sync::watch::channel(false);
    let (stop_other, other) = tokio::sync::watch::channel(false);
    thread::scope(|scope| {
        let first = bed.parts("one", bed.system_clock());
        let running = scope.spawn(move || run(first, &one, &|problem| drop(problem)));
        let round = seen("one", 0);
        let second = bed.parts("other", bed.system_clock());
        scope.spawn(move || run(second, &other, &|problem| drop(problem)));
        let round = seen("one", round);
        stop_one.send_replace(true);
        running.join().unwrap();
        let died = Instant::now();
        seen("other", round);
        println!("taken over {:?} after the other one ended", died.elapsed());
        stop_other.send_replace(true);
    });
}

#[test]
fn what_is_published_by_one_who_is_fenced_is_not_there() {
    let Some(bed) = Bed::open("fence", &[]) else {
        return;
    };
    let _made = read_once(&bed.config.kafka).unwrap();
    let mut one = Fence::take(&bed.config.kafka).unwrap();
    let entry = |node: &str| {
        let leader = crate::progress::Leader {
            node: node.to_owned(),
            ..Default::default()
        };
        [Entry::Leader(leader)]
    };
    one.publish(&entry("one")).unwrap();
    let mut other = Fence::take(&bed.config.kafka).unwrap();
    let error = one.publish(&entry("one again")).unwrap_err();
    assert!(
        matches!(error, ControlError::Superseded { .. }),
        "{error:?}"
    );
    let node = || read_once(&bed.config.kafka).unwrap().leader.unwrap().node;
    assert_eq!(node(), "one");
    other.publish(&entry("other")).unwrap();
    assert_eq!(node(), "other");
}
