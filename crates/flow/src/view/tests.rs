//! One view over one stream, in all ways of cutting the log into steps, chunks and threads, with
//! restarts and crashes between, against a model that looks at one row at a time.

pub(crate) mod bed;
mod overlapping;
mod sessions;
mod spilled;
mod windows;
