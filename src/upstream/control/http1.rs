//! HTTP/1.1 of the control thread: `nuncio_h1` over one connection.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use nuncio_h1::{Error, Limits, Recv};
use nuncio_http::{HeaderList, Output, RequestHead, ResponseHead};

use super::{Answer, Body, ControlError, Keep, read, write};
use crate::runtime::Transport;

pub(crate) struct Http1 {
    io: Box<dyn Transport>,
    codec: nuncio_h1::Client,
    input: BytesMut,
    /// A request was answered on it.
    used: bool,
}

impl Http1 {
    pub(super) fn new(io: Box<dyn Transport>) -> Http1 {
        Http1 { io, codec: nuncio_h1::Client::new(Arc::new(Limits::default())), input: BytesMut::new(), used: false }
    }

    pub(super) fn is_reusable(&self) -> bool {
        self.codec.can_pool(self.input.is_empty()) && !self.io.has_pending_read()
    }

    pub(super) async fn ask(&mut self, head: &RequestHead, body: Bytes, keep: Keep) -> Result<Answer, ControlError> {
        let used = std::mem::replace(&mut self.used, true);
        let broken = |error: nuncio_h1::EncodeError| ControlError::Protocol(format!("{error:?}"));
        let mut out = Output::new();
        self.codec.send_head(head, None, &mut out).map_err(broken)?;
        self.codec.send_data(body, true, &mut out).map_err(broken)?;
        let answer = match write(&mut *self.io, &mut out).await {
            Ok(()) => self.receive(keep).await,
            Err(error) => Err(error),
        };
        // The host closes what was idle for long, and may do so just now.
        answer.map_err(|error| match error {
            ControlError::Io(_) | ControlError::Protocol(_) if used && !self.codec.response_started() => {
                ControlError::Stale
            }
            error => error,
        })
    }

    async fn receive(&mut self, keep: Keep) -> Result<Answer, ControlError> {
        let broken = |error: Error| ControlError::Protocol(error.to_string());
        let mut final_head: Option<ResponseHead> = None;
        let mut body = Body::new(keep);
        loop {
            let part = match self.codec.recv(&mut self.input).map_err(broken)? {
                Recv::NeedMore => {
                    if read(&mut *self.io, &mut self.input).await? > 0 {
                        continue;
                    }
                    self.codec.recv_eof(&self.input).map_err(broken)?
                }
                part => part,
            };
            let end = match part {
                Recv::Head { head, .. } if head.is_interim() => false,
                Recv::Head { head, end } => {
                    final_head = Some(head);
                    end
                }
                Recv::Data { chunk, end } => {
                    body.push(&chunk, final_head.as_ref().map_or(0, |head| head.status))?;
                    end
                }
                Recv::Trailers(_) | Recv::End => true,
                Recv::NeedMore | Recv::Paused | Recv::Tunnel(_) | Recv::Eof => {
                    return Err(ControlError::Protocol("ended early".to_owned()));
                }
            };
            if end && let Some(head) = final_head.take() {
                return Ok(Answer { head, body: body.bytes, trailers: HeaderList::new() });
            }
        }
    }
}
