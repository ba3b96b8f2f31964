//! The door from outside: bytes into a real socket, bytes out, over a node whose log is in
//! memory.

mod exchange;
mod feed;
mod graph;
mod keyed;
mod matrix;
mod pages;
mod patience;
mod raw;
mod reference;
mod shelf;
mod socket;
mod statuses;
mod world;
