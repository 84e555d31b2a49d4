//! Where a request comes in: the listener by the port and host of its URL, and the listener's chain.

use nuncio_tls_hello::Hello;

use super::answer::Entry;
use super::{Question, Scene};
use crate::config::{Chain, Listener, Protocol};
use crate::listener::{Arrival, Arrived};
use crate::runtime::net::Addr;

/// What was looked at, and what was taken: the places of the listener and of its chain.
pub(super) struct Entered {
    pub(super) listeners: Vec<Entry>,
    pub(super) chains: Vec<Entry>,
    pub(super) taken: Option<(usize, usize)>,
}

pub(super) fn enter(scene: &Scene<'_>, question: &Question) -> Entered {
    let hello = question.is_tls().then(|| Hello {
        // RFC 6066 section 3: an address is not asked for.
        server_name: question.host.parse::<std::net::IpAddr>().is_err().then(|| question.host.clone()),
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        supports_tls13: true,
    });
    let looks: Vec<Look> = (scene.config.listeners.iter().zip(&scene.addresses))
        .map(|(listener, address)| Look::at(listener, address, question, hello.as_ref()))
        .collect();
    let ready = |look: &Look| look.place.is_none() && look.chain.is_ok();
    // A default port stands for none in particular: something in front may send it elsewhere.
    let elsewhere = question.port.is_none() && !looks.iter().any(ready);
    let fits = |look: &Look| look.chain.is_ok() && (look.place.is_none() || elsewhere && look.is_other_port);
    // The kernel prefers the socket that is bound to the very address.
    let exact = |look: &Look| fits(look) && look.is_exact;
    let taken = looks.iter().position(exact).or_else(|| looks.iter().position(fits));
    let name = |at: usize| scene.config.listeners.get(at).map_or("", |listener| listener.name.as_str());
    let entries = looks.iter().enumerate().map(|(at, look)| {
        let why = match (taken, &look.place, &look.chain) {
            (Some(taken), _, _) if taken == at && elsewhere => format!(
                "nothing listens on port {}: the first that takes {} elsewhere",
                question.destination_port(),
                question.scheme.as_str()
            ),
            (Some(taken), _, _) if taken == at => "takes it".to_owned(),
            (Some(taken), _, Ok(_)) if fits(look) => format!("could take it too; {} comes before it", name(taken)),
            (_, Some(place), _) => place.clone(),
            (_, None, Err(why)) => why.clone(),
            (_, None, Ok(_)) => "could take it too".to_owned(),
        };
        let address = scene.addresses.get(at).map(Addr::to_string);
        Entry { name: name(at).to_owned(), address, taken: taken == Some(at), why }
    });
    let listeners = entries.collect();
    let Some(listener) = taken else { return Entered { listeners, chains: Vec::new(), taken: None } };
    let chain = looks.into_iter().nth(listener).and_then(|look| look.chain.ok());
    let chains = chain.map(|chain| chains(scene, listener, chain, question, hello.as_ref())).unwrap_or_default();
    Entered { listeners, chains, taken: chain.map(|chain| (listener, chain)) }
}

/// One listener as the request finds it.
struct Look {
    /// Why the client does not come to its address.
    place: Option<String>,
    /// That is for its port alone.
    is_other_port: bool,
    /// It is bound to the address that the URL has.
    is_exact: bool,
    /// The chain that it would take, or why it would take none.
    chain: Result<usize, String>,
}

impl Look {
    fn at(listener: &Listener, address: &Addr, question: &Question, hello: Option<&Hello>) -> Look {
        let (mut place, mut is_other_port, mut is_exact) = (None, false, false);
        match (&question.listener, address.inet()) {
            (Some(asked), _) if *asked != listener.name => place = Some("is not the one that was asked for".to_owned()),
            (Some(_), _) => {}
            (None, None) => place = Some("listens on a UNIX socket".to_owned()),
            (None, Some(bound)) => {
                let ip = question.host.parse::<std::net::IpAddr>().ok();
                is_exact = ip == Some(bound.ip());
                if ip.is_some_and(|ip| !bound.ip().is_unspecified() && bound.ip() != ip) {
                    place = Some(format!("listens on {}", bound.ip()));
                } else if bound.port() != question.destination_port() {
                    place = Some(format!("listens on port {}", bound.port()));
                    is_other_port = true;
                }
            }
        }
        let chain = choose(listener, address, question, hello);
        Look { place, is_other_port, is_exact, chain }
    }
}

fn choose(listener: &Listener, address: &Addr, question: &Question, hello: Option<&Hello>) -> Result<usize, String> {
    let (source, destination) = ends(address, question);
    let chosen = Arrival::new(listener).choose(&Arrived { source: &source, destination: &destination, hello });
    let Some(at) = chosen else { return Err("none of its chains takes the connection".to_owned()) };
    match listener.chains.get(at) {
        Some(chain) => speaks(chain, question.is_tls()).map(|()| at),
        None => Err("has no chains".to_owned()),
    }
}

fn speaks(chain: &Chain, is_tls: bool) -> Result<(), String> {
    match (&chain.service.tls, is_tls, &chain.service.protocol) {
        (Some(_), false, _) => Err("speaks TLS only".to_owned()),
        (None, true, Protocol::Http(_)) => Err("speaks plain text only".to_owned()),
        _ => Ok(()),
    }
}

/// The addresses of the connection.
fn ends(address: &Addr, question: &Question) -> (Addr, Addr) {
    // No client has a port that chains could know; a listener on all addresses has the URL's, if that is one.
    let source = Addr::Inet(std::net::SocketAddr::new(question.from, 0));
    let destination = match (address.inet(), question.host.parse().ok()) {
        (Some(bound), Some(ip)) if bound.ip().is_unspecified() => {
            Addr::Inet(std::net::SocketAddr::new(ip, bound.port()))
        }
        _ => address.clone(),
    };
    (source, destination)
}

fn chains(scene: &Scene<'_>, listener: usize, taken: usize, question: &Question, hello: Option<&Hello>) -> Vec<Entry> {
    let Some((config, address)) = scene.config.listeners.get(listener).zip(scene.addresses.get(listener)) else {
        return Vec::new();
    };
    if config.chains.len() < 2 {
        return Vec::new();
    }
    let (source, destination) = ends(address, question);
    let arrival = Arrival::new(config);
    let arrived = Arrived { source: &source, destination: &destination, hello };
    let entry = |(at, chain): (usize, &Chain)| {
        let why = match arrival.failed(at, &arrived) {
            _ if at == taken => "matches best".to_owned(),
            Some(key) => format!("{key} does not match"),
            None => "another one matches better".to_owned(),
        };
        Entry { name: chain.name.clone(), address: None, taken: at == taken, why }
    };
    config.chains.iter().enumerate().map(entry).collect()
}
