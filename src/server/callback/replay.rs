//! Remembers what each signature was used for: the same push may come with it again, and nothing else.
//!
//! In plain mode a signature does not cover the body, so anybody who sees one request could send any body with its query.
//! The platform itself repeats a query only when it delivers the same push again. A signature is used up by
//! whatever came with it: a push, a body that is not a push, the check of the callback URL.
//!
//! Where several nodes share the store, that decides what a signature brings, because a node does not see what others
//! get. Its own memory then only spares the store what is known to be wrong, and learns only what the store says:
//! otherwise a forged body at one node would keep out the true one, which another has recorded.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::refusals::Refused;
use super::signature::Signed;
use crate::config;
use crate::store::UsedSignature;

/// Signatures that are remembered at most, in about 32 MB: 870 a second at the default clock skew. When there are
/// more, those with the oldest timestamps are refused instead of forgotten.
pub const MOST: u32 = 1 << 20;

/// The memory is dropped in slices, so that expiry need not look at every entry.
const SLICES: usize = 8;

/// Other bodies that are read with a signature that was used, to see whether they are the same push in another form;
/// further ones are refused unread.
const OTHER_BODIES: u8 = 3;

/// Other bodies for a signature whose own body came to another node: it is not known here until the push is delivered
/// again, which it must be able to be.
const BODIES_IN_PLACE_OF_IT: u8 = 100;

/// The signatures that can still be accepted, and what they brought.
#[derive(Debug)]
pub struct Replay {
    /// Hashes with a key of their own, so that nobody can aim at an entry.
    hashes: RandomState,
    memory: Mutex<Memory>,
    most: usize,
    /// Several nodes share the store, which decides.
    is_shared: bool,
}

#[derive(Debug, Default)]
struct Memory {
    /// The oldest first.
    slices: VecDeque<Slice>,
    /// The newest timestamp of those that were dropped: what is not newer may be one of them.
    dropped: Option<i64>,
}

#[derive(Debug)]
struct Slice {
    begun: Instant,
    /// The newest timestamp in it, Unix seconds.
    newest: i64,
    uses: HashMap<u64, Use>,
}

/// What a signature was used for; in 16 bytes, because there are many.
#[derive(Debug, Clone, Copy)]
struct Use {
    /// The push that it brought.
    push: Option<NonZeroU64>,
    /// A hash of the body that came with it; `None`: it came before the last restart.
    body: Option<NonZeroU32>,
    /// Other bodies that came with it and were not that push.
    others: u8,
}

/// A request that may be read.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    signature: u64,
    body: NonZeroU32,
    /// Unix seconds; of its arrival where any timestamp is accepted.
    timestamp: i64,
    skew: Duration,
}

impl Replay {
    pub fn new() -> Replay {
        Replay::of(MOST as usize)
    }

    /// Where several nodes share the store.
    pub fn shared() -> Replay {
        Replay {
            is_shared: true,
            ..Replay::new()
        }
    }

    fn of(most: usize) -> Replay {
        Replay {
            hashes: RandomState::new(),
            memory: Mutex::default(),
            most,
            is_shared: false,
        }
    }

    /// Takes over what was used before a restart, the oldest first. `received_at` stands in for the timestamp, which
    /// is not more than the clock skew away from it.
    pub fn restore(&self, used: UsedSignature, skew: Duration) {
        let signature = self.hashes.hash_one(used.signature);
        let push = used.push.map(push_hash);
        let mut memory = self.memory();
        if let Some(known) = memory.find(signature) {
            known.push = known.push.or(push);
            return;
        }
        let seen = Seen {
            signature,
            body: NonZeroU32::MIN,
            timestamp: used.received_at.saturating_add_unsigned(skew.as_secs()),
            skew,
        };
        let restored = Use {
            push,
            body: None,
            others: 0,
        };
        memory.insert(&seen, restored, self.most);
    }

    /// Signatures of requests that came until this time, Unix seconds, are not in the memory.
    pub fn begins_after(&self, received_at: i64) {
        self.memory().drop_until(received_at);
    }

    /// Whether a body may be read that came with this signature: nothing came with it before, or the same body, or
    /// only few others. `now` in Unix seconds.
    ///
    /// The signature alone stands for its timestamp and nonce, which it is made of. Comparing timestamp and
    /// nonce as texts would be weaker: characters moved from the end of one to the beginning of the other leave
    /// the signature unchanged.
    pub fn look(
        &self,
        signed: &Signed,
        body: &[u8],
        skew: Duration,
        now: i64,
    ) -> Result<Seen, Refused> {
        let seen = Seen {
            signature: self.hashes.hash_one(signed.signature),
            body: NonZeroU32::MIN | low_half(self.hashes.hash_one(body)),
            timestamp: match skew {
                Duration::ZERO => now,
                _ => signed.timestamp.unwrap_or(now),
            },
            skew,
        };
        let mut memory = self.memory();
        memory.expire(now, memory_of(skew));
        if let Some(known) = memory.find(seen.signature) {
            if known.body != Some(seen.body) {
                let most = match known.body {
                    None if self.is_shared => BODIES_IN_PLACE_OF_IT,
                    None | Some(_) => OTHER_BODIES,
                };
                if known.others >= most {
                    return Err(Refused::Replayed);
                }
                known.others += 1;
            }
            return Ok(seen);
        }
        match memory.dropped {
            // What was dropped the store knows.
            Some(_) if self.is_shared => Ok(seen),
            Some(dropped) if !skew.is_zero() && seen.timestamp <= dropped => Err(Refused::TooOld),
            Some(_) | None => Ok(seen),
        }
    }

    /// Uses the signature up for this push, or for a body that is not a push, and says whether nothing came with it
    /// before. Refuses what is not that for which it was used. Where nodes share the store, nothing is used up until it
    /// says so, see [`Replay::learn`].
    pub fn admit(&self, seen: &Seen, push: Option<i64>) -> Result<bool, Refused> {
        let push = push.map(push_hash);
        let mut memory = self.memory();
        let used = Use {
            push,
            body: Some(seen.body),
            others: 0,
        };
        let Some(known) = memory.find(seen.signature) else {
            if !self.is_shared {
                memory.insert(seen, used, self.most);
            }
            return Ok(true);
        };
        let same_body = known.body == Some(seen.body);
        let same_push = push.is_some() && known.push == push;
        if same_push || same_body && known.push.is_none() {
            if !self.is_shared {
                *known = used;
            }
            return Ok(false);
        }
        Err(Refused::Replayed)
    }

    /// Takes over what the signature is used for by the store that nodes share: this push, or a body that is not a push.
    /// `by_this`: the body of this request has brought it. Without such a store there is nothing to learn.
    pub fn learn(&self, seen: &Seen, push: Option<i64>, by_this: bool) {
        if !self.is_shared {
            return;
        }
        let used = Use {
            push: push.map(push_hash),
            body: by_this.then_some(seen.body),
            others: 0,
        };
        let mut memory = self.memory();
        match memory.find(seen.signature) {
            Some(known) if known.push == used.push && !by_this => {}
            Some(known) => *known = used,
            None => memory.insert(seen, used, self.most),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn find(&mut self, signature: u64) -> Option<&mut Use> {
        let mut newest_first = self.slices.iter_mut().rev();
        newest_first.find_map(|slice| slice.uses.get_mut(&signature))
    }

    fn insert(&mut self, seen: &Seen, first: Use, most: usize) {
        let longest = memory_of(seen.skew) / 4;
        let is_full =
            |slice: &Slice| slice.uses.len() >= most / SLICES || slice.begun.elapsed() > longest;
        if self.slices.back().is_none_or(is_full) {
            while self.len() + most / SLICES > most {
                self.drop_oldest();
            }
            self.slices.push_back(Slice {
                begun: Instant::now(),
                newest: seen.timestamp,
                uses: HashMap::new(),
            });
        }
        if let Some(youngest) = self.slices.back_mut() {
            youngest.newest = youngest.newest.max(seen.timestamp);
            youngest.uses.insert(seen.signature, first);
        }
    }

    fn expire(&mut self, now: i64, remembered: Duration) {
        let last = now.saturating_sub_unsigned(remembered.as_secs());
        while self
            .slices
            .front()
            .is_some_and(|oldest| oldest.newest < last)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.slices.pop_front() {
            self.drop_until(oldest.newest);
        }
    }

    fn drop_until(&mut self, timestamp: i64) {
        self.dropped = self.dropped.max(Some(timestamp));
    }

    fn len(&self) -> usize {
        self.slices.iter().map(|slice| slice.uses.len()).sum()
    }
}

/// How long after its timestamp a signature can be accepted, or is remembered where any timestamp is.
fn memory_of(skew: Duration) -> Duration {
    match skew {
        Duration::ZERO => config::WITHOUT_SKEW,
        skew => skew,
    }
}

fn low_half(hash: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = hash.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn push_hash(digest: i64) -> NonZeroU64 {
    NonZeroU64::MIN | digest.cast_unsigned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const SKEW: Duration = Duration::from_secs(600);
    const NOW: i64 = 1_790_000_000;

    fn signed(number: u32, timestamp: i64) -> Signed {
        let mut signature = [7; 20];
        signature[..4].copy_from_slice(&number.to_be_bytes());
        Signed {
            signature,
            timestamp: Some(timestamp),
        }
    }

    /// Whether this push may come with this signature; its body is as unlike another's as the push.
    fn admits(replay: &Replay, signed: &Signed, push: i64, skew: Duration, now: i64) -> bool {
        let seen = replay.look(signed, &push.to_be_bytes(), skew, now);
        seen.is_ok_and(|seen| replay.admit(&seen, Some(push)).is_ok())
    }

    fn used(number: u32, received_at: i64, push: Option<i64>) -> UsedSignature {
        UsedSignature {
            signature: signed(number, 0).signature,
            received_at,
            push,
        }
    }

    #[test]
    fn a_signature_admits_its_own_push_again_and_no_other() {
        for skew in [SKEW, Duration::ZERO] {
            let replay = Replay::new();
            for _ in 0..10 {
                assert!(admits(&replay, &signed(1, NOW), 11, skew, NOW));
                assert!(!admits(&replay, &signed(1, NOW), 12, skew, NOW));
            }
            assert!(admits(&replay, &signed(2, NOW), 11, skew, NOW));
        }
    }

    #[test]
    fn few_other_bodies_are_read_with_a_signature_that_was_used() {
        let replay = Replay::new();
        let look = |body: &[u8]| replay.look(&signed(1, NOW), body, SKEW, NOW);
        assert_eq!(replay.admit(&look(b"a push").unwrap(), Some(5)), Ok(true));
        // The same push in another form may be it.
        let other = look(b"the same, encrypted").unwrap();
        assert_eq!(replay.admit(&other, Some(5)), Ok(false));
        for body in [b"one", b"two", b"six"] {
            replay.admit(&look(body).unwrap(), None).unwrap_err();
        }
        assert_eq!(look(b"more").unwrap_err(), Refused::Replayed);
        let again = look(b"the same, encrypted").unwrap();
        assert_eq!(replay.admit(&again, Some(5)), Ok(false));
    }

    #[test]
    fn a_body_that_is_no_push_uses_its_signature_up() {
        let replay = Replay::new();
        let look = |body: &[u8]| replay.look(&signed(1, NOW), body, SKEW, NOW).unwrap();
        replay.admit(&look(b"nonsense"), None).unwrap();
        replay.admit(&look(b"nonsense"), None).unwrap();
        replay.admit(&look(b"a push"), Some(5)).unwrap_err();
    }

    #[test]
    fn what_is_only_looked_at_takes_nothing_away() {
        let replay = Replay::new();
        for number in 0..10_i64 {
            let body = number.to_be_bytes();
            replay.look(&signed(1, NOW), &body, SKEW, NOW).unwrap();
        }
        assert!(admits(&replay, &signed(1, NOW), 99, SKEW, NOW));
    }

    #[test]
    fn however_many_come_none_is_admitted_for_another_push() {
        let replay = Replay::of(80);
        // Ten a second, all within the clock skew.
        let at = |number: u32| NOW + i64::from(number / 10);
        for number in 0..1_000 {
            assert!(admits(
                &replay,
                &signed(number, at(number)),
                1,
                SKEW,
                at(number)
            ));
            assert!(replay.memory().len() <= 80);
        }
        let now = at(1_000);
        let again = |number, push| admits(&replay, &signed(number, at(number)), push, SKEW, now);
        assert!((0..1_000).all(|number| !again(number, 2)));
        assert!(again(999, 1), "the youngest are remembered");
        assert!(!again(0, 1), "the oldest are refused as a whole");
        assert!(
            admits(&replay, &signed(5_000, now), 1, SKEW, now),
            "new ones come in"
        );
        let late = signed(5_001, at(0));
        assert!(
            !admits(&replay, &late, 1, SKEW, now),
            "unless they may be old ones"
        );
    }

    #[test]
    fn a_signature_is_remembered_as_long_as_it_can_be_accepted_and_then_forgotten() {
        let replay = Replay::new();
        let ahead = NOW + 600;
        assert!(admits(&replay, &signed(1, ahead), 1, SKEW, NOW));
        assert!(!admits(&replay, &signed(1, ahead), 2, SKEW, ahead + 600));
        assert!(admits(
            &replay,
            &signed(2, ahead + 601),
            2,
            SKEW,
            ahead + 601
        ));
        assert_eq!(replay.memory().len(), 1);
        // A clock that is set back makes it acceptable again.
        assert!(!admits(&replay, &signed(1, ahead), 2, SKEW, NOW));
    }

    #[test]
    fn without_a_clock_skew_a_signature_is_remembered_for_an_hour() {
        let replay = Replay::new();
        let off = Duration::ZERO;
        let seen = Signed {
            timestamp: None,
            ..signed(1, 0)
        };
        assert!(admits(&replay, &seen, 1, off, NOW));
        assert!(!admits(&replay, &seen, 2, off, NOW + 3_600));
        assert!(admits(&replay, &seen, 2, off, NOW + 3_601));
    }

    #[test]
    fn what_was_used_before_a_restart_is_used_after_it() {
        let replay = Replay::new();
        replay.restore(used(1, NOW, Some(5)), SKEW);
        replay.restore(used(2, NOW, None), SKEW);
        replay.restore(used(3, NOW, None), SKEW);
        replay.restore(used(3, NOW, Some(5)), SKEW);
        replay.begins_after(NOW - 1_201);
        let admits = |number, push, at| admits(&replay, &signed(number, at), push, SKEW, at);
        for number in [1, 3] {
            assert!(!admits(number, 6, NOW + 600));
            assert!(admits(number, 5, NOW + 600));
        }
        assert!(!admits(2, 5, NOW));
        assert!(admits(4, 5, NOW - 600));
        assert!(!admits(5, 5, NOW - 1_201), "it may have come before");
    }

    #[test]
    fn where_nodes_share_the_store_only_what_it_says_is_learned() {
        let replay = Replay::shared();
        let look = |body: &[u8]| replay.look(&signed(1, NOW), body, SKEW, NOW);
        let forged = look(b"forged").unwrap();
        let own = look(b"the push").unwrap();
        // Both may be recorded, as far as this node knows.
        assert_eq!(replay.admit(&forged, Some(6)), Ok(true));
        assert_eq!(replay.admit(&own, Some(5)), Ok(true));
        // Another node has recorded the true one.
        replay.learn(&forged, Some(5), false);
        replay.admit(&forged, Some(6)).unwrap_err();
        replay.admit(&forged, None).unwrap_err();
        for number in 0..10_u8 {
            look(&[number]).unwrap();
        }
        assert_eq!(replay.admit(&own, Some(5)), Ok(false));
        replay.learn(&own, Some(5), true);
        for number in 0..OTHER_BODIES {
            look(&[number]).unwrap();
        }
        assert_eq!(look(b"forged").unwrap_err(), Refused::Replayed);
        look(b"the push").unwrap();
    }

    #[test]
    fn where_nodes_share_the_store_what_was_dropped_is_not_refused() {
        let replay = Replay {
            is_shared: true,
            ..Replay::of(80)
        };
        for number in 0..1_000 {
            let seen = replay.look(&signed(number, NOW), b"", SKEW, NOW).unwrap();
            replay.learn(&seen, Some(1), true);
            assert!(replay.memory().len() <= 80);
        }
        assert!(admits(&replay, &signed(0, NOW), 1, SKEW, NOW));
    }

    #[test]
    fn without_nodes_there_is_nothing_to_learn() {
        let replay = Replay::new();
        let seen = replay.look(&signed(1, NOW), b"one", SKEW, NOW).unwrap();
        replay.learn(&seen, Some(1), true);
        assert!(admits(&replay, &signed(1, NOW), 2, SKEW, NOW));
    }
}
