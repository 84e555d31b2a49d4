//! What came of a query.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::Name;

/// What a name has, or that it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// At least one record.
    Answer {
        records: Records,
        /// How long they hold: the least of theirs and of the names on the way to them.
        ttl: Duration,
    },
    /// The name is there, without records of this type (RFC 2308 section 2.2). `ttl`: how long that holds, if it was said.
    NoData { ttl: Option<Duration> },
    /// There is no such name (RFC 2308 section 2.1).
    NxDomain { ttl: Option<Duration> },
    /// It is not known.
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// Of A or AAAA, in the answer's order.
    Addresses(Vec<IpAddr>),
    Srv(Vec<Srv>),
}

/// RFC 2782.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Srv {
    /// The lowest is taken first.
    pub priority: u16,
    /// A share among those of one priority; 0 is the smallest there is.
    pub weight: u16,
    pub port: u16,
    pub target: Name,
}

/// Why nobody could say what a name has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No server to ask.
    NoServer,
    /// Nobody answered in time.
    Timeout,
    /// No server could be reached.
    Unreachable,
    /// The response code, with its bits of EDNS: 2 SERVFAIL, 5 REFUSED.
    Code(u16),
    /// An answer that breaks the rules.
    Malformed,
    /// More names to follow than anybody has use for, or a circle of them.
    LongChain,
    /// The server points to others: it does not resolve for clients.
    Referral,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::NoServer => "there is no DNS server",
            Failure::Timeout => "no DNS server answered in time",
            Failure::Unreachable => "no DNS server can be reached",
            Failure::Code(1) => "the DNS server answered FORMERR",
            Failure::Code(2) => "the DNS server answered SERVFAIL",
            Failure::Code(4) => "the DNS server answered NOTIMP",
            Failure::Code(5) => "the DNS server answered REFUSED",
            Failure::Code(code) => return write!(f, "the DNS server answered with code {code}"),
            Failure::Malformed => "the DNS server's answer is malformed",
            Failure::LongChain => "the DNS server's answer has too many aliases",
            Failure::Referral => "the DNS server does not resolve names for clients",
        })
    }
}

impl std::error::Error for Failure {}
