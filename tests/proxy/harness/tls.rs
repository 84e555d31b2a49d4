//! TLS at an end that a test holds: rustls over a blocking socket. Certificates are those of `testdata/tls`. Dropping an end
//! sends no close_notify: that is a cut, and `Wire::finish` is the end in good order.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, HandshakeKind, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme, SupportedProtocolVersion,
};

use super::{Proxy, Upstream, Wire};

pub(crate) use rustls::version::{TLS12, TLS13};

pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// The path of a file of `testdata/tls`.
pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
}

pub(crate) fn certificates(name: &str) -> Vec<CertificateDer<'static>> {
    let certificates = CertificateDer::pem_file_iter(file(&format!("{name}.pem"))).expect("a file");
    certificates.map(|certificate| certificate.expect("a certificate")).collect()
}

fn key(name: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).expect("a key")
}

fn authority() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(certificates("ca").remove(0)).expect("an authority");
    Arc::new(roots)
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// A client that believes `ca`, offers these protocols and shows the certificate `own` if it is asked.
pub(crate) fn client(
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
    own: Option<&str>,
) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(authority(), provider.clone()).build().expect("a verifier");
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let builder = builder.with_webpki_verifier(verifier);
    let mut config = match own {
        Some(own) => builder.with_client_auth_cert(certificates(own), key(own)).expect("a pair"),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = words(alpn);
    Arc::new(config)
}

/// A host with the certificate `own`; `asks`: it wants one of its clients, by `ca`.
pub(crate) fn server(own: &str, alpn: &[&str], asks: bool) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&VERSIONS);
    let builder = builder.expect("versions");
    let builder = match asks {
        true => {
            let verifier = WebPkiClientVerifier::builder_with_provider(authority(), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
        false => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(certificates(own), key(own)).expect("a pair");
    config.alpn_protocols = words(alpn);
    Arc::new(config)
}

/// Believes whatever it is shown.
#[derive(Debug)]
pub(crate) struct Lenient;

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A session over a socket.
pub(super) struct Tls {
    connection: Connection,
    pub(super) socket: TcpStream,
}

impl Proxy {
    /// Connects to the first listener and asks for this name; both hands are shaken, as far as the client knows.
    pub(crate) fn tls(&self, config: &Arc<ClientConfig>, name: &str) -> Wire {
        self.try_tls(config, name).unwrap_or_else(|error| panic!("handshake: {error}"))
    }

    pub(crate) fn try_tls(&self, config: &Arc<ClientConfig>, name: &str) -> io::Result<Wire> {
        Proxy::tls_to(self.listener(0), config, name)
    }

    /// By way of something that stands in front of it.
    pub(crate) fn tls_to(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Wire> {
        let socket = TcpStream::connect(address).expect("connect");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connection = ClientConnection::new(config.clone(), name).expect("a client");
        handshake(connection.into(), socket, "client")
    }
}

impl Upstream {
    /// The next connection, which is to speak TLS.
    pub(crate) fn accept_tls(&self, config: &Arc<ServerConfig>) -> Wire {
        self.try_accept_tls(config).unwrap_or_else(|error| panic!("handshake: {error}"))
    }

    pub(crate) fn try_accept_tls(&self, config: &Arc<ServerConfig>) -> io::Result<Wire> {
        let connection = ServerConnection::new(config.clone()).expect("a server");
        handshake(connection.into(), self.accept().into_tcp(), "upstream")
    }
}

fn handshake(connection: Connection, socket: TcpStream, name: &'static str) -> io::Result<Wire> {
    let mut wire = Wire::tls(Tls { connection, socket }, name);
    wire.session_mut().shake_hands()?;
    Ok(wire)
}

/// What was agreed on.
impl Wire {
    pub(crate) fn alpn(&self) -> Option<&str> {
        self.session().connection.alpn_protocol().map(|name| std::str::from_utf8(name).expect("a text"))
    }

    pub(crate) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.session().connection.peer_certificates().unwrap_or_default()
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.session().connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

impl Tls {
    fn shake_hands(&mut self) -> io::Result<()> {
        while self.connection.is_handshaking() {
            self.flush()?;
            if self.connection.is_handshaking() && !self.receive()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        self.flush()
    }

    /// Reads from the socket; false at its end.
    fn receive(&mut self) -> io::Result<bool> {
        let read = self.connection.read_tls(&mut self.socket)?;
        if let Err(error) = self.connection.process_new_packets() {
            // The alert, if it can be sent.
            let _ = self.flush();
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        Ok(read > 0)
    }

    /// close_notify, and the end of the socket behind it.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush()?;
        self.socket.shutdown(Shutdown::Write)
    }
}

impl Read for Tls {
    /// An end without close_notify is `UnexpectedEof`.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            self.receive()?;
            // Answers to what the peer asked, such as new keys.
            self.flush()?;
        }
    }
}

impl Write for Tls {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.connection.writer().write(buf)?;
        self.flush()?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}
