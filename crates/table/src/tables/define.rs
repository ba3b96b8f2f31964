//! Tables come, change their columns and go, while others are read and changed.

use std::sync::Arc;

use mainstem_kernel::StreamId;

use super::{Forget, Tables};
use crate::{
    codec::RowCodec, errors::TableError, pointer::TableView, schema::TableSchema, stack::Stack,
};

impl Tables {
    /// Adds a table or keyed view, or takes in its new columns or time to live. Rows that are there
    /// have NULL in columns that are new.
    ///
    /// # Errors
    /// `Shape`, `Undeclared`.
    pub fn define(&self, schema: TableSchema) -> Result<(), TableError> {
        let table = schema.id;
        let codec = RowCodec::new(schema, self.hasher.clone())?;
        let mut inner = self.inner.lock();
        inner.due.remove(&table);
        self.swap(|pointer| {
            let stack = pointer.tables.get(&table);
            let stack = stack.map_or_else(Stack::default, |view| view.stack.clone());
            let view = TableView { codec, stack };
            pointer.tables.insert(table, Arc::new(view));
            Ok(())
        })
    }

    /// Forgets a table or keyed view; its rows are removed from the store later. After a crash,
    /// say it again: an id never comes back.
    ///
    /// # Errors
    /// None of its own; see `Tables`.
    pub fn forget(&self, table: StreamId) -> Result<(), TableError> {
        let mut inner = self.inner.lock();
        let after = inner.sealed.0;
        inner.due.remove(&table);
        inner.forgotten.push((after, Forget::Table(table)));
        let swapped = self.swap(|pointer| {
            pointer.tables.remove(&table);
            pointer.streams.remove(&table);
            Ok(())
        });
        drop(inner);
        self.moved.notify_all();
        swapped
    }

    /// Removes all state whose key begins so, once the store holds every checkpoint that was sealed
    /// before. After a crash, say it again.
    pub fn forget_state(&self, prefix: &[u8]) {
        let mut inner = self.inner.lock();
        let after = inner.sealed.0;
        let prefix = prefix.to_vec();
        inner.forgotten.push((after, Forget::State(prefix)));
        drop(inner);
        self.moved.notify_all();
    }
}
