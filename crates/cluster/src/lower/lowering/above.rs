//! Groups, and what comes out of a lowered view.

use std::time::Duration;

use mainstem_catalog::Emit;
use mainstem_kernel::ColumnName;
use mainstem_sql::{
    spark::{self, Bound, Note, spark_type},
    view::Node,
};

use super::{Level, LowerError, Lowered, Lowering, SparkColumn, together};
use crate::lower::{
    LIVE_COLUMN, OutputMode, SOURCE_COLUMN, SOURCE_OFFSET_COLUMN, VERSION_COLUMN,
    columns::{Cell, quoted},
};

/// Spark's joins drop a row at the watermark, which it has in milliseconds; here it counts.
const AT_THE_WATERMARK: Duration = Duration::from_millis(1);

impl Lowering<'_> {
    /// What tells a row of a stream that is sent twice: everything that was grouped by.
    pub(super) fn name_key(&mut self, node: &Node, keys: usize) -> Result<(), LowerError> {
        for (index, field) in node.schema().fields().iter().take(keys).enumerate() {
            let ty = spark::field_type(field).map_err(|what| self.unspelled(what))?;
            self.key.push(SparkColumn {
                name: format!("_key{}", index.saturating_add(1)),
                ty,
                is_hidden: true,
            });
        }
        Ok(())
    }

    pub(super) fn grouped(
        &self,
        level: &Level,
        keys: &[Cell],
        (windowed, calls): (bool, &[String]),
    ) -> Level {
        let cut = level.cut.as_ref().filter(|_| windowed);
        let window = cut.map(|cut| (cut, cut.window()));
        let mut by: Vec<String> = window.iter().map(|(_, window)| window.clone()).collect();
        let mut texts = Vec::new();
        for key in keys {
            texts.push(match (key, &window) {
                (Cell::Start, Some((_, window))) => format!("{window}.start"),
                (Cell::End, Some((cut, window))) => cut.end(window),
                (cell, _) => {
                    by.push(level.text(cell));
                    level.text(cell)
                }
            });
        }
        texts.extend(calls.iter().cloned());
        let name = |index: usize| quoted(&format!("c{index}"));
        let mut list: Vec<String> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| format!("{text} AS {}", name(index)))
            .collect();
        list.push(format!("count(*) AS {}", quoted(VERSION_COLUMN)));
        let mut carried = vec![(VERSION_COLUMN.to_owned(), quoted(VERSION_COLUMN))];
        if !self.is_update() {
            let keys = self.key.iter().enumerate();
            carried.extend(keys.map(|(index, key)| (key.name.clone(), name(index))));
        }
        Level {
            from: format!("({} GROUP BY {})", level.select(&list), by.join(", ")),
            cells: (0..texts.len())
                .map(|index| Cell::Text(name(index)))
                .collect(),
            filters: Vec::new(),
            live: Vec::new(),
            carried,
            cut: None,
            time: None,
        }
    }

    /// The whole question.
    pub(super) fn finish(mut self, level: &Level) -> Result<Lowered, LowerError> {
        self.wait();
        self.note();
        let (list, columns) = self.answer(level);
        let (key, hidden_until) = (self.key_names(level), self.hidden_until());
        let mut inputs = self.inputs.into_iter();
        let input = inputs.next().ok_or_else(|| LowerError::Changing {
            view: self.view.clone(),
        })?;
        Ok(Lowered {
            spark_sql: level.select(&list),
            key,
            input,
            beside: inputs.collect(),
            worker: self.worker,
            hidden_until,
            output_mode: match self.plan.emit.is_stream() {
                true => OutputMode::Append,
                false => OutputMode::Update,
            },
            every: match self.plan.emit {
                Emit::OnUpdate { every } => every,
                Emit::Append | Emit::OnWindowClose { .. } => None,
            },
            columns,
            notes: self.speller.notes,
        })
    }

    fn answer(&self, level: &Level) -> (Vec<String>, Vec<SparkColumn>) {
        let (mut list, mut columns) = (Vec::new(), Vec::new());
        for (column, cell) in self.plan.columns.0.iter().zip(&level.cells) {
            let name = column.name.as_str();
            list.push(format!("{} AS {}", level.text(cell), quoted(name)));
            columns.push(SparkColumn {
                name: name.to_owned(),
                ty: spark_type(&column.ty),
                is_hidden: self.plan.hidden.contains(&column.name),
            });
        }
        let mut hidden = level.carried.clone();
        if self.is_update() {
            let live = level.is_live();
            // A condition that is NULL is not true.
            let live = live.map_or("true".to_owned(), |live| format!("coalesce({live}, false)"));
            hidden.push((LIVE_COLUMN.to_owned(), live));
        }
        for (name, text) in hidden {
            list.push(format!("{text} AS {}", quoted(&name)));
            let key = self.key.iter().find(|key| key.name == name);
            let ty = match name.as_str() {
                LIVE_COLUMN => "BOOLEAN",
                place if place.starts_with(SOURCE_OFFSET_COLUMN) => "BIGINT",
                place if place.starts_with(SOURCE_COLUMN) => "INT",
                _ => key.map_or("BIGINT", |key| key.ty.as_str()),
            };
            columns.push(SparkColumn {
                ty: ty.to_owned(),
                name,
                is_hidden: true,
            });
        }
        (list, columns)
    }

    fn key_names(&self, level: &Level) -> Vec<String> {
        let columns = &self.plan.columns.0;
        match (self.is_update(), self.key.is_empty()) {
            (true, _) => {
                let key = self.plan.key.iter().filter_map(|index| columns.get(*index));
                key.map(|column| column.name.as_str().to_owned()).collect()
            }
            (false, false) => self.key.iter().map(|key| key.name.clone()).collect(),
            (false, true) => level.carried.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    /// Leaves watermarks where something waits for them: windows that are grouped by, and pairs.
    fn wait(&mut self) {
        let is_windowed = window(&self.plan.plan).is_some();
        let more = match together::has_pairs(&self.plan.plan) {
            true => AT_THE_WATERMARK,
            false => self.corrections().unwrap_or_default(),
        };
        for input in &mut self.inputs {
            let Some(watermark) = &mut input.watermark else {
                continue;
            };
            watermark.delay = watermark.delay.saturating_add(more);
            match (&self.worker, &self.time) {
                (Some(_), Some(time)) => watermark.column.clone_from(time),
                (Some(_), None) => input.watermark = None,
                (None, _) => {}
            }
            if !is_windowed && !together::has_pairs(&self.plan.plan) {
                input.watermark = None;
            }
        }
    }

    /// What differs because time is waited for.
    fn note(&mut self) {
        let is_timed = self.inputs.iter().any(|input| input.watermark.is_some());
        let is_outer = together::is_outer(&self.plan.plan);
        let is_closing = matches!(self.plan.emit, Emit::OnWindowClose { .. });
        let told = [
            (is_timed, Note::LateRows),
            (is_closing, Note::Idle),
            (is_timed && self.inputs.len() > 1, Note::Slowest),
            (is_outer, Note::Alone),
        ];
        let told = told.into_iter().filter(|(is_so, _)| *is_so);
        self.speller.notes.extend(told.map(|(_, note)| note));
    }

    const fn corrections(&self) -> Option<Duration> {
        match self.plan.emit {
            Emit::OnWindowClose { corrections } => corrections,
            Emit::Append | Emit::OnUpdate { .. } => None,
        }
    }

    /// The column that tells when a window ends that may still be corrected.
    fn hidden_until(&self) -> Option<ColumnName> {
        self.corrections()?;
        window(&self.plan.plan)?;
        let bounds = spark::bounds(&self.plan.plan);
        let end = bounds.iter().position(|bound| *bound == Some(Bound::End));
        let end = self.plan.columns.0.get(end?)?;
        Some(end.name.clone())
    }
}

/// Which keys are the bounds of a window, if groups have one.
fn window(node: &Node) -> Option<(usize, usize)> {
    match node {
        Node::Aggregate { window, .. } => *window,
        other => window(other.input()?),
    }
}
