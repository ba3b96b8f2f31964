//! The event time of everything that a view reads: as far as the last of its streams. Of one it is that
//! stream's (`EventTime`); of several no row says how far the others were, but the log does:
//!
//! ```text
//! frames   of each seq the greatest time of each stream, less its delay    UNION ALL … GROUP BY _seq
//! marks    the least of the greatest of all smaller seqs; NULL while one of them has had no row
//! ```

use std::time::Duration;

use mainstem_catalog::Object;
use mainstem_kernel::{Problem, StreamId, types::SEQ_COLUMN};

use super::{
    super::Against,
    event_time::{EventTime, SMALLER},
    is_added, rests, unknown,
};
use crate::declare::quoted;

/// The streams that move the watermark of what is judged, each once.
pub(super) struct EventTimes<'a>(Vec<EventTime<'a>>);

impl<'a> EventTimes<'a> {
    /// Of objects whose rows are only added.
    ///
    /// # Errors
    /// When one of them has no event time, or how far it was is not known any more.
    pub(super) fn of(against: Against<'a>, objects: &[StreamId]) -> Result<Self, Problem> {
        let mut all = Vec::new();
        for id in objects {
            gather(against, (*id, 0), &mut all).ok_or_else(|| unknown(against, *id))?;
        }
        let resting = all.iter().find(|one| one.idle_ms.is_some());
        match resting {
            Some(resting) if all.len() > 1 => Err(rests(against, &resting.stream.spec.name)),
            _ => Ok(Self(all)),
        }
    }

    /// ` JOIN …` that puts `_before`, how far event time was for all rows with smaller seqs, beside each
    /// row of `cut_rows`.
    pub(super) fn marks(&self) -> String {
        if let [only] = self.0.as_slice() {
            return only.marks();
        }
        let each = self.0.iter().enumerate().map(|(at, one)| {
            let columns = (0..self.0.len()).map(|other| match other == at {
                true => format!("{} AS _greatest{other}", one.reached()),
                false => format!("CAST(NULL AS TIMESTAMPTZ) AS _greatest{other}"),
            });
            let columns = columns.collect::<Vec<_>>().join(", ");
            let stream = quoted(one.stream.spec.name.as_str());
            format!("SELECT {SEQ_COLUMN}, {columns} FROM {stream} GROUP BY {SEQ_COLUMN}")
        });
        let each = each.collect::<Vec<_>>().join(" UNION ALL ");
        let (frames, before) = (self.greatest(""), self.greatest(SMALLER));
        format!(
            " JOIN (SELECT _at, {} AS _before FROM (SELECT {SEQ_COLUMN} AS _at, {before} FROM \
             (SELECT {SEQ_COLUMN}, {frames} FROM ({each}) AS moves GROUP BY {SEQ_COLUMN}) AS frames) \
             AS all_before) AS marks ON marks._at = cut_rows.{SEQ_COLUMN}",
            self.least()
        )
    }

    /// Whether a time is not behind the watermark that its row is judged by, less so many µs; `op` is `>`
    /// or `>=`.
    pub(super) fn is_in_time(&self, time: &str, op: &str, less_us: i128) -> String {
        match self.0.as_slice() {
            [only] => only.is_in_time(time, op, less_us),
            _ => format!(
                "(_before IS NULL OR {time} {op} _before - INTERVAL '{less_us} microseconds')"
            ),
        }
    }

    /// Whether the watermark has passed a time by now.
    pub(super) fn is_over(&self, time: &str) -> String {
        match self.0.as_slice() {
            [only] => only.is_over(time),
            _ => format!("{time} <= {}", self.now()),
        }
    }

    /// Whether a time is in a slice of so many µs that the watermark has passed by now by `more_us`.
    pub(super) fn is_in_turn(&self, time: &str, (turn_us, more_us): (i64, i64)) -> String {
        match self.0.as_slice() {
            [only] => only.is_in_turn(time, (turn_us, more_us)),
            _ => {
                let now = format!("{} - INTERVAL '{more_us} microseconds'", self.now());
                format!("{time} < tumble_start({now}, INTERVAL '{turn_us} microseconds')")
            }
        }
    }

    /// How far event time is by now.
    fn now(&self) -> String {
        let each = self.0.iter().enumerate().map(|(at, one)| {
            let (reached, stream) = (one.reached(), quoted(one.stream.spec.name.as_str()));
            format!("(SELECT {reached} AS _greatest{at} FROM {stream}) AS now{at}")
        });
        let each = each.collect::<Vec<_>>().join(" CROSS JOIN ");
        format!("(SELECT {} FROM {each})", self.least())
    }

    /// The greatest time of each stream, as columns.
    fn greatest(&self, over: &str) -> String {
        let columns =
            (0..self.0.len()).map(|at| format!("max(_greatest{at}) {over} AS _greatest{at}"));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// The least of these; NULL if one is.
    fn least(&self) -> String {
        let columns: Vec<String> = (0..self.0.len())
            .map(|at| format!("_greatest{at}"))
            .collect();
        format!(
            "CASE WHEN {} IS NULL THEN NULL ELSE least({}) END",
            columns.join(" IS NULL OR "),
            columns.join(", ")
        )
    }
}

/// The streams below an object, and how far what is read is behind the watermark of each.
fn gather<'a>(
    against: Against<'a>,
    (id, behind_us): (StreamId, i128),
    all: &mut Vec<EventTime<'a>>,
) -> Option<()> {
    let micros = |delay: Duration| i128::try_from(delay.as_micros()).unwrap_or(i128::MAX);
    match against.defs.by_id(id)? {
        Object::Stream(stream) => {
            let watermark = stream.spec.watermark.as_ref()?;
            let found = EventTime {
                stream,
                column: watermark.column.as_str(),
                behind_us: micros(watermark.delay).saturating_add(behind_us),
                idle_ms: watermark.idle_timeout.map(|idle| idle.as_millis()),
            };
            let same = |one: &EventTime<'_>| one.stream.id == stream.id;
            match all.iter_mut().find(|one| same(one)) {
                Some(one) => one.behind_us = one.behind_us.max(found.behind_us),
                None => all.push(found),
            }
            Some(())
        }
        Object::View(view) => {
            let watermark = view.spec.watermark.as_ref();
            let delay = watermark.map_or(Duration::ZERO, |watermark| watermark.delay);
            let behind_us = micros(delay).saturating_add(behind_us);
            let mut sources = view.spec.reads.iter().filter(|id| is_added(against, **id));
            let first = sources.next()?;
            std::iter::once(first)
                .chain(sources)
                .try_for_each(|id| gather(against, (*id, behind_us), all))
        }
        Object::Table(_) => None,
    }
}
