//! `forward_client_cert` and `set_current_client_cert_details` of `http`: what upstreams are told of a client's certificate in
//! `x-forwarded-client-cert`. Names and meanings are Envoy's.

use serde::Serialize;

use super::text::{Cx, Node, Object, read};
use crate::order;

/// What becomes of `x-forwarded-client-cert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardClientCert {
    /// Removed.
    #[default]
    Sanitize,
    /// Passed on from a client that has shown a certificate, else removed.
    ForwardOnly,
    /// The same, and the certificate of this connection stands behind it.
    AppendForward,
    /// The certificate of this connection alone.
    SanitizeSet,
    /// Passed on from everybody.
    AlwaysForwardOnly,
}

/// What is told of a certificate beside its digest and the name of ours, in the order in which it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertDetail {
    Cert,
    Chain,
    Subject,
    Uri,
    Dns,
}

const MODES: &[(&str, ForwardClientCert)] = &[
    ("sanitize", ForwardClientCert::Sanitize),
    ("forward_only", ForwardClientCert::ForwardOnly),
    ("append_forward", ForwardClientCert::AppendForward),
    ("sanitize_set", ForwardClientCert::SanitizeSet),
    ("always_forward_only", ForwardClientCert::AlwaysForwardOnly),
];
const DETAILS: &[(&str, CertDetail)] = &[
    ("cert", CertDetail::Cert),
    ("chain", CertDetail::Chain),
    ("subject", CertDetail::Subject),
    ("uri", CertDetail::Uri),
    ("dns", CertDetail::Dns),
];

impl ForwardClientCert {
    /// Whether it tells of the certificate of this connection.
    pub fn sets(self) -> bool {
        matches!(self, ForwardClientCert::AppendForward | ForwardClientCert::SanitizeSet)
    }
}

pub(super) fn read(o: &mut Object) -> (ForwardClientCert, Vec<CertDetail>) {
    let mode = o.optional("forward_client_cert", ForwardClientCert::default(), |cx: &Cx, node: &Node| {
        let mode = read::one_of(MODES)(cx, node)?;
        if mode == ForwardClientCert::AlwaysForwardOnly {
            cx.warn(node, "believes every client: anyone may claim any certificate");
        }
        Some(mode)
    });
    let details = o.optional("set_current_client_cert_details", Vec::new(), |cx, node| {
        let mut details = read::one_or_list(read::one_of(DETAILS))(cx, node)?;
        if !details.is_empty() && !mode.sets() {
            cx.warn(node, "says nothing without \"forward_client_cert\": \"sanitize_set\" or \"append_forward\"");
        }
        order::sort(&mut details);
        details.dedup();
        Some(details)
    });
    (mode, details)
}
