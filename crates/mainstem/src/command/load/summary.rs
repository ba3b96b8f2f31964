//! What a load tells: progress while it runs, and at the end what became of the rows.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{batch::Batch, send::Ack};
use crate::screen::{self, thousands};

/// Without a terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Example rows that are named per reason.
const EXAMPLES_MAX: usize = 3;
/// Reasons that are named; the dead letters have all.
const REASONS_MAX: usize = 20;

/// The story of one load.
#[derive(Debug)]
pub(super) struct Summary {
    stream: String,
    bar: ProgressBar,
    started: Duration,
    last_line: Duration,
    skipped: u64,
    accepted: u64,
    rejected: u64,
    position: Option<String>,
    /// Code and reason → rows that acknowledgements named, from 1 as people count.
    reasons: BTreeMap<(String, String), Vec<u64>>,
}

impl Summary {
    pub(super) fn new(stream: &str, skipped: u64, total: Option<u64>, now: Duration) -> Self {
        let target = match screen::is_watched() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{bar:30.green} {percent:>3} %  {msg}  {eta} left",
            None => "{spinner} {msg}  {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        if skipped > 0 {
            screen::note(&format!("{} rows have arrived before", thousands(skipped)));
        }
        Self {
            stream: stream.to_owned(),
            bar,
            started: now,
            last_line: now,
            skipped,
            accepted: 0,
            rejected: 0,
            position: None,
            reasons: BTreeMap::new(),
        }
    }

    /// Says why nothing moves.
    pub(super) fn wait(&self, why: &str) {
        match screen::is_watched() {
            true => self.bar.set_message(format!("waiting: {why}")),
            false => screen::note(&format!("waiting: {why}")),
        }
    }

    /// Takes in what became of a batch, when `read` bytes of the file have been read.
    pub(super) fn add(&mut self, batch: &Batch, ack: Ack, read: u64, now: Duration) {
        self.accepted += ack.accepted;
        self.rejected += ack.rejected;
        self.position = Some(ack.position);
        for reject in ack.rejects {
            let rows = self
                .reasons
                .entry((reject.code, reject.reason))
                .or_default();
            rows.push(batch.first + reject.row + 1);
        }
        let line = format!(
            "{} rows, {} rows/s, {} rejected",
            thousands(self.accepted + self.rejected),
            thousands(self.rate(now)),
            thousands(self.rejected)
        );
        self.bar.set_position(read);
        if !screen::is_watched() && now.saturating_sub(self.last_line) >= LINE_EVERY {
            self.last_line = now;
            screen::note(&line);
        }
        self.bar.set_message(line);
    }

    /// Tells the end.
    pub(super) fn finish(&self, now: Duration) {
        self.bar.finish_and_clear();
        for line in self.lines(now) {
            screen::note(&line);
        }
    }

    fn lines(&self, now: Duration) -> Vec<String> {
        let arrived = self.accepted + self.rejected;
        if arrived == 0 {
            let rows = thousands(self.skipped);
            return vec![format!(
                "nothing to do: all {rows} rows had arrived in \"{}\"",
                self.stream
            )];
        }
        let took = now.saturating_sub(self.started);
        let mut lines = vec![format!(
            "loaded {} rows into \"{}\" in {:.1} s ({} rows/s), {} rejected",
            thousands(self.accepted),
            self.stream,
            took.as_secs_f64(),
            thousands(self.rate(now)),
            thousands(self.rejected)
        )];
        if let Some(position) = &self.position {
            lines.push(format!("position {position}"));
        }
        lines.extend(self.reason_lines());
        lines
    }

    fn reason_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
        for ((code, reason), rows) in reasons.iter().take(REASONS_MAX) {
            let examples: Vec<_> = rows
                .iter()
                .take(EXAMPLES_MAX)
                .map(|n| thousands(*n))
                .collect();
            let more = if rows.len() > EXAMPLES_MAX {
                ", …"
            } else {
                ""
            };
            let s = if rows.len() == 1 { "" } else { "s" };
            lines.push(format!(
                "  {code} {reason}: row{s} {}{more}",
                examples.join(", ")
            ));
        }
        if self.rejected > 0 {
            lines.push(format!(
                "rejected rows are kept: mainstem sql \"SELECT code, reason, count(*), min(payload) \
                 FROM {}_dead_letters GROUP BY 1, 2\"",
                self.stream
            ));
        }
        lines
    }

    /// Rows per second since the start.
    fn rate(&self, now: Duration) -> u64 {
        let micros = now.saturating_sub(self.started).as_micros().max(1);
        let rate = u128::from(self.accepted + self.rejected) * 1_000_000 / micros;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::send::Reject;
    use super::*;

    #[test]
    fn rejected_rows_are_grouped_by_reason_and_numbered_as_people_count() {
        let mut summary = Summary::new("purchases", 0, None, Duration::ZERO);
        let reject = |row, reason: &str| Reject {
            row,
            code: "ADMIT-005".to_owned(),
            reason: reason.to_owned(),
        };
        let rejects = vec![reject(0, "a"), reject(7, "b"), reject(8, "b")];
        let position = "p1-0".to_owned();
        let ack = Ack {
            accepted: 97,
            rejected: 3,
            position,
            rejects,
        };
        let batch = Batch {
            first: 20_000,
            rows: 100,
            body: bytes::Bytes::new(),
        };
        summary.add(&batch, ack, 0, Duration::from_secs(1));
        let expected = [
            "loaded 97 rows into \"purchases\" in 2.0 s (50 rows/s), 3 rejected",
            "position p1-0",
            "  ADMIT-005 b: rows 20,008, 20,009",
            "  ADMIT-005 a: row 20,001",
        ];
        assert_eq!(summary.lines(Duration::from_secs(2))[..4], expected);
    }
}
