//! The integration tests.
mod protocol;
