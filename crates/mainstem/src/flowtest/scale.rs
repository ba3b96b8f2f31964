//! `Scale`: cases on Kafka, Spark and Cassandra: each in a node of many with topics, queries and
//! tables of its own, which are deleted behind it.
//!
//! What differs from a node in memory, where time stands still between steps:
//!
//! * `at` tells the time for people alone. A case of an application whose tables have a time to
//!   live is not played.
//! * behind `send` it is waited until every view has the rows, so that what comes next comes in a
//!   later micro-batch. An expectation is asked until it holds, for a while, and then once more.
//! * rows that come too late are not kept: expectations about them are not asked.

mod wire;

use std::{path::Path, time::Duration};

use bytes::Bytes;
use mainstem_app::{Checked, Source};
use mainstem_kernel::{Clock, Fault, Offsets, Reached, Timestamp, clock::SystemClock};
use mainstem_node::{Config, Heard, Trial};
use reqwest::{Method, header};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use wire::Ack;

use super::{
    run::{Played, play_on},
    script::{Action, Asked, Case},
    stage::{Refused, Sent, Stage},
};
use crate::{
    args::Target,
    client::{Server, path_part},
    command::app,
    errors::CliError,
    failure::{Failure, Outcome, Shown},
};

/// How long rows may take to be as expected.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks at rows that are not.
const PAUSE: Duration = Duration::from_millis(500);
/// What is as expected has to be so still after this time.
const SETTLED: Duration = Duration::from_millis(1_500);
/// A place that rows have reached, of an answer.
const POSITION: &str = "mainstem-position";

/// An application that is tried on engines beyond one machine.
#[derive(Debug)]
pub(crate) struct Scale<'a> {
    source: &'a Source,
    checked: Checked,
    config: Config,
    tried: u32,
}

impl<'a> Scale<'a> {
    /// With the engines of these settings.
    pub(crate) fn new(source: &'a Source, checked: Checked, config: Config) -> Self {
        Self {
            source,
            checked,
            config,
            tried: 0,
        }
    }

    /// Runs a case in a node of its own.
    ///
    /// # Errors
    /// Why the application could not be started at all, or what was left behind.
    pub(crate) fn play(&mut self, case: &Case) -> Outcome<Played> {
        if let Some(excuse) = self.excuse(case) {
            return Ok(Played {
                excuse: Some(excuse),
                ..Played::default()
            });
        }
        self.tried += 1;
        let name = format!("{:x}_{}", SystemClock.now().millis(), self.tried);
        let runtime = Builder::new_current_thread().enable_all().build();
        let mut playing = Playing {
            runtime: runtime.map_err(|source| CliError::System { source })?,
            trial: Trial::start(self.config.clone(), &name)?,
            scale: self,
            server: None,
            now: case.start,
            position: Offsets::default(),
            asked: None,
        };
        let outcome = playing.begin();
        let played = outcome.map(|()| play_on(&mut playing, case));
        let ended = playing.trial.end();
        let played = played?;
        ended?;
        Ok(played)
    }

    /// Why a case cannot be played here.
    fn excuse(&self, case: &Case) -> Option<String> {
        let tables = self.checked.definitions.tables.values();
        let mut living = tables.filter(|def| def.spec.ttl.is_some());
        let is_later = case
            .steps
            .iter()
            .any(|step| matches!(step.action, Action::At(time) if time != case.start));
        let def = living.next().filter(|_| is_later)?;
        let name = &def.spec.name;
        Some(format!(
            "time does not pass as it is told, and rows of \"{name}\" have a time to live"
        ))
    }
}

/// A case that is played.
struct Playing<'a> {
    scale: &'a Scale<'a>,
    trial: Trial,
    runtime: Runtime,
    server: Option<Server>,
    now: Timestamp,
    /// What was acknowledged.
    position: Offsets,
    /// Since when an expectation is asked, and whether it held before.
    asked: Option<(Duration, bool)>,
}

impl Playing<'_> {
    /// Applies the application, and waits until all of it can be asked.
    fn begin(&mut self) -> Outcome {
        self.connect()?;
        let server = self.server()?;
        let source = self.scale.source;
        self.runtime.block_on(app::apply_at(server, source))
    }

    fn connect(&mut self) -> Outcome {
        self.server = Some(Server::find(&target(self.trial.data()))?);
        Ok(())
    }

    fn server(&self) -> Result<&Server, CliError> {
        let none = || CliError::NoServer {
            looked_at: self.trial.data().to_owned(),
        };
        self.server.as_ref().ok_or_else(none)
    }

    /// `?wait=` for everything that was acknowledged; nothing before anything was.
    fn wait(&self) -> String {
        match self.position.iter().next() {
            None => String::new(),
            Some(_) => {
                let position = Reached::Offsets(self.position.clone()).to_string();
                format!("?wait={}", path_part(&position))
            }
        }
    }

    /// Waits until every view has what was acknowledged.
    fn settle(&mut self) -> Outcome {
        let scale = self.scale;
        for view in &scale.checked.views {
            let sql = format!("SELECT count(*) FROM \"{}\"", view.name);
            let path = match view.plan.emit.is_stream() {
                true => None,
                false => Some(format!(
                    "/v1/views/{}/rows{}&limit=1",
                    path_part(view.name.as_str()),
                    self.wait()
                )),
            };
            match path {
                Some(path) if self.position.iter().next().is_some() => {
                    let server = self.server()?;
                    let request = server.request(Method::GET, &path);
                    self.runtime.block_on(server.send(request))?;
                }
                _ => drop(self.heard(&sql)?),
            }
        }
        Ok(())
    }

    fn heard(&mut self, sql: &str) -> Outcome<Heard> {
        let path = format!("/v1/sql{}", self.wait());
        let server = self.server()?;
        let request = server
            .post_request(&path, &json!({ "query": sql }))
            .header(header::ACCEPT, "application/json");
        let (position, body) = self.runtime.block_on(async {
            let response = server.send(request).await?;
            let position = response.headers().get(POSITION).cloned();
            let body = response.bytes().await;
            Ok::<_, Failure>((position, body.map_err(|source| server.unreachable(source))?))
        })?;
        let heard = wire::heard(&body).map_err(|_source| CliError::Foreign {
            url: server.url.clone(),
            status: 200,
        })?;
        if let Some(position) = position.as_ref().and_then(|told| told.to_str().ok()) {
            self.reach(position);
        }
        Ok(heard)
    }

    /// Notes what was acknowledged.
    fn reach(&mut self, position: &str) {
        if let Ok(Reached::Offsets(offsets)) = position.parse() {
            self.position.join(&offsets);
        }
    }

    fn sent(&mut self, stream: &str, rows: Bytes) -> Outcome<Sent> {
        let path = format!("/v1/streams/{}/events", path_part(stream));
        let server = self.server()?;
        let request = server
            .request(Method::POST, &path)
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .body(rows);
        let ack: Ack = self.runtime.block_on(server.ask(request))?;
        self.reach(&ack.position);
        self.settle()?;
        Ok(Sent {
            rejected: ack.rejected,
            first: ack
                .rejects
                .into_iter()
                .next()
                .map(|one| (one.row, one.code, one.reason)),
        })
    }
}

impl Stage for Playing<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn at(&mut self, time: Timestamp) -> Result<(), Refused> {
        self.now = time;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Refused> {
        let again = self.trial.restart();
        again.map_err(|error| Box::new(Shown::from(error.problem())))?;
        self.connect().map_err(refused)
    }

    fn send(&mut self, stream: &str, rows: Bytes) -> Result<Sent, Refused> {
        self.sent(stream, rows).map_err(refused)
    }

    fn ask(&mut self, sql: &str) -> Result<Heard, Refused> {
        self.heard(sql).map_err(refused)
    }

    fn excused(&self, asked: &Asked) -> Option<String> {
        let text = match asked {
            Asked::Object(name) => name,
            Asked::Question { sql, .. } => sql,
        };
        let views = self.scale.checked.views.iter();
        let mut late = views.map(|view| format!("{}_late", view.name));
        let name = late.find(|name| text.contains(name.as_str()))?;
        Some(format!(
            "beyond one machine there is no \"{name}\": late rows are dropped"
        ))
    }

    fn asks_again(&mut self, is_equal: bool) -> bool {
        let now = SystemClock.monotonic();
        let (since, was_equal) = self.asked.take().unwrap_or((now, false));
        let pause = match (is_equal, was_equal) {
            (true, true) => return false,
            (true, false) => SETTLED,
            (false, _) if now.saturating_sub(since) > PATIENCE => return false,
            (false, _) => PAUSE,
        };
        self.asked = Some((since, is_equal));
        // Made within the runtime: outside of it there is no clock to sleep by.
        self.runtime
            .block_on(async { tokio::time::sleep(pause).await });
        true
    }
}

/// Where the node of a trial tells its address and its key.
fn target(data: &Path) -> Target {
    Target {
        data: Some(data.to_owned()),
        url: None,
        key: None,
    }
}

/// The first thing that a server says.
fn refused(failure: Failure) -> Refused {
    let first = failure.problems.into_iter().next();
    Box::new(first.unwrap_or_else(|| Shown {
        code: String::new(),
        message: "it was refused".to_owned(),
        detail: None,
        hint: None,
        position: None,
        excerpt: None,
    }))
}
