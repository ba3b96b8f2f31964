//! Rows of a view by their key over HTTP, one after the other on each connection.

use anyhow::Result;

use super::{AGGREGATE, FIRST, KEYS, SAME_TOTALS, app, check, follow};
use crate::{
    ask::{self, Asking, Question},
    cases::{Setting, add_answers},
    client::Request,
    events::{Events, Keys, device, splitmix},
    load::Load,
    report::Findings,
    server::Server,
};

const NAME: &str = "reads";
/// Enough to keep two cores busy: with more, each only waits for the others.
const CONNECTIONS: usize = 32;
/// Events before the first question.
const EVENTS: u64 = 1_000_000;
/// Different questions.
const QUESTIONS: usize = 20_000;

pub(in crate::cases) fn run(setting: &Setting) -> Result<Findings> {
    let title = format!("rows of a view by key over HTTP, {KEYS} keys, {CONNECTIONS} connections");
    let mut findings = Findings::new(NAME, title);
    let server = setting.server_of(NAME, "", &app(AGGREGATE))?;
    let load = Load {
        of: Events::Readings(Keys::InOrder { count: KEYS }),
        ..Load::of_events(EVENTS, FIRST)
    };
    follow(&server, load, "totals")?;
    let asking = Asking {
        connections: CONNECTIONS,
        warm_up: setting.warm_up(),
        counted: setting.counted(),
    };
    let outcome = ask::run(asking, server.target(), questions(&server))?;
    add_answers(&mut findings, &outcome, ("60,000", Some("≤ 2 ms")));
    check(&mut findings, &server, SAME_TOTALS)?;
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

fn questions(server: &Server) -> Vec<Question> {
    let mut random = 1;
    let question = |_| {
        let device = device(splitmix(&mut random) % KEYS);
        let path = format!("/v1/views/totals/rows?key={device}");
        Question {
            request: Request::get(&path, server.target().key),
            // Each device has had as many events as any other.
            holds: format!("[\"{device}\",{},", EVENTS / KEYS),
        }
    };
    (0..QUESTIONS).map(question).collect()
}
