//! Which request headers the guard passes to the handlers, and how repeated ones are treated.

/// The guard's own header: which request this is and who sent it, `TICKET PEER`. One that a client sends does not pass.
pub const PEER_HEADER: &str = "X-Wechatd-Peer";

/// Written by reverse proxies: the addresses that a request came through.
pub const FORWARDED_HEADER: &str = "X-Forwarded-For";

/// How several headers with one name are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Several {
    /// Joined to one list, with this between them.
    Joined(&'static str),
    /// The first counts.
    First,
    /// The request is refused with 400: decisions depend on this header, and a proxy may have looked at another one.
    Refused,
}

/// A header that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// As it is written.
    pub name: &'static str,
    /// How several are treated.
    pub several: Several,
    /// Bytes beyond ASCII are refused with 400. In other headers they are percent-encoded, because `tiny_http` accepts
    /// only ASCII.
    pub ascii_only: bool,
}

/// All headers that pass.
pub const PASSED: [Passed; 17] = [
    Passed {
        name: FORWARDED_HEADER,
        several: Several::Joined(", "),
        ascii_only: true,
    },
    passed("Host", Several::Refused),
    passed("Cookie", Several::Joined("; ")),
    passed("Origin", Several::Refused),
    passed("Referer", Several::Refused),
    passed("User-Agent", Several::First),
    passed("Accept", Several::First),
    passed("Accept-Language", Several::First),
    passed("Content-Type", Several::Refused),
    passed("If-None-Match", Several::First),
    passed("X-Requested-With", Several::First),
    passed("Sec-Fetch-Mode", Several::Refused),
    passed("Sec-Fetch-Site", Several::Refused),
    passed("X-Forwarded-Proto", Several::Refused),
    passed("X-Forwarded-Host", Several::Refused),
    passed("X-Forwarded-Uri", Several::Refused),
    passed("X-Forwarded-Method", Several::Refused),
];

const fn passed(name: &'static str, several: Several) -> Passed {
    Passed {
        name,
        several,
        ascii_only: false,
    }
}
