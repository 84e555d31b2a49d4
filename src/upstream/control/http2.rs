//! HTTP/2 of the control thread: `nuncio_h2` over one connection, a stream at a time. Between requests nobody reads: what
//! the host has said meanwhile is looked at before the next one.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use nuncio_h2::{Connection, EncodeError, Error, Limits, Recv, Side, StreamRef};
use nuncio_http::{HeaderList, RequestHead, ResponseHead};

use super::{Answer, Body, ControlError, Keep, read, write};
use crate::runtime::{Transport, control};

/// Bytes that are made frames at a time.
const OUTPUT: usize = 64 * 1024;

pub(crate) struct Http2 {
    io: Box<dyn Transport>,
    codec: Connection,
    input: BytesMut,
    /// A request was sent on it.
    used: bool,
    ended: bool,
}

/// What has come of a response.
struct Partial {
    stream: StreamRef,
    head: Option<ResponseHead>,
    body: Body,
    trailers: HeaderList,
}

impl Http2 {
    pub(super) fn new(io: Box<dyn Transport>, limits: Limits) -> Http2 {
        let codec = Connection::new(Side::Client, Arc::new(limits), control::now());
        Http2 { io, codec, input: BytesMut::new(), used: false, ended: false }
    }

    /// Takes in what came while nobody read: another request may go out unless the host is going.
    pub(super) async fn is_reusable(&mut self) -> bool {
        while !self.ended && self.io.has_pending_read() {
            match read(&mut *self.io, &mut self.input).await {
                Ok(read) if read > 0 && self.take_in().is_ok() => {}
                _ => self.ended = true,
            }
        }
        !self.ended && self.codec.capacity() > 0
    }

    /// Events between requests: none of them is for us.
    fn take_in(&mut self) -> Result<(), Error> {
        loop {
            match self.codec.recv(&mut self.input, control::now())? {
                Recv::NeedMore => return Ok(()),
                // A run of frames without an event: whoever sends that many to nobody is left.
                Recv::Settings if self.codec.is_congested() => self.ended = true,
                _ => {}
            }
            if self.ended {
                return Ok(());
            }
        }
    }

    pub(super) async fn ask(&mut self, head: &RequestHead, body: Bytes, keep: Keep) -> Result<Answer, ControlError> {
        let used = std::mem::replace(&mut self.used, true);
        let stale = |error: EncodeError| match error {
            EncodeError::Refused if used => ControlError::Stale,
            error => ControlError::Protocol(error.detail().to_owned()),
        };
        let stream = self.codec.open(head, None, body.is_empty()).map_err(stale)?;
        if !body.is_empty() {
            self.codec.send_data(stream, body, true).map_err(stale)?;
        }
        let mut partial = Partial { stream, head: None, body: Body::new(keep), trailers: HeaderList::new() };
        let received = self.receive(&mut partial, used).await;
        self.codec.forget(stream);
        // Acknowledgements, and the reset of a stream whose request was not awaited. A host that is gone misses nothing.
        if received.is_err() || self.flush().await.is_err() {
            self.ended = true;
        }
        received?;
        let head = partial.head.ok_or_else(|| ControlError::Protocol("ended early".to_owned()))?;
        Ok(Answer { head, body: partial.body.bytes, trailers: partial.trailers })
    }

    async fn flush(&mut self) -> Result<(), ControlError> {
        self.codec.fill(OUTPUT);
        write(&mut *self.io, self.codec.output()).await?;
        self.codec.on_flushed();
        Ok(())
    }

    async fn receive(&mut self, partial: &mut Partial, used: bool) -> Result<(), ControlError> {
        loop {
            let flushed = self.flush().await;
            let event = self.codec.recv(&mut self.input, control::now());
            let event = event.map_err(|error| ControlError::Protocol(error.kind.detail().to_owned()))?;
            if matches!(event, Recv::NeedMore) {
                let read = match flushed {
                    Ok(()) => read(&mut *self.io, &mut self.input).await,
                    Err(error) => Err(error),
                };
                match read {
                    Ok(read) if read > 0 => continue,
                    // As with HTTP/1.
                    _ if used && partial.head.is_none() => return Err(ControlError::Stale),
                    Ok(_) => return Err(ControlError::Protocol("ended early".to_owned())),
                    Err(error) => return Err(error),
                }
            }
            if self.on_event(event, partial)? {
                return Ok(());
            }
        }
    }

    /// Says whether the response is complete.
    fn on_event(&mut self, event: Recv, partial: &mut Partial) -> Result<bool, ControlError> {
        match event {
            Recv::Response { stream, head, end } if stream == partial.stream => {
                if !head.is_interim() {
                    partial.head = Some(head);
                }
                Ok(end)
            }
            Recv::Data { stream, chunk, end } if stream == partial.stream => {
                self.codec.release(stream, chunk.len());
                partial.body.push(&chunk, partial.head.as_ref().map_or(0, |head| head.status))?;
                Ok(end)
            }
            Recv::Trailers { stream, trailers } if stream == partial.stream => {
                partial.trailers = trailers;
                Ok(true)
            }
            Recv::Reset { stream, reset } if stream == partial.stream => {
                if reset.unprocessed && reset.by_peer {
                    return Err(ControlError::Stale);
                }
                Err(ControlError::Protocol(format!("the stream was reset: {}", reset.reason)))
            }
            _ => Ok(false),
        }
    }
}
