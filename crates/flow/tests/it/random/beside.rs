//! Pairs of rows of two relations on a side of UNION ALL, and rows of another beside them.

use super::{
    joined::{Joining, keys},
    questions::{MARKS, clause},
    together::{alike, marked},
    view::{Nature, Relation, Time, View, named},
    writing::Writing,
};
use crate::world::Random;

/// The view; `None` if they have too little in common.
pub(super) fn view(
    random: &mut Random,
    number: usize,
    [left, right, third]: [&Relation; 3],
) -> Option<View> {
    let times = [left.time()?, right.time()?, third.time()?];
    let keys = keys(random, [left, right])?;
    let [one, two, three] = times.map(|time| time.behind);
    // All three are judged by the last of all.
    let behind = one.beside(two).beside(three);
    let joining = Joining::random(random, [times[0], times[1]], behind);
    let mut pairs = Writing::of(left, number);
    pairs.sides([left, right], &keys, &joining);
    let mut columns = Vec::new();
    for _ in 0..1 + random.below(4) {
        columns.extend(alike(random, &[left, third]));
    }
    if random.below(5) > 0 {
        let at = random.below(columns.len() + 1);
        let own = left.column(&times[0].column)?;
        columns.insert(at, vec![own, third.column(&times[2].column)?]);
    }
    let of_time = columns
        .iter()
        .position(|each| each[0].name == times[0].column && each[1].name == times[2].column);
    let own = joining.first_behind();
    let time = of_time.map(|at| Time {
        column: format!("c{number}_{at}"),
        behind: behind.more(own),
        own,
    });
    let is_judged = time.is_some() && third.is_judged();
    let items = |side: usize, letter: &str| -> Vec<String> {
        let items = columns.iter().enumerate();
        let items =
            items.map(|(at, each)| format!("{letter}.{} AS c{number}_{at}", each[side].name));
        items.collect()
    };
    let (mut paired, mut others) = (items(0, "a"), items(1, "s"));
    let (ours, beside) = (paired.join(", "), others.join(", "));
    if let Some(time) = time.as_ref().filter(|_| is_judged) {
        paired.extend(MARKS.map(|mark| format!("CAST(NULL AS BIGINT) AS {mark}")));
        others.push(marked(third, time.behind));
    }
    let (found, name) = (clause("WHERE", &pairs.found), &third.name);
    let all = columns.iter().enumerate();
    let all = all.map(|(at, each)| named(&format!("c{number}_{at}"), each[0].kind));
    Some(View {
        sql: format!(
            "CREATE MATERIALIZED VIEW v{number} AS SELECT {ours}\nFROM {}\nUNION ALL SELECT {beside} FROM {name} s;",
            pairs.from
        ),
        rows: format!(
            "SELECT {} FROM {}{found} UNION ALL SELECT {} FROM {name} s",
            paired.join(", "),
            pairs.from_plain,
            others.join(", ")
        ),
        letters: Some(format!("SELECT ({})", pairs.aside.join(") + ("))),
        late: None,
        relation: Relation {
            name: format!("v{number}"),
            columns: all.collect(),
            nature: Nature::Stream { time, is_judged },
            is_together: true,
        },
    })
}
