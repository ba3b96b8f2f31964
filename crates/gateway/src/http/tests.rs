//! The door from outside: bytes into a real socket, bytes out, over a node whose log is in
//! memory.

mod exchange;
mod feed;
mod matrix;
mod patience;
mod raw;
mod statuses;
mod world;
