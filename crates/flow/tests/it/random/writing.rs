//! A view as it is written, form by form: rows one for one, groups, windows, lookups before them.

use super::{
    calls::{Called, Rows, call},
    expressions::{Column, Kind, Value, condition, key, value},
    view::{Nature, RATES, Relation, SHOPS, Time, named},
};
use crate::world::Random;

/// A view that is being written.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    pub(super) source: &'a Relation,
    pub(super) number: usize,
    /// Columns that can be named.
    pub(super) columns: Vec<Column>,
    /// Behind FROM, here and there.
    pub(super) from: String,
    pub(super) from_plain: String,
    /// Before AS.
    pub(super) options: &'static str,
    /// Conditions of WHERE: before a lookup and after it.
    pub(super) wanted: Vec<String>,
    pub(super) wanted_after: Vec<String>,
    /// What the plain question asks of rows beside: that a lookup found something.
    pub(super) found: Vec<String>,
    /// Whether a row is late for all of its windows; and for the one that it stands for, if it has
    /// several.
    pub(super) late: Option<String>,
    pub(super) late_there: Option<String>,
    /// True once per row where a row stands for each of its windows.
    pub(super) once: Option<String>,
    /// Where rows are counted that do not stand in `from_plain`.
    pub(super) counted_from: Option<String>,
    pub(super) ahead: Option<String>,
    pub(super) fails: Vec<String>,
    /// Selected: here, there, kind.
    pub(super) items: Vec<(String, String, Kind)>,
    pub(super) group_by: Vec<String>,
    /// HAVING here; what more is asked there.
    pub(super) having: Vec<String>,
    pub(super) having_plain: Vec<String>,
    pub(super) is_told_apart: bool,
    /// How many rows a join sets aside, as questions.
    pub(super) aside: Vec<String>,
    /// Whether what reads its rows needs to know when they came.
    pub(super) is_judged: bool,
    /// Whether all rows are one group.
    pub(super) is_total: bool,
    pub(super) emit: String,
    pub(super) nature: Nature,
}

impl<'a> Writing<'a> {
    pub(super) fn of(source: &'a Relation, number: usize) -> Self {
        Self {
            source,
            number,
            columns: source.columns.clone(),
            from: format!("{} s", source.name),
            from_plain: source.name.clone(),
            options: "",
            wanted: Vec::new(),
            wanted_after: Vec::new(),
            found: Vec::new(),
            late: None,
            late_there: None,
            once: None,
            counted_from: None,
            ahead: None,
            fails: Vec::new(),
            items: Vec::new(),
            group_by: Vec::new(),
            having: Vec::new(),
            having_plain: Vec::new(),
            is_told_apart: source.nature != Nature::Keyed,
            aside: Vec::new(),
            is_judged: matches!(
                source.nature,
                Nature::Stream {
                    is_judged: true,
                    ..
                }
            ),
            is_total: false,
            emit: String::new(),
            nature: Nature::Keyed,
        }
    }

    /// WHERE, and a lookup now and then.
    pub(super) fn narrow(&mut self, random: &mut Random) {
        if random.below(2) == 0 {
            self.wanted.push(condition(random, &self.columns));
        }
        if self.source.name != "events" || random.below(3) > 0 {
            return;
        }
        for (table, on, flag, columns) in [
            ("shops", "t.shop = s.k", "_shop", SHOPS),
            ("rates", "t.part = s.g AND t.since = s.day", "_rate", RATES),
        ] {
            if random.below(2) == 0 {
                continue;
            }
            let is_outer = random.below(2) == 0;
            let join = if is_outer { "LEFT JOIN" } else { "JOIN" };
            let alias = flag.trim_start_matches('_');
            let on = on.replace("t.", &format!("{alias}."));
            self.from.push_str(&format!(
                " {join} {table} FOR SYSTEM_TIME AS OF PROCTIME() {alias} ON {on}"
            ));
            if !is_outer {
                self.found.push(flag.to_owned());
            }
            // Columns of the key are those that were compared; the others are known.
            let others = columns
                .iter()
                .filter(|(name, _)| ["region", "tier", "rate"].contains(name));
            let others: Vec<Column> = others.map(|(name, kind)| named(name, *kind)).collect();
            if random.below(3) == 0 {
                self.wanted_after.push(condition(random, &others));
            }
            self.columns.extend(others);
        }
    }

    pub(super) fn fails(&mut self, fails: Option<String>) {
        self.fails.extend(fails);
    }

    pub(super) fn select(&mut self, (ours, theirs): (String, String), kind: Kind) {
        self.items.push((ours, theirs, kind));
    }

    fn select_values(&mut self, random: &mut Random) {
        for _ in 0..1 + random.below(4) {
            let Value { sql, kind, fails } = value(random, &self.columns, true);
            self.fails(fails);
            self.select((sql.clone(), sql), kind);
        }
    }

    /// Rows of a stream, one for one.
    pub(super) fn rows(&mut self, random: &mut Random) {
        self.narrow(random);
        self.select_values(random);
        let Nature::Stream { time, is_judged } = &self.source.nature else {
            return;
        };
        let (time, is_judged) = (time.clone(), *is_judged);
        let time = time.filter(|_| random.below(4) > 0).map(|time| {
            // Selected twice, the first is the event time.
            let name = &time.column;
            let first = self.items.iter().position(|(sql, ..)| sql == name);
            let at = first.unwrap_or_else(|| {
                self.select((name.clone(), name.clone()), Kind::Time);
                self.items.len() - 1
            });
            Time {
                column: self.column_name(at),
                own: 0,
                ..time
            }
        });
        self.nature = Nature::Stream { time, is_judged };
    }

    /// Rows of a table or keyed view, one for one.
    pub(super) fn changed_rows(&mut self, random: &mut Random) {
        self.narrow(random);
        self.select_values(random);
        self.emit = every(random);
    }

    /// Groups that never end.
    pub(super) fn groups(&mut self, random: &mut Random) {
        self.narrow(random);
        for _ in 0..random.below(3) {
            self.group(random);
        }
        self.calls(random);
        self.is_total = self.group_by.is_empty();
        self.options = "WITH (distinct_max = 100000) ";
        self.emit = every(random);
    }

    pub(super) fn group(&mut self, random: &mut Random) {
        let Value { sql, kind, fails } = key(random, &self.columns, true);
        self.fails(fails);
        if random.below(5) > 0 {
            self.select((sql.clone(), sql.clone()), kind);
        }
        self.group_by.push(sql);
    }

    pub(super) fn calls(&mut self, random: &mut Random) {
        let mut last = None;
        for _ in 0..1 + random.below(4) {
            let rows = match self.source.nature {
                Nature::Keyed => Rows::Changing,
                Nature::Stream { .. } => Rows::Added,
            };
            let called = call(random, &self.columns, rows);
            self.is_told_apart &= !called.may_overflow;
            self.fails(called.fails.clone());
            self.select((called.ours.clone(), called.theirs.clone()), called.kind);
            last = Some(called);
        }
        let Some(Called {
            ours, theirs, kind, ..
        }) = last
        else {
            return;
        };
        match (kind, random.below(6)) {
            (_, 0) => {
                self.having.push("count(*) > 2".to_owned());
            }
            (_, 1) => {
                self.having.push(format!("{ours} IS NOT NULL"));
                self.having_plain.push(format!("{theirs} IS NOT NULL"));
                return;
            }
            // A row of the view that fails is not there.
            (Kind::Long, 2) => {
                self.select(
                    (
                        format!("1000 / {ours}"),
                        format!("1000 / nullif({theirs}, 0)"),
                    ),
                    Kind::Long,
                );
                self.having_plain
                    .push(format!("{theirs} IS DISTINCT FROM 0"));
                self.is_told_apart = false;
                return;
            }
            _ => return,
        }
        self.having_plain.extend(self.having.iter().cloned());
    }
}

pub(super) fn every(random: &mut Random) -> String {
    match random.below(3) {
        0 => " EMIT ON UPDATE EVERY INTERVAL '2 seconds'".to_owned(),
        _ => " EMIT ON UPDATE".to_owned(),
    }
}
