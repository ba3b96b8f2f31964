//! The event time of everything that a view reads: as far as the last of its streams. Of one it is that
//! stream's (`EventTime`); of several no row says how far the others were, but the log does:
//!
//! ```text
//! frames   of each seq what is known of each stream                        UNION ALL … GROUP BY _seq
//! before   the same of all smaller seqs                                    max(…) OVER (ORDER BY _seq … 1 PRECEDING)
//! marks    how far each is by that, and the least of them (`least`); NULL while one of them has had no row
//! ```
//!
//! Such times are numbers of microseconds.

use std::time::Duration;

use mainstem_catalog::Object;
use mainstem_kernel::{Problem, StreamId, types::SEQ_COLUMN};

use super::{
    super::Against,
    event_time::{EventTime, FRONTIER, Figure, SEQS, SMALLER},
    is_added,
    least::{Below, Layers},
    passed::Seqs,
    unknown,
};

/// The streams that move the watermark of what is judged, each once, and how.
pub(super) struct EventTimes<'a> {
    streams: Vec<EventTime<'a>>,
    below: Below,
}

impl<'a> EventTimes<'a> {
    /// Of objects whose rows are only added.
    ///
    /// # Errors
    /// When one of them has no event time.
    pub(super) fn of(against: Against<'a>, objects: &[StreamId]) -> Result<Self, Problem> {
        let (mut streams, mut below) = (Vec::new(), Vec::new());
        for (at, id) in objects.iter().enumerate() {
            // Twice the same is no further and no less far.
            if !objects.iter().take(at).any(|other| other == id) {
                let found = gather(against, *id, &mut streams);
                below.push(found.ok_or_else(|| unknown(against, *id))?);
            }
        }
        let below = Below::Least(below, 0);
        if let [only] = streams.as_mut_slice() {
            only.behind_us = below.behind_us();
        }
        Ok(Self { streams, below })
    }

    /// The only stream. One that rests and is read in several ways is beside itself.
    fn only(&self) -> Option<&EventTime<'a>> {
        match self.streams.as_slice() {
            [only] if only.idle_ms.is_none() || self.below.is_chain() => Some(only),
            _ => None,
        }
    }

    /// ` JOIN …` that puts `_before`, how far event time was for all rows with smaller seqs, beside each
    /// row of `cut_rows`.
    pub(super) fn marks(&self, seqs: Seqs) -> String {
        if let Some(only) = self.only() {
            return only.marks(seqs);
        }
        let each = self.streams.iter().enumerate();
        let each = each.map(|(number, one)| {
            let columns = self.figures().into_iter().map(|(of, figure)| match of {
                of if of == number => format!("{} AS {}", figure.value, figure.name),
                _ => format!("CAST(NULL AS BIGINT) AS {}", figure.name),
            });
            let columns = columns.collect::<Vec<_>>().join(", ");
            format!("SELECT {SEQ_COLUMN}, {columns} FROM {}", one.frames())
        });
        let each = each.collect::<Vec<_>>().join(" UNION ALL ");
        let (frames, before) = (self.together(""), self.together(SMALLER));
        let mut layers = Layers::over(
            format!(
                "(SELECT {SEQ_COLUMN} AS _at, {SEQ_COLUMN} / {SEQS} AS _millis, {before} FROM \
                 (SELECT {SEQ_COLUMN}, {frames} FROM ({each}) AS moves GROUP BY {SEQ_COLUMN}) AS frames) \
                 AS all_before"
            ),
            self.columns(&["_at", "_millis"]),
        );
        let before = layers.least(&self.below, &self.streams);
        format!(
            " {} (SELECT _at, {before} AS _before FROM {}) AS marks ON marks._at = cut_rows.{SEQ_COLUMN}",
            seqs.join(),
            layers.from()
        )
    }

    /// Whether a time is not behind the watermark that its row is judged by, less so many µs; `op` is `>`
    /// or `>=`.
    pub(super) fn is_in_time(&self, time: &str, op: &str, less_us: i128) -> String {
        match self.only() {
            Some(only) => only.is_in_time(time, op, less_us),
            None => {
                format!("(_before IS NULL OR CAST({time} AS BIGINT) {op} _before - {less_us})")
            }
        }
    }

    /// Whether the watermark has passed a time by now.
    pub(super) fn is_over(&self, time: &str) -> String {
        match self.only() {
            Some(only) => only.is_over(time),
            None => {
                let (now, from) = self.now();
                format!("CAST({time} AS BIGINT) <= (SELECT {now} FROM {from})")
            }
        }
    }

    /// Whether a time is in a slice of so many µs that the watermark has passed by now by `more_us`.
    pub(super) fn is_in_turn(&self, time: &str, (turn_us, more_us): (i64, i64)) -> String {
        match self.only() {
            Some(only) => only.is_in_turn(time, (turn_us, more_us)),
            None => {
                let (now, from) = self.now();
                // Of two whole numbers `/` cuts towards zero, and times may be before 1970.
                format!(
                    "CAST({time} AS BIGINT) < (SELECT _now - (_now % {turn_us} + {turn_us}) % {turn_us} \
                     FROM (SELECT {now} - {more_us} AS _now FROM {from}) AS by_now)"
                )
            }
        }
    }

    /// How far event time is by now: the column, and where it is.
    fn now(&self) -> (String, String) {
        let each = self.streams.iter().enumerate().map(|(number, one)| {
            let figures = one.figures(number).into_iter();
            let figures =
                figures.map(|one| format!("{}({}) AS {}", one.function, one.value, one.name));
            let figures = figures.collect::<Vec<_>>().join(", ");
            format!("(SELECT {figures} FROM {}) AS now{number}", one.frames())
        });
        let each = each.collect::<Vec<_>>().join(" CROSS JOIN ");
        let figures = self.columns(&[]).join(", ");
        let mut layers = Layers::over(
            format!("(SELECT {FRONTIER} AS _millis, {figures} FROM {each}) AS by_frontier"),
            self.columns(&["_millis"]),
        );
        let now = layers.least(&self.below, &self.streams);
        (now, layers.from().to_owned())
    }

    /// What is known of each stream, with its number.
    fn figures(&self) -> Vec<(usize, Figure)> {
        let all = self.streams.iter().enumerate();
        let all = all.flat_map(|(number, one)| {
            let figures = one.figures(number).into_iter();
            figures.map(move |figure| (number, figure))
        });
        all.collect()
    }

    /// The same of several seqs, put together.
    fn together(&self, over: &str) -> String {
        let all = self.figures().into_iter();
        let all = all.map(|(_, Figure { name, function, .. })| {
            format!("{function}({name}) {over} AS {name}")
        });
        all.collect::<Vec<_>>().join(", ")
    }

    /// The names of all that, behind others.
    fn columns(&self, first: &[&str]) -> Vec<String> {
        let first = first.iter().map(|name| (*name).to_owned());
        let figures = self.figures().into_iter().map(|(_, figure)| figure.name);
        first.chain(figures).collect()
    }
}

/// The streams below an object, and how it is behind them.
fn gather<'a>(
    against: Against<'a>,
    id: StreamId,
    streams: &mut Vec<EventTime<'a>>,
) -> Option<Below> {
    let micros = |delay: Duration| i128::try_from(delay.as_micros()).unwrap_or(i128::MAX);
    match against.defs.by_id(id)? {
        Object::Stream(stream) => {
            let watermark = stream.spec.watermark.as_ref()?;
            let found = streams.iter().position(|one| one.stream.id == stream.id);
            let number = found.unwrap_or(streams.len());
            if found.is_none() {
                streams.push(EventTime {
                    stream,
                    column: watermark.column.as_str(),
                    behind_us: 0,
                    idle_ms: watermark.idle_timeout.map(|idle| idle.as_millis()),
                });
            }
            Some(Below::Stream(number, micros(watermark.delay)))
        }
        Object::View(view) => {
            let watermark = view.spec.watermark.as_ref();
            let delay = watermark.map_or(Duration::ZERO, |watermark| watermark.delay);
            let sources = view.spec.reads.iter().filter(|id| is_added(against, **id));
            let below = sources.map(|id| gather(against, *id, streams));
            let below = below.collect::<Option<Vec<_>>>()?;
            (!below.is_empty()).then_some(Below::Least(below, micros(delay)))
        }
        Object::Table(_) => None,
    }
}
