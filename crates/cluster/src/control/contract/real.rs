//! Control with a real Spark: `MAINSTEM_SPARK` names it.

use std::{sync::Arc, thread, time::Duration};

use mainstem_catalog::Stage;
use mainstem_kernel::{
    StreamId,
    clock::{SharedClock, SystemClock},
    spawn::{SharedSpawn, Spawn, TaskBody, ThreadBody},
};

use super::{
    super::{ControlParts, QueryEngine, SparkQueries, fixture::TOTALS, leading::Leading},
    bed::{Bed, config, named},
};
use crate::progress::{Doing, Progress, Query, read_once};

/// Spark on few cores is slow.
const DEADLINE: Duration = Duration::from_secs(120);

/// Threads that nobody watches.
#[derive(Debug)]
struct Unwatched(tokio::runtime::Handle);

impl Spawn for Unwatched {
    fn thread(&self, name: &str, body: ThreadBody) -> std::io::Result<()> {
        let started = thread::Builder::new().name(name.to_owned()).spawn(body);
        started.map(drop)
    }

    fn task(&self, _name: &str, body: TaskBody) {
        drop(self.0.spawn(body));
    }
}

#[test]
fn a_view_runs_on_spark_and_goes_on_from_its_checkpoint_under_another_leader() {
    let Some(address) = named("spark", "MAINSTEM_SPARK") else {
        return;
    };
    let Some(mut config) = config("spark") else {
        return;
    };
    config.spark.address = address.join(",");
    let folder = std::env::temp_dir().join(&config.kafka.topic_prefix);
    config.folder = folder.to_string_lossy().into_owned();
    let bed = Bed::over(config, &[TOTALS]);
    let spawn: SharedSpawn = Arc::new(Unwatched(bed.runtime.handle().clone()));
    let engine = || {
        let runtime = bed.runtime.handle().clone();
        Arc::new(SparkQueries::new(
            &bed.config,
            SharedSpawn::clone(&spawn),
            runtime,
        ))
    };
    let leading = |node: &str, engine: &Arc<SparkQueries>| {
        let clock: SharedClock = Arc::new(SystemClock);
        let parts = Arc::new(ControlParts {
            engine: Arc::<SparkQueries>::clone(engine),
            ..bed.parts(node, clock)
        });
        let mut leading = Leading::open(&parts).unwrap();
        leading.remember(read_once(&bed.config.kafka).unwrap());
        leading
    };
    let totals = bed.view("totals");
    let query = Query::View(totals);
    let spark = engine();
    let mut one = leading("one", &spark);
    one.round().unwrap();
    bed.send("orders", 7);
    let seen = until(&bed, &mut one, |progress| {
        let view = progress.view(totals);
        view.is_some_and(|view| view.input == view.ends && view.doing == Doing::Running)
    });
    let view = seen.view(totals).unwrap();
    assert!(view.reached.covers(&view.ends), "{view:?}");
    let written: u64 = view.changes.iter().map(|(_, _, next)| next.0).sum();
    assert!(written > 0, "{view:?}");
    // Its rows are not with a quorum: nobody writes them in this test.
    assert_eq!(bed.stage(totals), Stage::Building);

    // Another one takes over, and finds what runs.
    let other_spark = engine();
    let mut other = leading("other", &other_spark);
    other.round().unwrap();
    let run = other_spark.active().unwrap()[&query].clone();
    bed.send("orders", 3);
    let before = view.batch;
    until(&bed, &mut other, |progress| {
        let view = progress.view(totals);
        view.is_some_and(|view| view.input == view.ends && view.batch > before)
    });
    // Somebody stops the query behind its back.
    other_spark.stop(&run).unwrap();
    bed.send("orders", 1);
    until(&bed, &mut other, |progress| {
        let view = progress.view(totals);
        view.is_some_and(|view| view.input == view.ends && view.lag_rows() == 0)
            && other_spark
                .active()
                .unwrap()
                .get(&query)
                .is_some_and(|now| *now != run)
    });
    is_begun_anew_without_its_checkpoint((&bed, totals), &mut other, &other_spark);
    for run in other_spark.active().unwrap().into_values() {
        other_spark.stop(&run).unwrap();
    }
}

/// What a query has done is deleted behind its back: it is begun anew, as the next generation.
fn is_begun_anew_without_its_checkpoint(
    (bed, totals): (&Bed, StreamId),
    leading: &mut Leading,
    spark: &SparkQueries,
) {
    let query = Query::View(totals);
    let written = |progress: &Progress| {
        let view = progress.view(totals).unwrap();
        view.changes.iter().map(|(_, _, next)| next.0).sum::<u64>()
    };
    let before = written(&read_once(&bed.config.kafka).unwrap());
    let run = spark.active().unwrap()[&query].clone();
    spark.stop(&run).unwrap();
    let gone = bed.config.checkpoint(&query.to_string());
    std::fs::remove_dir_all(&gone).unwrap();
    let seen = until(bed, leading, |progress| {
        let view = progress.view(totals);
        view.is_some_and(|view| view.generation == 2 && view.input == view.ends)
    });
    assert!(written(&seen) > before, "it has computed nothing anew");
    assert_eq!(seen.view(totals).unwrap().lag_rows(), 0);
}

/// Takes rounds until something is published.
fn until(bed: &Bed, leading: &mut Leading, is_so: impl Fn(&Progress) -> bool) -> Progress {
    let start = tokio::time::Instant::now();
    loop {
        leading.round().unwrap();
        let progress = read_once(&bed.config.kafka).unwrap();
        if is_so(&progress) {
            return progress;
        }
        assert!(start.elapsed() < DEADLINE, "{progress:#?}");
        thread::sleep(Duration::from_millis(200));
    }
}
