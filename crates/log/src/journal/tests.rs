//! The journal on a disk that loses power, fails calls and rots.

#![expect(clippy::arithmetic_side_effects, reason = "a wrong sum fails a test")]

mod damage;
mod faults;
mod fixture;
mod limits;
mod recovery;
mod world;

use super::*;
