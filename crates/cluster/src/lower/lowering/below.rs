//! What a lowered view reads: a stream as it is, or what a worker made of it.

use mainstem_kernel::types::{OFFSET_COLUMN, PARTITION_COLUMN, SEQ_COLUMN};
use mainstem_sql::{
    spark::{self, Bound, Unspelled},
    view::{Input, Node, WindowKind, Windows},
};

use super::{Level, LowerError, Lowering, SparkColumn, Step};
use crate::lower::{
    SOURCE_OFFSET_COLUMN, SOURCE_PARTITION_COLUMN, SparkInput, SparkWatermark, Together,
    columns::{self, Cell, Cut, quoted},
};

impl Lowering<'_> {
    pub(super) fn source(&mut self, node: &Node) -> Step {
        let Some(source) = self.source_of(node) else {
            return Err(LowerError::Changing {
                view: self.view.clone(),
            });
        };
        let columns = columns::written(node).map_err(|what| self.unspelled(what))?;
        let place = columns.iter().find(|column| {
            [SEQ_COLUMN, PARTITION_COLUMN, OFFSET_COLUMN].contains(&column.name.as_str())
        });
        match place {
            Some(place) => Err(LowerError::Place {
                view: self.view.clone(),
                column: place.name.clone(),
            }),
            None => match self.gathered(&source)? {
                Some(plan) => self.in_place(&plan, &columns),
                None => self.read(&source, columns),
            },
        }
    }

    /// What a source stands for.
    fn source_of(&self, node: &Node) -> Option<Input> {
        let first = node.sources().first().copied();
        first.and_then(|at| self.sources.get(at)).cloned()
    }

    /// Everything up to here is done by a worker, but for windows.
    pub(super) fn lookup(&mut self, node: &Node) -> Step {
        let source = self.source_of(node);
        let (Some(source), true) = (source, self.inputs.is_empty()) else {
            return Err(self.several(Together::LooksUp));
        };
        // What a worker reads is one topic.
        if self.gathered(&source)?.is_some() {
            return Err(self.several(Together::LooksUp));
        }
        let worker = spark::before_windows(node).map_err(|what| self.unspelled(what))?;
        let columns = columns::written(&worker).map_err(|what| self.unspelled(what))?;
        self.worker = Some(worker);
        let mut level = self.read(&source, columns)?;
        let bounds = spark::bounds(node);
        let time = bounds.iter().position(Option::is_some);
        if let (Some(time), Some(Node::Window { windows, by, .. })) = (time, window(node)) {
            self.has(windows, by)?;
            let columns = self.inputs.first().map(|input| &input.columns);
            let column = columns.and_then(|columns| columns.get(time));
            self.time = column.map(|column| column.name.clone());
            level.time = self.time.as_deref().map(quoted);
            let cell = level.cells.get(time).map(|cell| level.text(cell));
            level.cut = self.cut(cell, windows)?;
        }
        for (cell, bound) in level.cells.iter_mut().zip(bounds) {
            match bound {
                Some(Bound::Start) => *cell = Cell::Start,
                Some(Bound::End) => *cell = Cell::End,
                None => {}
            }
        }
        Ok(level)
    }

    /// Cuts time; windows are opened where they are grouped by.
    pub(super) fn window(&mut self, node: &Node) -> Step {
        let Node::Window {
            input,
            time,
            windows,
            by,
            ..
        } = node
        else {
            return self.node(node);
        };
        let mut level = self.node(input)?;
        self.has(windows, by)?;
        let cell = level.cells.get(*time).map(|cell| level.text(cell));
        level.cut = self.cut(cell, windows)?;
        level.cells.extend([Cell::Start, Cell::End]);
        Ok(level)
    }

    /// Whether Spark has such windows.
    fn has(&self, windows: &Windows, by: &[usize]) -> Result<(), LowerError> {
        if windows.kind == WindowKind::Session && by.is_empty() {
            let function = "SESSION without PARTITION BY";
            return Err(self.unspelled(Unspelled::Windows { function }));
        }
        self.in_utc(windows.zone.as_deref())
    }

    fn cut(&self, time: Option<String>, windows: &Windows) -> Result<Option<Cut>, LowerError> {
        let cut = time.map(|time| Cut::new(time, windows)).transpose();
        cut.map_err(|what| self.unspelled(what))
    }

    fn read(&mut self, source: &Input, columns: Vec<SparkColumn>) -> Step {
        let relation = match self.inputs.len() {
            0 => self.relation.to_owned(),
            before => format!("{}_{}", self.relation, before.saturating_add(1)),
        };
        let cells = columns
            .iter()
            .map(|column| Cell::Text(quoted(&column.name)));
        let level = Level {
            from: quoted(&relation),
            cells: cells.collect(),
            filters: Vec::new(),
            live: Vec::new(),
            carried: vec![
                (SOURCE_PARTITION_COLUMN.to_owned(), quoted(PARTITION_COLUMN)),
                (SOURCE_OFFSET_COLUMN.to_owned(), quoted(OFFSET_COLUMN)),
            ],
            cut: None,
            time: self.waited_for(source, &columns),
        };
        let delay = self.delay(source)?;
        self.inputs.push(SparkInput {
            relation,
            object: source.id(),
            columns,
            watermark: source.watermark().map(|declared| SparkWatermark {
                column: declared.column.as_str().to_owned(),
                delay,
            }),
        });
        Ok(level)
    }
}

fn window(node: &Node) -> Option<&Node> {
    match node {
        Node::Window { .. } => Some(node),
        other => window(other.input()?),
    }
}
