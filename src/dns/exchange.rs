//! One query over sockets: [`nuncio_dns::Query`] says what goes where.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::BytesMut;
use nuncio_dns::{Counts, Failure, Outcome, Policy, Query, Question, RANDOM, Transmit, Transport};
use ring::rand::{SecureRandom, SystemRandom};

use crate::runtime::control::{self, ControlDatagram, ControlStream};
use crate::runtime::{self};

/// More than a server may send, so that a datagram that is too long is seen to be.
const DATAGRAM: usize = 4096;

pub(super) async fn ask(question: Question, servers: &[SocketAddr], policy: Policy) -> (Outcome, Counts) {
    let mut query = Query::new(question, servers, policy);
    loop {
        if let Some(outcome) = query.outcome() {
            return (outcome.clone(), query.counts());
        }
        let mut random = [0; RANDOM];
        if SystemRandom::new().fill(&mut random).is_err() {
            // Rather no answer than one that anybody can forge.
            return (Outcome::Failed(Failure::Unreachable), query.counts());
        }
        let Some(transmit) = query.poll_transmit(control::now(), || random) else { continue };
        match transmit.transport {
            Transport::Datagram => datagrams(&mut query, &transmit).await,
            Transport::Stream => stream(&mut query, &transmit).await,
        }
    }
}

/// Sends one datagram and hands over what comes back, until the query has enough of it.
async fn datagrams(query: &mut Query, transmit: &Transmit) {
    let Ok(socket) = ControlDatagram::connect(transmit.server) else { return query.handle_unreachable() };
    if socket.send(&transmit.message).await.is_err() {
        return query.handle_unreachable();
    }
    let mut buf = vec![0; DATAGRAM];
    while let Some(deadline) = query.poll_timeout() {
        match before(deadline, socket.recv(&mut buf)).await {
            Some(Ok(len)) => query.handle_message(buf.get(..len).unwrap_or_default()),
            Some(Err(_)) => query.handle_unreachable(),
            None => query.handle_timeout(deadline),
        }
    }
}

async fn stream(query: &mut Query, transmit: &Transmit) {
    let Some(deadline) = query.poll_timeout() else { return };
    match before(deadline, exchange(transmit)).await {
        Some(Ok(message)) => query.handle_message(&message),
        Some(Err(_)) => query.handle_unreachable(),
        None => query.handle_timeout(deadline),
    }
}

fn before<T>(deadline: Instant, future: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
    control::timeout(deadline.saturating_duration_since(control::now()), future)
}

/// One message there, one back (RFC 7766).
async fn exchange(transmit: &Transmit) -> io::Result<BytesMut> {
    let mut stream = ControlStream::connect(&transmit.server.into()).await?;
    let stream: &mut dyn runtime::Transport = &mut stream;
    let mut rest = &transmit.message[..];
    while !rest.is_empty() {
        let written = poll_fn(|cx| stream.poll_write_vectored(cx, &[IoSlice::new(rest)])).await?;
        rest = rest.get(written..).unwrap_or_default();
    }
    let mut message = BytesMut::with_capacity(2 + DATAGRAM);
    let len = loop {
        if let Some(len) = message.first_chunk().map(|len| usize::from(u16::from_be_bytes(*len)))
            && message.len() >= 2 + len
        {
            break len;
        }
        message.reserve(DATAGRAM);
        if poll_fn(|cx| stream.poll_read(cx, &mut message, DATAGRAM)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let _length = message.split_to(2);
    message.truncate(len);
    Ok(message)
}
