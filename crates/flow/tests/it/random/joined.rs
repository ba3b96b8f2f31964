//! Pairs of rows of two streams, or of views that are streams, that are near in time: JOIN and LEFT JOIN.

use super::{
    behind::Behind,
    expressions::{Kind, Value, condition, one_of, value},
    view::{Nature, Relation, Time, View, named},
    writing::{Writing, every},
};
use crate::world::{Random, SECOND};

/// Spans of a join, in seconds: the least and the greatest of (time of right − time of left).
const SPANS: [(i64, i64); 8] = [
    (0, 30),
    (-20, 60),
    (-60, 0),
    (-40, -10),
    (5, 45),
    (0, 0),
    (-1, 1),
    (-120, 200),
];
const SLICES: i64 = 8;

/// How rows are joined.
pub(super) struct Joining<'a> {
    times: [&'a Time; 2],
    behind: Behind,
    span: (i64, i64),
    is_outer: bool,
    /// Length of the slices in which rows of a LEFT JOIN wait.
    slice: i64,
}

impl<'a> Joining<'a> {
    /// Rows with these times, in a view that is so far behind the streams.
    pub(super) fn random(random: &mut Random, times: [&'a Time; 2], behind: Behind) -> Self {
        let span = *one_of(random, &SPANS);
        let span = (span.0 * SECOND, span.1 * SECOND);
        let delay = times[0].own.max(times[1].own);
        Self {
            times,
            behind,
            span,
            is_outer: random.below(2) == 0,
            slice: ((span.1 - span.0 + delay) / SLICES).max(SECOND),
        }
    }

    /// How far rows are behind the view by the time of the first side.
    pub(super) fn first_behind(&self) -> i64 {
        let waits = if self.is_outer { self.slice } else { 0 };
        self.span.1.max(0) + waits
    }
}

impl Writing<'_> {
    /// Pairs of rows that are near in time, one for one or in groups; `None` if nothing can be equal.
    pub(super) fn joined(mut self, random: &mut Random, other: &Relation) -> Option<View> {
        let source = self.source;
        let times = [source.time()?, other.time()?];
        let keys = keys(random, [source, other])?;
        let behind = times[0].behind.beside(times[1].behind);
        let joining = Joining::random(random, times, behind);
        self.sides([source, other], &keys, &joining);
        let mut columns = Vec::new();
        for (letter, side) in [("a", source), ("b", other)] {
            let all = side.columns.iter();
            columns.extend(all.map(|one| named(&format!("{letter}.{}", one.name), one.kind)));
        }
        self.columns = columns;
        self.is_judged = false;
        if !joining.is_outer && random.below(3) == 0 {
            self.wanted.push(condition(random, &self.columns));
            // What is filtered before rows wait is not set aside.
            self.is_told_apart = false;
        }
        match random.below(4) {
            0 => self.groups_of_pairs(random),
            _ => self.pairs(random, &joining),
        }
        Some(self.view())
    }

    /// Both sides, here and there; what is set aside of them.
    pub(super) fn sides(&mut self, sides: [&Relation; 2], keys: &[String], joining: &Joining<'_>) {
        let Joining {
            times,
            behind,
            span,
            is_outer,
            slice,
        } = joining;
        let word = if *is_outer { "LEFT JOIN" } else { "JOIN" };
        let [left, right] = times.map(|time| &time.column);
        let (names, on) = (sides.map(|side| &side.name), keys.join(" AND "));
        let later = |us: i64| {
            let sign = if us < 0 { '-' } else { '+' };
            format!("a.{left} {sign} INTERVAL '{} seconds'", (us / SECOND).abs())
        };
        self.from = format!(
            "{} a {word} {} b ON {on} AND b.{right} BETWEEN {} AND {}",
            names[0],
            names[1],
            later(span.0),
            later(span.1),
        );
        let counted = [0, 1].map(|at| {
            let micros = format!("arrow_cast({}, 'Int64')", times[at].column);
            let aside = match sides[at].is_judged() {
                true => format!(
                    "coalesce({micros} < {} OR {micros} > _limit, false)",
                    behind.of_row()
                ),
                false => "false".to_owned(),
            };
            self.aside
                .push(format!("SELECT count(*) FROM {} WHERE {aside}", names[at]));
            format!(
                "(SELECT *, {micros} AS _us FROM {} WHERE NOT ({aside}))",
                names[at]
            )
        });
        let [one, other] = counted;
        let (least, most) = span;
        self.from_plain = format!(
            "{one} a {word} {other} b ON {on} AND b._us - a._us BETWEEN {least} AND {most}"
        );
        if *is_outer {
            // Beside nothing once none can come any more, slice by slice; times may be before 1970.
            let begin = format!("(a._us - ((a._us % {slice}) + {slice}) % {slice})");
            let over = format!("{begin} + {slice} + {most} <= {}", behind.reached());
            self.found.push(format!("(b._us IS NOT NULL OR {over})"));
        }
    }

    /// A row per pair.
    fn pairs(&mut self, random: &mut Random, joining: &Joining<'_>) {
        for _ in 0..1 + random.below(4) {
            let Value { sql, kind, fails } = value(random, &self.columns, true);
            self.fails(fails);
            self.select((sql.clone(), sql), kind);
        }
        let (least, _) = joining.span;
        let names = ["a", "b"].iter().zip(joining.times);
        let names = names.map(|(letter, time)| format!("{letter}.{}", time.column));
        let mut times: Vec<(String, i64)> = names
            .zip([joining.first_behind(), (-least).max(0)])
            .collect();
        // Of a LEFT JOIN the other time may be NULL.
        times.truncate(if joining.is_outer { 1 } else { 2 });
        if random.below(4) > 0 {
            let (name, _) = one_of(random, &times);
            self.select((name.clone(), name.clone()), Kind::Time);
        }
        let found = self.items.iter().enumerate().find_map(|(at, (sql, ..))| {
            let time = times.iter().find(|(name, _)| name == sql);
            time.map(|(_, behind)| (at, *behind))
        });
        let time = found.map(|(at, own)| Time {
            column: self.column_name(at),
            behind: joining.behind.more(own),
            own,
        });
        self.nature = Nature::Stream {
            time,
            is_judged: false,
        };
    }

    /// Groups of pairs, which never end.
    fn groups_of_pairs(&mut self, random: &mut Random) {
        for _ in 0..random.below(3) {
            self.group(random);
        }
        self.calls(random);
        self.is_total = self.group_by.is_empty();
        self.options = "WITH (distinct_max = 100000) ";
        self.emit = every(random);
        self.nature = Nature::Keyed;
    }
}

/// What has to be equal: one or two columns of each side.
pub(super) fn keys(random: &mut Random, [left, right]: [&Relation; 2]) -> Option<Vec<String>> {
    let is_key = |kind: Kind| {
        matches!(
            kind,
            Kind::Text | Kind::Label | Kind::Day | Kind::Flag | Kind::Long
        )
    };
    let mut keys = Vec::new();
    for _ in 0..8 {
        let [one, other] = [left, right].map(|side| one_of(random, &side.columns));
        let key = format!("b.{} = a.{}", other.name, one.name);
        if is_key(one.kind) && one.kind == other.kind && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.truncate(1 + random.below(2));
    (!keys.is_empty()).then_some(keys)
}
