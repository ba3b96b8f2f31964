//! From a planned view to its question, operator by operator.

mod above;
mod below;
mod together;

use mainstem_catalog::Definitions;
use mainstem_kernel::StreamName;
use mainstem_sql::{
    PlannedView,
    spark::{self, Scope, Speller, Unspelled},
    view::{Call, Input, Node},
};

use super::{
    LowerError, Lowered, SparkColumn, SparkInput, Together,
    columns::Cell,
    level::{self, Level},
};

/// Lowers a view that was planned over these definitions to a question over `relation`, a name that
/// the runner gives to the view's input.
///
/// # Errors
/// The first part that has no lowering.
pub fn lower(
    view: &StreamName,
    (plan, defs): (&PlannedView, &Definitions),
    relation: &str,
) -> Result<Lowered, LowerError> {
    let mut lowering = Lowering {
        view,
        plan,
        defs,
        relation,
        speller: Speller::default(),
        sources: plan.inputs.clone(),
        inputs: Vec::new(),
        time: None,
        worker: None,
        key: Vec::new(),
    };
    lowering.judge()?;
    let level = lowering.node(&plan.plan)?;
    lowering.finish(&level)
}

struct Lowering<'a> {
    view: &'a StreamName,
    plan: &'a PlannedView,
    defs: &'a Definitions,
    relation: &'a str,
    speller: Speller,
    /// What the sources of the plan that is lowered stand for.
    sources: Vec<Input>,
    /// What has been read so far.
    inputs: Vec<SparkInput>,
    /// The column with the event time of windows in what a worker made.
    time: Option<String>,
    worker: Option<Node>,
    /// Names and types of what a stream's groups are made by.
    key: Vec<SparkColumn>,
}

type Step = Result<Level, LowerError>;

impl Lowering<'_> {
    fn unspelled(&self, what: Unspelled) -> LowerError {
        LowerError::Unspelled {
            view: self.view.clone(),
            what,
        }
    }

    /// What the plan as a whole must be.
    fn judge(&self) -> Result<(), LowerError> {
        let view = self.view.clone();
        if let Some(operator) = spark::keyed(&self.plan.plan) {
            return Err(self.unspelled(Unspelled::Keyed { operator }));
        }
        let mut sources = self.plan.plan.sources().into_iter();
        let input = |source: usize| self.plan.inputs.get(source);
        if !sources.all(|source| input(source).is_some_and(Input::is_append_only)) {
            return Err(LowerError::Changing { view });
        }
        if self.plan.plan.sources().len() > 1 && self.looks_up(&self.plan.plan) {
            return Err(self.several(Together::LooksUp));
        }
        let columns = &self.plan.columns.0;
        let nullable = spark::nullable(self.plan, self.defs);
        let nullable = nullable.map_err(|what| self.unspelled(what))?;
        let mut key = self.plan.key.iter();
        let found = key.find(|index| nullable.get(**index).copied().unwrap_or(true));
        match found.and_then(|index| columns.get(*index)) {
            Some(column) => Err(LowerError::NullableKey {
                view,
                column: column.name.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Whether rows change, so that one that is no longer there has to be deleted.
    fn is_update(&self) -> bool {
        !self.plan.emit.is_stream()
    }

    fn node(&mut self, node: &Node) -> Step {
        match node {
            Node::Source { .. } => self.source(node),
            Node::Lookup { .. } => self.lookup(node),
            Node::Filter { input, predicate } => {
                let mut level = self.node(input)?;
                let texts = level.texts();
                let text = self.speller.expr(predicate, level::scope(&texts, input));
                let text = text.map_err(|what| self.unspelled(what))?;
                match self.is_update() && is_grouped(input) {
                    true => {
                        let text = level.guarded(text);
                        level.live.push(text);
                    }
                    false => level.filter(text),
                }
                Ok(level)
            }
            Node::Project { input, exprs, .. } => {
                let level = self.node(input)?;
                let texts = level.texts();
                let scope = level::scope(&texts, input);
                let mut cells = Vec::with_capacity(exprs.len());
                for expr in exprs {
                    cells.push(match self.plain(spark::column(expr), &level) {
                        Some(cell) => cell,
                        None => {
                            let text = self.speller.expr(expr, scope);
                            let text = text.map_err(|what| self.unspelled(what))?;
                            Cell::Text(level.guarded(text))
                        }
                    });
                }
                let is_plain = exprs.iter().all(|expr| spark::column(expr).is_some());
                Ok(match is_plain {
                    true => Level { cells, ..level },
                    false => level.nested(&cells),
                })
            }
            Node::Window { .. } => self.window(node),
            Node::Aggregate { .. } => self.aggregate(node),
            Node::Union { inputs, .. } => self.union(inputs),
            Node::Pairs(pairs) => self.pairs(pairs),
            Node::Rank(_) | Node::Running(_) => Err(self.unspelled(Unspelled::Keyed {
                operator: spark::keyed(node).unwrap_or_default(),
            })),
        }
    }

    fn aggregate(&mut self, node: &Node) -> Step {
        let Node::Aggregate {
            input,
            keys,
            window,
            calls,
            ..
        } = node
        else {
            return self.node(node);
        };
        if together::has_pairs(input) {
            return Err(self.several(Together::GroupsPairs));
        }
        let level = self.node(input)?;
        let texts = level.texts();
        let scope = level::scope(&texts, input);
        let mut cells = Vec::with_capacity(keys.len());
        for key in keys {
            cells.push(match self.plain(spark::column(key), &level) {
                Some(cell) => cell,
                None => {
                    let text = self.speller.expr(key, scope);
                    Cell::Text(text.map_err(|what| self.unspelled(what))?)
                }
            });
        }
        let calls = self.calls(calls, scope)?;
        self.name_key(node, keys.len())?;
        Ok(self.grouped(&level, &cells, (window.is_some(), &calls)))
    }

    /// What an expression that is just a column is told by.
    fn plain(&self, position: Option<usize>, level: &Level) -> Option<Cell> {
        level.cells.get(position?).cloned()
    }

    fn in_utc(&self, zone: Option<&str>) -> Result<(), LowerError> {
        match zone {
            None | Some("UTC" | "Etc/UTC" | "+00:00") => Ok(()),
            Some(zone) => Err(LowerError::Zone {
                view: self.view.clone(),
                zone: zone.to_owned(),
            }),
        }
    }

    fn calls(&mut self, calls: &[Call], scope: Scope<'_>) -> Result<Vec<String>, LowerError> {
        let mut texts = Vec::with_capacity(calls.len());
        for call in calls {
            let text = self.speller.aggregate(call, scope);
            texts.push(text.map_err(|what| self.unspelled(what))?);
        }
        Ok(texts)
    }
}

/// Whether groups are made at or below the operator.
fn is_grouped(node: &Node) -> bool {
    matches!(node, Node::Aggregate { .. }) || node.inputs().into_iter().any(is_grouped)
}
