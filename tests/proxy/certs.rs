//! Certificates that are replaced while the proxy runs: the new ones are taken, the old ones stay where the new ones are no
//! good, and nothing else notices.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Directory, Proxy, TlsClient, certificate, eventually};

fn respond() -> Value {
    json!([{ "respond": { "status": 200, "body": "fine" } }])
}

fn https(directory: &Directory) -> Value {
    json!({ "name": "web", "tls": { "certificates": directory.pair("site") }, "routes": respond() })
}

/// New connections get this certificate, sooner or later.
fn await_shown(proxy: &Proxy, name: &str) {
    eventually(&format!("{name} is shown"), || {
        let client = TlsClient::connect(proxy.listener(0), None).expect("no handshake fails meanwhile");
        (client.shown() == certificate(name)).then_some(())
    });
}

#[test]
fn a_changed_pair_is_taken_once_it_is_whole() {
    let directory = Directory::new("whole");
    directory.copy_pair("site", "site");
    let proxy = Proxy::start(json!({ "listeners": [https(&directory)] }));
    let mut before = TlsClient::connect(proxy.listener(0), None).unwrap();
    assert_eq!(before.shown(), certificate("site"));

    directory.copy("renewed.pem", "site.pem");
    proxy.await_stat("server.certificate_reload_failure", 1);
    assert_eq!(TlsClient::connect(proxy.listener(0), None).unwrap().shown(), certificate("site"));
    directory.copy("renewed.key", "site.key");
    await_shown(&proxy, "renewed");
    proxy.await_stat("server.certificate_reload_success", 1);

    std::fs::remove_file(directory.path("site.key")).unwrap();
    proxy.await_stat("server.certificate_reload_failure", 2);
    directory.copy_pair("expired", "site");
    proxy.await_stat("server.certificate_reload_failure", 3);
    assert_eq!(TlsClient::connect(proxy.listener(0), None).unwrap().shown(), certificate("renewed"));
    assert_eq!(before.get().unwrap(), 200, "what is open goes on");
    assert_eq!(proxy.stat("server.config_reload_success"), 0);
    assert_eq!(proxy.stat("server.certificate_reload_success"), 1);
}

/// As Kubernetes and certbot replace files: the name is a link, and the link changes.
#[test]
fn links_are_followed() {
    let directory = Directory::new("links");
    let pair = |name: &str| {
        std::fs::create_dir_all(directory.path(name)).unwrap();
        directory.copy_pair(name, &format!("{name}/site"));
    };
    pair("site");
    pair("renewed");
    let link = |to: &str| {
        std::os::unix::fs::symlink(to, directory.path("new")).unwrap();
        std::fs::rename(directory.path("new"), directory.path("data")).unwrap();
    };
    link("site");
    let tls = json!({ "certificates": directory.pair("data/site") });
    let proxy = Proxy::start(json!({ "listeners": [{ "tls": tls, "routes": respond() }] }));
    await_shown(&proxy, "site");
    link("renewed");
    await_shown(&proxy, "renewed");
    assert_eq!(proxy.stat("server.certificate_reload_failure"), 0);
}

#[test]
fn clusters_get_theirs_anew() {
    let directory = Directory::new("clusters");
    directory.copy_pair("site", "site");
    directory.copy("ca.pem", "ca.pem");
    directory.copy_pair("stranger", "own");
    let socket = format!("unix:{}", directory.path("inner.sock").display());
    let ca = directory.path("ca.pem");
    let auth = json!({ "mode": "require", "ca": ca });
    let inner = json!({ "name": "inner", "address": socket, "routes": respond(),
        "tls": { "certificates": directory.pair("site"), "client_auth": auth } });
    let outer = json!({ "name": "outer", "routes": [{ "cluster": "app" }] });
    let cluster = json!({ "endpoints": [socket],
        "tls": { "ca": ca, "sni": "site.example.com", "certificate": directory.pair("own") } });
    let proxy = Proxy::start(json!({ "listeners": [outer, inner], "clusters": { "app": cluster } }));
    assert_eq!(proxy.get("/").status(), 503);
    directory.copy_pair("client", "own");
    eventually("the host lets us in", || (proxy.get("/").status() == 200).then_some(()));
    assert_eq!(proxy.stat("server.certificate_reload_failure"), 0);

    let certificates: Value = serde_json::from_str(proxy.admin("GET", "/certs").text()).unwrap();
    let of = |at: usize, list: &str| certificates["certificates"][at][list][0]["path"].as_str().unwrap().to_owned();
    assert_eq!(certificates["certificates"][0]["listener"], "inner");
    assert_eq!(certificates["certificates"][1]["cluster"], "app");
    for at in 0..2 {
        assert!(of(at, "ca_cert").ends_with("/ca.pem"));
        assert!(of(at, "cert_chain").ends_with([".pem", "/own.pem"][at]));
    }
}

/// A cluster that stays the same reads its files again with the configuration.
#[test]
fn a_reload_of_the_configuration_reads_them_too() {
    let directory = Directory::new("reload");
    directory.copy("ca.pem", "ca.pem");
    let cluster = json!({ "endpoints": ["127.0.0.1:1"], "tls": { "ca": directory.path("ca.pem") } });
    let config =
        json!({ "watch": true, "listeners": [{ "routes": [{ "cluster": "app" }] }], "clusters": { "app": cluster } });
    let path = directory.path("nuncio.json");
    let proxy = Proxy::start_from(&path, config);
    let write = |text: &str| {
        std::fs::write(directory.path("new"), text).unwrap();
        std::fs::rename(directory.path("new"), &path).unwrap();
    };
    let text = std::fs::read_to_string(&path).unwrap();
    // What changes before the first look at the file is not seen as a change.
    let mut changes = 0;
    eventually("the file is watched", || {
        changes += 1;
        write(&format!("{text}{}", "\n".repeat(changes)));
        std::thread::sleep(Duration::from_millis(2500));
        (proxy.stat("server.config_reload_success") > 0).then_some(())
    });
    std::fs::remove_file(directory.path("ca.pem")).unwrap();
    write(&text);
    proxy.await_stat("server.config_reload_failure", 1);
}

#[test]
fn what_there_is_and_how_long() {
    let plain = Proxy::start(json!({ "listeners": [{ "routes": respond() }] }));
    assert_eq!(plain.stat("server.days_until_first_cert_expiring"), i32::MAX as u64);
    assert_eq!(plain.admin("GET", "/certs").text(), "{\n  \"certificates\": []\n}\n");

    let directory = Directory::new("days");
    directory.copy_pair("site", "site");
    directory.copy_pair("expired", "old");
    let expired =
        json!({ "tls": { "certificates": [directory.pair("site"), directory.pair("old")] }, "routes": respond() });
    let proxy = Proxy::start(json!({ "listeners": [https(&directory)] }));
    let days = proxy.stat("server.days_until_first_cert_expiring");
    assert!((1000..8000).contains(&days), "{days}");
    let expires = proxy.stat("listener.127.0.0.1_0.ssl.certificate.web.expiration_unix_time_seconds");
    assert!(expires > 2_000_000_000, "{expires}");
    let proxy = Proxy::start(json!({ "listeners": [expired] }));
    assert_eq!(proxy.stat("server.days_until_first_cert_expiring"), 0);
}
