//! The promises of writes to tables, tried on a real broker.
//!
//! It is that of `MAINSTEM_KAFKA` (`cargo xtask cluster up` starts one). Without the variable each
//! promise says that it was skipped. Every test has topics of its own.

#![cfg(feature = "engines")]

mod bed;
mod dying;
mod telling;
