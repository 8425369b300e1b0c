//! What an owner types.
pub mod unit;
