//! History over the twin disk and the log in memory: what is read must be what was appended.

mod crash;
mod readers;
mod tables;
mod world;
