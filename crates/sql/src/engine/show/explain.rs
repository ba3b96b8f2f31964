//! EXPLAIN VIEW: its operators, when its rows come out, and what it keeps, with the bound of each
//! state.

use datafusion::arrow::{array::RecordBatch, datatypes::DataType};
use mainstem_catalog::{Definitions, Object};
use mainstem_kernel::{Code, TenantId};

use super::{Named, batch, object, texts};
use crate::{
    declare::{Told, mistake, view_text},
    error::{QueryError, from_engine},
    view::plan_view,
};

/// The plan of a view, a line per row.
///
/// # Errors
/// When there is no such view.
pub(super) fn view(
    (defs, tenant): (&Definitions, TenantId),
    named: &Named,
) -> Result<RecordBatch, QueryError> {
    let Object::View(def) = object(defs, tenant, named)? else {
        let message = format!("\"{}\" is no view", named.name);
        return Err(mistake(Code::Sql021, named.place.clone(), message)
            .hint("SHOW VIEWS lists them; EXPLAIN SELECT explains a question")
            .into());
    };
    let planned = view_text(&def.spec.sql).and_then(|text| plan_view(defs, tenant, &text));
    let planned = planned.map_err(|mut problems| match problems.is_empty() {
        true => QueryError::broken("a view that is declared does not plan"),
        false => problems.swap_remove(0).into(),
    })?;
    let lines = planned.tree(def.spec.name.as_str(), defs);
    let rows = batch(
        &[("plan", DataType::Utf8)],
        vec![texts(lines.iter().map(String::as_str))],
    );
    rows.map_err(|error| from_engine(error.into()))
}
