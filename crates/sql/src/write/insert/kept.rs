//! `Kept`: an INSERT of one row of literals that was compiled before, to be filled with other values.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use mainstem_catalog::{Definitions, Object};
use mainstem_kernel::TenantId;
use sqlparser::ast::Query;

use super::{Insert, Shape};
use crate::write::{
    Compiled, Write,
    conflict::Conflict,
    fit,
    form::Form,
    given::{Given, literals},
};

/// An INSERT that was compiled before.
#[derive(Debug)]
pub(in crate::write) struct Kept {
    shape: Arc<Shape>,
    /// Places of the columns that are given.
    named: Vec<usize>,
    /// The values that it was compiled with.
    values: Vec<Option<String>>,
    /// The row that it was compiled with, and where that was written: columns that are not given
    /// have the same values in every row.
    given: Given,
}

impl Kept {
    /// `None` unless it gives one row, all of literals.
    pub(super) fn of(
        (shape, named): (&Arc<Shape>, Vec<usize>),
        source: Option<&Query>,
        given: &Given,
    ) -> Option<Self> {
        Some(Self {
            values: literals(source?)?,
            shape: Arc::clone(shape),
            named,
            given: given.clone(),
        })
    }

    /// Whether the form of its text was taken apart as the parser has read it.
    pub(in crate::write) fn is_of(&self, form: &Form) -> bool {
        self.values == form.values && self.given.places == [form.place()]
    }

    /// The same statement with the values of another text of that form. `None` if its table is
    /// another by now, or a value does not fit its column: that is told by compiling it.
    pub(in crate::write) fn write(
        &self,
        (defs, tenant): (&Definitions, TenantId),
        form: &Form,
    ) -> Option<Write> {
        let target = &self.shape.target;
        let object = defs.object(tenant, target.def.spec.name.as_str())?;
        let is_same = matches!(object, Object::Table(def) if Arc::ptr_eq(def, &target.def));
        if !is_same {
            return None;
        }
        let columns = target.def.spec.columns.0.iter().enumerate();
        let columns = columns.map(|(place, column)| {
            match self.named.iter().position(|named| *named == place) {
                Some(index) => {
                    let value = form.values.get(index)?.as_deref();
                    let value: ArrayRef = Arc::new(StringArray::from(vec![value]));
                    fit::column(&value, column).ok()
                }
                None => self.given.rows.columns().get(place).cloned(),
            }
        });
        let columns = columns.collect::<Option<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let schema = Arc::clone(&target.columns.schema);
        let given = Given {
            rows: RecordBatch::try_new_with_options(schema, columns, &options).ok()?,
            places: vec![form.place()],
        };
        let insert = Insert::new(Arc::clone(&self.shape), given);
        let compiled = Compiled::new("INSERT", insert, |insert| {
            (&insert.shape.target, insert.shape.returning.as_ref())
        });
        let mut write = Write::of_one(compiled);
        // Expressions know where they stood in the text that they were compiled from.
        let has_expressions = matches!(self.shape.conflict, Conflict::Update { .. });
        write.is_placed = !has_expressions && self.shape.returning.is_none();
        Some(write)
    }
}
