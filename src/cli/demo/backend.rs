//! A server to put the proxy in front of: it shows each request as it arrived.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use nuncio_h1::{Limits, Recv, Server};
use nuncio_http::{BodyLength, HeaderId, HeaderList, Output, RequestHead, ResponseHead};

use crate::runtime::Transport;
use crate::runtime::control::{self, Control, ControlListener, ControlStream};
use crate::runtime::net::{Addr, ListenOptions, Listener};

/// How a backend behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Echo,
    /// Answers after two seconds.
    Slow,
    /// Answers every other request with 500, and closes without a word on the rest.
    Failing,
    /// One of those that can be broken, and says which: the first is 1.
    Host(usize),
    /// Breaks and mends them: `/demo/break?host=1`, `/demo/mend?host=1`.
    Switch,
}

/// Which of the hosts answer with 500.
#[derive(Debug, Clone, Default)]
pub(super) struct Broken(Arc<[AtomicBool; Broken::HOSTS]>);

impl Broken {
    pub(super) const HOSTS: usize = 3;

    fn of(&self, number: usize) -> Option<&AtomicBool> {
        number.checked_sub(1).and_then(|at| self.0.get(at))
    }

    fn is(&self, number: usize) -> bool {
        self.of(number).is_some_and(|broken| broken.load(Ordering::Relaxed))
    }

    /// Does what the target says, and answers how things are; `None`: it says nothing that can be done.
    fn switch(&self, target: &[u8]) -> Option<String> {
        let (path, number) = std::str::from_utf8(target).ok()?.split_once("?host=")?;
        let broken = match path {
            "/demo/break" => true,
            "/demo/mend" => false,
            _ => return None,
        };
        self.of(number.parse().ok()?)?.store(broken, Ordering::Relaxed);
        let says = |number| format!("host {number} {}\n", if self.is(number) { "answers 500" } else { "is well" });
        Some((1..=Broken::HOSTS).map(says).collect())
    }
}

const SLOWNESS: Duration = Duration::from_secs(2);
const READ: usize = 16 * 1024;
/// Longest body that is shown.
const SHOWN: usize = 64 * 1024;

/// Starts a backend on a thread of its own, on a port that the kernel chooses.
pub(super) fn start(manner: Manner, broken: Broken) -> io::Result<Addr> {
    let any = Addr::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = Listener::bind(&any, ListenOptions::default())?;
    let address = listener.local_addr().clone();
    std::thread::Builder::new().name("backend".into()).spawn(move || {
        control::run(|control| async move {
            if let Err(error) = serve(control, listener, manner, broken).await {
                log::error!("demo backend: {error}");
            }
        });
    })?;
    Ok(address)
}

async fn serve(control: Control, listener: Listener, manner: Manner, broken: Broken) -> io::Result<()> {
    let mut listener = ControlListener::new(listener)?;
    let mut count = 0;
    loop {
        let stream = listener.accept().await?;
        count += 1;
        let broken = broken.clone();
        control.spawn(async move {
            // The proxy's side of the story is in its access log.
            let _ = converse(stream, manner, count, broken).await;
        });
    }
}

async fn converse(mut stream: ControlStream, manner: Manner, connection: usize, broken: Broken) -> io::Result<()> {
    let mut server = Server::new(Arc::new(Limits::default()));
    let (mut input, mut output) = (BytesMut::new(), Output::new());
    while let Some((head, body)) = receive(&mut stream, &mut server, &mut input, &mut output).await? {
        let (mut status, mut text) = (200, Vec::new());
        match manner {
            Manner::Echo => {}
            Manner::Slow => control::sleep(SLOWNESS).await,
            Manner::Failing if connection.is_multiple_of(2) => return Ok(()),
            Manner::Failing => {
                status = 500;
                server.close_after_response();
            }
            Manner::Host(number) => {
                status = if broken.is(number) { 500 } else { 200 };
                text = format!("host {number}\n").into_bytes();
            }
            Manner::Switch => match broken.switch(head.target()) {
                Some(says) => text = says.into_bytes(),
                None => {
                    status = 404;
                    text = b"/demo/break?host=1 or /demo/mend?host=1, up to 3\n".to_vec();
                }
            },
        }
        let text = Bytes::from(if text.is_empty() { show(&head, &body) } else { text });
        let mut headers = HeaderList::new();
        headers.push(HeaderId::ContentType, b"text/plain");
        let mut response = ResponseHead::new(status, headers);
        response.body = BodyLength::Exact(text.len() as u64);
        server.send_head(&response, &mut output).map_err(io::Error::other)?;
        server.send_data(text, true, &mut output).map_err(io::Error::other)?;
        flush(&mut stream, &mut output).await?;
        if !server.next_request() {
            break;
        }
    }
    Ok(())
}

/// One whole request; its body is kept up to what is shown.
async fn receive(
    stream: &mut ControlStream,
    server: &mut Server,
    input: &mut BytesMut,
    output: &mut Output,
) -> io::Result<Option<(RequestHead, Vec<u8>)>> {
    let (mut head, mut body) = (None, Vec::new());
    loop {
        let end = match server.recv(input).map_err(io::Error::other)? {
            Recv::NeedMore => {
                input.reserve(READ);
                if poll_fn(|cx| stream.poll_read(cx, input, usize::MAX)).await? == 0 {
                    return Ok(None);
                }
                false
            }
            Recv::Head { head: request, end } => {
                head = Some(request.head);
                if server.send_continue(output) {
                    flush(stream, output).await?;
                }
                end
            }
            Recv::Data { chunk, end } => {
                let room = SHOWN.saturating_sub(body.len()).min(chunk.len());
                body.extend_from_slice(&chunk[..room]);
                end
            }
            Recv::Trailers(_) | Recv::End => true,
            Recv::Paused | Recv::Tunnel(_) | Recv::Eof => return Ok(None),
        };
        if end {
            return Ok(head.map(|head| (head, body)));
        }
    }
}

async fn flush(stream: &mut ControlStream, output: &mut Output) -> io::Result<()> {
    while !output.is_empty() {
        let written = poll_fn(|cx| {
            let mut slices = [IoSlice::new(b""); 4];
            let filled = output.io_slices(&mut slices);
            stream.poll_write_vectored(cx, &slices[..filled])
        });
        let len = written.await?;
        output.advance(len);
    }
    Ok(())
}

/// The request as text.
fn show(head: &RequestHead, body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut line = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| text.extend_from_slice(part));
        text.push(b'\n');
    };
    line(&[head.method.as_bytes(), b" ", head.target(), b" ", head.version.as_str().as_bytes()]);
    line(&[b"host: ", head.authority()]);
    for field in head.headers.iter() {
        line(&[field.name, b": ", field.value]);
    }
    if !body.is_empty() {
        text.push(b'\n');
        text.extend_from_slice(body);
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_broken_and_mended_by_their_number() {
        let broken = Broken::default();
        for (target, says, state) in [
            ("/demo/break?host=2", Some("host 1 is well\nhost 2 answers 500\nhost 3 is well\n"), [false, true, false]),
            (
                "/demo/break?host=3",
                Some("host 1 is well\nhost 2 answers 500\nhost 3 answers 500\n"),
                [false, true, true],
            ),
            ("/demo/mend?host=2", Some("host 1 is well\nhost 2 is well\nhost 3 answers 500\n"), [false, false, true]),
            ("/demo/break?host=0", None, [false, false, true]),
            ("/demo/break?host=4", None, [false, false, true]),
            ("/demo/break", None, [false, false, true]),
            ("/other?host=1", None, [false, false, true]),
        ] {
            assert_eq!(broken.switch(target.as_bytes()).as_deref(), says, "{target}");
            assert_eq!([1, 2, 3].map(|number| broken.is(number)), state, "{target}");
        }
    }
}
