//! One query until its end: which server is asked next, over what, and how long it is waited for.
//!
//! ```text
//!   datagram, mixed case --other case--> again --other case--> lower case --other case--+
//!       | truncated, or too many strays                                                 |
//!       +--------------------------------> TCP, same server <---------------------------+
//!   silence, unreachable: the next server, as often as the policy says; a failure: the next server, and this one no more
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::answer::{Reply, Stray, parse};
use crate::message::{Asked, Question};
use crate::{Failure, MAX_STRAYS, Outcome, RANDOM};

/// How servers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// For a datagram's answer (resolv.conf: `timeout`). Default 2 s.
    pub timeout: Duration,
    /// For all of an exchange over TCP. Default 5 s.
    pub tcp_timeout: Duration,
    /// How often each server is asked (resolv.conf: `attempts`). Default 2.
    pub attempts: u32,
    /// Never by datagram (resolv.conf: `use-vc`).
    pub tcp_only: bool,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { timeout: Duration::from_secs(2), tcp_timeout: Duration::from_secs(5), attempts: 2, tcp_only: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A new socket for each message, connected to the server: its random port is half of the secret.
    Datagram,
    /// A new connection.
    Stream,
}

/// A message to send. Whatever was sent before is not waited for any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    pub server: SocketAddr,
    pub transport: Transport,
    /// On a stream its length comes first.
    pub message: Vec<u8>,
}

/// What happened on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub datagrams: u32,
    pub streams: u32,
    /// Messages that do not answer the query.
    pub strays: u32,
    /// Answers with letters in another case.
    pub other_case: u32,
    pub truncated: u32,
    pub timeouts: u32,
    /// Servers that could not be reached.
    pub unreachable: u32,
    /// Answers that say or are an error.
    pub failures: u32,
}

/// One query.
#[derive(Debug)]
pub struct Query {
    question: Question,
    servers: Vec<Server>,
    policy: Policy,
    /// Servers asked so far, the one at hand not counted: over and over, those included that are out.
    turn: usize,
    state: State,
    /// Letters are sent in mixed case until that has failed twice.
    other_case: u32,
    /// The server knows of EDNS, as far as is known.
    edns: bool,
    strays: u32,
    /// What the last server to fail said.
    failure: Option<Failure>,
    counts: Counts,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    /// It has said that it cannot answer.
    out: bool,
}

#[derive(Debug)]
enum State {
    Send(Transport),
    Wait { asked: Asked, transport: Transport, deadline: Instant },
    Done(Outcome),
}

/// FORMERR and NOTIMP: what a server says that has never heard of EDNS (RFC 6891 section 7).
const NO_EDNS: &[Failure] = &[Failure::Code(1), Failure::Code(4)];
/// Answers in another case, of one server, before letters are sent as they are.
const MAX_OTHER_CASE: u32 = 2;

impl Query {
    /// `servers` are asked in this order.
    pub fn new(question: Question, servers: &[SocketAddr], policy: Policy) -> Query {
        let server = |address: &SocketAddr| Server { address: *address, out: false };
        let first = if policy.tcp_only { Transport::Stream } else { Transport::Datagram };
        let state = if servers.is_empty() || policy.attempts == 0 {
            State::Done(Outcome::Failed(Failure::NoServer))
        } else {
            State::Send(first)
        };
        Query {
            question,
            servers: servers.iter().map(server).collect(),
            policy,
            turn: 0,
            state,
            other_case: 0,
            edns: true,
            strays: 0,
            failure: None,
            counts: Counts::default(),
        }
    }

    pub fn question(&self) -> &Question {
        &self.question
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How it ended.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// What to send now, if anything. `random` gives bytes that nobody can guess; it is asked for each message.
    pub fn poll_transmit(&mut self, now: Instant, random: impl FnOnce() -> [u8; RANDOM]) -> Option<Transmit> {
        let State::Send(transport) = self.state else { return None };
        let mixed = transport == Transport::Datagram && self.other_case < MAX_OTHER_CASE;
        let mut asked = Asked::new(&self.question, &random(), mixed);
        // A stream's other end is known; some servers change the case of what they repeat.
        asked.exact = transport == Transport::Datagram;
        let (message, timeout) = match transport {
            Transport::Datagram => (asked.encode(self.edns), self.policy.timeout),
            Transport::Stream => (asked.encode_stream(self.edns), self.policy.tcp_timeout),
        };
        match transport {
            Transport::Datagram => self.counts.datagrams += 1,
            Transport::Stream => self.counts.streams += 1,
        }
        let server = self.server()?.address;
        self.state = State::Wait { asked, transport, deadline: now + timeout };
        Some(Transmit { server, transport, message })
    }

    /// When to call [`Query::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Wait { deadline, .. } => Some(*deadline),
            _ => None,
        }
    }

    /// A datagram, or a message of the stream without its length. One that does not answer the query is counted and
    /// ignored; too many of them, and it goes on over TCP.
    pub fn handle_message(&mut self, message: &[u8]) {
        let State::Wait { asked, transport, .. } = &self.state else { return };
        let transport = *transport;
        match parse(message, asked) {
            Ok(Reply::Outcome(Outcome::Failed(failure))) => self.handle_failure(failure, transport),
            Ok(Reply::Outcome(outcome)) => self.state = State::Done(outcome),
            Ok(Reply::Truncated) if transport == Transport::Datagram => {
                self.counts.truncated += 1;
                self.state = State::Send(Transport::Stream);
            }
            Ok(Reply::Truncated) => self.handle_failure(Failure::Malformed, transport),
            Err(_) if transport == Transport::Stream => self.handle_failure(Failure::Malformed, transport),
            Err(stray) => self.handle_stray(stray),
        }
    }

    fn handle_stray(&mut self, stray: Stray) {
        self.strays += 1;
        self.counts.strays += 1;
        if stray == Stray::OtherCase {
            self.other_case += 1;
            self.counts.other_case += 1;
            let plain_failed = self.other_case > MAX_OTHER_CASE;
            self.state = State::Send(if plain_failed { Transport::Stream } else { Transport::Datagram });
        }
        if self.strays > MAX_STRAYS {
            self.state = State::Send(Transport::Stream);
        }
    }

    fn handle_failure(&mut self, failure: Failure, transport: Transport) {
        if self.edns && NO_EDNS.contains(&failure) {
            self.edns = false;
            self.state = State::Send(transport);
            return;
        }
        self.counts.failures += 1;
        self.failure = Some(failure);
        if let Some(server) = self.server() {
            server.out = true;
        }
        self.next_server();
    }

    /// The server cannot be reached, or has closed the connection.
    pub fn handle_unreachable(&mut self) {
        if let State::Wait { .. } = self.state {
            self.counts.unreachable += 1;
            self.failure = self.failure.or(Some(Failure::Unreachable));
            self.next_server();
        }
    }

    /// It may be the time of [`Query::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.counts.timeouts += 1;
            // Rather what a server has said than that another one is silent.
            self.failure = self.failure.filter(|it| *it != Failure::Unreachable).or(Some(Failure::Timeout));
            self.next_server();
        }
    }

    fn server(&mut self) -> Option<&mut Server> {
        let count = self.servers.len();
        self.servers.get_mut(self.turn.checked_rem(count)?)
    }

    fn next_server(&mut self) {
        (self.other_case, self.edns, self.strays) = (0, true, 0);
        let turns = self.servers.len().saturating_mul(usize::try_from(self.policy.attempts).unwrap_or(usize::MAX));
        loop {
            self.turn += 1;
            if self.turn >= turns {
                self.state = State::Done(Outcome::Failed(self.failure.unwrap_or(Failure::Timeout)));
                return;
            }
            if self.server().is_some_and(|server| !server.out) {
                let first = if self.policy.tcp_only { Transport::Stream } else { Transport::Datagram };
                self.state = State::Send(first);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
