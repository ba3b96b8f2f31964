//! Groups, and what comes out of a lowered view.

use mainstem_catalog::Emit;
use mainstem_sql::{
    spark::{self, Bound, Note, spark_type},
    view::{Input, Node},
};

use super::{Level, LowerError, Lowered, Lowering, SparkColumn};
use crate::lower::{
    LIVE_COLUMN, OutputMode, SOURCE_OFFSET_COLUMN, SOURCE_PARTITION_COLUMN, SparkInput,
    SparkWatermark, VERSION_COLUMN,
    columns::{Cell, quoted},
};

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
        }
    }

    /// The whole question.
    pub(super) fn finish(mut self, level: &Level) -> Result<Lowered, LowerError> {
        let source = self.plan.plan.sources().first().copied();
        let source = source.and_then(|at| self.plan.inputs.get(at));
        let source = source.ok_or_else(|| LowerError::Changing {
            view: self.view.clone(),
        })?;
        let watermark = self.watermark(source);
        if watermark.is_some() {
            self.speller.notes.insert(Note::LateRows);
        }
        if matches!(self.plan.emit, Emit::OnWindowClose { .. }) {
            self.speller.notes.insert(Note::Idle);
        }
        let (list, columns) = self.answer(level);
        Ok(Lowered {
            spark_sql: level.select(&list),
            key: self.key_names(),
            input: SparkInput {
                object: source.id(),
                columns: self.input,
            },
            worker: self.worker,
            watermark,
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
                SOURCE_PARTITION_COLUMN => "INT",
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

    fn key_names(&self) -> Vec<String> {
        let columns = &self.plan.columns.0;
        match (self.is_update(), self.key.is_empty()) {
            (true, _) => {
                let key = self.plan.key.iter().filter_map(|index| columns.get(*index));
                key.map(|column| column.name.as_str().to_owned()).collect()
            }
            (false, false) => self.key.iter().map(|key| key.name.clone()).collect(),
            (false, true) => [SOURCE_PARTITION_COLUMN, SOURCE_OFFSET_COLUMN]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    /// The watermark of the input, if windows are grouped by.
    fn watermark(&self, source: &Input) -> Option<SparkWatermark> {
        window(&self.plan.plan)?;
        let declared = source.watermark()?;
        let corrections = match self.plan.emit {
            Emit::OnWindowClose { corrections } => corrections,
            Emit::Append | Emit::OnUpdate { .. } => None,
        };
        let bounds = spark::bounds(&self.plan.plan);
        let end = bounds.iter().position(|bound| *bound == Some(Bound::End));
        let end = end.and_then(|at| self.plan.columns.0.get(at));
        Some(SparkWatermark {
            column: self.time.clone()?,
            delay: declared
                .delay
                .saturating_add(corrections.unwrap_or_default()),
            hidden_until: corrections.and(end).map(|column| column.name.clone()),
        })
    }
}

/// Which keys are the bounds of a window, if groups have one.
fn window(node: &Node) -> Option<(usize, usize)> {
    match node {
        Node::Aggregate { window, .. } => *window,
        other => window(other.input()?),
    }
}
