//! `InOrder`: the rows of several layers in the order of their keys, of each key the newest.
//!
//! It copies nothing: checkpoints that wait for the store are large, and few rows are in two of them.

use crate::{
    layer::{Layer, place},
    stack::Entry,
};

/// Rows of layers in the order of their keys.
#[derive(Debug)]
pub(super) struct InOrder<'a> {
    /// The newest first.
    cursors: Vec<Cursor<'a>>,
}

#[derive(Debug)]
struct Cursor<'a> {
    layer: &'a Layer,
    key: &'a [u8],
    row: usize,
    rest: std::slice::Iter<'a, u32>,
}

impl<'a> InOrder<'a> {
    /// Of layers that are given oldest first.
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let layers = entries.iter().rev().map(|entry| entry.layer.as_ref());
        Self {
            cursors: layers.filter_map(Cursor::new).collect(),
        }
    }
}

impl<'a> Cursor<'a> {
    fn new(layer: &'a Layer) -> Option<Self> {
        let mut rest = layer.sorted().iter();
        let row = place(*rest.next()?);
        Some(Self {
            layer,
            key: layer.key(row),
            row,
            rest,
        })
    }

    /// Goes to the next row; whether there is one.
    fn advance(&mut self) -> bool {
        match self.rest.next() {
            Some(row) => {
                self.row = place(*row);
                self.key = self.layer.key(self.row);
                true
            }
            None => false,
        }
    }
}

impl<'a> Iterator for InOrder<'a> {
    type Item = (&'a Layer, usize);

    fn next(&mut self) -> Option<Self::Item> {
        // Of equal keys `min_by_key` gives the first, which is the newest.
        let least = self.cursors.iter().min_by_key(|cursor| cursor.key)?;
        let (layer, row, key) = (least.layer, least.row, least.key);
        self.cursors
            .retain_mut(|cursor| cursor.key != key || cursor.advance());
        Some((layer, row))
    }
}

#[cfg(test)]
mod tests;
