//! A process for tests of handlers.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use nuncio_http::{HeaderList, Method, RequestHead, Version};

use super::{
    AdminState, CertificateOwner, CertificateStatus, ClusterStatus, ListenerStatus, Request, ServerInfo, ServerState,
};
use crate::cluster::{Host, Identity};
use crate::config::{CircuitBreaker, Config, Node};
use crate::explain::{Explanation, Question, Scene};
use crate::runtime_values::{Entry, Refusal, RuntimeValues};
use crate::stats::{ClusterStats, Filter, Registry, Snapshot};
use crate::tls::CertificateInfo;

pub(super) struct TestState {
    pub(super) state: ServerState,
    /// Changes that were asked for.
    pub(super) calls: RefCell<Vec<String>>,
}

impl TestState {
    pub(super) fn in_state(state: ServerState) -> TestState {
        TestState { state, calls: RefCell::default() }
    }

    fn called(&self, call: impl Into<String>) {
        self.calls.borrow_mut().push(call.into());
    }
}

impl Default for TestState {
    fn default() -> TestState {
        TestState::in_state(ServerState::Live)
    }
}

pub(super) fn request(method: &str, target: &str) -> Request {
    let method = Method::parse(method.as_bytes()).unwrap();
    let mut head = RequestHead::new(method, Version::Http11, HeaderList::new());
    head.set_target(target.as_bytes());
    Request::new(&head)
}

impl AdminState for TestState {
    fn info(&self) -> ServerInfo {
        ServerInfo {
            state: self.state,
            version: "0.0.0",
            uptime: Duration::from_millis(61_500),
            workers: 2,
            node: Node { id: "gw-1".to_owned(), ..Node::default() },
            config_path: "nuncio.json".to_owned(),
        }
    }

    fn stats(&self, filter: &Filter) -> Snapshot {
        let mut registry = Registry::new();
        let scope = registry.scope::<ClusterStats>("cluster.app", 1);
        scope.worker(0).upstream_rq_total.add(3);
        registry.snapshot(filter)
    }

    fn clusters(&self) -> Vec<ClusterStatus> {
        let host = Host::new(Identity::of("127.0.0.1:9000".parse().unwrap()), 7);
        host.stats.cx_total.add(2);
        let circuit_breaker = CircuitBreaker::default();
        vec![ClusterStatus { name: Arc::from("app"), circuit_breaker, hosts: vec![Arc::new(host)] }]
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        [("web", "127.0.0.1:8080"), ("local", "unix:/run/app.sock")]
            .map(|(name, address)| ListenerStatus { name: Arc::from(name), address: address.parse().unwrap() })
            .into()
    }

    fn certificates(&self) -> Vec<CertificateStatus> {
        let info = CertificateInfo {
            path: "/etc/tls/site.pem".to_owned(),
            subject: "CN=site".to_owned(),
            names: vec!["site.example.com".to_owned(), "192.0.2.1".to_owned()],
            dns: vec!["site.example.com".to_owned()],
            uris: vec!["spiffe://acme/web".to_owned()],
            serial: "0a1b".to_owned(),
            not_before: 1_767_225_600,
            not_after: 1_800_907_200,
        };
        let [web, app] = ["web", "app"].map(Arc::from);
        let owner = CertificateOwner::Listener(web);
        let listener = CertificateStatus { owner, authorities: Vec::new(), own: vec![info.clone()] };
        let owner = CertificateOwner::Cluster(app);
        vec![listener, CertificateStatus { owner, authorities: vec![info], own: Vec::new() }]
    }

    fn config_dump(&self) -> String {
        "{ \"drain_time\": \"30s\" }\n".to_owned()
    }

    fn reset_counters(&self) {
        self.called("reset");
    }

    fn reopen_logs(&self) {
        self.called("reopen");
    }

    fn explain(&self, question: &Question) -> Explanation {
        Scene::of_file(&Config::default(), &mut RuntimeValues::default()).explain(question)
    }

    fn runtime(&self) -> Vec<Entry> {
        let entry = |key: &str, file: Option<&str>, admin: Option<&str>| Entry {
            key: key.to_owned(),
            values: [file, admin].map(|value| value.map(str::to_owned)),
        };
        vec![entry("checkout.canary", Some("5"), Some("7.5")), entry("other", None, Some("x"))]
    }

    fn modify_runtime(&self, changes: &[(String, String)]) -> Result<(), Refusal> {
        self.called(format!("runtime {changes:?}"));
        match changes.iter().find(|(key, _)| key == "bad") {
            Some((key, _)) => Err(Refusal::TooLong(key.clone())),
            None => Ok(()),
        }
    }

    fn drain_listeners(&self, graceful: bool) {
        self.called(format!("drain graceful={graceful}"));
    }

    fn set_healthy(&self, healthy: bool) {
        self.called(format!("healthy={healthy}"));
    }

    fn quit(&self) {
        self.called("quit");
    }
}
