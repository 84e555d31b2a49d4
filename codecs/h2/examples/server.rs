//! A blocking server for conformance tools: answers every request with 200 and 5 KiB. `server ADDRESS`; one thread a connection.

use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use nuncio_h2::{Connection, Limits, Recv, Side, StreamRef};
use nuncio_http::{BodyLength, HeaderList, ResponseHead};

const BODY: &[u8] = &[b'x'; 5 * 1024];

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let listener = TcpListener::bind(address)?;
    println!("{}", listener.local_addr()?);
    for socket in listener.incoming() {
        let socket = socket?;
        std::thread::spawn(|| serve(socket));
    }
    Ok(())
}

// The clock is the executor's business in the proxy; here there is none.
#[allow(clippy::disallowed_methods)]
fn serve(mut socket: TcpStream) -> std::io::Result<()> {
    let mut connection = Connection::new(Side::Server, Arc::new(Limits::default()), Instant::now());
    let mut buf = BytesMut::new();
    let mut open: Vec<StreamRef> = Vec::new();
    loop {
        let over = loop {
            match connection.recv(&mut buf, Instant::now()) {
                Ok(Recv::NeedMore) => break false,
                Ok(event) => on_event(&mut connection, &mut open, event),
                Err(_) => break true,
            }
        };
        connection.fill(64 * 1024);
        open.retain(|&stream| {
            let done = connection.recv_done(stream) && connection.sent(stream) == BODY.len() as u64;
            if done {
                connection.forget(stream);
            }
            !done
        });
        flush(&mut connection, &mut socket)?;
        if over {
            return socket.shutdown(std::net::Shutdown::Write);
        }
        let mut chunk = [0; 32 * 1024];
        match socket.read(&mut chunk)? {
            0 => return Ok(()),
            len => buf.extend_from_slice(&chunk[..len]),
        }
    }
}

fn on_event(connection: &mut Connection, open: &mut Vec<StreamRef>, event: Recv) {
    match event {
        Recv::Request { stream, end, .. } => {
            open.push(stream);
            if end {
                respond(connection, stream);
            }
        }
        Recv::Refused { stream, .. } => connection.forget(stream),
        Recv::Data { stream, chunk, end } => {
            connection.release(stream, chunk.len());
            if end {
                respond(connection, stream);
            }
        }
        Recv::Trailers { stream, .. } => respond(connection, stream),
        Recv::Reset { stream, .. } => {
            open.retain(|other| *other != stream);
            connection.forget(stream);
        }
        _ => {}
    }
}

fn respond(connection: &mut Connection, stream: StreamRef) {
    let mut head = ResponseHead::new(200, HeaderList::new());
    head.body = BodyLength::Exact(BODY.len() as u64);
    let sent = connection.send_response(stream, &head, false);
    if sent.and_then(|()| connection.send_data(stream, Bytes::from_static(BODY), true)).is_err() {
        connection.forget(stream);
    }
}

fn flush(connection: &mut Connection, socket: &mut TcpStream) -> std::io::Result<()> {
    while !connection.output().is_empty() {
        let mut slices = [IoSlice::new(b""); 16];
        let filled = connection.output().io_slices(&mut slices);
        let written = socket.write_vectored(&slices[..filled])?;
        connection.output().advance(written);
        connection.fill(64 * 1024);
    }
    connection.on_flushed();
    Ok(())
}
