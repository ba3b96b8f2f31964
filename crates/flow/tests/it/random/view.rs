//! Views at random, of all forms that are built, each beside a plain question for the same rows.
//!
//! The plain question reads relations in memory. Those of events have what is known of each row:
//! `_watermark` by which it is judged, `_limit` of its time, whether a lookup finds something.

use super::expressions::{Called, Column, Kind, Value, call, condition, key, value};
use crate::world::{Random, SECOND};

/// Something that a view reads.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    nature: Nature,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Nature {
    /// Rows are added.
    Stream {
        /// Event time, and how far it may be behind the watermark of `events`.
        time: Option<(String, i64)>,
        /// Whether the relation has `_watermark` and `_limit`: its rows may be late.
        is_judged: bool,
    },
    /// Rows change.
    Keyed,
}

/// A view, and the questions that say what should be in it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// CREATE MATERIALIZED VIEW ….
    pub(crate) sql: String,
    pub(crate) relation: Relation,
    /// Its rows; `:watermark` stands for how far event time is.
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

/// The stream and the tables.
pub(crate) fn relations() -> Vec<Relation> {
    use Kind as K;
    let relation = |name: &str, columns: &[(&str, Kind)], nature: Nature| Relation {
        name: name.to_owned(),
        columns: columns
            .iter()
            .map(|(name, kind)| named(name, *kind))
            .collect(),
        nature,
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
    let time = Some(("at".to_owned(), 0));
    vec![
        relation(
            "events",
            &events,
            Nature::Stream {
                time,
                is_judged: true,
            },
        ),
        relation("shops", &SHOPS, Nature::Keyed),
        relation("rates", &RATES, Nature::Keyed),
    ]
}

const SHOPS: [(&str, Kind); 3] = [
    ("shop", Kind::Text),
    ("region", Kind::Text),
    ("tier", Kind::Long),
];
const RATES: [(&str, Kind); 3] = [
    ("part", Kind::Long),
    ("since", Kind::Day),
    ("rate", Kind::Money),
];

fn named(name: &str, kind: Kind) -> Column {
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
    let mut writing = Writing::of(source, number);
    match (&source.nature, random.below(8)) {
        (Nature::Stream { .. }, 0..2) => writing.rows(random),
        (
            Nature::Stream {
                time: Some(time), ..
            },
            2..6,
        ) => {
            let time = time.clone();
            writing.windows(random, &time);
        }
        (Nature::Keyed, 0..3) => writing.changed_rows(random),
        _ => writing.groups(random),
    }
    writing.view()
}

/// A view that is being written.
#[derive(Debug)]
struct Writing<'a> {
    source: &'a Relation,
    number: usize,
    /// Columns that can be named.
    columns: Vec<Column>,
    /// Behind FROM, here and there.
    from: String,
    from_plain: String,
    /// Before AS.
    options: &'static str,
    /// Conditions of WHERE: before a lookup and after it.
    wanted: Vec<String>,
    wanted_after: Vec<String>,
    /// What the plain question asks of rows beside: that a lookup found something.
    found: Vec<String>,
    late: Option<String>,
    ahead: Option<String>,
    fails: Vec<String>,
    /// Selected: here, there, kind.
    items: Vec<(String, String, Kind)>,
    group_by: Vec<String>,
    /// HAVING here; what more is asked there.
    having: Vec<String>,
    having_plain: Vec<String>,
    is_told_apart: bool,
    /// Whether all rows are one group.
    is_total: bool,
    emit: String,
    nature: Nature,
}

impl<'a> Writing<'a> {
    fn of(source: &'a Relation, number: usize) -> Self {
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
            ahead: None,
            fails: Vec::new(),
            items: Vec::new(),
            group_by: Vec::new(),
            having: Vec::new(),
            having_plain: Vec::new(),
            is_told_apart: source.nature != Nature::Keyed,
            is_total: false,
            emit: String::new(),
            nature: Nature::Keyed,
        }
    }

    /// WHERE, and a lookup now and then.
    fn narrow(&mut self, random: &mut Random) {
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

    fn fails(&mut self, fails: Option<String>) {
        self.fails.extend(fails);
    }

    fn select(&mut self, (ours, theirs): (String, String), kind: Kind) {
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
    fn rows(&mut self, random: &mut Random) {
        self.narrow(random);
        self.select_values(random);
        let Nature::Stream { time, is_judged } = &self.source.nature else {
            return;
        };
        let (time, is_judged) = (time.clone(), *is_judged);
        let time = time.filter(|_| random.below(4) > 0).map(|(time, behind)| {
            // Selected twice, the first is the event time.
            let first = self.items.iter().position(|(sql, ..)| *sql == time);
            let at = first.unwrap_or_else(|| {
                self.select((time.clone(), time), Kind::Time);
                self.items.len() - 1
            });
            (self.column_name(at), behind)
        });
        self.nature = Nature::Stream { time, is_judged };
    }

    /// Rows of a table or keyed view, one for one.
    fn changed_rows(&mut self, random: &mut Random) {
        self.narrow(random);
        self.select_values(random);
        self.emit = every(random);
    }

    /// Groups that never end.
    fn groups(&mut self, random: &mut Random) {
        self.narrow(random);
        for _ in 0..random.below(3) {
            self.group(random);
        }
        self.calls(random);
        self.is_total = self.group_by.is_empty();
        self.options = "WITH (distinct_max = 100000) ";
        self.emit = every(random);
    }

    fn group(&mut self, random: &mut Random) {
        let Value { sql, kind, fails } = key(random, &self.columns, true);
        self.fails(fails);
        if random.below(5) > 0 {
            self.select((sql.clone(), sql.clone()), kind);
        }
        self.group_by.push(sql);
    }

    fn calls(&mut self, random: &mut Random) {
        let mut last = None;
        for _ in 0..1 + random.below(4) {
            let called = call(random, &self.columns, true);
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

    /// Windows of event time.
    fn windows(&mut self, random: &mut Random, (time, behind): &(String, i64)) {
        let seconds = [1, 10, 60, 97, 600, 3_600][random.below(6)];
        let offset = [0, 0, 7][random.below(3)];
        let (size, offset_us) = (seconds * SECOND, offset * SECOND);
        let shift = match offset {
            0 => String::new(),
            _ => format!(", INTERVAL '{offset} seconds'"),
        };
        let name = &self.source.name;
        self.from = format!("TUMBLE({name}, {time}, INTERVAL '{seconds} seconds'{shift}) s");
        let micros = format!("arrow_cast({time}, 'Int64')");
        let rest = format!("((({micros} - {offset_us}) % {size}) + {size}) % {size}");
        let shown =
            |sql: &str| format!("arrow_cast({sql}, 'Timestamp(Microsecond, Some(\"UTC\"))')");
        self.from_plain = format!(
            "(SELECT *, {} AS window_start, {} AS window_end FROM \
             (SELECT *, {micros} - {rest} AS _start, {micros} - {rest} + {size} AS _end FROM {name}))",
            shown("_start"),
            shown("_end"),
        );
        self.narrow(random);
        let corrections = [0, 0, 60, 600][random.below(4)];
        let keep = corrections * SECOND;
        if matches!(
            self.source.nature,
            Nature::Stream {
                is_judged: true,
                ..
            }
        ) {
            let late = format!("coalesce(_end <= _watermark - {keep}, false)");
            self.ahead = Some(format!("(NOT {late} AND {micros} > _limit)"));
            self.late = Some(late);
        }
        let bounds = ["window_start", "window_end"];
        for bound in bounds {
            self.group_by.push(bound.to_owned());
            if random.below(5) > 0 {
                self.select((bound.to_owned(), bound.to_owned()), Kind::Time);
            }
        }
        for _ in 0..random.below(3) {
            self.group(random);
        }
        self.calls(random);
        // Windows that are still open are not told.
        self.found.push(format!("_end <= :watermark - {behind}"));
        if corrections == 0 {
            let starts = self
                .items
                .iter()
                .position(|(sql, ..)| sql == "window_start");
            let time = starts.map(|at| (self.column_name(at), behind + size));
            self.nature = Nature::Stream {
                time,
                is_judged: false,
            };
            self.emit = " EMIT ON WINDOW CLOSE".to_owned();
        } else {
            self.emit = format!(
                " EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '{corrections} seconds'"
            );
        }
    }

    fn column_name(&self, at: usize) -> String {
        format!("c{}_{at}", self.number)
    }

    fn view(self) -> View {
        let name = format!("v{}", self.number);
        let of = |which: fn(&(String, String, Kind)) -> &String| {
            let items = self.items.iter().enumerate();
            let items =
                items.map(|(at, item)| format!("{} AS {}", which(item), self.column_name(at)));
            items.collect::<Vec<_>>()
        };
        let wanted: Vec<String> = [&self.wanted[..], &self.wanted_after].concat();
        let group_by = match self.group_by.as_slice() {
            [] => String::new(),
            keys => format!(" GROUP BY {}", keys.join(", ")),
        };
        let (options, from, emit) = (self.options, &self.from, &self.emit);
        let sql = format!(
            "CREATE MATERIALIZED VIEW {name} {options}AS SELECT {}\nFROM {from}{}{group_by}{}{emit};",
            of(|item| &item.0).join(", "),
            clause("WHERE", &wanted),
            clause("HAVING", &self.having),
        );
        let mut items = of(|item| &item.1);
        if self.nature != Nature::Keyed && self.group_by.is_empty() && self.has_judged_source() {
            items.extend(["_watermark", "_limit"].map(str::to_owned));
        }
        // A view of all rows has none where there are no rows.
        let mut having = self.having_plain.clone();
        if self.is_total {
            having.push("count(*) > 0".to_owned());
        }
        let rows = format!(
            "SELECT {} FROM {} {}{group_by}{}",
            items.join(", "),
            self.from_plain,
            clause("WHERE", &self.counted()),
            clause("HAVING", &having),
        );
        let columns = self.items.iter().enumerate();
        let columns = columns
            .map(|(at, (.., kind))| named(&self.column_name(at), *kind))
            .collect();
        View {
            sql,
            rows,
            letters: self.letters(),
            late: self.late_rows(),
            relation: Relation {
                name,
                columns,
                nature: self.nature,
            },
        }
    }

    fn has_judged_source(&self) -> bool {
        matches!(
            self.source.nature,
            Nature::Stream {
                is_judged: true,
                ..
            }
        )
    }

    /// Conditions of the rows that count.
    fn counted(&self) -> Vec<String> {
        let mut all = [&self.wanted[..], &self.wanted_after, &self.found].concat();
        let not = [&self.late, &self.ahead]
            .into_iter()
            .flatten()
            .chain(&self.fails);
        all.extend(not.map(|fails| format!("NOT coalesce({fails}, false)")));
        all
    }

    /// The rows that a lookup or window takes, and how many of them there are.
    fn count(&self, conditions: &[String]) -> String {
        let all = [&self.wanted[..], conditions].concat();
        format!(
            "SELECT count(*) FROM {} {}",
            self.from_plain,
            clause("WHERE", &all)
        )
    }

    fn late_rows(&self) -> Option<String> {
        let late = self.late.clone().filter(|_| self.nature != Nature::Keyed);
        late.map(|late| self.count(&[late]))
    }

    fn letters(&self) -> Option<String> {
        let mut kinds = Vec::new();
        kinds.extend(self.ahead.clone());
        kinds.extend(self.late.clone().filter(|_| self.nature == Nature::Keyed));
        if !self.fails.is_empty() {
            let fails = self
                .fails
                .iter()
                .map(|fails| format!("coalesce({fails}, false)"));
            let fails: Vec<String> = fails.collect();
            let not = [&self.late, &self.ahead].into_iter().flatten();
            let mut reached: Vec<String> = not.map(|judged| format!("NOT {judged}")).collect();
            let found = self.found.iter().filter(|found| !found.starts_with("_end"));
            reached.extend(
                found
                    .chain(&self.wanted_after)
                    .map(|one| format!("coalesce({one}, false)")),
            );
            reached.push(format!("({})", fails.join(" OR ")));
            kinds.push(format!("({})", reached.join(" AND ")));
        }
        let kinds = if kinds.is_empty() {
            "false".to_owned()
        } else {
            kinds.join(" OR ")
        };
        self.is_told_apart.then(|| self.count(&[kinds]))
    }
}

fn every(random: &mut Random) -> String {
    match random.below(3) {
        0 => " EMIT ON UPDATE EVERY INTERVAL '2 seconds'".to_owned(),
        _ => " EMIT ON UPDATE".to_owned(),
    }
}

/// A clause, if there is something to say.
fn clause(word: &str, conditions: &[String]) -> String {
    match conditions {
        [] => String::new(),
        all => format!(" {word} ({})", all.join(") AND (")),
    }
}
