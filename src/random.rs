//! Random numbers from the system.
//!
//! Uses `ring`, a dependency of TLS anyway: it asks the kernel directly, and so works in a statically linked
//! program without `/dev`, where looking up libc's function by name does not.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};

/// The system gave no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomNumbers;

/// `N` random bytes, good enough for secrets.
///
/// # Errors
/// When the kernel gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomNumbers> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| NoRandomNumbers)?;
    Ok(bytes)
}

/// A random number, for names that must not collide.
///
/// # Errors
/// When the kernel gives none.
pub fn number() -> Result<u64, NoRandomNumbers> {
    bytes().map(u64::from_ne_bytes)
}

/// 16 random bytes as 32 hexadecimal digits, which nobody can guess.
///
/// # Errors
/// When the kernel gives none.
pub fn hex() -> Result<String, NoRandomNumbers> {
    let bytes: [u8; 16] = bytes()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl fmt::Display for NoRandomNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system gives no random numbers")
    }
}

impl std::error::Error for NoRandomNumbers {}
