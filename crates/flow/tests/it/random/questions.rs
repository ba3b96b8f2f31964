//! A view that was written as SQL, and the plain questions beside it: its rows, and how many of them
//! failed or came too late.

use super::{
    expressions::Kind,
    view::{Nature, Relation, View, named},
    writing::Writing,
};

impl Writing<'_> {
    pub(super) fn column_name(&self, at: usize) -> String {
        format!("c{}_{at}", self.number)
    }

    pub(super) fn view(self) -> View {
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
        if self.nature != Nature::Keyed && self.group_by.is_empty() && self.is_judged {
            items.extend(MARKS.map(str::to_owned));
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
                is_together: self.source.is_together || !self.aside.is_empty(),
            },
        }
    }

    /// Conditions of the rows that count.
    fn counted(&self) -> Vec<String> {
        let mut all = [&self.wanted[..], &self.wanted_after, &self.found].concat();
        let not = [&self.late_there, &self.ahead]
            .into_iter()
            .flatten()
            .chain(&self.fails);
        all.extend(not.map(|fails| format!("NOT coalesce({fails}, false)")));
        all
    }

    /// The rows that a lookup or window takes, and how many of them there are.
    fn count(&self, conditions: &[String]) -> String {
        let once: Vec<String> = self.once.iter().cloned().collect();
        let all = [&self.wanted[..], conditions, &once].concat();
        format!(
            "SELECT count(*) FROM {} {}",
            self.counted_from.as_ref().unwrap_or(&self.from_plain),
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
        let mut all = vec![self.count(&[kinds])];
        all.extend(self.aside.iter().cloned());
        self.is_told_apart
            .then(|| format!("SELECT ({})", all.join(") + (")))
    }
}

/// What is known of a row that may be late.
pub(super) const MARKS: [&str; 4] = ["_watermark", "_watermark0", "_watermark1", "_limit"];

/// A clause, if there is something to say.
pub(super) fn clause(word: &str, conditions: &[String]) -> String {
    match conditions {
        [] => String::new(),
        all => format!(" {word} ({})", all.join(") AND (")),
    }
}
