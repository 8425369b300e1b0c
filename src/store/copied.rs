//! What became of a copy of the store in another engine.

use serde::Serialize;

#[cfg(not(feature = "mysql"))]
use super::error::StoreError;
#[cfg(not(feature = "mysql"))]
use super::options::{Options, Server};

/// What became of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Each table.
    pub tables: Vec<CopiedTable>,
}

/// What became of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopiedTable {
    /// Its name.
    pub name: &'static str,
    /// The rows that it has now.
    pub rows: u64,
    /// Those that the target did not have.
    pub added: u64,
    /// Those that were different there.
    pub changed: u64,
    /// Those that only the target had.
    pub removed: u64,
}

/// In a program that was built with it, copies a store to another engine.
///
/// # Errors
/// Always.
#[cfg(not(feature = "mysql"))]
pub fn copy_store(
    _: &Options,
    _: &Options,
    _: bool,
    _: &mut dyn FnMut(u64, u64),
) -> Result<Copied, StoreError> {
    Err(StoreError::not_built())
}

/// In a program that was built with it, restores a copy into a database.
///
/// # Errors
/// Always.
#[cfg(not(feature = "mysql"))]
pub fn restore_to_server(
    _: &std::path::Path,
    _: &Server,
    _: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    Err(StoreError::not_built())
}
