//! A Spark to test with.

use std::{io, sync::Arc, thread, time::Duration};

use mainstem_kernel::{
    Spawn,
    spawn::{TaskBody, ThreadBody},
};

use super::super::Spark;
use crate::config::SparkConfig;

/// Starts what it is given, watched by nobody.
#[derive(Debug)]
pub(super) struct Unwatched;

impl Spawn for Unwatched {
    #[expect(clippy::disallowed_methods, reason = "this starts threads of tests")]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        drop(thread::spawn(body));
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "this starts tasks of tests")]
    fn task(&self, _name: &str, body: TaskBody) {
        drop(tokio::spawn(body));
    }
}

/// Spark, in a session that no other test has; `None` if there is none.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
pub(super) async fn spark(test: &str) -> Option<Spark> {
    let Ok(address) = std::env::var("MAINSTEM_SPARK") else {
        println!("SKIPPED {test}: MAINSTEM_SPARK names no Spark (cargo xtask cluster up)");
        return None;
    };
    let config = config(&address, &format!("test-{test}-{}", uuid::Uuid::new_v4()));
    Some(Spark::open(config, Arc::new(Unwatched)).await.unwrap())
}

pub(super) fn config(address: &str, session: &str) -> SparkConfig {
    SparkConfig {
        address: address.to_owned(),
        session: session.to_owned(),
        connect_max: Duration::from_secs(5),
        command_max: Duration::from_secs(60),
        state_partitions: 2,
        trigger_rows_max: 100_000,
    }
}
