//! What went wrong, and what to do next.

/// An error with its hint on a line of its own.
pub(crate) fn hinted(message: impl std::fmt::Display, hint: &str) -> anyhow::Error {
    anyhow::anyhow!("{message}\nhint: {hint}")
}
