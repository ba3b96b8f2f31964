//! Shows the demo: as a dashboard, or as a line a second where there is no terminal.

use std::{collections::VecDeque, thread::sleep, time::Duration};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use mainstem_kernel::{ByteSize, Clock, clock::SystemClock};
use tokio::sync::watch;

use super::{
    board::{Board, CURVE_SECONDS, Reading},
    draw::{Picture, draw},
};
use crate::{
    errors::CliError,
    screen::{self, thousands},
};

/// The picture is drawn anew this often.
const FRAME: Duration = Duration::from_millis(200);
/// Steps in which a line waits, so that an end is noticed.
const STEP: Duration = Duration::from_millis(50);

/// Events per second, second by second.
#[derive(Debug, Default)]
struct Curve {
    seconds: VecDeque<u64>,
    last: Option<(Duration, u64)>,
}

impl Curve {
    /// Takes the sum at `now`; once a second it becomes a point.
    fn take(&mut self, now: Duration, acked: u64) {
        let Some((then, before)) = self.last else {
            self.last = Some((now, acked));
            return;
        };
        let passed = now.saturating_sub(then);
        if passed < Duration::from_secs(1) {
            return;
        }
        let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX).max(1);
        let rate = acked.saturating_sub(before).saturating_mul(1_000_000) / micros;
        if self.seconds.len() == CURVE_SECONDS {
            self.seconds.pop_front();
        }
        self.seconds.push_back(rate);
        self.last = Some((now, acked));
    }

    fn rate(&self) -> u64 {
        self.seconds.back().copied().unwrap_or(0)
    }
}

/// Draws until q, Ctrl-C, a signal or the time limit.
pub(super) fn dashboard(
    board: &Board,
    limit: Option<u64>,
    stopped: &watch::Receiver<bool>,
) -> Result<(), CliError> {
    let fail = |source| CliError::System { source };
    let mut terminal = ratatui::try_init().map_err(fail)?;
    let mut curve = Curve::default();
    let outcome = loop {
        let now = SystemClock.monotonic();
        let reading = board.reading();
        curve.take(now, reading.acked);
        let picture = Picture {
            board,
            reading,
            probed: board.probed(),
            curve: curve.seconds.iter().copied().collect(),
            rate: curve.rate(),
            uptime: now.saturating_sub(board.started),
        };
        if let Err(source) = terminal.draw(|frame| draw(frame, &picture)) {
            break Err(fail(source));
        }
        match is_quit(FRAME) {
            Ok(false) if !is_over(board, limit, stopped) => {}
            Ok(_) => break Ok(()),
            Err(source) => break Err(fail(source)),
        }
    };
    ratatui::restore();
    outcome
}

/// Waits for a key; whether it ends the demo.
fn is_quit(wait: Duration) -> std::io::Result<bool> {
    if !event::poll(wait)? {
        return Ok(false);
    }
    let Event::Key(key) = event::read()? else {
        return Ok(false);
    };
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let is_end = is_ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
    Ok(is_end && key.kind == KeyEventKind::Press)
}

fn is_over(board: &Board, limit: Option<u64>, stopped: &watch::Receiver<bool>) -> bool {
    let uptime = SystemClock.monotonic().saturating_sub(board.started);
    *stopped.borrow() || limit.is_some_and(|limit| uptime >= Duration::from_secs(limit))
}

/// Prints a line a second until a signal or the time limit.
pub(super) fn lines(
    board: &Board,
    limit: Option<u64>,
    stopped: &watch::Receiver<bool>,
) -> Result<(), CliError> {
    screen::note(&format!(
        "{} vehicles report to {}",
        board.vehicles, board.url
    ));
    screen::note("in another terminal:");
    for line in next_lines(&board.data) {
        screen::note(&format!("  {line}"));
    }
    let mut curve = Curve::default();
    curve.take(SystemClock.monotonic(), 0);
    let mut second = 1;
    while !is_over(board, limit, stopped) {
        let due = board.started.saturating_add(Duration::from_secs(second));
        while SystemClock.monotonic() < due && !*stopped.borrow() {
            sleep(STEP);
        }
        second += 1;
        let reading = board.reading();
        curve.take(SystemClock.monotonic(), reading.acked);
        screen::print(format!("{}\n", line(board, &reading, curve.rate())).as_bytes())?;
        screen::flush()?;
    }
    Ok(())
}

fn line(board: &Board, reading: &Reading, rate: u64) -> String {
    let uptime = SystemClock
        .monotonic()
        .saturating_sub(board.started)
        .as_secs();
    let probed = board.probed();
    let mut line = format!(
        "{uptime:>4} s  {:>9} events/s  {:>11} acknowledged  ack p50 {:.1} ms p99 {:.1} ms",
        thousands(rate),
        thousands(reading.acked),
        reading.p50.as_secs_f64() * 1_000.0,
        reading.p99.as_secs_f64() * 1_000.0,
    );
    if let Some(status) = &probed.status {
        line.push_str(&format!(
            "  journal {}  history {}  memory {}",
            ByteSize(status.journal_live_bytes),
            ByteSize(status.history_bytes),
            ByteSize(status.memory_resident_bytes)
        ));
        if let Some(behind) = status.views.iter().map(|view| view.behind_ms).max() {
            line.push_str(&format!("  views {behind} ms behind"));
        }
    }
    if let Some(best) = probed.answers.get(1).and_then(|answer| answer.rows.first()) {
        line.push_str(&format!("  top shop: {}", best.join(" ")));
    }
    if let Some(trouble) = board.trouble() {
        line.push_str(&format!("  waiting: {trouble}"));
    }
    line
}

/// What to type next, in another terminal.
pub(super) fn next_lines(data: &str) -> [String; 3] {
    let program = screen::program();
    [
        format!("{program} sql --data {data} \"SELECT * FROM shop_by_country\""),
        format!("{program} tail --data {data} shop_orders"),
        format!("{program} status --data {data}"),
    ]
}
