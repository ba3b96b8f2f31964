//! Texts that are encoded by dictionary, computed on as codes: a filter looks at each text of a
//! dictionary once, and a grouping compares numbers.
//!
//! `footers` has such columns read as dictionaries; `filter` tests dictionaries; `group` plans a
//! grouping by `texts`' numbers, which `table` adds to a stream's rows, and `numbered` runs it.
//! Nothing here changes an answer: each part has a slower one beside it that gives the same.

mod filter;
mod footers;
mod group;
mod numbered;
mod recent;
mod table;
mod texts;

pub(super) use filter::sooner;
pub(super) use footers::{Footers, dictionary, is_coded, known};
pub(super) use group::GroupByNumber;
pub(super) use numbered::PlaceByNumber;
