//! Remembers which push a signature was used for: the same one may come again, another one may not.
//!
//! In plain mode a signature does not cover the body, so whoever sees one request could send any body
//! with its query. The platform itself repeats a query only when it delivers the same push again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Signatures that a generation holds. There are two: at most 64 k are remembered, in about 2 MB.
const GENERATION: usize = 32 * 1024;

/// How long a signature is remembered where `server.max_clock_skew` is off.
const WITHOUT_SKEW: Duration = Duration::from_secs(600);

/// The signatures of the last while. Each is remembered for at least twice the clock skew, the time in
/// which its timestamp can be right, unless more than [`GENERATION`] others come meanwhile.
#[derive(Debug)]
pub(super) struct Replay {
    /// Hashes with a key of their own, so that nobody can aim at an entry.
    hashes: RandomState,
    generations: Mutex<Generations>,
    most: usize,
}

/// From the hash of a signature to the hash of its push's dedup key.
#[derive(Debug)]
struct Generations {
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
    turned: Instant,
}

impl Replay {
    pub(super) fn new() -> Replay {
        Replay::of(GENERATION)
    }

    fn of(most: usize) -> Replay {
        Replay {
            hashes: RandomState::new(),
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
                turned: Instant::now(),
            }),
            most,
        }
    }

    /// Whether a push may come with this signature: nothing else came with it before.
    ///
    /// The signature alone stands for its timestamp and nonce, which it is made of. Comparing timestamp and
    /// nonce as texts would be weaker: characters moved from the end of one to the beginning of the other leave
    /// the signature unchanged.
    pub(super) fn admits(&self, signature: &str, dedup_key: &str, skew: Duration) -> bool {
        let window = match skew {
            Duration::ZERO => WITHOUT_SKEW,
            skew => skew.saturating_mul(2),
        };
        let signature = self.hashes.hash_one(signature);
        let push = self.hashes.hash_one(dedup_key);
        let mut generations = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= self.most || generations.turned.elapsed() > window {
            generations.turned = Instant::now();
            generations.old = mem::take(&mut generations.young);
        }
        let Generations { young, old, .. } = &mut *generations;
        let known = young.get(&signature).or_else(|| old.get(&signature));
        match known {
            Some(known) => *known == push,
            None => {
                young.insert(signature, push);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: Duration = Duration::from_secs(600);

    #[test]
    fn a_signature_admits_its_own_push_again_and_no_other() {
        let replay = Replay::new();
        for _ in 0..3 {
            assert!(replay.admits("signature", "push", SKEW));
            assert!(!replay.admits("signature", "another push", SKEW));
        }
        assert!(replay.admits("another signature", "push", SKEW));
    }

    #[test]
    fn however_many_come_the_memory_is_bounded_and_the_oldest_go() {
        let replay = Replay::of(100);
        for n in 0..250 {
            assert!(replay.admits(&n.to_string(), "push", SKEW));
        }
        {
            let generations = replay.generations.lock().expect("nobody panicked");
            assert!(generations.young.len() <= 100 && generations.old.len() <= 100);
        }
        assert!(!replay.admits("249", "another push", SKEW));
        assert!(!replay.admits("150", "another push", SKEW));
        assert!(replay.admits("0", "another push", SKEW));
    }

    #[test]
    fn a_signature_is_forgotten_after_two_windows() {
        let replay = Replay::new();
        let age = |time| {
            let mut generations = replay.generations.lock().expect("nobody panicked");
            generations.turned -= time;
        };
        assert!(replay.admits("signature", "push", Duration::ZERO));
        age(WITHOUT_SKEW);
        assert!(!replay.admits("signature", "another push", Duration::ZERO));
        age(WITHOUT_SKEW);
        assert!(replay.admits("signature", "another push", Duration::ZERO));
    }
}
