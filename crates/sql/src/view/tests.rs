//! Views: what each accepted form becomes, what is refused in which words, and that the plan and
//! the plain question mean the same rows.

mod accepted;
mod bed;
mod lookups;
mod names;
mod refused;
mod rows;

pub(crate) use refused::random;
