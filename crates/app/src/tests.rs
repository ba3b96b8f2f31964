//! Plans, applies and rollbacks over a catalog in memory.
