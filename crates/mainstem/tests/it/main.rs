//! Whole commands against a real server process.
