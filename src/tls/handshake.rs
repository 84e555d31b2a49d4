//! Handshakes: [`accept`] with a client, [`connect`] to a host. Polled by whoever holds the connection, and without a timer
//! of their own: the caller ends one that takes too long (row L-6) by dropping it.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, PeerIncompatible, ServerConfig};

use super::Transport;
use super::engine::{Engine, Step};
use super::session::{Hello, Session};
use super::state::{End, State};
use crate::config::TlsVersion;
use crate::runtime;

/// Bytes of a peer whose handshake failed that are read and dropped, at most: unread, they would make the kernel reset
/// the connection before the peer has read the alert.
const WASTE: usize = 64 << 10;

/// Why there is no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeError {
    pub kind: HandshakeErrorKind,
    /// For a log.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeErrorKind {
    /// The peer must show a certificate and has none, or so it says of us.
    NoCertificate,
    /// A certificate is not right: authority, name, time, pin; the peer's, or ours in its eyes.
    BadCertificate,
    /// No version in common.
    Version,
    /// No cipher suite, group, signature scheme or application protocol in common.
    Mismatch,
    /// There is nothing for the name that was asked for.
    UnknownName,
    /// What came was no TLS.
    NotTls,
    /// The peer went away.
    Closed,
    Io,
    Other,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            HandshakeErrorKind::NoCertificate => "no certificate",
            HandshakeErrorKind::BadCertificate => "bad certificate",
            HandshakeErrorKind::Version => "no version in common",
            HandshakeErrorKind::Mismatch => "nothing in common",
            HandshakeErrorKind::UnknownName => "unknown name",
            HandshakeErrorKind::NotTls => "not tls",
            HandshakeErrorKind::Closed => "closed during the handshake",
            HandshakeErrorKind::Io => "i/o",
            HandshakeErrorKind::Other => "handshake failed",
        };
        if self.text.is_empty() { f.write_str(kind) } else { write!(f, "{kind}: {}", self.text) }
    }
}

impl std::error::Error for HandshakeError {}

impl HandshakeError {
    fn new(kind: HandshakeErrorKind, text: impl Into<String>) -> HandshakeError {
        HandshakeError { kind, text: text.into() }
    }

    fn closed() -> HandshakeError {
        HandshakeError::new(HandshakeErrorKind::Closed, "")
    }

    fn io(kind: io::ErrorKind) -> HandshakeError {
        match kind {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => HandshakeError::closed(),
            kind => HandshakeError::new(HandshakeErrorKind::Io, kind.to_string()),
        }
    }
}

impl From<&Error> for HandshakeError {
    fn from(error: &Error) -> HandshakeError {
        use HandshakeErrorKind::*;
        let kind = match error {
            Error::NoCertificatesPresented => NoCertificate,
            Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_) => BadCertificate,
            Error::PeerIncompatible(why) => match why {
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled => Version,
                _ => Mismatch,
            },
            Error::NoApplicationProtocol => Mismatch,
            Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
                NotTls
            }
            Error::AlertReceived(alert) => of_alert(*alert),
            Error::General(text) if text == "no server certificate chain resolved" => UnknownName,
            _ => Other,
        };
        let text = match error {
            // Enough of a word for it is the kind.
            Error::NoCertificatesPresented => String::new(),
            Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => "not allowed".to_owned(),
            error => error.to_string(),
        };
        HandshakeError { kind, text }
    }
}

/// RFC 8446 section 6.2.
fn of_alert(alert: AlertDescription) -> HandshakeErrorKind {
    use HandshakeErrorKind::*;
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => NoCertificate,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => BadCertificate,
        AlertDescription::ProtocolVersion => Version,
        AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity
        | AlertDescription::NoApplicationProtocol => Mismatch,
        AlertDescription::UnrecognisedName => UnknownName,
        AlertDescription::CloseNotify | AlertDescription::UserCanceled => Closed,
        _ => Other,
    }
}

/// Shakes hands with a client, as a server. `first` is what was read of it already.
pub fn accept(io: Box<dyn runtime::Transport>, first: BytesMut, config: Arc<ServerConfig>) -> Accept {
    Accept { handshake: Handshake::new(io, Engine::server(config), first) }
}

/// Shakes hands with a host, as a client that wants to find `name` there.
pub fn connect(io: Box<dyn runtime::Transport>, config: Arc<ClientConfig>, name: ServerName<'static>) -> Connect {
    let sni = match &name {
        ServerName::DnsName(name) if config.enable_sni => Some(name.as_ref().to_ascii_lowercase()),
        _ => None,
    };
    let mut handshake = Handshake::new(io, Engine::client(config, name), BytesMut::new());
    handshake.hello = Hello { sni, validates: true, local: None };
    Connect { handshake }
}

/// A handshake with a client. Not to be polled again once it is ready.
pub struct Accept {
    handshake: Handshake,
}

/// A handshake with a host. Not to be polled again once it is ready.
pub struct Connect {
    handshake: Handshake,
}

impl Accept {
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Transport, Rc<Session>), HandshakeError>> {
        self.handshake.poll(cx)
    }
}

impl Connect {
    /// One that fails at once.
    pub(super) fn impossible(why: &str) -> Connect {
        let failed = Some(HandshakeError::new(HandshakeErrorKind::Other, why));
        Connect { handshake: Handshake { state: None, failed, is_server: false, seen: false, hello: Hello::default() } }
    }

    /// The configuration verifies no authority.
    pub(super) fn unvalidated(mut self) -> Connect {
        self.handshake.hello.validates = false;
        self
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Transport, Rc<Session>), HandshakeError>> {
        self.handshake.poll(cx)
    }
}

struct Handshake {
    /// `None` once it is over.
    state: Option<State>,
    /// Before it began.
    failed: Option<HandshakeError>,
    is_server: bool,
    /// The first bytes of the peer were looked at.
    seen: bool,
    /// What the hello said, the client's or ours.
    hello: Hello,
}

impl Handshake {
    fn new(io: Box<dyn runtime::Transport>, engine: Result<Engine, Error>, first: BytesMut) -> Handshake {
        let is_server = matches!(engine, Ok(Engine::Server(_)));
        let (state, failed) = match engine {
            Ok(engine) => (Some(State::new(io, engine, first)), None),
            Err(error) => (None, Some(HandshakeError::from(&error))),
        };
        Handshake { state, failed, is_server, seen: false, hello: Hello::default() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Transport, Rc<Session>), HandshakeError>> {
        match ready!(self.poll_done(cx)) {
            Ok(state) => {
                let session = Session::new(state.engine.common(), std::mem::take(&mut self.hello));
                Poll::Ready(Ok((Transport::new(state), Rc::new(session))))
            }
            Err(error) => {
                if let Some(state) = self.state.take() {
                    say_why(state, cx);
                }
                Poll::Ready(Err(error))
            }
        }
    }

    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Result<State, HandshakeError>> {
        let Some(state) = &mut self.state else {
            return Poll::Ready(Err(self.failed.take().unwrap_or_else(HandshakeError::closed)));
        };
        loop {
            if !self.seen && !state.incoming.bytes.is_empty() {
                self.seen = true;
                look_at(&state.incoming.bytes, self.is_server)?;
            }
            while state.unread && state.engine.is_handshaking() {
                let step = state.step(None, 0);
                if let Some(hello) = Hello::take() {
                    self.hello = hello;
                }
                if step == Step::Blocked {
                    break;
                }
            }
            if let Some(end) = &state.end {
                return Poll::Ready(Err(match end {
                    End::Tls(error) => HandshakeError::from(error),
                    End::Io(kind) => HandshakeError::io(*kind),
                    End::Closed | End::Truncated => HandshakeError::closed(),
                }));
            }
            let done = !state.engine.is_handshaking();
            if done {
                state.say_all();
            }
            // A server's last words in TLS 1.3 are tickets. They may wait for the first answer, and need no packet of their own.
            let tickets = done && self.is_server && version(state) == TlsVersion::V13;
            let flushed = if tickets { Poll::Ready(Ok(())) } else { state.poll_flush(cx) };
            if let Poll::Ready(Err(error)) = &flushed {
                return Poll::Ready(Err(HandshakeError::io(error.kind())));
            }
            if done {
                let _ = ready!(flushed);
                state.unread = !state.incoming.bytes.is_empty();
                state.incoming.rest();
                return Poll::Ready(self.state.take().ok_or_else(HandshakeError::closed));
            }
            // Even while the socket takes nothing: the peer may wait for us to read.
            ready!(state.poll_receive(cx, 0));
        }
    }
}

fn version(state: &State) -> TlsVersion {
    match state.engine.common().protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => TlsVersion::V13,
        _ => TlsVersion::V12,
    }
}

/// Tells what is no TLS at all by its first byte (RFC 8446 section 5.1): it gets no alert, which it would not understand, and
/// a host that talks before the handshake is not listened to (row TLS-3).
fn look_at(bytes: &[u8], is_server: bool) -> Result<(), HandshakeError> {
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    match bytes.first() {
        Some(&HANDSHAKE) | None => Ok(()),
        Some(&ALERT) if !is_server => Ok(()),
        Some(first) => Err(HandshakeError::new(HandshakeErrorKind::NotTls, format!("the first byte is {first:#04x}"))),
    }
}

/// Sends the alert, as far as the socket takes it at once.
fn say_why(mut state: State, cx: &mut Context<'_>) {
    if state.outgoing.is_empty() || !matches!(state.poll_flush(cx), Poll::Ready(Ok(()))) {
        return;
    }
    let _ = state.io.poll_close(cx);
    let mut waste = BytesMut::with_capacity(4096);
    let mut wasted = 0;
    while let Poll::Ready(Ok(read @ 1..)) = state.io.poll_read(cx, &mut waste, usize::MAX) {
        wasted += read;
        if wasted >= WASTE {
            return;
        }
        waste.clear();
    }
}
