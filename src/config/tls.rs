//! `tls`: of a listener, that clients speak TLS and how; of a cluster, that its hosts do. Files are named here and read
//! when the configuration is built.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::text::{Complaint, Cx, Kind, Node, Object, quote, read, write};
use super::{ClusterProtocol, File, Pin, San, Versions, file, pin, san};

/// TLS with clients.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListenerTls {
    /// At least one. By the name that a client asks for; the first where none fits.
    pub certificates: Vec<CertificatePair>,
    pub client_auth: ClientAuth,
    /// Protocols of the application, best first. Default: the `versions` of `http`.
    pub alpn: Vec<String>,
    /// Default TLSv1.2.
    pub min_version: TlsVersion,
    /// Default TLSv1.3.
    pub max_version: TlsVersion,
    /// Clients may resume a session. Default true.
    pub session_tickets: bool,
    /// The handshake must be done within this time. Default 10 s.
    #[serde(serialize_with = "write::duration")]
    pub handshake_timeout: Duration,
    /// Secrets of every connection are appended here, for a packet analyser. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_log: Option<File>,
}

/// TLS with the hosts of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterTls {
    /// Whom to believe. Default: the authorities of this system.
    #[serde(serialize_with = "write_ca")]
    pub ca: Ca,
    /// The name asked for, and that the certificate must have. Default: the host's, if it is a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// One of the certificate's names must be here, in place of the one asked for. Default: that one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_san: Vec<San>,
    /// SHA-256 of certificates; with `spki`, one of them must fit. Default: any.
    #[serde(serialize_with = "pin::write_hex", skip_serializing_if = "Vec::is_empty")]
    pub sha256: Vec<Pin>,
    /// SHA-256 of public keys.
    #[serde(serialize_with = "pin::write_base64", skip_serializing_if = "Vec::is_empty")]
    pub spki: Vec<Pin>,
    /// Revoked certificates. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crl: Option<File>,
    /// Neither the authority nor the name is checked, only the pins, if there are any. Default false.
    pub insecure_skip_verify: bool,
    /// Ours, for hosts that ask for one. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificatePair>,
    /// Protocols of the application, best first. Default: by the `protocol` of the cluster.
    pub alpn: Vec<String>,
    /// Default TLSv1.2.
    pub min_version: TlsVersion,
    /// Default TLSv1.3.
    pub max_version: TlsVersion,
}

/// A certificate, those that lead from it to an authority, and its key. PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificatePair {
    pub chain: File,
    pub key: File,
    /// A DER OCSP response to staple. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<File>,
}

/// Certificates of clients.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ClientAuth {
    pub mode: ClientAuthMode,
    /// Authorities. Without them, pins alone let a certificate in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<File>,
    /// Revoked certificates. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crl: Option<File>,
    /// One of the certificate's names must be here. Default: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_san: Vec<San>,
    /// SHA-256 of certificates; with `spki`, one of them must fit. Default: any.
    #[serde(serialize_with = "pin::write_hex", skip_serializing_if = "Vec::is_empty")]
    pub sha256: Vec<Pin>,
    /// SHA-256 of public keys.
    #[serde(serialize_with = "pin::write_base64", skip_serializing_if = "Vec::is_empty")]
    pub spki: Vec<Pin>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthMode {
    /// No certificate is asked for.
    #[default]
    Off,
    /// A client without one is served; one whose certificate is not right is not.
    Optional,
    Require,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum TlsVersion {
    #[serde(rename = "TLSv1.2")]
    V12,
    #[serde(rename = "TLSv1.3")]
    V13,
}

/// Certificate authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ca {
    /// Those of the distribution.
    System,
    File(File),
}

impl ListenerTls {
    /// All that are read.
    pub fn files(&self) -> Vec<File> {
        let ClientAuth { ca, crl, .. } = &self.client_auth;
        self.certificates
            .iter()
            .flat_map(CertificatePair::files)
            .chain([ca, crl].into_iter().flatten())
            .cloned()
            .collect()
    }
}

impl ClusterTls {
    /// All that are named here and read.
    pub fn files(&self) -> Vec<File> {
        let ca = match &self.ca {
            Ca::System => None,
            Ca::File(file) => Some(file),
        };
        let own = self.certificate.iter().flat_map(CertificatePair::files);
        own.chain(ca).chain(&self.crl).cloned().collect()
    }
}

impl CertificatePair {
    fn files(&self) -> impl Iterator<Item = &File> {
        [&self.chain, &self.key].into_iter().chain(&self.ocsp)
    }
}

pub(super) fn read_listener(cx: &Cx, node: &Node, versions: Versions) -> Option<ListenerTls> {
    let mut o = cx.object(node)?;
    o.later(&["ciphers", "ecdh_curves", "session_timeout", "session_ticket_keys", "crl", "ca"]);
    let certificates = o.required("certificates", |cx, node| read::some(|cx, node| pair(cx, node, true))(cx, node));
    let alpn = match versions {
        Versions { h1: true, h2: true } => &["h2", "http/1.1"][..],
        Versions { h2: true, .. } => &["h2"],
        Versions { h1: true, .. } => &["http/1.1"],
        // Bytes that are no HTTP.
        Versions { .. } => &[],
    };
    let (min_version, max_version) = read_versions(cx, &mut o);
    let tls = ListenerTls {
        certificates: Vec::new(),
        client_auth: o.optional("client_auth", ClientAuth::default(), read_client_auth),
        alpn: o.maybe("alpn", read_alpn).unwrap_or_else(|| words(alpn)),
        min_version,
        max_version,
        session_tickets: o.optional("session_tickets", true, read::boolean),
        handshake_timeout: o.optional("handshake_timeout", Duration::from_secs(10), read::timeout),
        key_log: o.maybe("key_log", file::read),
    };
    o.finish();
    Some(ListenerTls { certificates: certificates?, ..tls })
}

pub(super) fn read_cluster(cx: &Cx, node: &Node, protocol: ClusterProtocol) -> Option<ClusterTls> {
    let mut o = cx.object(node)?;
    o.later(&["ciphers", "ecdh_curves", "max_session_keys", "verify", "key_log"]);
    let alpn = match protocol {
        ClusterProtocol::H1 => &["http/1.1"][..],
        ClusterProtocol::H2 => &["h2"],
        ClusterProtocol::Auto => &["h2", "http/1.1"],
    };
    let pinned = o.has("sha256") || o.has("spki");
    let checks = o.has("crl") || o.has("allow_san");
    let (min_version, max_version) = read_versions(cx, &mut o);
    let ca = o.optional("ca", Ca::System, read_ca);
    let checks = checks || ca != Ca::System;
    let tls = ClusterTls {
        ca,
        sni: o.maybe("sni", read_sni),
        allow_san: o.optional("allow_san", Vec::new(), read::some(san::read)),
        sha256: o.optional("sha256", Vec::new(), read::some(pin::read_hex)),
        spki: o.optional("spki", Vec::new(), read::some(pin::read_base64)),
        crl: o.maybe("crl", file::read),
        insecure_skip_verify: o.optional("insecure_skip_verify", false, |cx, node| {
            let skip = read::boolean(cx, node)?;
            if skip && checks {
                return cx.refuse(node, "contradicts the checks that are asked for beside it");
            }
            if skip && !pinned {
                cx.warn(node, "whoever answers at the address of a host is taken for the host");
            }
            Some(skip)
        }),
        certificate: o.maybe("certificate", |cx, node| pair(cx, node, false)),
        alpn: o.maybe("alpn", read_alpn).unwrap_or_else(|| words(alpn)),
        min_version,
        max_version,
    };
    o.finish();
    Some(tls)
}

fn read_client_auth(cx: &Cx, node: &Node) -> Option<ClientAuth> {
    const MODES: &[(&str, ClientAuthMode)] =
        &[("off", ClientAuthMode::Off), ("optional", ClientAuthMode::Optional), ("require", ClientAuthMode::Require)];
    let mut o = cx.object(node)?;
    let mode = o.required("mode", read::one_of(MODES));
    let auth = ClientAuth {
        mode: ClientAuthMode::Off,
        ca: o.maybe("ca", file::read),
        crl: o.maybe("crl", file::read),
        allow_san: o.optional("allow_san", Vec::new(), read::some(san::read)),
        sha256: o.optional("sha256", Vec::new(), read::some(pin::read_hex)),
        spki: o.optional("spki", Vec::new(), read::some(pin::read_base64)),
    };
    o.finish();
    let (mode, has_ca) = (mode?, auth.ca.is_some());
    let pinned = !auth.sha256.is_empty() || !auth.spki.is_empty();
    if mode != ClientAuthMode::Off && !has_ca {
        if !pinned {
            let complaint = Complaint::new("says nothing of who is let in");
            return cx.refuse(node, complaint.expected("\"ca\", \"sha256\" or \"spki\""));
        }
        if !auth.allow_san.is_empty() {
            return cx.refuse(node, "\"allow_san\" needs \"ca\": anybody can write a name into a certificate");
        }
        if auth.crl.is_some() {
            return cx.refuse(node, "\"crl\" needs \"ca\": nobody else revokes");
        }
    }
    Some(ClientAuth { mode, ..auth })
}

/// `with_ocsp`: of a server.
fn pair(cx: &Cx, node: &Node, with_ocsp: bool) -> Option<CertificatePair> {
    if node.kind() != Kind::Object {
        return cx.wrong_type(node, "an object with a \"chain\" and a \"key\"");
    }
    let mut o = cx.object(node)?;
    o.later(&["password", "pkcs12"]);
    let (chain, key) = (o.required("chain", file::read), o.required("key", file::read));
    let ocsp = if with_ocsp { o.maybe("ocsp", file::read) } else { None };
    o.finish();
    Some(CertificatePair { chain: chain?, key: key?, ocsp })
}

fn read_versions(cx: &Cx, o: &mut Object) -> (TlsVersion, TlsVersion) {
    const VERSIONS: &[(&str, TlsVersion)] = &[("TLSv1.2", TlsVersion::V12), ("TLSv1.3", TlsVersion::V13)];
    let min = o.optional("min_version", TlsVersion::V12, read::one_of(VERSIONS));
    let max = o.optional("max_version", TlsVersion::V13, |_, node| {
        let max = read::one_of(VERSIONS)(cx, node)?;
        if max < min { cx.refuse(node, "is below \"min_version\"") } else { Some(max) }
    });
    (min, max.max(min))
}

fn read_ca(cx: &Cx, node: &Node) -> Option<Ca> {
    match node.kind() {
        Kind::String if node.string().is_ok_and(|text| text == "system") => Some(Ca::System),
        Kind::String => file::read(cx, node).map(Ca::File),
        _ => cx.wrong_type(node, "\"system\", or the path of a file"),
    }
}

/// RFC 6066 section 3: a name, never an address.
fn read_sni(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    if san::is_dns_name(name) {
        return Some(name.to_owned());
    }
    cx.refuse(node, Complaint::new(format!("{} is not the name of a host", quote(&text))))
}

/// RFC 7301 section 3.1: 1 to 255 bytes each. An empty list: the extension is not used.
fn read_alpn(cx: &Cx, node: &Node) -> Option<Vec<String>> {
    read::one_or_list(|cx, node| {
        let text = read::string(cx, node)?;
        if (1..=255).contains(&text.len()) {
            return Some(text);
        }
        cx.refuse(node, Complaint::new("is not the name of a protocol").expected("1 to 255 bytes"))
    })(cx, node)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn write_ca<S: Serializer>(ca: &Ca, out: S) -> Result<S::Ok, S::Error> {
    match ca {
        Ca::System => out.serialize_str("system"),
        Ca::File(file) => file.serialize(out),
    }
}
