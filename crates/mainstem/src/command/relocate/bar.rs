//! What a move shows while rows follow.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use mainstem_kernel::{Clock, clock::SystemClock};

use crate::screen::{self, thousands};

/// Without a terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how far everything is.
pub(super) struct Bar {
    bar: ProgressBar,
    last_line: Option<Duration>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = match screen::is_watched() {
            true => ProgressBar::new(0),
            false => ProgressBar::hidden(),
        };
        let template = "{bar:30.green} {percent:>3} %  {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        Self {
            bar,
            last_line: None,
        }
    }

    pub(super) fn show(&mut self, done: u64, all: u64) {
        let text = format!("{} of {} rows", thousands(done), thousands(all));
        self.bar.set_length(all);
        self.bar.set_position(done);
        self.bar.set_message(text.clone());
        let now = SystemClock.monotonic();
        let is_due = self.last_line.is_none_or(|last| now >= last + LINE_EVERY);
        if !screen::is_watched() && is_due {
            screen::note(&text);
            self.last_line = Some(now);
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
