//! One check of one host, by the probe's type, on the connection of the last one where that still stands.

mod grpc;
mod http;
mod redis;
mod tcp;

use std::sync::Arc;

use self::http::HttpRequest;
use super::state::{Failure, Outcome};
use crate::cluster::{Cluster, Host};
use crate::config::{HealthCheck, Probe};
use crate::runtime::Transport;
use crate::runtime::control;
use crate::runtime::net::Addr;
use crate::stats::{Handle, HealthCheckStats};
use crate::upstream::control::{Client, ControlError, Offer, dial};

/// Bytes of a body that are looked at (Envoy's `response_buffer_size`).
const BODY: usize = 1024;

/// Asks one host again and again.
pub(super) struct Prober {
    cluster: Arc<Cluster>,
    host: Arc<Host>,
    /// In place of the host's.
    port: Option<u16>,
    question: Question,
    /// And where it leads.
    kept: Option<(Connection, Addr)>,
    stats: Handle<HealthCheckStats>,
}

/// A probe made ready.
enum Question {
    Http(Box<HttpRequest>),
    Grpc(Box<grpc::Call>),
    Tcp(tcp::Exchange),
    Redis(redis::Command),
}

/// An open connection, by what is spoken on it.
enum Connection {
    Http(Client),
    Bytes(Box<dyn Transport>),
}

/// Why a check failed.
#[derive(Debug)]
pub(super) struct Refusal {
    /// `None`: the host was not asked, for want of descriptors or memory of our own.
    pub(super) failure: Option<Failure>,
    /// For the log.
    pub(super) why: String,
}

impl Refusal {
    /// The host says that it is not healthy.
    fn active(why: impl Into<String>) -> Refusal {
        Refusal { failure: Some(Failure::Active), why: why.into() }
    }

    fn network(why: impl Into<String>) -> Refusal {
        Refusal { failure: Some(Failure::Network), why: why.into() }
    }

    /// No connection came about.
    fn unconnected(error: &ControlError) -> Refusal {
        let failure = if error.is_exhaustion() { None } else { Some(Failure::Network) };
        Refusal { failure, why: error.to_string() }
    }
}

impl Prober {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        host: Arc<Host>,
        settings: &HealthCheck,
        stats: Handle<HealthCheckStats>,
    ) -> Prober {
        let called = host.name.as_deref().unwrap_or(&cluster.name);
        let question = match &settings.probe {
            Probe::Http(probe) => Question::Http(Box::new(HttpRequest::new(probe, called))),
            Probe::Grpc(probe) => Question::Grpc(Box::new(grpc::Call::new(probe, called))),
            Probe::Tcp(probe) => Question::Tcp(tcp::Exchange::new(probe)),
            Probe::Redis(probe) => Question::Redis(redis::Command::new(probe)),
        };
        Prober { cluster, host, port: settings.port, question, kept: None, stats }
    }

    /// Where the next check goes.
    fn address(&self) -> Addr {
        match (self.host.current_address(), self.port) {
            (Addr::Inet(mut address), Some(port)) => {
                address.set_port(port);
                Addr::Inet(address)
            }
            (address, _) => address,
        }
    }

    /// Checks once. What is cut off by the time limit leaves no connection behind.
    pub(super) async fn check(&mut self, settings: &HealthCheck) -> Result<Outcome, Refusal> {
        let address = self.address();
        let kept = self.kept.take().filter(|(_, to)| *to == address).map(|(connection, _)| connection);
        let answer = control::timeout(settings.timeout, self.ask(kept, &address)).await;
        let why = || format!("no answer within {:?}", settings.timeout);
        let timeout = || Refusal { failure: Some(Failure::Timeout), why: why() };
        let (outcome, connection) = answer.unwrap_or_else(|| Err(timeout()))?;
        self.kept = connection.filter(|_| settings.reuse_connection).map(|connection| (connection, address));
        Ok(outcome)
    }

    /// Asks on the kept connection, or, where that turns out to be closed, on a new one.
    async fn ask(
        &mut self,
        kept: Option<Connection>,
        address: &Addr,
    ) -> Result<(Outcome, Option<Connection>), Refusal> {
        if let Some(mut connection) = kept
            && connection.is_reusable().await
        {
            match self.ask_on(&mut connection).await {
                Ok(Err(ControlError::Stale)) => {}
                Ok(Ok(outcome)) => return Ok((outcome, Some(connection))),
                Ok(Err(error)) => return Err(Refusal::network(error.to_string())),
                Err(refusal) => return Err(refusal),
            }
        }
        let dialed = dial(&self.cluster, &self.host, address, Offer::Configured).await;
        let dialed = dialed.map_err(|error| Refusal::unconnected(&error))?;
        let http2 = match &self.question {
            Question::Tcp(_) | Question::Redis(_) => None,
            Question::Grpc(_) => Some(true),
            Question::Http(_) => {
                Some(dialed.is_http2 || self.cluster.config.protocol == crate::config::ClusterProtocol::H2)
            }
        };
        let mut connection = match http2 {
            None => Connection::Bytes(dialed.io),
            Some(false) => Connection::Http(Client::http1(dialed.io)),
            Some(true) => Connection::Http(Client::http2(dialed.io, &self.cluster)),
        };
        let outcome = self.ask_on(&mut connection).await?.map_err(|error| Refusal::network(error.to_string()))?;
        // A connection was all that was asked for: the next check opens its own.
        let keeps = !matches!(&self.question, Question::Tcp(exchange) if exchange.only_connects());
        Ok((outcome, keeps.then_some(connection)))
    }

    /// The outer error is the host's word, the inner one the connection's.
    async fn ask_on(&self, connection: &mut Connection) -> Result<Result<Outcome, ControlError>, Refusal> {
        let secure = self.cluster.tls.is_some();
        match (&self.question, connection) {
            (Question::Http(request), Connection::Http(client)) => request.ask(client, secure, &self.stats).await,
            (Question::Grpc(call), Connection::Http(client)) => call.ask(client, secure).await,
            (Question::Tcp(exchange), Connection::Bytes(io)) => Ok(exchange.run(&mut **io).await),
            (Question::Redis(command), Connection::Bytes(io)) => command.run(&mut **io).await,
            // A prober opens what its own question needs.
            _ => Ok(Err(ControlError::Stale)),
        }
    }
}

impl Connection {
    async fn is_reusable(&mut self) -> bool {
        match self {
            Connection::Http(client) => client.is_reusable().await,
            // Whatever is there, the end or bytes that nobody asked for, it is no answer to come.
            Connection::Bytes(io) => !io.has_pending_read(),
        }
    }
}

/// `why` for a log line: what a host says is cut and escaped.
fn quoted(text: &[u8]) -> String {
    const MOST: usize = 100;
    let cut = &text[..text.len().min(MOST)];
    format!("\"{}\"{}", cut.escape_ascii(), if cut.len() < text.len() { "..." } else { "" })
}

#[cfg(test)]
mod tests;
