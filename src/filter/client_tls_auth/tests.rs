use std::rc::Rc;

use nuncio_http::{BodyLength, Method};

use crate::config::{ApprovedSource, ClientTlsAuth, File, Filter, TlsVersion};
use crate::filter::testing::{Setup, on_worker, request};
use crate::filter::{Dir, Offer};
use crate::stream::info::ConnectionInfo;
use crate::tls::{Peer, Session};

/// A client at 192.0.2.7; `pin`: the SHA-256 of its certificate, all of one byte.
fn connection(tls: bool, pin: Option<u8>) -> Rc<ConnectionInfo> {
    let peer = pin.map(|byte| {
        let mut peer = Peer::new(&[vec![byte].into()], true).unwrap();
        peer.sha256 = [byte; 32];
        peer
    });
    let session =
        Session { version: TlsVersion::V13, cipher: "", alpn: None, sni: None, peer, resumed: false, local: None };
    let connection = ConnectionInfo::between("192.0.2.7:5000", "192.0.2.1:443");
    Rc::new(ConnectionInfo { tls: tls.then(|| Rc::new(session)), ..connection })
}

fn stat(setup: &mut Setup, name: &str) -> i64 {
    setup.stat_at(&format!("auth.clientssl.web.{name}")).expect("no such stat")
}

/// The status of a refusal.
fn answered(setup: &Setup, connection: &Rc<ConnectionInfo>) -> Option<u16> {
    let mut stream = setup.stream(request(Method::Get, BodyLength::Empty, &[]));
    stream.info.connection = connection.clone();
    match stream.offer_head(Dir::Request) {
        Some(Offer::Head) => None,
        Some(Offer::Respond(reply)) => Some(reply.status),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_on_the_list_comes_in() {
    let path = std::env::temp_dir().join(format!("nuncio-approved-{}", std::process::id()));
    let document = |pins: &[String]| {
        let list: Vec<_> =
            pins.iter().map(|pin| serde_json::json!({ "fingerprint_sha256": pin, "name": "x" })).collect();
        serde_json::json!({ "certificates": list }).to_string()
    };
    let colons = ["01"; 32].join(":");
    std::fs::write(&path, document(&[colons.clone(), "aB".repeat(32), colons])).unwrap();
    let config = ClientTlsAuth {
        list: ApprovedSource::File { file: File::Path(path.clone()) },
        refresh_delay: std::time::Duration::from_secs(60),
        ip_allow: Vec::new(),
    };
    on_worker(|rt| async move {
        let mut setup = Setup::new(&rt, &[Filter::ClientTlsAuth(config.clone())]);
        for (connection, status, counter) in [
            (connection(true, Some(1)), None, "auth_digest_match"),
            (connection(true, Some(0xab)), None, "auth_digest_match"),
            (connection(true, Some(2)), Some(403), "auth_digest_no_match"),
            (connection(true, None), Some(403), "auth_digest_no_match"),
            (connection(false, None), None, "auth_no_ssl"),
        ] {
            let before = stat(&mut setup, counter);
            assert_eq!(answered(&setup, &connection), status, "{connection:?}");
            assert_eq!(stat(&mut setup, counter), before + 1);
        }
        assert_eq!((stat(&mut setup, "update_success"), stat(&mut setup, "total_principals")), (1, 2));

        // A list that is no good changes nothing; one that is takes the place at once.
        let list = setup.approved_list();
        for bad in ["", "{}", "[]", r#"{"certificates":[{}]}"#, r#"{"certificates":[{"fingerprint_sha256":"01"}]}"#] {
            list.update(Ok(bad.into()));
        }
        list.update(Err("nobody answers".into()));
        assert_eq!(stat(&mut setup, "update_failure"), 6);
        assert_eq!(answered(&setup, &connection(true, Some(1))), None);
        list.update(Ok(document(&["02".repeat(32)]).into()));
        assert_eq!(answered(&setup, &connection(true, Some(1))), Some(403));
        assert_eq!(answered(&setup, &connection(true, Some(2))), None);

        // Addresses come first, whatever the certificate.
        let by_address = ClientTlsAuth { ip_allow: vec!["192.0.2.0/24".parse().unwrap()], ..config };
        std::fs::remove_file(&path).unwrap();
        let mut setup = Setup::new(&rt, &[Filter::ClientTlsAuth(by_address)]);
        assert_eq!(answered(&setup, &connection(true, None)), None);
        assert_eq!(stat(&mut setup, "auth_ip_allowlist"), 1);
        assert_eq!(stat(&mut setup, "update_failure"), 1, "there is no file");
    });
}
