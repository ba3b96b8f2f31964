//! Waits until what was applied can be asked: views are built from what is there, and swapped in
//! when they have caught up. It never changes anything: who leaves early loses nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mainstem_gateway::{Status, ViewStatus};
use mainstem_kernel::{Clock, clock::SystemClock};

use crate::{
    client::Server,
    errors::CliError,
    failure::Outcome,
    screen::{self, thousands},
};

/// How often the server is asked at first, and once it takes long.
const ASK_EVERY: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];
/// Whatever takes longer than this is shown.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Without a terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Where an application is.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    /// All of it can be asked.
    Live,
    /// Something is on its way.
    Coming(Coming),
    /// Something does not come.
    Still { object: String, problem: String },
}

/// What is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Coming {
    views: usize,
    rows_read: u64,
    rows_to_read: u64,
    /// Of the view that takes longest.
    remaining_seconds: Option<u64>,
}

/// Waits until the views and tables of an application can be asked.
pub(super) async fn wait(server: &Server, app: &str) -> Outcome {
    let started = SystemClock.monotonic();
    let mut shown: Option<Shown> = None;
    loop {
        let status: Status = server.get("/v1/status").await?;
        let took = SystemClock.monotonic().saturating_sub(started);
        match stand(&status, app) {
            Stand::Live => {
                if let Some(shown) = shown {
                    shown.bar.finish_and_clear();
                    screen::note(&format!("all views are live after {} s", took.as_secs()));
                }
                return Ok(());
            }
            Stand::Still { object, problem } => {
                return Err(CliError::StandsStill { object, problem }.into());
            }
            Stand::Coming(coming) if took >= SILENCE_MAX => {
                let shown = shown.get_or_insert_with(|| Shown::new(took, coming));
                shown.show(took, coming);
            }
            Stand::Coming(_) => {}
        }
        let [soon, later] = ASK_EVERY;
        let pause = if took < SILENCE_MAX { soon } else { later };
        tokio::time::sleep(pause).await;
    }
}

fn stand(status: &Status, app: &str) -> Stand {
    if let Some(paused) = status.paused.iter().find(|paused| paused.name == app) {
        return Stand::Still {
            object: format!("application \"{app}\""),
            problem: paused.problem.clone(),
        };
    }
    let views = || status.views.iter().filter(|view| view.app == app);
    if let Some(view) = views().find(|view| view.state == "paused") {
        return Stand::Still {
            object: format!("view \"{}\"", view.name),
            problem: view.problem.clone().unwrap_or_default(),
        };
    }
    let coming: Vec<&ViewStatus> = views().filter(|view| view.state != "live").collect();
    if coming.is_empty() && !status.starting.iter().any(|starting| starting == app) {
        return Stand::Live;
    }
    let rows = |of: fn(&ViewStatus) -> Option<u64>| -> u64 {
        coming.iter().filter_map(|view| of(view)).sum()
    };
    let remaining = coming.iter().filter_map(|view| view.remaining_seconds);
    Stand::Coming(Coming {
        views: coming.len(),
        rows_read: rows(|view| view.rows_read),
        rows_to_read: rows(|view| view.rows_to_read),
        remaining_seconds: remaining.max(),
    })
}

/// What a person sees meanwhile.
struct Shown {
    bar: ProgressBar,
    since: Duration,
    rows_before: u64,
    last_line: Option<Duration>,
}

impl Shown {
    fn new(took: Duration, coming: Coming) -> Self {
        let target = match screen::is_watched() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(coming.rows_to_read), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30.green} {percent:>3} %  {msg}") {
            bar.set_style(style.progress_chars("━╸ "));
        }
        screen::note("views are built from what is there; they go on if you leave (Ctrl-C)");
        Self {
            bar,
            since: took,
            rows_before: coming.rows_read,
            last_line: None,
        }
    }

    fn show(&mut self, took: Duration, coming: Coming) {
        let line = line(coming, self.rows_before, took.saturating_sub(self.since));
        self.bar.set_length(coming.rows_to_read);
        self.bar.set_position(coming.rows_read);
        let is_due = |last: Duration| took.saturating_sub(last) >= LINE_EVERY;
        if !screen::is_watched() && self.last_line.is_none_or(is_due) {
            self.last_line = Some(took);
            screen::note(&line);
        }
        self.bar.set_message(line);
    }
}

/// `2 views, 1,200,000 of 5,000,000 rows, 600,000 rows/s, 6 s left`.
fn line(coming: Coming, rows_before: u64, took: Duration) -> String {
    let s = if coming.views == 1 { "" } else { "s" };
    let mut line = format!(
        "{} view{s}, {} of {} rows",
        coming.views,
        thousands(coming.rows_read),
        thousands(coming.rows_to_read)
    );
    let rows = u128::from(coming.rows_read.saturating_sub(rows_before));
    let rate = (rows * 1_000_000).checked_div(took.as_micros());
    if let Some(rate) = rate.and_then(|rate| u64::try_from(rate).ok()) {
        line.push_str(&format!(", {} rows/s", thousands(rate)));
    }
    if let Some(left) = coming.remaining_seconds {
        line.push_str(&format!(", {} s left", thousands(left)));
    }
    line
}

#[cfg(test)]
mod tests {
    use mainstem_kernel::{Position, Seq};
    use serde_json::{Value, json};

    use super::*;

    fn status(views: Value, paused: Value, starting: Value) -> Status {
        let status = json!({
            "version": "1", "uptime_seconds": 1, "position": Position::at(Seq(1)), "problem": null,
            "memory_resident_bytes": 1, "memory_budget_bytes": 1, "journal_bytes": 1,
            "journal_live_bytes": 1, "history_files": 1, "history_bytes": 1, "apps": [],
            "streams": [], "views": views, "paused": paused, "starting": starting,
        });
        serde_json::from_value(status).unwrap()
    }

    fn view(app: &str, state: &str, rows: Option<(u64, u64, u64)>) -> Value {
        json!({
            "name": "minutes", "app": app, "state": state, "percent": null,
            "rows_read": rows.map(|rows| rows.0), "rows_to_read": rows.map(|rows| rows.1),
            "remaining_seconds": rows.map(|rows| rows.2), "behind_ms": 0, "rows": 0,
            "dead_letters": 0, "late": 0, "state_bytes": 0, "problem": "its words",
        })
    }

    #[test]
    fn it_waits_for_every_version_of_its_own_views_and_for_tables() {
        let check = |views: Value, paused: Value, starting: Value, expected: Stand| {
            assert_eq!(stand(&status(views, paused, starting), "shop"), expected);
        };
        let none = || json!([]);
        check(none(), none(), none(), Stand::Live);
        let others = json!([view("shop", "live", None), view("fleet", "building", None)]);
        check(others, none(), json!(["fleet"]), Stand::Live);
        let coming = |views, rows_read, rows_to_read, remaining_seconds| {
            Stand::Coming(Coming {
                views,
                rows_read,
                rows_to_read,
                remaining_seconds,
            })
        };
        check(none(), none(), json!(["shop"]), coming(0, 0, 0, None));
        let some = json!([
            view("shop", "live", None),
            view("shop", "starting", None),
            view("shop", "ready", None),
            view("shop", "building", Some((10, 100, 9))),
            view("shop", "building", Some((20, 30, 1))),
        ]);
        check(some, none(), none(), coming(4, 30, 130, Some(9)));
        let still = json!([view("shop", "building", None), view("shop", "paused", None)]);
        let object = |object: &str, problem: &str| Stand::Still {
            object: object.to_owned(),
            problem: problem.to_owned(),
        };
        check(
            still,
            none(),
            none(),
            object("view \"minutes\"", "its words"),
        );
        let paused = json!([{"name": "shop", "problem": "no disk"}]);
        let whole = object("application \"shop\"", "no disk");
        check(none(), paused, none(), whole);
    }

    #[test]
    fn progress_is_a_line() {
        let coming = Coming {
            views: 2,
            rows_read: 1_200_000,
            rows_to_read: 5_000_000,
            remaining_seconds: Some(6),
        };
        assert_eq!(
            line(coming, 200_000, Duration::from_secs(2)),
            "2 views, 1,200,000 of 5,000,000 rows, 500,000 rows/s, 6 s left"
        );
        let starting = Coming {
            views: 1,
            ..Coming::default()
        };
        assert_eq!(line(starting, 0, Duration::ZERO), "1 view, 0 of 0 rows");
    }
}
