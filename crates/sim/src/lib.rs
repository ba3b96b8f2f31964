//! Seeded simulation: our own code under a simulated clock, disk and schedule.
