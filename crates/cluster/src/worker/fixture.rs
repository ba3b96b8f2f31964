//! Workers on a real broker, for tests.

#![cfg(feature = "engines")]

use std::{sync::Arc, thread, time::Duration};

use mainstem_catalog::Definitions;
use mainstem_kernel::{
    ByteSize, Clock as _,
    clock::SystemClock,
    spawn::{Spawn, TaskBody, ThreadBody},
};
use tokio::sync::watch;

use super::{Workers, WorkersConfig, WorkersParts};
use crate::kafka::KafkaConfig;

const DEADLINE: Duration = Duration::from_secs(60);

/// Plain threads.
#[derive(Debug)]
struct Threads;

impl Spawn for Threads {
    #[expect(clippy::disallowed_methods, reason = "nobody supervises a test")]
    fn thread(&self, _name: &str, body: ThreadBody) -> std::io::Result<()> {
        thread::spawn(body);
        Ok(())
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("{name}: workers have no tasks");
    }
}

/// Goes on until it is so.
pub(in crate::worker) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = SystemClock.monotonic();
    while !is_so() {
        let waited = SystemClock.monotonic().saturating_sub(start);
        assert!(waited < DEADLINE, "not within {DEADLINE:?}: {what}");
        thread::yield_now();
    }
}

/// The broker's settings, with this prefix; none if no broker is named.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
pub(super) fn kafka(test: &str, prefix: String) -> Option<KafkaConfig> {
    let Ok(brokers) = std::env::var("MAINSTEM_KAFKA") else {
        println!("SKIPPED {test}: MAINSTEM_KAFKA names no brokers (cargo xtask cluster up)");
        return None;
    };
    Some(KafkaConfig {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        topic_prefix: prefix,
        replicas: 1,
        in_sync_min: 1,
        connect_max: Duration::from_secs(5),
        acknowledge_max: Duration::from_secs(10),
        queue_size_max: ByteSize::mib(64),
        requests_max: 1_000,
        request_keep: Duration::from_secs(3_600),
    })
}

/// Workers as a node has them.
pub(super) fn workers(kafka: &KafkaConfig, definitions: &Arc<Definitions>) -> Arc<Workers> {
    let (sender, definitions) = watch::channel(Arc::clone(definitions));
    // Whoever follows definitions lives as long as the node.
    std::mem::forget(sender);
    let workers = Workers::start(WorkersParts {
        config: WorkersConfig {
            kafka: kafka.clone(),
            session_max: Duration::from_secs(3),
            transaction_max: Duration::from_secs(4),
            lookup_size_max: ByteSize::mib(64),
            seen_size_max: ByteSize::mib(64),
            ahead_max: Duration::from_secs(3_600),
        },
        definitions,
        spawn: Arc::new(Threads),
        clock: Arc::new(SystemClock),
        instance: uuid::Uuid::new_v4().simple().to_string(),
    });
    workers.unwrap()
}
