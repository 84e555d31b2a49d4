//! The request's way: from the client through the filters to the upstream.

use std::task::{Context, Poll};

use nuncio_http::{Method, Upgrade};

use super::ends::Downstream;
use super::info::StreamInfo;
use super::run::Stream;
use crate::config;
use crate::error::{Error, Kind};
use crate::filter::{Chain, Chunk, Dir, LocalReply, Offer, Part};
use crate::route::Action;
use crate::upstream::Wanted;

/// How far the request is.
#[derive(Debug)]
pub(super) struct RequestLane {
    /// The message ends with its head.
    bodyless: bool,
    /// The head passed all filters: there is an action, and parts flow to it.
    head_passed: bool,
    /// The last part came from the client.
    received: bool,
    /// The last part went to the upstream.
    forwarded: bool,
    /// The answer does not depend on the rest of the request.
    ignored: bool,
    tunnel: bool,
    /// The protocol switch that the client asks for, while a route allows it.
    pub(super) upgrade: Option<Upgrade>,
}

impl RequestLane {
    /// Nothing of it follows its head.
    pub(super) fn is_bodyless(&self) -> bool {
        self.bodyless
    }

    pub(super) fn new(info: &StreamInfo, upgrade: Option<Upgrade>) -> RequestLane {
        let bodyless = info.request.as_ref().is_none_or(|head| head.body.is_empty());
        RequestLane {
            bodyless,
            head_passed: false,
            received: bodyless,
            forwarded: false,
            ignored: false,
            tunnel: false,
            upgrade,
        }
    }

    pub(super) fn is_received(&self) -> bool {
        self.received
    }

    pub(super) fn is_forwarded(&self) -> bool {
        self.forwarded
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel
    }

    /// A local reply takes over.
    pub(super) fn ignore(&mut self) {
        self.ignored = true;
    }

    /// The connection became a tunnel: the client's bytes flow again, until it closes.
    pub(super) fn open_tunnel(&mut self) {
        self.tunnel = true;
        self.received = false;
        self.forwarded = false;
    }
}

impl Stream {
    /// Whether the client may switch protocols on this route. A protocol that no route can allow is not offered to the
    /// upstream, and the request goes on without it (RFC 9110 section 7.8).
    pub(super) fn check_upgrade(&mut self) -> Result<(), Box<LocalReply>> {
        let Some(Upgrade::Websocket) = self.request.upgrade else {
            self.request.upgrade = None;
            return Ok(());
        };
        let Some(route) = self.route else { return Ok(()) };
        if self.listener.route(route).upgrades.contains(&config::Upgrade::Websocket) {
            return Ok(());
        }
        self.listener.stats.downstream_rq_ws_on_non_ws_route.inc();
        Err(Box::new(LocalReply::text(403, "upgrade not allowed\n", "upgrade_failed")))
    }

    pub(super) fn new_chain(&mut self) {
        let own = self.route.and_then(|route| self.listener.extras(route).chain.as_ref());
        let factories = own.unwrap_or(&self.listener.filters);
        if !factories.is_empty() {
            self.chain = Chain::new(factories, &Stream::cx(&self.rt, &mut self.info));
        }
    }

    pub(super) fn offer_request_head(&mut self, down: &mut dyn Downstream) -> Result<(), Error> {
        if self.request.received {
            self.on_request_received();
        }
        let mut cx = Stream::cx(&self.rt, &mut self.info);
        match self.chain.offer_head(Dir::Request, &mut cx) {
            Some(offer) => self.on_request_offer(offer, down),
            None => Ok(()),
        }
    }

    pub(super) fn poll_request(&mut self, task: &mut Context<'_>, down: &mut dyn Downstream) -> Result<(), Error> {
        while !self.request.ignored && !self.request.forwarded {
            if self.request.head_passed && !self.attempt.takes_more(task) {
                // It is not the client who is slow.
                self.timeouts.on_body_paused(self.rt.now());
                return Ok(());
            }
            let mut cx = Stream::cx(&self.rt, &mut self.info);
            let offer = match self.chain.poll(Dir::Request, task, &mut cx) {
                Some(offer) => offer,
                None if self.chain.is_waiting(Dir::Request) => {
                    self.timeouts.on_body_paused(self.rt.now());
                    return Ok(());
                }
                None => {
                    let Some(part) = self.pull_request(task, down)? else { return Ok(()) };
                    let mut cx = Stream::cx(&self.rt, &mut self.info);
                    match self.chain.offer(Dir::Request, part, &mut cx) {
                        Some(offer) => offer,
                        None => continue,
                    }
                }
            };
            self.moved = true;
            self.on_request_offer(offer, down)?;
        }
        Ok(())
    }

    fn pull_request(&mut self, task: &mut Context<'_>, down: &mut dyn Downstream) -> Result<Option<Part>, Error> {
        if self.request.received {
            // A filter holds the head of a message without a body: the end is all there is to bring.
            let held = self.request.bodyless && !self.request.head_passed;
            return Ok(held.then(|| Part::Data { chunk: Chunk::default(), end: true }));
        }
        down.send_continue();
        let Poll::Ready(part) = down.poll_recv(task)? else {
            self.timeouts.on_body_wanted(self.rt.now());
            return Ok(None);
        };
        self.moved = true;
        self.timeouts.on_body_paused(self.rt.now());
        if let Part::Data { chunk, .. } = &part {
            self.info.bytes_received += chunk.len() as u64;
        }
        if part.is_end() {
            self.request.received = true;
            self.on_request_received();
        }
        Ok(Some(part))
    }

    fn on_request_received(&mut self) {
        let now = self.rt.now();
        self.info.times.request_end = Some(now);
        if !self.request.tunnel {
            let own = || self.route.and_then(|route| self.listener.route(route).timeout);
            let timeout = self.asked.as_ref().and_then(|asked| asked.timeout).unwrap_or_else(own);
            self.timeouts.on_request_end(timeout, now);
            self.on_request_whole(now);
        }
    }

    fn on_request_offer(&mut self, offer: Offer, down: &mut dyn Downstream) -> Result<(), Error> {
        match offer {
            Offer::Head => {
                self.request.head_passed = true;
                self.act(down)
            }
            Offer::Part(part) => {
                self.request.forwarded = part.is_end();
                self.forward(part)
            }
            Offer::More => Ok(()),
            Offer::Respond(reply) if !self.response.is_started() && !self.response.is_local() => {
                self.reply(*reply, down);
                Ok(())
            }
            Offer::Respond(_) => Err(Error::local(Kind::Local("filter_reply_after_response"))),
            Offer::Reset(reason) => Err(Error::local(Kind::Local(reason))),
        }
    }

    /// The end of the chain: the route's action.
    fn act(&mut self, down: &mut dyn Downstream) -> Result<(), Error> {
        let listener = self.listener.clone();
        let Some(index) = self.route else {
            let connect = self.info.request.as_ref().is_some_and(|head| head.method == Method::Connect);
            if connect {
                self.reply(super::reply::connect_refused(), down);
                return Ok(());
            }
            return Err(Error::local(Kind::NoRoute));
        };
        let route = listener.route(index);
        match &route.action {
            Action::Redirect(redirect) => {
                self.listener.stats.rq_redirect.inc();
                self.redirect(redirect, down)
            }
            Action::Respond(respond) => {
                self.listener.stats.rq_direct_response.inc();
                self.respond(respond, down);
                Ok(())
            }
            Action::Cluster(_) | Action::Clusters(_) => {
                // Whatever the filters still bring of a message without a body is empty.
                self.request.forwarded = self.request.bodyless;
                let view = self.pick_cluster(route)?;
                let connect = self.info.request.as_ref().is_some_and(|head| head.method == Method::Connect);
                let ends_here = connect && route.connect == config::Connect::Terminate;
                self.edit_request(index)?;
                self.start_shadows(route);
                self.start_attempt(view, route, if ends_here { Wanted::Bytes } else { Wanted::Any })
            }
        }
    }
}
