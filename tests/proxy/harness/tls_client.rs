//! TLS ends: a client with or without a certificate of `testdata/tls`, and a copy of those files that a test may change.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use super::DEADLINE;

/// A client of `site.example.com` that believes `ca`.
pub(crate) struct TlsClient(StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    /// Shakes hands; `own` is the certificate to show.
    pub(crate) fn connect(address: SocketAddr, own: Option<&str>) -> io::Result<TlsClient> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate("ca")).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_root_certificates(roots);
        let config = match own {
            Some(own) => {
                let key = PrivateKeyDer::from_pem_file(file(&format!("{own}.key"))).expect("a key");
                builder.with_client_auth_cert(vec![certificate(own)], key).expect("a pair")
            }
            None => builder.with_no_client_auth(),
        };
        let name = ServerName::try_from("site.example.com").expect("a name");
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(TlsClient(stream))
    }

    /// The certificate that the server has shown.
    pub(crate) fn shown(&self) -> CertificateDer<'static> {
        self.0.conn.peer_certificates().expect("a certificate")[0].clone().into_owned()
    }

    /// Sends these bytes and reads what comes for them, once.
    pub(crate) fn echo(&mut self, bytes: &str) -> io::Result<String> {
        self.0.write_all(bytes.as_bytes())?;
        let mut answer = vec![0; bytes.len()];
        self.0.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The status of a GET of `/`; its body is short and comes with a length.
    pub(crate) fn get(&mut self) -> io::Result<u16> {
        self.0.write_all(b"GET / HTTP/1.1\r\nhost: site.example.com\r\n\r\n")?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |it| it.parse().unwrap());
        self.0.read_exact(&mut vec![0; length])?;
        Ok(head[9..12].parse().expect("a status"))
    }
}

/// The first certificate of a file of `testdata/tls`.
pub(crate) fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(&format!("{name}.pem"))).expect("a certificate")
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
}

/// A directory of its own that goes away with it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("nuncio-proxy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Copies a file of `testdata/tls`, in place.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        std::fs::write(self.path(to), std::fs::read(file(from)).expect("a file")).expect("written");
    }

    /// Copies certificate and key.
    pub(crate) fn copy_pair(&self, from: &str, to: &str) {
        self.copy(&format!("{from}.pem"), &format!("{to}.pem"));
        self.copy(&format!("{from}.key"), &format!("{to}.key"));
    }

    /// Of the configuration.
    pub(crate) fn pair(&self, name: &str) -> Value {
        json!({ "chain": self.path(&format!("{name}.pem")), "key": self.path(&format!("{name}.key")) })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
