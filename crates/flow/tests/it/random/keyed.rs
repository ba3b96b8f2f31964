//! Views of what is kept of each key: its first rows in some order, figures of the rows before each.

use super::{
    expressions::{Kind, condition},
    view::{Nature, Time},
    writing::{Writing, every},
};
use crate::world::Random;

impl Writing<'_> {
    /// The first rows of each key. The order is one of all columns, so that rows that it calls equal
    /// look the same.
    pub(super) fn numbered(&mut self, random: &mut Random) {
        let names: Vec<String> = self.columns.iter().map(|c| c.name.clone()).collect();
        let mut keys: Vec<&str> = Vec::new();
        let groups = [
            Kind::Int,
            Kind::Long,
            Kind::Text,
            Kind::Day,
            Kind::Flag,
            Kind::Time,
        ];
        for _ in 0..random.below(3) {
            let column = &self.columns[random.below(self.columns.len())];
            if groups.contains(&column.kind) {
                keys.push(&column.name);
            }
        }
        let by = match keys.is_empty() {
            true => String::new(),
            false => format!("PARTITION BY {} ", keys.join(", ")),
        };
        let first = &names[random.below(names.len())];
        let way = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"][random.below(4)];
        let filter = match random.below(2) {
            0 => format!(" WHERE {}", condition(random, &self.columns)),
            _ => String::new(),
        };
        let all = names.join(", ");
        let from = &self.source.name;
        self.from = format!(
            "(SELECT {all}, ROW_NUMBER() OVER ({by}ORDER BY {first}{way}, {all}) AS number \
             FROM {from} s{filter}) q"
        );
        self.from_plain = self.from.clone();
        let most = [1, 2, 5, 40][random.below(4)];
        self.wanted.push(format!("number <= {most}"));
        for _ in 0..1 + random.below(4) {
            let column = self.columns[random.below(self.columns.len())].clone();
            self.select((column.name.clone(), column.name), column.kind);
        }
        if random.below(2) == 0 {
            // Plain DataFusion numbers rows without a sign, and divides such numbers as NUMERIC.
            let signed = "CAST(number AS BIGINT)";
            self.select(("number".to_owned(), signed.to_owned()), Kind::Long);
        }
        if random.below(4) == 0 {
            self.wanted.push(condition(random, &self.columns));
        }
        self.emit = every(random);
        self.nature = Nature::Keyed;
    }

    /// Events as they come, with figures of those before. Their ids rise.
    pub(super) fn figures(&mut self, random: &mut Random) {
        self.narrow(random);
        let by = ["k", "g", "day, ok"][random.below(3)];
        for name in ["id", "at", "k"] {
            let kind = self.columns.iter().find(|column| column.name == name);
            let kind = kind.map_or(Kind::Long, |column| column.kind);
            self.select((name.to_owned(), name.to_owned()), kind);
        }
        let time = self.column_name(1);
        for _ in 0..1 + random.below(3) {
            let (call, kind) = [
                ("sum(n)", Kind::Big),
                ("avg(w)", Kind::Wild),
                ("sum(w)", Kind::Wild),
                ("count(*)", Kind::Long),
                ("count(price)", Kind::Long),
                ("min(day)", Kind::Day),
                ("max(label)", Kind::Label),
                ("max(big)", Kind::Big),
                ("lag(label, 2)", Kind::Label),
                ("lag(price)", Kind::Money),
                ("count(DISTINCT n)", Kind::Long),
                ("count(DISTINCT label)", Kind::Long),
            ][random.below(12)];
            let (before, last) = (random.below(6), random.below(3));
            let frame = match random.below(5) {
                _ if call.starts_with("lag") => String::new(),
                0 => String::new(),
                1 => " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING".to_owned(),
                2 => format!(" ROWS {before} PRECEDING"),
                _ => format!(
                    " ROWS BETWEEN {} PRECEDING AND {last} PRECEDING",
                    before + last
                ),
            };
            if call.contains("DISTINCT") {
                self.options = "WITH (distinct_max = 100000) ";
            }
            // Rows that it leaves out stand in the frame.
            let filter = match random.below(3) {
                0 if !call.starts_with("lag") => {
                    format!(" FILTER (WHERE {})", condition(random, &self.columns))
                }
                _ => String::new(),
            };
            let call = format!("{call}{filter}");
            // In the order of the log no two rows are alike; of ids some are there twice.
            let plain = match frame.as_str() {
                "" if !call.starts_with("lag") => " ROWS UNBOUNDED PRECEDING",
                frame => frame,
            };
            let over = |order: &str, frame: &str| {
                format!("{call} OVER (PARTITION BY {by} ORDER BY {order}{frame})")
            };
            self.select((over("_seq", &frame), over("id", plain)), kind);
        }
        let source = match &self.source.nature {
            Nature::Stream { time, .. } => time.clone(),
            Nature::Keyed => None,
        };
        let time = source.map(|source| Time {
            column: time,
            own: 0,
            ..source
        });
        let time = time.filter(|_| random.below(4) > 0);
        self.nature = Nature::Stream {
            time,
            is_judged: true,
        };
    }
}
