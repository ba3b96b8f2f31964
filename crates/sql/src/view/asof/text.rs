//! The text of what stands behind FROM where views are looked up: rows, the figures of their keys, and of
//! events the columns of views. See `asof` for its shape.

use std::collections::BTreeSet;

use mainstem_kernel::types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN};
use sqlparser::ast::Ident;

use super::{
    figures::Figures,
    join::{Joined, View},
};

/// The place of a row in the log.
pub(super) const PLACE: [&str; 3] = [SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN];

/// A column of what is read: its name; what it is of an event; of a row of each view's source.
struct Item {
    name: String,
    event: String,
    sides: Vec<String>,
}

pub(super) struct Text<'a> {
    pub(super) joined: &'a Joined<'a>,
    /// Columns of streams and tables that are read above the figures.
    pub(super) used: &'a [(usize, String)],
}

impl Text<'_> {
    /// Columns of views, of events that have a row of each.
    pub(super) fn rows(&self) -> String {
        let mut columns: Vec<String> = self.kept().map(|name| name.to_string()).collect();
        let mut conditions = vec!["_event".to_owned()];
        for view in &self.joined.views {
            let there = &view.grouping.there;
            if !view.is_outer {
                conditions.push(there.clone());
            }
            let Some(seen) = self.joined.scope.seen.get(view.seen) else {
                continue;
            };
            columns.extend(view.grouping.columns.iter().map(|(column, expr)| {
                format!(
                    "CASE WHEN {there} THEN {expr} END AS {}",
                    seen.above(column)
                )
            }));
        }
        format!(
            "SELECT {} FROM ({}) AS _figures WHERE {}",
            columns.join(", "),
            self.figures(),
            conditions.join(" AND ")
        )
    }

    /// What columns that are read above are called.
    fn kept(&self) -> impl Iterator<Item = Ident> {
        self.used.iter().filter_map(|(at, column)| {
            let seen = self.joined.scope.seen.get(*at)?;
            Some(seen.above(column))
        })
    }

    /// All rows with the figures of their keys.
    fn figures(&self) -> String {
        let mut columns = vec!["_event".to_owned()];
        columns.extend(self.kept().map(|name| name.to_string()));
        for View { grouping, .. } in &self.joined.views {
            let keys = grouping.keys.iter();
            let keys = keys.map(|(column, _)| quoted(&grouping.of.key_name(column)));
            let keys: Vec<String> = keys.collect();
            let by = match keys.is_empty() {
                true => String::new(),
                false => format!("PARTITION BY {} ", keys.join(", ")),
            };
            let over = format!(
                "OVER ({by}ORDER BY {} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
                PLACE.join(", ")
            );
            columns.extend(keys);
            let calls = grouping.calls.iter().enumerate();
            columns.extend(calls.map(|(number, call)| {
                format!("{call} {over} AS {}", Figures::name(&grouping.of, number))
            }));
        }
        format!(
            "SELECT {} FROM ({}) AS _rows",
            columns.join(", "),
            self.events()
        )
    }

    /// Events and the rows of the views' sources.
    fn events(&self) -> String {
        let items = self.items();
        let event = items.iter().map(|item| {
            let Item { name, event, .. } = item;
            format!("{event} AS {}", quoted(name))
        });
        let views = &self.joined.views;
        let own = views.iter().filter(|view| !view.grouping.source.is_own);
        let keys = own.filter(|view| !view.is_outer);
        let keys = keys.flat_map(|view| &view.given);
        let here: BTreeSet<String> = keys.map(|key| format!("({key}) IS NOT NULL")).collect();
        let mut text = format!(
            "SELECT {} FROM _events{}",
            event.collect::<Vec<_>>().join(", "),
            filter(here.into_iter().collect())
        );
        for (at, view) in views.iter().enumerate() {
            let source = &view.grouping.source;
            if source.is_own {
                continue;
            }
            let columns = items.iter().filter_map(|item| {
                let side = item.sides.get(at)?;
                Some(format!("{side} AS {}", quoted(&item.name)))
            });
            let columns: Vec<String> = columns.collect();
            let keys = view.grouping.keys.iter();
            let keys = keys.map(|(_, key)| format!("({key}) IS NOT NULL"));
            let given = view.grouping.filter.iter().map(|one| format!("({one})"));
            text.push_str(&format!(
                " UNION ALL SELECT {} FROM {} AS {}{}",
                columns.join(", "),
                source.from,
                self.alias(view),
                filter(given.chain(keys).collect())
            ));
        }
        text
    }

    /// What the source of a view is called.
    fn alias(&self, view: &View) -> String {
        let seen = self.joined.scope.seen.get(view.seen);
        seen.map_or_else(String::new, |seen| seen.qualifier.to_string())
    }

    fn items(&self) -> Vec<Item> {
        let mut items = vec![Item {
            name: "_event".to_owned(),
            event: "TRUE".to_owned(),
            sides: self.each(|_| "FALSE".to_owned()),
        }];
        items.extend(self.read());
        items.extend(self.places());
        let views = self.joined.views.iter().enumerate();
        items.extend(views.flat_map(|(at, view)| self.counted(at, view)));
        items
    }

    fn each(&self, of: impl Fn(&View) -> String) -> Vec<String> {
        self.joined.views.iter().map(of).collect()
    }

    /// Columns that are read above, which only events have; but event time is that of all.
    fn read(&self) -> Vec<Item> {
        let used = self.used.iter().zip(self.kept());
        let items = used.filter_map(|((at, column), name)| {
            let seen = self.joined.scope.seen.get(*at)?;
            let is_time = *at == 0 && self.joined.time.as_ref() == Some(column);
            let time = |view: &View| match &view.grouping.source.time {
                Some(time) if is_time => format!("{}.{}", self.alias(view), quoted(time)),
                _ => "NULL".to_owned(),
            };
            Some(Item {
                name: name.value,
                event: seen.below(column).to_string(),
                sides: self.each(time),
            })
        });
        items.collect()
    }

    /// The place of a row in the log.
    fn places(&self) -> Vec<Item> {
        let columns = PLACE.into_iter().enumerate();
        let items = columns.filter_map(|(number, column)| {
            let reader = self.joined.scope.seen.first()?;
            let place = |view: &View| {
                let own = view.grouping.source.places.get(number);
                let own = own.map(|own| quoted(own)).unwrap_or_default();
                format!("{}.{own}", self.alias(view))
            };
            Some(Item {
                name: column.to_owned(),
                event: reader.below(column).to_string(),
                sides: self.each(place),
            })
        });
        items.collect()
    }

    /// The key of a view, and what it counts of a row.
    fn counted(&self, own: usize, view: &View) -> Vec<Item> {
        let only = |text: &str| -> Vec<String> {
            let sides = 0..self.joined.views.len();
            let sides = sides.map(|at| match at == own {
                true => text.to_owned(),
                false => "NULL".to_owned(),
            });
            sides.collect()
        };
        let grouping = &view.grouping;
        let keys = grouping.keys.iter().zip(&view.given).enumerate();
        let keys = keys.map(|(number, ((column, _), given))| Item {
            name: grouping.of.key_name(column),
            event: given.to_string(),
            sides: self.each(|other| key_of(view, other, number)),
        });
        let arguments = grouping.arguments.iter().zip(&view.types);
        let arguments = arguments.map(|(argument, ty)| Item {
            name: argument.name.clone(),
            event: match grouping.source.is_own {
                true => argument.text.clone(),
                false => format!("CAST(NULL AS {ty})"),
            },
            sides: only(&argument.text),
        });
        keys.chain(arguments).collect()
    }
}

/// A column of a view's key, of a row of another's source: rows by which the same is looked up have keys of
/// their own, the others have none, all of them one.
fn key_of(view: &View, other: &View, number: usize) -> String {
    let key = other.grouping.keys.get(number);
    match key {
        Some((_, key)) if view.given == other.given => key.to_string(),
        _ => "NULL".to_owned(),
    }
}

fn quoted(name: &str) -> String {
    Ident::with_quote('"', name).to_string()
}

fn filter(conditions: Vec<String>) -> String {
    match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    }
}
