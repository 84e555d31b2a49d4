//! `/certs`: the certificates in use, in Envoy's JSON, each with the listener or cluster that it belongs to.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde_json::{Value as Json, json};

use super::{AdminState, CertificateOwner, CertificateStatus, Reply, Request};
use crate::access_log::TimeFormat;
use crate::runtime::control;
use crate::tls::CertificateInfo;

pub(super) fn certificates(state: &dyn AdminState, _request: &Request) -> Reply {
    let now = control::system_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Reply::json(&render(&state.certificates(), i64::try_from(now.as_secs()).unwrap_or(i64::MAX)))
}

/// `now`: seconds since 1970.
fn render(certificates: &[CertificateStatus], now: i64) -> Json {
    let of_one = |status: &CertificateStatus| {
        let (kind, name) = match &status.owner {
            CertificateOwner::Listener(name) => ("listener", name),
            CertificateOwner::Cluster(name) => ("cluster", name),
        };
        let list = |infos: &[CertificateInfo]| infos.iter().map(|info| details(info, now)).collect::<Vec<Json>>();
        json!({ kind: &**name, "ca_cert": list(&status.authorities), "cert_chain": list(&status.own) })
    };
    json!({ "certificates": certificates.iter().map(of_one).collect::<Vec<Json>>() })
}

fn details(info: &CertificateInfo, now: i64) -> Json {
    let name = |name: &String| {
        if name.parse::<IpAddr>().is_ok() { json!({ "ip_address": name }) } else { json!({ "dns": name }) }
    };
    let uris = info.uris.iter().map(|uri| json!({ "uri": uri }));
    json!({
        "path": info.path,
        "serial_number": info.serial,
        "subject_alt_names": info.names.iter().map(name).chain(uris).collect::<Vec<Json>>(),
        // As Envoy prints numbers of 64 bits.
        "days_until_expiration": info.days_left(now).to_string(),
        "valid_from": time(info.not_before),
        "expiration_time": time(info.not_after),
    })
}

/// Seconds since 1970 as text.
fn time(seconds: i64) -> String {
    let mut text = String::new();
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    // Writing to a String does not fail, and no certificate is valid beyond the year 9999.
    let _ = TimeFormat::seconds().write(SystemTime::UNIX_EPOCH + since, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::handle;
    use crate::admin::testing::{TestState, request};

    #[test]
    fn a_certificate_in_envoys_words() {
        let all = render(&TestState::default().certificates(), 1_800_000_000);
        let own = json!({
            "path": "/etc/tls/site.pem",
            "serial_number": "0a1b",
            "subject_alt_names": [
                { "dns": "site.example.com" }, { "ip_address": "192.0.2.1" }, { "uri": "spiffe://acme/web" },
            ],
            "days_until_expiration": "10",
            "valid_from": "2026-01-01T00:00:00Z",
            "expiration_time": "2027-01-25T20:00:00Z",
        });
        assert_eq!(all["certificates"][0], json!({ "listener": "web", "ca_cert": [], "cert_chain": [own] }));
        assert_eq!(all["certificates"][1], json!({ "cluster": "app", "ca_cert": [own], "cert_chain": [] }));
        let expired = render(&TestState::default().certificates(), 1_900_000_000);
        assert_eq!(expired["certificates"][0]["cert_chain"][0]["days_until_expiration"], "0");
    }

    #[test]
    fn the_endpoint_answers_json() {
        let reply = handle(&TestState::default(), &request("GET", "/certs"));
        assert_eq!((reply.status, reply.content_type), (200, "application/json"));
        let json: Json = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(json["certificates"].as_array().unwrap().len(), 2);
    }
}
