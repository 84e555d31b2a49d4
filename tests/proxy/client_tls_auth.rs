//! Filter `client_tls_auth`: certificates on a list come in, the list changes while the proxy runs.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Directory, Proxy, TlsClient, Upstream, certificate, eventually};

/// The list that has the certificates of these names.
fn list(names: &[&str]) -> Value {
    let pins = names.iter().map(|name| {
        let digest = ring::digest::digest(&ring::digest::SHA256, &certificate(name));
        let hex: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        json!({ "fingerprint_sha256": hex.join(":") })
    });
    json!({ "certificates": pins.collect::<Vec<Value>>() })
}

fn tls(directory: &Directory) -> Value {
    directory.copy_pair("site", "site");
    directory.copy("ca.pem", "ca.pem");
    json!({ "certificates": directory.pair("site"), "client_auth": { "mode": "optional", "ca": directory.path("ca.pem") } })
}

fn filter(more: Value) -> Value {
    let mut filter = json!({ "type": "client_tls_auth", "refresh_delay": "1s" });
    filter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    filter
}

fn status(proxy: &Proxy, own: Option<&str>) -> u16 {
    TlsClient::connect(proxy.listener(0), own).unwrap().get().unwrap()
}

#[test]
fn a_connection_is_closed_before_a_byte_is_read() {
    let directory = Directory::new("approved-file");
    let path: PathBuf = directory.path("approved.json");
    std::fs::write(&path, list(&["client"]).to_string()).unwrap();
    let filters = [filter(json!({ "file": path })), json!({ "type": "echo" })];
    let listener = json!({ "name": "db", "protocol": "tcp", "tls": tls(&directory), "filters": filters });
    let proxy = Proxy::start(json!({ "listeners": [listener] }));
    // On the list from the first connection on: the file is read with the configuration.
    let mut client = TlsClient::connect(proxy.listener(0), Some("client")).unwrap();
    assert_eq!(client.echo("hello").unwrap(), "hello");
    for own in [None, Some("revoked")] {
        let refused = TlsClient::connect(proxy.listener(0), own).and_then(|mut client| client.echo("hello"));
        assert!(refused.is_err(), "{own:?}: {refused:?}");
    }
    assert_eq!(proxy.stat("auth.clientssl.db.auth_digest_match"), 1);
    assert_eq!(proxy.stat("auth.clientssl.db.auth_digest_no_match"), 2);

    std::fs::write(&path, list(&["revoked"]).to_string()).unwrap();
    eventually("the other is let in", || {
        TlsClient::connect(proxy.listener(0), Some("revoked")).ok()?.echo("hello").ok()
    });
    let refused = TlsClient::connect(proxy.listener(0), Some("client")).and_then(|mut client| client.echo("hello"));
    assert!(refused.is_err());
    assert_eq!(client.echo("again").unwrap(), "again", "an open connection goes on");
}

#[test]
fn the_list_comes_from_a_host() {
    let directory = Directory::new("approved-http");
    let upstream = Upstream::start();
    let routes = json!([{ "respond": { "status": 200, "body": "fine" } }]);
    let listener = json!({ "name": "web", "tls": tls(&directory), "routes": routes,
        "filters": [filter(json!({ "cluster": "lists" }))] });
    let proxy = Proxy::start(json!({ "listeners": [listener],
        "clusters": { "lists": { "endpoints": [upstream.address()] } } }));
    let mut host = upstream.accept();
    assert_eq!(status(&proxy, Some("client")), 403, "before the list has come");
    let request = host.head();
    assert_eq!(request.start, "GET /v1/certs/list/approved HTTP/1.1");
    assert_eq!(request.get("host"), Some("lists"));
    let answer =
        |status: &str, body: &str| format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    host.send(answer("200 OK", &list(&["client"]).to_string()));
    proxy.await_stat("auth.clientssl.web.update_success", 1);
    assert_eq!(status(&proxy, Some("client")), 200);
    assert_eq!(status(&proxy, Some("revoked")), 403);
    assert_eq!(status(&proxy, None), 403);

    // Whatever goes wrong, the list stays.
    let empty = list(&[]).to_string();
    for (failures, bad) in (1..).zip([
        answer("500 Internal Server Error", &empty),
        answer("200 OK", "no list"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{empty}"),
        format!("HTTP/1.1 200 OK\r\n\r\n{{\"x\": \"{}\", {}", "x".repeat(1 << 20), &empty[1..]),
        "no HTTP\r\n\r\n".to_owned(),
    ]) {
        let mut host = upstream.accept();
        host.head();
        // A host that says too much is cut off.
        let _ = host.try_send(bad);
        drop(host);
        proxy.await_stat("auth.clientssl.web.update_failure", failures);
        assert_eq!(status(&proxy, Some("client")), 200);
    }
    let mut host = upstream.accept();
    host.head();
    host.send(format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{empty}\r\n0\r\n\r\n",
        empty.len()
    ));
    proxy.await_stat("auth.clientssl.web.update_success", 2);
    assert_eq!(status(&proxy, Some("client")), 403);
    assert_eq!(proxy.stat("auth.clientssl.web.total_principals"), 0);
}

#[test]
fn the_list_comes_over_tls_from_a_cluster_that_would_rather_speak_h2() {
    let directory = Directory::new("approved-tls");
    let tls = tls(&directory);
    let socket = format!("unix:{}", directory.path("lists.sock").display());
    let routes = |body: String| json!([{ "respond": { "status": 200, "body": body } }]);
    let lists =
        json!({ "name": "lists", "address": socket, "tls": tls, "routes": routes(list(&["client"]).to_string()) });
    let filters = json!([filter(json!({ "cluster": "lists" }))]);
    let web = json!({ "name": "web", "tls": tls, "filters": filters, "routes": routes("fine".to_owned()) });
    let open = json!({ "name": "open", "filters": filters, "routes": routes("open".to_owned()) });
    let cluster = json!({ "endpoints": [socket], "protocol": "auto",
        "tls": { "ca": directory.path("ca.pem"), "sni": "site.example.com" } });
    let proxy = Proxy::start(json!({ "listeners": [web, lists, open], "clusters": { "lists": cluster } }));
    eventually("the list has come", || (status(&proxy, Some("client")) == 200).then_some(()));
    let mut plain = proxy.client_of(2);
    plain.send("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n");
    assert_eq!(plain.message().text(), "open", "there is no TLS to look at");
    assert_eq!(proxy.stat("auth.clientssl.open.auth_no_ssl"), 1);
}

#[test]
fn names_in_a_certificate_come_on_top_of_addresses() {
    let directory = Directory::new("san");
    let filters = json!([{ "type": "ip_allow", "ranges": "127.0.0.0/8", "san": "spiffe://acme/web" }]);
    let routes = json!([{ "respond": { "status": 200 } }]);
    let proxy =
        Proxy::start(json!({ "listeners": [{ "tls": tls(&directory), "filters": filters, "routes": routes }] }));
    for (own, expected) in [(Some("client"), 200), (Some("revoked"), 403), (None, 403)] {
        assert_eq!(status(&proxy, own), expected, "{own:?}");
    }
}
