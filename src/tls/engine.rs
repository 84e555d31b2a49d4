//! One TLS session: ciphertext in, plaintext and ciphertext out. No I/O. Both sides of rustls's unbuffered connection look
//! the same from here.

use std::ops::Deref;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedConnectionCommon,
    UnbufferedStatus, WriteTraffic,
};
use rustls::{ClientConfig, CommonState, Error, ServerConfig};

use super::buffers::Outgoing;

/// What encryption adds to a record, in bytes, at most: header, explicit nonce, content type, tag.
const OVERHEAD: usize = 64;

pub(super) enum Engine {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

/// What a step was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Something was done. There may be more to do without more input.
    Again,
    /// Plaintext was delivered. rustls holds nothing now that refers to the input.
    Plain,
    /// The peer has said that it will send no more.
    PeerClosed,
    /// More input is needed.
    Blocked,
    /// What was to be sealed is sealed.
    Sealed,
}

/// What is to be encrypted, as soon as there is nothing else to do.
#[derive(Clone, Copy)]
pub(super) enum Seal<'p> {
    Nothing,
    /// One record: at most 16 KiB, at least a byte.
    Record(&'p [u8]),
    CloseNotify,
}

/// Where plaintext goes: into the reader's buffer, and what does not fit behind it into ours.
pub(super) struct Sink<'b> {
    pub(super) reader: Option<&'b mut BytesMut>,
    /// Most bytes for the reader. Its buffer has room for them.
    pub(super) room: usize,
    pub(super) rest: &'b mut BytesMut,
}

impl Sink<'_> {
    fn put(&mut self, plain: &[u8]) {
        let fits = if self.reader.is_some() && self.rest.is_empty() { plain.len().min(self.room) } else { 0 };
        let (now, later) = plain.split_at(fits);
        if let Some(reader) = &mut self.reader {
            reader.extend_from_slice(now);
        }
        self.room -= fits;
        self.rest.extend_from_slice(later);
    }
}

impl Engine {
    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Engine, Error> {
        UnbufferedServerConnection::new(config).map(|connection| Engine::Server(Box::new(connection)))
    }

    pub(super) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Engine, Error> {
        UnbufferedClientConnection::new(config, name).map(|connection| Engine::Client(Box::new(connection)))
    }

    pub(super) fn common(&self) -> &CommonState {
        match self {
            Engine::Server(connection) => connection,
            Engine::Client(connection) => connection.deref(),
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// Whether rustls has something to say that is not in the outgoing buffer yet. While it has, a step looks at no input.
    pub(super) fn wants_write(&self) -> bool {
        self.common().wants_write()
    }

    /// One step. Says how many bytes of the input are done with: they must be removed before the next step. Input may
    /// only be left out after [`Step::Plain`]; otherwise rustls may have noted places within it.
    pub(super) fn step(
        &mut self,
        input: &mut [u8],
        seal: Seal,
        sink: &mut Sink,
        out: &mut Outgoing,
    ) -> (usize, Result<Step, Error>) {
        match self {
            Engine::Server(connection) => step(&mut ***connection, input, seal, sink, out),
            Engine::Client(connection) => step(&mut ***connection, input, seal, sink, out),
        }
    }
}

/// The one method that rustls has once for each side.
trait Process: Sized {
    type Data;
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Process for UnbufferedConnectionCommon<ServerConnectionData> {
    type Data = ServerConnectionData;
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

impl Process for UnbufferedConnectionCommon<ClientConnectionData> {
    type Data = ClientConnectionData;
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

fn step<C: Process>(
    connection: &mut C,
    input: &mut [u8],
    seal: Seal,
    sink: &mut Sink,
    out: &mut Outgoing,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state } = connection.process(input);
    let step = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    sink.put(record.payload);
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(Step::Plain),
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out).map(|()| Step::Again),
        // What is in the outgoing buffer leaves in order, whenever that is.
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerClosed),
        Ok(ConnectionState::WriteTraffic(traffic)) => write(traffic, seal, out),
        Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => match seal {
            Seal::Nothing => Ok(Step::Blocked),
            _ => Err(Error::HandshakeNotComplete),
        },
        // Early data is off on both sides.
        Ok(_) => Err(Error::General("unexpected state".to_owned())),
    };
    (discard, step)
}

fn encode<D>(data: &mut EncodeTlsData<'_, D>, out: &mut Outgoing) -> Result<(), Error> {
    let mut size = 0;
    loop {
        match data.encode(out.space(size)) {
            Ok(len) => {
                out.fill(len);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) if required_size > size => {
                size = required_size;
            }
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
}

fn write<D>(mut traffic: WriteTraffic<'_, D>, seal: Seal, out: &mut Outgoing) -> Result<Step, Error> {
    let mut size = match seal {
        Seal::Nothing => return Ok(Step::Blocked),
        Seal::Record(plain) => plain.len() + OVERHEAD,
        Seal::CloseNotify => OVERHEAD,
    };
    loop {
        let space = out.space(size);
        let sealed = match seal {
            Seal::Record(plain) => traffic.encrypt(plain, space),
            _ => traffic.queue_close_notify(space),
        };
        match sealed {
            Ok(len) => {
                out.fill(len);
                return Ok(Step::Sealed);
            }
            // There is something else to be said first, such as a change of keys.
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) if required_size > size => {
                size = required_size;
            }
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
}
