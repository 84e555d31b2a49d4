//! `client_tls_auth`: whose certificate is on a list may come, Envoy's `client_ssl_auth`. A connection that carries bytes is
//! closed before a byte of it is read; a request is answered 403, so that a certificate that leaves the list is out with
//! the next request. Clients without TLS are let through, and counted: that there is TLS is for the listener to say.

mod list;

use std::sync::Arc;

use nuncio_http::RequestHead;

pub use list::{ApprovedList, MAX_LIST, read_list};

use super::per_worker::{PerWorker, Shared};
use super::{Build, Filter, FilterFactory, Flow, LocalReply, StreamCx};
use crate::config::{self, Cidr};
use crate::stats::{ClientTlsAuthStats, Handle};

const DENIED: &str = "auth_digest_no_match";

/// `client_tls_auth`.
pub(super) struct ClientTlsAuthFactory {
    settings: PerWorker<Settings>,
    list: Arc<ApprovedList>,
}

struct Settings {
    list: Arc<ApprovedList>,
    ip_allow: Vec<Cidr>,
    stats: Handle<ClientTlsAuthStats>,
}

struct ClientTlsAuth(Shared<Settings>);

impl ClientTlsAuthFactory {
    pub(super) fn new(config: &config::ClientTlsAuth, cx: &mut Build<'_>) -> ClientTlsAuthFactory {
        let stats = cx.registry.scope::<ClientTlsAuthStats>(&format!("auth.clientssl.{}", cx.listener), cx.workers);
        let list = Arc::new(ApprovedList::new(config, cx.listener, stats.control()));
        let settings = PerWorker::new(cx.workers, |index| Settings {
            list: list.clone(),
            ip_allow: config.ip_allow.clone(),
            stats: stats.worker(index),
        });
        ClientTlsAuthFactory { settings, list }
    }
}

impl FilterFactory for ClientTlsAuthFactory {
    fn new_filter(&self, cx: &StreamCx<'_>) -> Option<Box<dyn Filter>> {
        Some(Box::new(ClientTlsAuth(self.settings.of(cx.rt)?)))
    }

    fn approved_list(&self) -> Option<&Arc<ApprovedList>> {
        Some(&self.list)
    }
}

impl ClientTlsAuth {
    fn lets_in(&self, cx: &StreamCx<'_>) -> bool {
        let Settings { list, ip_allow, stats } = &*self.0;
        let connection = &cx.info.connection;
        let Some(session) = &connection.tls else {
            stats.auth_no_ssl.inc();
            return true;
        };
        // Who holds the connection, not for whom it says that it asks.
        let address = connection.remote.inet().map(|peer| peer.ip());
        if address.is_some_and(|address| ip_allow.iter().any(|range| range.contains(address))) {
            stats.auth_ip_allowlist.inc();
            return true;
        }
        let approved = session.peer.as_ref().is_some_and(|peer| list.has(&peer.sha256));
        if approved { &stats.auth_digest_match } else { &stats.auth_digest_no_match }.inc();
        approved
    }
}

impl Filter for ClientTlsAuth {
    fn on_connection(&mut self, cx: &mut StreamCx<'_>) -> Flow {
        if self.lets_in(cx) { Flow::Continue } else { Flow::Reset(DENIED) }
    }

    fn on_request_head(&mut self, _head: &mut RequestHead, cx: &mut StreamCx<'_>) -> Flow {
        if self.lets_in(cx) {
            return Flow::Continue;
        }
        Flow::Respond(Box::new(LocalReply::text(403, "access denied\n", DENIED)))
    }
}

#[cfg(test)]
mod tests;
