//! The promises of writes to tables, tried on a real broker.
