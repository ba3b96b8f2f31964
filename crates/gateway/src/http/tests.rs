//! The door from outside: bytes into a real socket, bytes out, over a node whose log is in
//! memory.

mod exchange;
mod feed;
mod keyed;
mod matrix;
mod patience;
mod raw;
mod shelf;
mod statuses;
mod world;
