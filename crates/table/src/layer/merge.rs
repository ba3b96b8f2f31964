//! Several layers as one: of each key the newest row. Rows are copied, state is shared, and neither
//! decoded.

use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use bytes::Bytes;
use hashbrown::{HashTable, hash_table::Entry};

use super::{Layer, LayerParts, STATE_VERSION, Strings, Values, place};
use crate::{codec::RowHasher, errors::TableError};

/// One layer of several, the newest first, which have the same version. Rows that are gone stay
/// as such.
pub(crate) fn merge(layers: &[&Layer], hasher: &RowHasher) -> Result<Layer, TableError> {
    // Of large layers few keys are in two, of small ones most: `finish` gives back what is spare.
    let most: usize = layers.iter().map(|layer| layer.len()).sum();
    let least = layers.iter().map(|layer| layer.len()).max().unwrap_or(0);
    let key_bytes = layers.iter().map(|layer| layer.keys.value_data().len());
    let value_bytes = layers.iter().map(|layer| layer.values.data_bytes());
    let version = layers.first().map_or(STATE_VERSION, |layer| layer.version);
    let values = match version {
        STATE_VERSION => MergedValues::Apart(Vec::with_capacity(most)),
        _ => MergedValues::Packed(Strings::with_capacity(most, value_bytes.sum())),
    };
    let mut merged = Merged {
        keys: Strings::with_capacity(most, key_bytes.sum()),
        values,
        deleted: Vec::with_capacity(most),
        written: Vec::with_capacity(most),
        index: HashTable::with_capacity(usize::midpoint(least, most)),
    };
    for layer in layers {
        merged.add(layer, hasher)?;
    }
    let parts = LayerParts {
        version,
        keys: merged.keys.finish(),
        values: merged.values.finish(),
        deleted: BooleanBuffer::from(merged.deleted),
        written: ScalarBuffer::from(merged.written),
    };
    Ok(parts.with_index(merged.index))
}

struct Merged {
    keys: Strings,
    values: MergedValues,
    deleted: Vec<bool>,
    written: Vec<u64>,
    index: HashTable<u32>,
}

/// Values on their way into a layer.
enum MergedValues {
    Packed(Strings),
    Apart(Vec<Bytes>),
}

impl MergedValues {
    /// Adds the value of a row; of one that is gone, nothing.
    fn push(&mut self, (layer, row): (&Layer, usize), is_deleted: bool) -> Result<(), TableError> {
        match self {
            Self::Packed(values) if is_deleted => values.push(&[]),
            Self::Packed(values) => values.push(layer.value(row)),
            Self::Apart(values) => {
                let value = (!is_deleted).then(|| layer.shared_value(row));
                values.push(value.unwrap_or_default());
                Ok(())
            }
        }
    }

    fn finish(self) -> Values {
        match self {
            Self::Packed(values) => values.finish().into(),
            Self::Apart(values) => values.into_iter().collect(),
        }
    }
}

impl Layer {
    /// This layer without rows that its index does not lead to.
    pub(super) fn without_overwritten(self, hasher: &RowHasher) -> Result<Self, TableError> {
        merge(&[&self], hasher)
    }
}

impl Merged {
    /// Adds the rows of a layer whose keys are not there yet.
    fn add(&mut self, layer: &Layer, hasher: &RowHasher) -> Result<(), TableError> {
        let is_unique = layer.index.len() == layer.len();
        for row in 0..layer.len() {
            let key = layer.key(row);
            if !is_unique && layer.find(key, hasher.hash(key)) != Some(row) {
                continue;
            }
            let next = self.keys.len();
            let keys = &self.keys;
            let is_it = |other: &u32| keys.get(place(*other)) == key;
            let hash_of = |other: &u32| hasher.hash(keys.get(place(*other)));
            match self.index.entry(hasher.hash(key), is_it, hash_of) {
                Entry::Occupied(_) => continue,
                Entry::Vacant(entry) => {
                    let next = u32::try_from(next);
                    let next = next.map_err(|_source| super::too_much(layer.bytes))?;
                    entry.insert(next);
                }
            }
            self.keys.push(key)?;
            let is_deleted = layer.is_deleted(row);
            self.values.push((layer, row), is_deleted)?;
            self.deleted.push(is_deleted);
            self.written.extend(layer.written.get(row));
        }
        Ok(())
    }
}
