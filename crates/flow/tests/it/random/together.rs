//! Views of several relations at random: UNION ALL of streams and of views that are streams, and pairs of
//! their rows.

use super::{
    behind::Behind,
    beside,
    expressions::{Column, Kind, condition, one_of},
    questions::{MARKS, clause},
    view::{Nature, Relation, Time, View, named},
    writing::Writing,
};
use crate::world::Random;

/// A view over one relation and others; `None` if these have too little in common.
pub(super) fn view(
    random: &mut Random,
    number: usize,
    (first, relations): (&Relation, &[Relation]),
) -> Option<View> {
    let streams: Vec<&Relation> = relations.iter().filter(|one| one.is_stream()).collect();
    // Streams by themselves now and then: of them rows are late.
    let other = |random: &mut Random| match random.below(2) {
        0 => streams[random.below(2)],
        _ => *one_of(random, &streams),
    };
    let first = match first.is_stream() {
        true => first,
        false => other(random),
    };
    let second = other(random);
    match random.below(5) {
        0 => {
            let third = other(random);
            beside::view(random, number, [first, second, third])
        }
        1 | 2 => {
            let mut sides = vec![first, second];
            if random.below(4) == 0 {
                sides.push(other(random));
            }
            union(random, number, &sides)
        }
        _ => Writing::of(first, number).joined(random, second),
    }
}

impl Relation {
    fn is_stream(&self) -> bool {
        self.nature != Nature::Keyed
    }

    pub(super) fn time(&self) -> Option<&Time> {
        match &self.nature {
            Nature::Stream { time, .. } => time.as_ref(),
            Nature::Keyed => None,
        }
    }

    pub(super) fn is_judged(&self) -> bool {
        match &self.nature {
            Nature::Stream { is_judged, .. } => *is_judged,
            Nature::Keyed => false,
        }
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Columns of all sides that hold the same, one of each.
pub(super) fn alike<'a>(random: &mut Random, sides: &[&'a Relation]) -> Option<Vec<&'a Column>> {
    let first = one_of(random, &sides[0].columns);
    // NUMERIC is of some precision.
    let fits = |one: &Column| match first.kind {
        Kind::Money => one.kind == Kind::Money && one.name == "price" && first.name == "price",
        kind => one.kind == kind,
    };
    let mut chosen = vec![first];
    for side in &sides[1..] {
        let alike: Vec<&Column> = side.columns.iter().filter(|one| fits(one)).collect();
        chosen.push(*alike.get(random.below(alike.len().max(1)))?);
    }
    Some(chosen)
}

/// The columns of a UNION ALL: for each that of every side.
type Columns<'a> = Vec<Vec<&'a Column>>;

/// Rows of all sides, one after the other.
fn union(random: &mut Random, number: usize, sides: &[&Relation]) -> Option<View> {
    let mut columns: Columns<'_> = Vec::new();
    for _ in 0..2 + random.below(5) {
        columns.extend(alike(random, sides));
    }
    let times: Option<Vec<&Time>> = sides.iter().map(|side| side.time()).collect();
    if let Some(times) = times.as_ref().filter(|_| random.below(5) > 0) {
        let at = random.below(columns.len() + 1);
        let each = sides.iter().zip(times);
        let each = each.map(|(side, time)| side.column(&time.column));
        columns.insert(at, each.collect::<Option<_>>()?);
    }
    let time = times.and_then(|times| together(number, (&columns, &times)));
    let is_judged = time.is_some() && sides.iter().any(|side| side.is_judged());
    let marks = time.as_ref().filter(|_| is_judged).map(|time| time.behind);
    let texts = sides.iter().enumerate().map(|(place, side)| {
        let items = columns.iter().enumerate();
        let items = items.map(|(at, all)| format!("{} AS c{number}_{at}", all[place].name));
        selected(random, side, (items.collect(), marks))
    });
    let (ours, theirs): (Vec<String>, Vec<String>) = texts.unzip();
    let all = columns.iter().enumerate();
    let all = all.map(|(at, each)| Some(named(&format!("c{number}_{at}"), each.first()?.kind)));
    let all: Vec<Column> = all.collect::<Option<_>>()?;
    (!all.is_empty()).then(|| View {
        sql: format!(
            "CREATE MATERIALIZED VIEW v{number} AS {};",
            ours.join("\nUNION ALL ")
        ),
        rows: theirs.join(" UNION ALL "),
        letters: Some("SELECT CAST(0 AS BIGINT)".to_owned()),
        late: None,
        relation: Relation {
            name: format!("v{number}"),
            columns: all,
            nature: Nature::Stream { time, is_judged },
            is_together: true,
        },
    })
}

/// The first column that is event time on every side.
fn together(number: usize, (columns, times): (&Columns<'_>, &[&Time])) -> Option<Time> {
    let at = columns.iter().position(|each| {
        let mut each = each.iter().zip(times);
        each.all(|(column, time)| column.name == time.column)
    })?;
    let behind = times.iter().map(|time| time.behind);
    Some(Time {
        column: format!("c{number}_{at}"),
        behind: behind.reduce(Behind::beside)?,
        own: 0,
    })
}

/// The SELECT of a side, here and there.
fn selected(
    random: &mut Random,
    side: &Relation,
    (mut items, marks): (Vec<String>, Option<Behind>),
) -> (String, String) {
    let is_narrow = random.below(3) == 0;
    let wanted = is_narrow.then(|| condition(random, &side.columns));
    let wanted: Vec<String> = wanted.into_iter().collect();
    let from = format!("FROM {} s{}", side.name, clause("WHERE", &wanted));
    let ours = format!("SELECT {} {from}", items.join(", "));
    items.extend(marks.map(|behind| marked(side, behind)));
    (ours, format!("SELECT {} {from}", items.join(", ")))
}

/// What is known of the rows of a side: what windows have left is never late.
pub(super) fn marked(side: &Relation, behind: Behind) -> String {
    match side.is_judged() {
        true => {
            let all = &MARKS[1..];
            format!("{} AS {}, {}", behind.of_row(), MARKS[0], all.join(", "))
        }
        false => {
            let all = MARKS.map(|mark| format!("CAST(NULL AS BIGINT) AS {mark}"));
            all.join(", ")
        }
    }
}
