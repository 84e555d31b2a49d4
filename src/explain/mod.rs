//! What would become of a request, a connection or a datagram, and why: the listener and chain that it comes in by, every route that is tried with the
//! first predicate that fails, the clusters and hosts that it could go to, and the limits in force. Asks the same predicates
//! as traffic does and changes nothing: no request is made, no counter moves.
//!
//! `nuncio explain` asks it of a file, POST `/explain` of the running configuration, with the health of its hosts.

mod answer;
mod clusters;
mod entry;
mod filters;
mod follow;
mod hosts;
mod l4;
mod question;
mod text;
mod timeouts;

use std::net::SocketAddr;
use std::sync::Arc;

pub use answer::Explanation;
pub use question::{Question, QuestionError};

use crate::cluster::Cluster;
use crate::config::Config;
use crate::order;
use crate::runtime::net::Addr;
use crate::runtime_values::RuntimeValues;

/// What is asked about.
pub struct Scene<'a> {
    pub config: &'a Config,
    /// Where each of the listeners of connections is bound, in their order.
    pub addresses: Vec<Addr>,
    /// The same of those of datagrams.
    pub udp_addresses: Vec<SocketAddr>,
    pub values: &'a mut RuntimeValues,
    /// Those that run; `None`: nothing does.
    pub clusters: Option<&'a [Arc<Cluster>]>,
}

impl<'a> Scene<'a> {
    /// A file that nobody runs. `values` are made to be those of the file.
    pub fn of_file(config: &'a Config, values: &'a mut RuntimeValues) -> Scene<'a> {
        values.set_file(order::map(config.runtime.iter().map(|(key, value)| (key.clone(), value.to_string()))));
        let addresses = config.listeners.iter().map(|listener| listener.address.clone()).collect();
        let udp_addresses = config.listeners.udp.iter().map(|listener| listener.address).collect();
        Scene { config, addresses, udp_addresses, values, clusters: None }
    }

    /// Follows the request as far as it comes.
    pub fn explain(&mut self, question: &Question) -> Explanation {
        follow::explain(self, question)
    }
}

#[cfg(test)]
mod tests;
