//! What patterns remember of each group.
//!
//! # Format, version 1
//!
//! `version u8 = 1`, then per group the bytes of its `Matcher` behind their length.

use datafusion::arrow::{array::new_empty_array, datatypes::DataType, error::ArrowError};
use mainstem_sql::pattern::{Answered, Found, Matcher, Rows};

use super::{Answers, Cursor, Damaged, bytes::put_bytes};
use crate::columns::resize;

const VERSION: u8 = 1;

/// One pattern of all groups.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    matchers: Vec<Matcher>,
    size: usize,
}

impl Patterns {
    pub(crate) fn grow(&mut self, groups: usize) {
        let new = groups.saturating_sub(self.matchers.len());
        self.size += new * Matcher::default().size();
        resize(&mut self.matchers, groups, Matcher::default());
    }

    /// One more row of a group; what is told of the match that it ends.
    pub(crate) fn step(
        &mut self,
        group: usize,
        answered: &Answered,
        (rows, row): (&Rows, usize),
    ) -> Option<Found> {
        let matcher = &mut self.matchers[group];
        let before = matcher.size();
        let found = answered.step(matcher, rows, row);
        self.size = (self.size + matcher.size()).saturating_sub(before);
        found
    }

    /// It has none: matches are told one by one.
    #[expect(
        clippy::unused_self,
        reason = "one of the methods that all aggregates have"
    )]
    pub(crate) fn answers(&self, _groups: &[u32]) -> Result<Answers, ArrowError> {
        Ok(Answers {
            column: new_empty_array(&DataType::Binary),
            unfit: Vec::new(),
        })
    }

    pub(crate) fn write(&self, groups: &[u32], out: &mut Vec<u8>) {
        out.push(VERSION);
        let mut bytes = Vec::new();
        for group in groups {
            bytes.clear();
            self.matchers[*group as usize].write(&mut bytes);
            put_bytes(&bytes, out);
        }
    }

    pub(crate) fn read(&mut self, groups: &[u32], from: &mut Cursor<'_>) -> Result<(), Damaged> {
        if from.byte()? != VERSION {
            return Err(Damaged);
        }
        for group in groups {
            let read = Matcher::read(from.bytes()?).ok_or(Damaged)?;
            let matcher = &mut self.matchers[*group as usize];
            self.size = (self.size + read.size()).saturating_sub(matcher.size());
            *matcher = read;
        }
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }
}
