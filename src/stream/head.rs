//! What the proxy does to heads on their way: canonical path, forwarding fields, edits of the route, `server`, `via`.

use nuncio_http::{HeaderId, HeaderList, Method, Version};

use super::run::Stream;
use crate::cluster::Asked;
use crate::config::ServerHeader;
use crate::error::{Error, ResponseFlags};
use crate::filter::LocalReply;
use crate::route::{self, Canonical, PathOptions};

impl Stream {
    /// Makes the path canonical, settles who the client is, and names the request.
    pub(super) fn prepare_request(&mut self) -> Result<(), Box<LocalReply>> {
        let listener = self.listener.clone();
        let http = &listener.http;
        let Some(head) = &mut self.info.request else { return Ok(()) };
        if head.version == Version::Http10 && !http.accept_http_10 {
            // As Envoy; the codec owns `upgrade`, so the text alone says to what.
            let reply = LocalReply::text(426, "HTTP/1.1 is required\n", "low_version");
            return Err(Box::new(reply.with_flag(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)));
        }
        if head.method != Method::Connect {
            let options = PathOptions::from(&**http);
            match route::canonicalise(head.target(), options) {
                Canonical::Target(std::borrow::Cow::Borrowed(_)) => {}
                Canonical::Target(std::borrow::Cow::Owned(target)) => head.set_target(&target),
                Canonical::Redirect(location) => return Err(redirect_to_canonical(&location)),
                Canonical::Reject(detail) => {
                    self.listener.stats.downstream_rq_failed_path_normalization.inc();
                    return Err(Box::new(
                        LocalReply::text(400, "invalid path\n", detail)
                            .with_flag(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR),
                    ));
                }
            }
        }
        let peer = self.info.connection.remote.inet().map(|peer| peer.ip());
        let forwarded = route::apply_forwarded(head, peer, self.info.connection.scheme(), http);
        self.info.connection.apply_client_cert(&mut head.headers, http);
        self.info.client = forwarded.client;
        if forwarded.trusted {
            self.asked = Asked::take(&mut head.headers);
        }
        route::apply_request_id(head, forwarded.trusted, http);
        if let Some(via) = &http.via {
            push_via(&mut head.headers, head.version, via);
        }
        Ok(())
    }

    pub(super) fn find_route(&mut self) {
        let Some(head) = &self.info.request else { return };
        self.route = self
            .listener
            .routes
            .find(head, self.info.connection.peer(), fastrand::f64() * 100.0)
            .map(|route| route.index);
        if let Some(route) = self.route.map(|route| self.listener.route(route)) {
            if !route.name.is_empty() {
                self.info.route = Some(route.name.clone());
            }
            if let Some(idle) = route.idle_timeout {
                self.timeouts.set_idle(idle, self.rt.now());
            }
            if let Some(most) = route.max_stream_duration {
                self.timeouts.set_max_duration(most, self.info.start);
            }
        }
        if let Some(most) = self.asked.as_ref().and_then(|asked| asked.stream_duration) {
            self.timeouts.set_max_duration(most, self.info.start);
        }
        let most = self.route.and_then(|route| self.listener.route(route).grpc_timeout_max);
        self.start_grpc_timeouts(most);
    }

    /// The route's rewrite and edits, once, before the first attempt.
    pub(super) fn edit_request(&mut self, index: usize) -> Result<(), Error> {
        let listener = self.listener.clone();
        let route = listener.route(index);
        let Some(mut head) = self.info.request.take() else { return Ok(()) };
        let rewritten = match &route.rewrite {
            Some(rewrite) => {
                let matched = route.matched_len(&head);
                rewrite.apply(&mut head, matched)
            }
            None => Ok(()),
        };
        self.info.request = Some(head);
        let editor = &listener.extras(index).request;
        let rendered = editor.render(&self.info);
        if let Some(head) = &mut self.info.request {
            editor.apply(&mut head.headers, &rendered);
        }
        rewritten.map_err(|detail| Error::bad_request(400, detail))
    }

    /// The route's edits of an upstream's response.
    pub(super) fn edit_response(&mut self) {
        let listener = self.listener.clone();
        let Some(route) = self.route else { return };
        let editor = &listener.extras(route).response;
        let rendered = editor.render(&self.info);
        if let Some(head) = &mut self.info.response {
            editor.apply(&mut head.headers, &rendered);
        }
    }

    /// What every response gets last, after all filters.
    pub(super) fn finish_response_head(&mut self) {
        let listener = self.listener.clone();
        let http = &listener.http;
        let request_id = http.always_set_request_id_in_response;
        let id = match &self.info.request {
            Some(request) if request_id => request.headers.get(HeaderId::XRequestId).map(<[u8]>::to_vec),
            _ => None,
        };
        let Some(head) = &mut self.info.response else { return };
        let version = head.version;
        let headers = &mut head.headers;
        match http.server_header {
            ServerHeader::Overwrite => headers.set(HeaderId::Server, http.server_name.as_bytes()),
            ServerHeader::AppendIfAbsent if !headers.contains(HeaderId::Server) => {
                headers.push(HeaderId::Server, http.server_name.as_bytes());
            }
            ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => {}
        }
        // RFC 9110 section 6.6.1: a response without a date gets one from whoever has a clock.
        if !headers.contains(HeaderId::Date) {
            headers.push(HeaderId::Date, &self.rt.http_date());
        }
        if let Some(via) = &http.via {
            push_via(headers, version, via);
        }
        if http.include_attempt_count_in_response && self.info.attempts > 0 {
            headers.set(HeaderId::XEnvoyAttemptCount, self.info.attempts.to_string().as_bytes());
        }
        if let Some(id) = id {
            headers.set(HeaderId::XRequestId, &id);
        }
    }
}

/// RFC 9110 section 7.6.3: the version is that in which the message came.
fn push_via(headers: &mut HeaderList, version: Version, name: &str) {
    let received = version.as_str().trim_start_matches("HTTP/");
    headers.push(HeaderId::Via, format!("{received} {name}").as_bytes());
}

fn redirect_to_canonical(location: &[u8]) -> Box<LocalReply> {
    let mut reply = LocalReply::text(307, "", "path_normalization_redirect");
    reply.headers.push(HeaderId::Location, location);
    Box::new(reply)
}
