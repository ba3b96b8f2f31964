//! Tests of an application: `.flow` files, what they say and how they are run.
//!
//! Each case has an empty node of its own: in memory, or on the engines beyond one machine.
//!
//! # Format
//!
//! UTF-8, line by line; blanks at both ends of a line mean nothing. A file is
//!
//! ```text
//! file    = { blank | comment | case }
//! comment = "#" anything
//! case    = "case" NAME , { blank | comment | step }     NAME is once in a file
//! step    = "at" TIME                                    the first step of every case
//!         | "send" STREAM [ "rejecting" N ] , rows
//!         | "write" [ "rejecting" CODE ] STATEMENT ";"
//!         | "expect" NAME , rows
//!         | "expect" STATEMENT ";" , rows
//!         | "restart"
//! rows    = { "{" … "}" }                                one JSON object per line
//! TIME    = RFC 3339, or "+" DIGITS ( "ms" | "s" | "m" | "h" | "d" )
//! ```
//!
//! Rows are directly below their step: a line of another kind ends them. A STATEMENT may have several
//! lines and ends with the first line that ends with `;`; one that begins with BEGIN, with the first
//! that ends with `COMMIT;`.
//!
//! * `at` sets the clock, which then stands still until the next `at`; it never goes back. Views
//!   and checkpoints do what is due.
//! * `send` sends rows as one request. All have to be accepted, or, with `rejecting N`, all but N;
//!   those are in STREAM_dead_letters.
//! * `write` is INSERT, UPDATE or DELETE of a table's rows, or several between BEGIN and COMMIT. With
//!   `rejecting CODE` it has to be refused, with that error code.
//! * `expect` compares rows with what is found now: of everything that NAME has, columns that begin
//!   with `_` left out, or of a question, or of a write with RETURNING. No rows expects none. Order counts if the question ends
//!   in ORDER BY. Objects are equal if all their values are; times are equal if they are the same
//!   moment, numbers if they have the same value.
//! * `restart` kills the node and starts it again on what it had synced.
//!
//! What differs does not end a case; what is refused does.

mod compare;
mod parse;
mod report;
mod run;
mod scale;
mod script;
mod stage;
mod update;

pub(crate) use parse::parse;
pub(crate) use report::{told, totals};
pub(crate) use run::{Finding, Played, play};
pub(crate) use scale::Scale;
pub(crate) use script::{Case, Script};
pub(crate) use update::{Edit, updated};
