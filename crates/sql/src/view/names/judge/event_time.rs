//! How far the event time of a stream was, in SQL: as of each of its seqs, and as of the frontier.
//!
//! ```text
//! frames   greatest time of each seq             SELECT _seq, max(time) … GROUP BY _seq
//! marks    greatest time of all smaller seqs     max(…) OVER (ORDER BY _seq … 1 PRECEDING)
//! ```
//!
//! Where event time goes on by itself (`idle_timeout`), a time counts for as much more as the stream has
//! rested since: with the rest R of all pauses up to a seq,
//!
//! ```text
//! W(seq) = max over smaller seqs s of (time(s) - R(s)) + R(seq) - delay
//! ```
//!
//! Such times are numbers of microseconds; all others are times. What is asked of several streams is in
//! `event_times`.

use std::ops::ControlFlow;

use mainstem_catalog::StreamDef;
use mainstem_kernel::{Seq, types::SEQ_COLUMN};
use sqlparser::ast::{Expr, Statement, Value, visit_expressions_mut};

use super::passed::Seqs;
use crate::declare::quoted;

/// How far an event time may be ahead of its arrival: rows beyond it go to dead letters.
const AHEAD: &str = "INTERVAL '5 minutes'";
/// Stands for the millisecond of the frontier until it is known.
pub(super) const FRONTIER: &str = "_frontier_millis";
/// Of all smaller seqs.
pub(super) const SMALLER: &str =
    "OVER (ORDER BY _seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)";
/// Seqs of one millisecond.
pub(super) const SEQS: &str = "65536";

/// The stream whose rows move the watermark of what windows are opened over.
pub(super) struct EventTime<'a> {
    pub(super) stream: &'a StreamDef,
    pub(super) column: &'a str,
    /// How far the watermark is behind the greatest time.
    pub(super) behind_us: i128,
    /// After how long without rows it goes on by itself, in ms.
    pub(super) idle_ms: Option<u128>,
}

/// A column of what is known of a stream's event time, and the function that puts several together.
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) function: &'static str,
}

impl EventTime<'_> {
    /// ` JOIN …` that puts `_before`, the greatest time of all rows with smaller seqs, beside each row of
    /// `cut_rows`.
    pub(super) fn marks(&self, seqs: Seqs) -> String {
        let (frames, join) = (self.frames(), seqs.join());
        let before = match self.idle_ms {
            None => format!("max(_greatest) {SMALLER}"),
            Some(_) => format!("max(_greatest - _rested) {SMALLER} + _rested"),
        };
        format!(
            " {join} (SELECT {SEQ_COLUMN} AS _at, {before} AS _before FROM {frames}) AS marks \
             ON marks._at = cut_rows.{SEQ_COLUMN}"
        )
    }

    /// Whether a time is not behind the watermark that its row is judged by, less so many µs; `op` is `>`
    /// or `>=`.
    pub(super) fn is_in_time(&self, time: &str, op: &str, less_us: i128) -> String {
        let behind = self.behind_us.saturating_add(less_us);
        let (time, before) = (self.instant(time), self.less("_before", behind));
        format!("(_before IS NULL OR {time} {op} {before})")
    }

    /// Whether the watermark has passed a time by now.
    pub(super) fn is_over(&self, time: &str) -> String {
        let now = self.less(&self.now(), self.behind_us);
        format!("{} <= {now}", self.instant(time))
    }

    /// Whether a time is in a slice of so many µs that the watermark has passed by now by `more_us`.
    pub(super) fn is_in_turn(&self, time: &str, (turn_us, more_us): (i64, i64)) -> String {
        let behind = self.behind_us.saturating_add(i128::from(more_us));
        let now = self.less(&self.now(), behind);
        match self.idle_ms {
            None => format!("{time} < tumble_start({now}, INTERVAL '{turn_us} microseconds')"),
            // Of two whole numbers `/` cuts towards zero, and times may be before 1970.
            Some(_) => {
                let slice = format!("(({now}) % {turn_us} + {turn_us}) % {turn_us}");
                format!("{} < {now} - {slice}", self.instant(time))
            }
        }
    }

    /// What says beside other streams how far it is, as columns with the stream's number: of each seq, and
    /// put together of several.
    pub(super) fn figures(&self, number: usize) -> Vec<Figure> {
        let figure = |name: &str, value: &str, function: &'static str| Figure {
            name: format!("{name}{number}"),
            value: value.to_owned(),
            function,
        };
        match self.idle_ms {
            None => vec![figure("_greatest", "CAST(_greatest AS BIGINT)", "max")],
            Some(_) => {
                let begun = format!("CASE WHEN _greatest IS NOT NULL THEN {SEQ_COLUMN} END");
                vec![
                    figure("_greatest", "_greatest - _rested", "max"),
                    figure("_rested", "_rested", "max"),
                    figure("_last", SEQ_COLUMN, "max"),
                    figure("_begun", &begun, "min"),
                ]
            }
        }
    }

    /// The greatest time by these figures in a millisecond, in µs.
    pub(super) fn reached(&self, number: usize, millis: &str) -> String {
        let Some(idle_ms) = self.idle_ms else {
            return format!("_greatest{number}");
        };
        let rest = rest(&format!("{millis} - _last{number} / {SEQS}"), idle_ms);
        format!("_greatest{number} + _rested{number} + {rest}")
    }

    /// What it counts as beside others by these figures until it is further itself: the time for which it
    /// had rested when its first row came, or has by then. NULL before the first timeout.
    pub(super) fn unseen(&self, number: usize, millis: &str) -> Option<String> {
        let idle_ms = self.idle_ms?;
        let declared = self.stream.created.millis();
        let until = format!("coalesce(_begun{number} / {SEQS}, {millis})");
        let rest = rest(&format!("greatest({until} - {declared}, 0)"), idle_ms);
        Some(format!("nullif({rest}, 0) + {declared} * 1000"))
    }

    /// The greatest time by now.
    fn now(&self) -> String {
        let Some(idle_ms) = self.idle_ms else {
            let stream = quoted(self.stream.spec.name.as_str());
            return format!("(SELECT {} FROM {stream})", self.greatest());
        };
        let pause = format!("{FRONTIER} - max({SEQ_COLUMN}) / {SEQS}");
        let rest = rest(&pause, idle_ms);
        let frames = self.frames();
        format!("(SELECT max(_greatest - _rested) + max(_rested) + {rest} FROM {frames})")
    }

    /// Each seq with the greatest time of its rows; where event time goes on by itself also with how
    /// long it had done so by then.
    pub(super) fn frames(&self) -> String {
        let stream = quoted(self.stream.spec.name.as_str());
        let greatest = self.greatest();
        let frames = format!(
            "(SELECT {SEQ_COLUMN}, {greatest} AS _greatest FROM {stream} GROUP BY {SEQ_COLUMN}) AS frames"
        );
        let Some(idle_ms) = self.idle_ms else {
            return frames;
        };
        let pause = format!(
            "{SEQ_COLUMN} / {SEQS} - lag({SEQ_COLUMN}) OVER (ORDER BY {SEQ_COLUMN}) / {SEQS}"
        );
        let rest = rest("_pause", idle_ms);
        format!(
            "(SELECT {SEQ_COLUMN}, CAST(_greatest AS BIGINT) AS _greatest, \
             CAST(sum(coalesce({rest}, 0)) OVER (ORDER BY {SEQ_COLUMN} ROWS UNBOUNDED PRECEDING) AS BIGINT) AS _rested \
             FROM (SELECT {SEQ_COLUMN}, _greatest, {pause} AS _pause FROM {frames}) AS pauses) AS rested"
        )
    }

    fn greatest(&self) -> String {
        let column = quoted(self.column);
        format!("max({column}) FILTER (WHERE {})", within(&column))
    }

    /// A time as it is compared.
    fn instant(&self, time: &str) -> String {
        match self.idle_ms {
            None => time.to_owned(),
            Some(_) => format!("CAST({time} AS BIGINT)"),
        }
    }

    fn less(&self, time: &str, micros: i128) -> String {
        match self.idle_ms {
            None => format!("{time} - INTERVAL '{micros} microseconds'"),
            Some(_) => format!("{time} - {micros}"),
        }
    }
}

/// Rows whose time is not NULL and not too far ahead.
pub(super) fn within(time: &str) -> String {
    format!("{time} <= arrival_time({SEQ_COLUMN}) + {AHEAD}")
}

/// How long event time goes on in a pause of so many ms, in µs: by the timeout whenever it has passed,
/// after a thousand times ten at a time, after ten thousand a hundred, and so on.
fn rest(pause: &str, idle_ms: u128) -> String {
    let times = format!("(({pause}) / {idle_ms})");
    let mut cases = String::new();
    for unit in [1_000_000, 100_000, 10_000, 1_000, 100, 10] {
        let least = unit * 100;
        cases.push_str(&format!(
            " WHEN {times} >= {least} THEN {times} - {times} % {unit}"
        ));
    }
    format!("(CASE{cases} ELSE {times} END * {idle_ms} * 1000)")
}

/// Says which frontier a question is asked at, which it may have to know.
pub(crate) fn at_frontier(question: &mut Statement, frontier: Seq) {
    // What moves just before a millisecond has moved as of the seq before it.
    let millis = Seq(frontier.0.saturating_add(1)).millis();
    // It never breaks off.
    let _never = visit_expressions_mut(question, |expr| {
        if matches!(expr, Expr::Identifier(name) if name.value == FRONTIER) {
            let number = Value::Number(millis.to_string(), false);
            *expr = Expr::Value(number.into());
        }
        ControlFlow::<()>::Continue(())
    });
}
