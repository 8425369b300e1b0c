//! What is where the configuration says that the store is.

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No store; opening creates it.
    Nothing,
    /// A store that opening migrates to the current schema first.
    Older,
    /// A store with the current schema.
    Current,
}
