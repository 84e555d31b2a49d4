//! A configuration that names certificates that cannot be used is refused as a whole, and the running one stays.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{SITE, pair};
use crate::harness::tls::{VERSIONS, certificates, client, file};
use crate::harness::{Proxy, write_config};

/// A directory of our own, gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        let directory = std::env::temp_dir().join(format!("nuncio-tls-reload-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Directory(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config(pair: Value, status: u16) -> Value {
    json!({ "listeners": [{ "tls": { "certificates": pair }, "routes": [{ "respond": { "status": status } }] }] })
}

#[test]
fn a_bad_certificate_keeps_the_old_and_a_good_one_takes_its_place() {
    let directory = Directory::new();
    let path = directory.0.join("nuncio.json");
    let proxy = Proxy::from_file(&path, config(pair("site"), 201));
    let visit = || {
        let mut client = proxy.tls(&client(&VERSIONS, &["http/1.1"], None), SITE);
        super::ask(&mut client, "/");
        (client.message().status(), client.peer_certificates().to_vec())
    };
    assert_eq!(visit(), (201, certificates("site")));

    let torn = json!({ "chain": file("renewed.pem"), "key": file("site.key") });
    for (at, bad) in
        [torn, json!({ "chain": file("none.pem"), "key": file("site.key") }), pair("expired")].into_iter().enumerate()
    {
        write_config(&path, config(bad, 202));
        proxy.await_stat("server.config_reload_failure", at as u64 + 1);
        assert_eq!(visit(), (201, certificates("site")), "all of it stays");
    }

    write_config(&path, config(pair("renewed"), 203));
    proxy.await_stat("server.config_reload_success", 1);
    // Each worker hears of it in its turn.
    proxy.await_stat("server.config_last_reload_success", 1);
    crate::harness::eventually("the new one", || (visit() == (203, certificates("renewed"))).then_some(()));
}
