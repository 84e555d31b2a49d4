use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;
use crate::config::TlsVersion;
use crate::route::testing::http;
use crate::tls::CertificateInfo;

const HASH: &str = "Hash=8fa4d5c3f7a9";

fn testdata(name: &str) -> std::path::PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "testdata", name].iter().collect()
}

/// A session with a client that has shown the certificate in `file`; ours is for `uris`.
fn session(file: Option<&str>, uris: &[&str]) -> Session {
    let chain = |file: &str| match file.ends_with(".der") {
        true => vec![CertificateDer::from(std::fs::read(testdata(file)).unwrap())],
        false => vec![CertificateDer::from_pem_file(testdata(file)).unwrap()],
    };
    let local =
        CertificateInfo { uris: uris.iter().map(|&uri| uri.to_owned()).collect(), ..CertificateInfo::default() };
    Session {
        version: TlsVersion::V13,
        cipher: "",
        alpn: None,
        sni: None,
        peer: file.and_then(|file| Peer::new(&chain(file), true)),
        local: Some(Arc::new(local)),
        resumed: false,
    }
}

fn settle(http: &Http, session: Option<&Session>, before: &[&str]) -> Option<String> {
    settle_on(&OnceCell::new(), http, session, before)
}

/// The only field of the name, its digest cut.
fn settle_on(kept: &OnceCell<Box<Element>>, http: &Http, session: Option<&Session>, before: &[&str]) -> Option<String> {
    let mut headers = HeaderList::new();
    before.iter().for_each(|value| headers.push(HeaderId::XForwardedClientCert, value.as_bytes()));
    apply(&mut headers, http, session, kept);
    let value = headers.joined(&HeaderId::XForwardedClientCert)?;
    let value = String::from_utf8(value.into_owned()).unwrap();
    let Some(hash) = session.and_then(|session| session.peer.as_ref()).map(|peer| peer.sha256) else {
        return Some(value);
    };
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(value.replace(&format!("Hash={hash}"), HASH))
}

fn mode(forward_client_cert: ForwardClientCert, details: &[CertDetail]) -> Http {
    Http { forward_client_cert, set_current_client_cert_details: details.to_vec(), ..http() }
}

#[test]
fn modes() {
    use ForwardClientCert::*;
    let (mutual, plain) = (session(Some("tls/client.pem"), &[]), session(None, &[]));
    let told = &["By=a;Hash=b"][..];
    let both = &["By=a;Hash=b", "By=c"][..];
    let appended = format!("By=a;Hash=b,{HASH}");
    let appended_to_both = format!("By=a;Hash=b, By=c,{HASH}");
    for (mode_, session, before, expected) in [
        (Sanitize, Some(&mutual), told, None),
        (Sanitize, Some(&plain), told, None),
        (Sanitize, None, both, None),
        (ForwardOnly, Some(&mutual), told, Some("By=a;Hash=b")),
        (ForwardOnly, Some(&mutual), &[], None),
        (ForwardOnly, Some(&plain), told, None),
        (ForwardOnly, None, told, None),
        (AppendForward, Some(&mutual), told, Some(&*appended)),
        (AppendForward, Some(&mutual), both, Some(&*appended_to_both)),
        (AppendForward, Some(&mutual), &[], Some(HASH)),
        (AppendForward, Some(&mutual), &[""], Some(HASH)),
        (AppendForward, Some(&plain), told, None),
        (AppendForward, None, told, None),
        (SanitizeSet, Some(&mutual), both, Some(HASH)),
        (SanitizeSet, Some(&mutual), &[], Some(HASH)),
        (SanitizeSet, Some(&plain), told, None),
        (SanitizeSet, None, told, None),
        (AlwaysForwardOnly, Some(&mutual), told, Some("By=a;Hash=b")),
        (AlwaysForwardOnly, Some(&plain), told, Some("By=a;Hash=b")),
        (AlwaysForwardOnly, None, both, Some("By=a;Hash=b, By=c")),
        (AlwaysForwardOnly, None, &[], None),
    ] {
        let settled = settle(&mode(mode_, &[]), session, before);
        assert_eq!(settled.as_deref(), expected, "{mode_:?} {session:?} {before:?}");
    }
}

#[test]
fn details() {
    use CertDetail::*;
    let set = |details: &[CertDetail]| mode(ForwardClientCert::SanitizeSet, details);
    let client = session(Some("tls/client.pem"), &["spiffe://acme/proxy"]);
    let anonymous = session(Some("x509/no_subject.der"), &[]);
    let by = "By=spiffe://acme/proxy";
    for (session, details, expected) in [
        (&client, &[][..], format!("{by};{HASH}")),
        (&client, &[Subject], format!("{by};{HASH};Subject=\"O=Acme,CN=client\"")),
        (
            &client,
            &[Subject, Uri, Dns],
            format!(
                "{by};{HASH};Subject=\"O=Acme,CN=client\";URI=spiffe://acme/web;DNS=client.example.com;\
                 DNS=*.many.example.com"
            ),
        ),
        (&anonymous, &[Subject], format!("{HASH};Subject=\"\"")),
        (&session(Some("x509/version_1.der"), &[]), &[Uri, Dns], format!("{HASH};URI=")),
        (&session(Some("x509/escapes.der"), &["a", "b;c"]), &[Dns], format!("By=a;By=\"b;c\";{HASH}")),
    ] {
        assert_eq!(settle(&set(details), Some(session), &[]), Some(expected), "{details:?}");
    }
}

#[test]
fn certificates_are_pem_percent_encoded() {
    let client = session(Some("tls/client.pem"), &[]);
    let text =
        settle(&mode(ForwardClientCert::SanitizeSet, &[CertDetail::Cert, CertDetail::Chain]), Some(&client), &[]);
    let file = std::fs::read_to_string(testdata("tls/client.pem")).unwrap();
    let encoded = [("\n", "%0A"), (" ", "%20"), ("+", "%2B"), ("/", "%2F"), ("=", "%3D")];
    let expected = encoded.iter().fold(file, |text, (plain, encoded)| text.replace(plain, encoded));
    assert_eq!(text.unwrap(), format!("{HASH};Cert=\"{expected}\";Chain=\"{expected}\""));
}

#[test]
fn a_value_stays_one() {
    for (value, expected) in [
        ("spiffe://acme/web", "spiffe://acme/web"),
        ("", ""),
        ("a,b", "\"a,b\""),
        ("a;Hash=0", "\"a;Hash=0\""),
        ("a\"b", "\"a\\\"b\""),
        ("a\\", "\"a\\\\\""),
    ] {
        assert_eq!(quoted_if_needed(value), expected);
    }
}

#[test]
fn the_element_is_kept_until_another_is_asked_for() {
    let client = session(Some("tls/client.pem"), &[]);
    let kept = OnceCell::new();
    let set = |details: &[CertDetail]| mode(ForwardClientCert::SanitizeSet, details);
    let first = settle_on(&kept, &set(&[]), Some(&client), &[]);
    assert_eq!(settle_on(&kept, &set(&[]), None, &[]), None, "it is the session that tells");
    assert_eq!(kept.get().unwrap().details, []);
    let other = settle_on(&kept, &set(&[CertDetail::Subject]), Some(&client), &[]);
    assert_eq!(other.unwrap(), format!("{HASH};Subject=\"O=Acme,CN=client\""));
    assert_eq!(settle_on(&kept, &set(&[]), Some(&client), &[]), first);
}
