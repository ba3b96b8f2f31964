//! Views at random, of all forms that are built, each beside a plain question for the same rows.
//!
//! The plain question reads relations in memory. Those of events have what is known of each row:
//! `_watermark` by which it is judged, `_watermark0` and `_watermark1` of the streams by themselves, `_limit`
//! of its time, whether a lookup finds something.

use super::{
    behind::Behind,
    expressions::{Column, Kind},
    together,
    writing::Writing,
};
use crate::world::{Random, SECOND};

/// Something that a view reads.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    pub(super) nature: Nature,
    /// Whether rows of several relations are put together in it, or below.
    pub(crate) is_together: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// Rows are added.
    Stream {
        time: Option<Time>,
        /// Whether the relation has `_watermark` and so forth: its rows may be late.
        is_judged: bool,
    },
    /// Rows change.
    Keyed,
}

/// Event time of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) column: String,
    /// How far the watermark of what reads it is behind those of the streams.
    pub(super) behind: Behind,
    /// Its own part of that, in µs; of a stream what the watermark is behind the greatest time.
    pub(super) own: i64,
}

/// A view, and the questions that say what should be in it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// CREATE MATERIALIZED VIEW ….
    pub(crate) sql: String,
    pub(crate) relation: Relation,
    /// Its rows; `:watermark0` and `:watermark1` stand for how far event time of the streams is.
    pub(crate) rows: String,
    /// How many rows failed, if that does not depend on the moments at which the view was told.
    pub(crate) letters: Option<String>,
    /// How many came too late.
    pub(crate) late: Option<String>,
}

impl View {
    pub(crate) fn is_stream(&self) -> bool {
        self.relation.nature != Nature::Keyed
    }
}

/// The streams and the tables; delays are in seconds.
pub(crate) fn relations(delays: [i64; 2]) -> Vec<Relation> {
    use Kind as K;
    let relation = |name: &str, columns: &[(&str, Kind)], nature: Nature| Relation {
        name: name.to_owned(),
        columns: columns
            .iter()
            .map(|(name, kind)| named(name, *kind))
            .collect(),
        nature,
        is_together: false,
    };
    let events = [
        ("id", K::Long),
        ("k", K::Text),
        ("g", K::Long),
        ("n", K::Int),
        ("big", K::Big),
        ("price", K::Money),
        ("w", K::Float),
        ("x", K::Wild),
        ("day", K::Day),
        ("ok", K::Flag),
        ("label", K::Label),
        ("at", K::Time),
    ];
    let visits = [
        ("id", K::Long),
        ("k", K::Text),
        ("g", K::Long),
        ("n", K::Int),
        ("price", K::Money),
        ("x", K::Wild),
        ("day", K::Day),
        ("ok", K::Flag),
        ("label", K::Label),
        ("seen", K::Time),
    ];
    let stream = |number: usize, column: &str| Nature::Stream {
        time: Some(Time {
            column: column.to_owned(),
            behind: Behind::stream(number),
            own: delays[number] * SECOND,
        }),
        is_judged: true,
    };
    vec![
        relation("events", &events, stream(0, "at")),
        relation("visits", &visits, stream(1, "seen")),
        relation("shops", &SHOPS, Nature::Keyed),
        relation("rates", &RATES, Nature::Keyed),
    ]
}

pub(super) const SHOPS: [(&str, Kind); 3] = [
    ("shop", Kind::Text),
    ("region", Kind::Text),
    ("tier", Kind::Long),
];
pub(super) const RATES: [(&str, Kind); 3] = [
    ("part", Kind::Long),
    ("since", Kind::Day),
    ("rate", Kind::Money),
];

pub(super) fn named(name: &str, kind: Kind) -> Column {
    let name = name.to_owned();
    Column { name, kind }
}

/// A view over one of the relations.
pub(crate) fn view(random: &mut Random, number: usize, relations: &[Relation]) -> View {
    // What came last is read more often: views upon views.
    let at = match random.below(3) {
        0 => random.below(relations.len()),
        1 => 0,
        _ => relations.len() - 1,
    };
    let source = &relations[at];
    if random.below(4) == 0
        && let Some(view) = together::view(random, number, (source, relations))
    {
        return view;
    }
    let mut writing = Writing::of(source, number);
    if random.below(6) == 0 {
        match source.name == "events" && random.below(2) == 0 {
            true => writing.figures(random),
            false => writing.numbered(random),
        }
        return writing.view();
    }
    match (&source.nature, random.below(8)) {
        (Nature::Stream { .. }, 0..2) => writing.rows(random),
        (
            Nature::Stream {
                time: Some(time), ..
            },
            2..6,
        ) => {
            let time = time.clone();
            match random.below(6) {
                0 => writing.sessions(random, &time),
                _ => writing.windows(random, &time),
            }
        }
        (Nature::Keyed, 0..3) => writing.changed_rows(random),
        _ => writing.groups(random),
    }
    writing.view()
}
