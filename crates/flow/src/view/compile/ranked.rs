//! The operator that numbers rows, as a grouping whose answers are rows.

use std::sync::Arc;

use datafusion::{
    arrow::{
        datatypes::{FieldRef, Schema},
        error::ArrowError,
    },
    physical_expr::expressions::Column,
};
use mainstem_sql::view::Rank;

use super::Compiling;
use crate::{
    errors::FlowError,
    evaluate::Expr,
    group_by::GroupBy,
    ranked::{Parts, Ranked},
    stage::Stage,
};

impl Compiling<'_> {
    pub(super) fn rank(&mut self, rank: &Rank) -> Result<(), FlowError> {
        let emission = self.emission(rank.window.is_some())?;
        let input = rank.input.schema();
        let key = |place: &usize| -> Expr { Arc::new(Column::new("", *place)) };
        let mut exprs: Vec<Expr> = rank.partition.iter().map(key).collect();
        let first = exprs.len();
        let failed = |error: ArrowError| self.refused(format!("it cannot order its rows: {error}"));
        let parts = Parts::of(rank, input).map_err(failed)?;
        exprs.extend(parts.exprs.iter().cloned());
        let told = Self::told(rank);
        let fields = told.iter().map(|place| rank.schema.field(*place).clone());
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let retracts = self.retracts;
        let ranked = Ranked::new(rank, (parts, input), (first, retracts)).map_err(failed)?;
        let by = GroupBy {
            guarded: exprs.clone(),
            exprs,
            keys: self.keys((first, rank.window), &schema)?,
            window: rank.window,
            overlapping: None,
            sessions: None,
            calls: Vec::new(),
            ranked: Some(ranked),
            matching: None,
            running: None,
            emission,
            only_grows: false,
            schema,
        };
        self.grouped(by);
        // The key stands first in answers; elsewhere it is where the plan has it.
        let fields: Vec<FieldRef> = rank.schema.fields().iter().cloned().collect();
        let exprs = fields.iter().enumerate().map(|(place, field)| -> Expr {
            let at = told.iter().position(|told| *told == place);
            Arc::new(Column::new(field.name(), at.unwrap_or_default()))
        });
        self.stages.push(Stage::Project {
            exprs: exprs.collect(),
            schema: Arc::clone(&rank.schema),
        });
        Ok(())
    }

    /// The columns of answers by their places in the plan: the key, the rest, the number.
    fn told(rank: &Rank) -> Vec<usize> {
        let rest = (0..rank.schema.fields().len()).filter(|at| !rank.partition.contains(at));
        rank.partition.iter().copied().chain(rest).collect()
    }
}
