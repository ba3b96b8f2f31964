//! Expressions that were planned before. An application sends the same few statements with other
//! values; to plan `n + 1` again costs more than to write the row.
//!
//! Only what always means the same is kept: nothing that calls a function such as `now()`, and
//! nothing with an answer of a question in it. What is kept does not depend on the catalog, for
//! columns are a part of its name.

use std::{collections::HashMap, fmt::Write as _};

use datafusion::{
    common::{DFSchema, tree_node::TreeNode},
    logical_expr::{Expr, Volatility},
};
use parking_lot::Mutex;
use sqlparser::ast::Expr as Ast;

use super::exprs::Planned;

/// Lists of expressions that are kept; beyond that all are forgotten.
const KEPT_MAX: usize = 256;
/// Longer ones are planned anew, in bytes of text.
const TEXT_MAX: usize = 1_024;

/// Expressions that were planned before.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    kept: Mutex<HashMap<String, Vec<Planned>>>,
}

/// The text of expressions and all that their meaning depends on; `None` if that is long.
pub(super) fn name(exprs: &[&Ast], over: &DFSchema) -> Option<String> {
    let mut name = String::with_capacity(TEXT_MAX / 4);
    for expr in exprs {
        write!(name, "{expr}\u{0}").ok()?;
    }
    for (table, field) in over.iter() {
        let (ty, nullable) = (field.data_type(), field.is_nullable());
        let (field, metadata) = (field.name(), field.metadata());
        let table = table.map_or("", |table| table.table());
        write!(name, "{table}\u{0}{field}\u{0}{ty}\u{0}{nullable}\u{0}").ok()?;
        if !metadata.is_empty() {
            write!(name, "{metadata:?}").ok()?;
        }
    }
    (name.len() <= TEXT_MAX).then_some(name)
}

/// Whether an expression gives the same whenever it is asked.
pub(super) fn is_lasting(expr: &Expr) -> bool {
    let varies = expr.exists(|expr| {
        Ok(match expr {
            Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Immutable,
            Expr::Placeholder(_) => true,
            _ => false,
        })
    });
    varies.is_ok_and(|varies| !varies)
}

impl Plans {
    pub(super) fn get(&self, name: &str) -> Option<Vec<Planned>> {
        self.kept.lock().get(name).cloned()
    }

    pub(super) fn keep(&self, name: String, planned: &[Planned]) {
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(name, planned.to_vec());
    }
}
