//! Columns by number that grow: by a quarter, because millions of groups are kept in memory and what
//! is spare is lost; and whole numbers in half the bytes for as long as they fit.

/// Sees to it that `more` values fit.
#[inline]
pub(crate) fn make_room<T>(column: &mut Vec<T>, more: usize) {
    if column.capacity() - column.len() < more {
        // What comes all at once is often followed by a little.
        let ample = more + more / SPARE_MORE;
        column.reserve_exact(ample.max(column.len() / SPARE).max(SPARE_MIN));
    }
}

/// A column keeps at most one part in so many spare.
const SPARE: usize = 4;
/// But this much, so that small ones grow seldom.
const SPARE_MIN: usize = 4;
/// Of many values that come at once, one part in so many more.
const SPARE_MORE: usize = 32;

/// Puts bytes behind others.
#[inline]
pub(crate) fn extend(column: &mut Vec<u8>, bytes: &[u8]) {
    make_room(column, bytes.len());
    column.extend_from_slice(bytes);
}

/// Sees to it that there are `count` values, the new ones `fill`.
#[inline]
pub(crate) fn resize<T: Clone>(column: &mut Vec<T>, count: usize, fill: T) {
    if count > column.len() {
        make_room(column, count - column.len());
        column.resize(count, fill);
    }
}

/// Whole numbers by number: short ones until one does not fit, then all long.
#[derive(Clone, Debug)]
pub(crate) enum Whole<S, L> {
    Short(Vec<S>),
    Long(Vec<L>),
}

/// Of 64 bits.
pub(crate) type Longs = Whole<i32, i64>;
/// Of 128 bits.
pub(crate) type Wides = Whole<i64, i128>;

impl<S, L> Default for Whole<S, L> {
    fn default() -> Self {
        Self::Short(Vec::new())
    }
}

impl<S, L> Whole<S, L>
where
    S: Copy + Default + TryFrom<L>,
    L: Copy + Default + From<S> + std::ops::Add<Output = L>,
{
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Short(values) => values.len(),
            Self::Long(values) => values.len(),
        }
    }

    /// Sees to it that there are `count` values, the new ones 0.
    pub(crate) fn grow(&mut self, count: usize) {
        match self {
            Self::Short(values) => resize(values, count, S::default()),
            Self::Long(values) => resize(values, count, L::default()),
        }
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> L {
        match self {
            Self::Short(values) => values[at].into(),
            Self::Long(values) => values[at],
        }
    }

    #[inline]
    pub(crate) fn set(&mut self, at: usize, value: L) {
        match self {
            Self::Short(values) => match S::try_from(value) {
                Ok(value) => values[at] = value,
                Err(_long) => self.widen(at, value),
            },
            Self::Long(values) => values[at] = value,
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, at: usize, value: L) {
        self.set(at, self.get(at) + value);
    }

    #[cold]
    fn widen(&mut self, at: usize, value: L) {
        if let Self::Short(values) = self {
            let mut long: Vec<L> = values.iter().map(|value| L::from(*value)).collect();
            long[at] = value;
            *self = Self::Long(long);
        }
    }

    /// All values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = L> + Clone + '_ {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Short(values) => values.capacity() * size_of::<S>(),
            Self::Long(values) => values.capacity() * size_of::<L>(),
        }
    }
}

#[cfg(test)]
mod tests;
