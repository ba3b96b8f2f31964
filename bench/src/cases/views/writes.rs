//! Writes of one row each over HTTP, acknowledged after the sync: counters that only the sequencer
//! of their table can count right.

use anyhow::{Result, ensure};

use super::KEYS;
use crate::{
    ask::{self, Asking, Question},
    cases::{Setting, add_answers},
    client::Request,
    events::{device, splitmix},
    report::Findings,
    server::Server,
};

const NAME: &str = "writes";
const COUNTERS: &str = include_str!("../../../apps/views_bench/counters.sql");
const CONNECTIONS: usize = 64;
/// Different statements.
const STATEMENTS: usize = 20_000;

pub(in crate::cases) fn run(setting: &Setting) -> Result<Findings> {
    let title = format!("writes of one row each, {KEYS} keys, {CONNECTIONS} connections");
    let mut findings = Findings::new(NAME, title);
    let server = setting.server_of(NAME, "", COUNTERS)?;
    let asking = Asking {
        connections: CONNECTIONS,
        warm_up: setting.warm_up(),
        counted: setting.counted(),
    };
    let outcome = ask::run(asking, server.target(), statements(&server))?;
    add_answers(&mut findings, &outcome, ("30,000", None));
    let counted = server.sql("SELECT CAST(sum(n) AS BIGINT) FROM counters")?;
    let written = outcome.accepted;
    ensure!(
        counted == [[serde_json::json!(written)]],
        "acknowledged {written} writes, but the counters hold {counted:?}"
    );
    findings.note(format!(
        "every acknowledged write is there once: the counters hold {written}"
    ));
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

fn statements(server: &Server) -> Vec<Question> {
    let mut random = 2;
    let statement = |_| {
        let id = device(splitmix(&mut random) % KEYS);
        let statement = format!(
            "INSERT INTO counters VALUES ('{id}', 1) \
             ON CONFLICT (id) DO UPDATE SET n = counters.n + 1"
        );
        Question {
            request: Request::sql(&statement, server.target().key, None),
            holds: "[\"INSERT\",1]".to_owned(),
        }
    };
    (0..STATEMENTS).map(statement).collect()
}
