//! How often one address may do something: a bucket for each, in a table of fixed size.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::server::http::client::ClientAddress;

/// Addresses that share a row of the table: those of other rows are never looked at.
const WAYS: usize = 4;

/// Rows of the table. With all rows full, 16,384 addresses are known.
const ROWS: usize = 4_096;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two, in the long run.
    pub every: Duration,
    /// At once.
    pub burst: u32,
}

/// The buckets. An address that is not known has a full one, and so forgetting one that is full again loses nothing; of
/// a full row the bucket is forgotten that will be full soonest.
pub struct Rate {
    /// Keyed at random: nobody can choose addresses that share a row with somebody else's.
    hasher: RandomState,
    begun: Instant,
    rows: Mutex<Box<[[Bucket; WAYS]]>>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    /// The hash of its address.
    of: u64,
    /// When it will be full again, since the beginning.
    full_at: Duration,
}

/// What shares a bucket: hosts in IPv6 have whole networks to themselves.
#[derive(Hash)]
enum Client {
    V4([u8; 4]),
    V6([u8; 8]),
    Local,
    Unknown,
}

impl Rate {
    /// All buckets are full.
    pub fn new() -> Rate {
        Rate {
            hasher: RandomState::new(),
            begun: Instant::now(),
            rows: Mutex::new(vec![[Bucket::default(); WAYS]; ROWS].into_boxed_slice()),
        }
    }

    /// Whether this address may do it now, which counts. Takes the same time for every address and however many there
    /// are.
    pub fn admits(&self, from: ClientAddress, pace: Pace) -> bool {
        self.admits_at(from, pace, self.begun.elapsed())
    }

    /// Whether this address might do it now, which does not count.
    pub fn has_left(&self, from: ClientAddress, pace: Pace) -> bool {
        let now = self.begun.elapsed();
        self.bucket(from, now, |bucket| pace.next(bucket, now).is_some())
    }

    fn admits_at(&self, from: ClientAddress, pace: Pace, now: Duration) -> bool {
        self.bucket(from, now, |bucket| {
            let next = pace.next(bucket, now);
            bucket.full_at = next.unwrap_or(bucket.full_at);
            next.is_some()
        })
    }

    /// Looks at the bucket of an address.
    fn bucket(
        &self,
        from: ClientAddress,
        now: Duration,
        look: impl FnOnce(&mut Bucket) -> bool,
    ) -> bool {
        let of = self.hasher.hash_one(Client::from(from));
        // From other bits than those that tell apart addresses of a row.
        let row = usize::try_from(of >> 32).unwrap_or_default() % ROWS;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(row) = rows.get_mut(row) else {
            return true;
        };
        let known = row.iter_mut().position(|bucket| bucket.of == of);
        let place = known.or_else(|| (0..WAYS).min_by_key(|&place| row[place].full_at));
        let Some(bucket) = place.and_then(|place| row.get_mut(place)) else {
            return true;
        };
        if known.is_none() {
            *bucket = Bucket { of, full_at: now };
        }
        look(bucket)
    }
}

impl Pace {
    /// When a bucket will be full again after one more; `None`: it is empty.
    fn next(self, bucket: &Bucket, now: Duration) -> Option<Duration> {
        let full_at = bucket.full_at.max(now) + self.every;
        (full_at <= now + self.every * self.burst).then_some(full_at)
    }
}

impl From<ClientAddress> for Client {
    fn from(address: ClientAddress) -> Client {
        match address {
            ClientAddress::Ip(IpAddr::V4(address)) => Client::V4(address.octets()),
            ClientAddress::Ip(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Client::V6([a, b, c, d, e, f, g, h])
            }
            ClientAddress::Local => Client::Local,
            ClientAddress::Unknown => Client::Unknown,
        }
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const START: Duration = Duration::from_secs(1);

    /// Ten a second.
    const TEN: Pace = Pace {
        every: Duration::from_millis(100),
        burst: 100,
    };

    fn client(address: &str) -> ClientAddress {
        ClientAddress::Ip(address.parse().unwrap())
    }

    /// How many of these requests are admitted at this time.
    fn admitted(rate: &Rate, from: ClientAddress, requests: usize, now: Duration) -> usize {
        (0..requests)
            .filter(|_| rate.admits_at(from, TEN, now))
            .count()
    }

    #[test]
    fn an_address_has_a_burst_and_then_its_rate() {
        let rate = Rate::new();
        let (one, other) = (client("203.0.113.1"), client("203.0.113.2"));
        assert_eq!(admitted(&rate, one, 150, START), 100);
        assert_eq!(admitted(&rate, other, 150, START), 100);
        for second in 1..4 {
            let now = START + Duration::from_secs(second);
            assert_eq!(admitted(&rate, one, 50, now), 10, "second {second}");
        }
        // What is not used is saved up to the burst.
        let later = START + Duration::from_secs(3_600);
        assert_eq!(admitted(&rate, one, 150, later), 100);
    }

    #[test]
    fn hosts_of_one_network_in_ipv6_share_a_bucket() {
        let rate = Rate::new();
        let network = |host: &str| client(&format!("2001:db8:1:2:{host}"));
        assert_eq!(admitted(&rate, network("1::1"), 100, START), 100);
        assert_eq!(admitted(&rate, network("ffff::2"), 1, START), 0);
        assert_eq!(admitted(&rate, client("2001:db8:1:3::1"), 1, START), 1);
        for shared in [ClientAddress::Local, ClientAddress::Unknown] {
            assert_eq!(admitted(&rate, shared, 101, START), 100);
        }
    }

    #[test]
    fn strangers_in_masses_take_nothing_from_others_and_no_memory() {
        let rate = Rate::new();
        let busy = client("203.0.113.1");
        assert_eq!(admitted(&rate, busy, 100, START), 100);
        for number in 0..200_000u32 {
            let stranger = ClientAddress::Ip(Ipv4Addr::from(number).into());
            assert!(rate.admits_at(stranger, TEN, START), "{number}");
        }
        assert_eq!(rate.rows.lock().unwrap().len(), ROWS);
        // Whose bucket is emptiest is remembered longest.
        assert_eq!(admitted(&rate, busy, 1, START), 0);
    }
}
