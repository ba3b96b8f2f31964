//! Opens everything in order, supervises, budgets memory and shuts down in reverse.
