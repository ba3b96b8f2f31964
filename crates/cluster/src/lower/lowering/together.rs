//! Rows of several streams: unions, pairs that are near in time, and views of them.
//!
//! A union view's topic is in the order in which Spark wrote it: one stream may be far ahead of another
//! there, and what is waited for would be the time of the faster. So whoever waits for time reads what
//! such a view reads, and its plan takes the place of its topic. Of a view of pairs that is not enough:
//! that is refused.

use std::time::Duration;

use mainstem_catalog::Object;
use mainstem_sql::{
    PlannedView,
    spark::Expr,
    view::{Input, Near, Node, Pairs},
};

use super::{Level, LowerError, Lowering, SparkColumn, Step, Together};
use crate::lower::{
    SOURCE_COLUMN,
    columns::{Cell, quoted},
    level, replan,
};

impl Lowering<'_> {
    pub(super) fn several(&self, what: Together) -> LowerError {
        LowerError::Several {
            view: self.view.clone(),
            what,
        }
    }

    /// The rows of all sides; which side a row is of tells equal places apart.
    pub(super) fn union(&mut self, sides: &[Node]) -> Step {
        let mut selects = Vec::with_capacity(sides.len());
        let (mut carried, mut times): (Option<Vec<String>>, _) = (None, Vec::new());
        let width = sides.first().map_or(0, |side| side.schema().fields().len());
        for side in sides {
            let source = self.inputs.len();
            let mut level = self.node(side)?;
            if level.carried.iter().all(|(name, _)| name != SOURCE_COLUMN) {
                let number = (SOURCE_COLUMN.to_owned(), source.to_string());
                level.carried.insert(0, number);
            }
            let names: Vec<String> = level.carried.iter().map(|(n, _)| n.clone()).collect();
            if carried.get_or_insert_with(|| names.clone()) != &names {
                return Err(self.several(Together::Unlike));
            }
            let time = level.time.as_ref();
            let at = time.and_then(|time| level.texts().iter().position(|text| text == time));
            times.push(at);
            let list = list(&level, ("c", 0), "");
            selects.push(level.select(&list));
        }
        let names = carried.unwrap_or_default().into_iter();
        Ok(Level {
            from: format!("({})", selects.join(" UNION ALL ")),
            cells: (0..width).map(|index| cell("c", index)).collect(),
            filters: Vec::new(),
            live: Vec::new(),
            carried: names.map(|name| (name.clone(), quoted(&name))).collect(),
            cut: None,
            time: same(&times).map(|at| quoted(&format!("c{at}"))),
        })
    }

    /// Pairs of rows with equal keys whose event times lie near each other. A key that is NULL
    /// equals none: Spark is told so, lest it looks for others.
    pub(super) fn pairs(&mut self, pairs: &Pairs) -> Step {
        let Some(near) = pairs.near() else {
            return Err(LowerError::Changing {
                view: self.view.clone(),
            });
        };
        let (mut left, mut right) = (self.node(&pairs.left)?, self.node(&pairs.right)?);
        let (mut ones, mut others) = (Vec::new(), Vec::new());
        for (one, other) in &pairs.keys {
            ones.push(self.key_of(one, (&left, &pairs.left))?);
            others.push(self.key_of(other, (&right, &pairs.right))?);
        }
        let is_value = |key: &String| format!("{key} IS NOT NULL");
        right.filters.extend(others.iter().map(is_value));
        if !pairs.outer.left() {
            left.filters.extend(ones.iter().map(is_value));
        }
        let width = left.cells.len();
        let on = on(ones.len(), (near, width));
        let (mut one, mut other) = (list(&left, ("c", 0), ""), list(&right, ("c", width), "_2"));
        one.extend(named(&ones, "k"));
        other.extend(named(&others, "m"));
        let carried = left.carried.iter().map(|(name, _)| name.clone());
        let second = right.carried.iter().map(|(name, _)| format!("{name}_2"));
        let carried = carried.chain(second);
        let join = if pairs.outer.left() {
            "LEFT JOIN"
        } else {
            "JOIN"
        };
        Ok(Level {
            from: format!(
                "({}) {join} ({}) ON {on}",
                left.select(&one),
                right.select(&other)
            ),
            cells: (0..width.saturating_add(right.cells.len()))
                .map(|index| cell("c", index))
                .collect(),
            filters: Vec::new(),
            live: Vec::new(),
            carried: carried.map(|name| (name.clone(), quoted(&name))).collect(),
            cut: None,
            time: Some(quoted(&format!("c{}", near.times.0))),
        })
    }

    fn key_of(&mut self, key: &Expr, (level, node): (&Level, &Node)) -> Result<String, LowerError> {
        let texts = level.texts();
        let text = self.speller.expr(key, level::scope(&texts, node));
        text.map_err(|what| self.unspelled(what))
    }

    /// The plan of a view that puts streams together, where its time is waited for.
    pub(super) fn gathered(&self, source: &Input) -> Result<Option<PlannedView>, LowerError> {
        match is_timed(&self.plan.plan) {
            true => self.gathers(source),
            false => Ok(None),
        }
    }

    fn gathers(&self, source: &Input) -> Result<Option<PlannedView>, LowerError> {
        let Some(Object::View(def)) = self.defs.by_id(source.id()) else {
            return Ok(None);
        };
        let plan = replan(def, self.defs)?;
        // What windows leave is in their order, whatever they were made of.
        if has_groups(&plan.plan) {
            return Ok(None);
        }
        if plan.plan.sources().len() > 1 {
            return Ok(Some(plan));
        }
        for below in plan.plan.sources() {
            let below = plan.inputs.get(below).map(|below| self.gathers(below));
            if below.transpose()?.flatten().is_some() {
                return Ok(Some(plan));
            }
        }
        Ok(None)
    }

    /// The column with the event time of a source, if something waits for it.
    pub(super) fn waited_for(&self, source: &Input, columns: &[SparkColumn]) -> Option<String> {
        let column = source.watermark()?.column.as_str();
        let is_read = columns.iter().any(|known| known.name == column);
        (is_read && is_timed(&self.plan.plan)).then(|| quoted(column))
    }

    /// How far rows of a source come behind the greatest event time: that of a view is measured from the
    /// watermark of what it reads, which has a delay of its own.
    pub(super) fn delay(&self, source: &Input) -> Result<Duration, LowerError> {
        let own = source.watermark().map(|declared| declared.delay);
        let own = own.unwrap_or_default();
        let Some(Object::View(def)) = self.defs.by_id(source.id()) else {
            return Ok(own);
        };
        let plan = replan(def, self.defs)?;
        // Windows are left when they are over.
        if has_groups(&plan.plan) {
            return Ok(own);
        }
        let mut most = Duration::ZERO;
        for below in plan.plan.sources() {
            if let Some(below) = plan.inputs.get(below) {
                most = most.max(self.delay(below)?);
            }
        }
        Ok(own.saturating_add(most))
    }

    /// These columns of a view, computed in the place of its topic.
    pub(super) fn in_place(&mut self, plan: &PlannedView, columns: &[SparkColumn]) -> Step {
        if has_pairs(&plan.plan) {
            return Err(self.several(Together::WaitsForPairs));
        }
        if self.looks_up(&plan.plan) {
            return Err(self.several(Together::LooksUp));
        }
        let outer = std::mem::replace(&mut self.sources, plan.inputs.clone());
        let level = self.node(&plan.plan);
        self.sources = outer;
        let level = level?;
        let all = plan.columns.0.iter().zip(&level.cells);
        let find = |column: &SparkColumn| {
            let mut all = all.clone();
            let found = all.find(|(known, _)| known.name.as_str() == column.name);
            found.map(|(_, cell)| cell.clone())
        };
        let cells: Vec<Cell> = columns.iter().filter_map(find).collect();
        Ok(Level { cells, ..level })
    }

    pub(super) fn looks_up(&self, node: &Node) -> bool {
        let is_lookup = matches!(node, Node::Lookup { .. });
        is_lookup || node.inputs().into_iter().any(|below| self.looks_up(below))
    }
}

/// The place that all have.
fn same(places: &[Option<usize>]) -> Option<usize> {
    let first = places.first().copied().flatten()?;
    let is_first = |place: &Option<usize>| *place == Some(first);
    places.iter().all(is_first).then_some(first)
}

/// What has to be equal, and how near times have to be.
fn on(keys: usize, (near, width): (&Near, usize)) -> String {
    let (left, right) = near.times;
    let left = quoted(&format!("c{left}"));
    let right = quoted(&format!("c{}", width.saturating_add(right)));
    let keys = (0..keys).map(|at| format!("`k{at}` = `m{at}`"));
    let times = [
        format!("{right} >= {left} + {}", interval(near.from_us)),
        format!("{right} <= {left} + {}", interval(near.to_us)),
    ];
    keys.chain(times).collect::<Vec<_>>().join(" AND ")
}

/// A span of time. Spark finds out of it for how long rows are kept.
fn interval(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let us = us.unsigned_abs();
    let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
    format!("INTERVAL '{sign}{seconds}.{rest:06}' SECOND")
}

fn cell(letter: &str, index: usize) -> Cell {
    Cell::Text(quoted(&format!("{letter}{index}")))
}

fn named(texts: &[String], letter: &str) -> Vec<String> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(at, text)| format!("{text} AS {}", quoted(&format!("{letter}{at}"))))
        .collect()
}

/// All columns of a level: its own from this number on, and what is carried with this behind its name.
fn list(level: &Level, (letter, first): (&str, usize), behind: &str) -> Vec<String> {
    let own = level.texts().into_iter().zip(first..);
    let own = own.map(|(text, at)| format!("{text} AS {}", quoted(&format!("{letter}{at}"))));
    let carried = level.carried.iter();
    let carried =
        carried.map(|(name, text)| format!("{text} AS {}", quoted(&format!("{name}{behind}"))));
    own.chain(carried).collect()
}

/// Whether something waits for event time.
fn is_timed(node: &Node) -> bool {
    let is_own = matches!(node, Node::Window { .. } | Node::Pairs(_));
    is_own || node.inputs().into_iter().any(is_timed)
}

pub(super) fn has_pairs(node: &Node) -> bool {
    matches!(node, Node::Pairs(_)) || node.inputs().into_iter().any(has_pairs)
}

/// Whether rows come without a pair, too.
pub(super) fn is_outer(node: &Node) -> bool {
    let is_own = matches!(node, Node::Pairs(pairs) if pairs.outer.left());
    is_own || node.inputs().into_iter().any(is_outer)
}

fn has_groups(node: &Node) -> bool {
    matches!(node, Node::Aggregate { .. }) || node.inputs().into_iter().any(has_groups)
}
