//! The server over real sockets, asked by a plain client on another thread.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::*;
use crate::admin::testing::TestState;
use crate::runtime::net::{ListenOptions, Listener};

/// Runs `client` against a server and returns the changes it asked for.
fn with_server(options: Options, client: impl FnOnce(SocketAddr) + Send + 'static) -> Vec<String> {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), ListenOptions::default()).unwrap();
    let address = listener.local_addr().inet().unwrap();
    let state = Rc::new(TestState::default());
    control::run(|control| {
        let state = Rc::clone(&state);
        async move {
            let listener = ControlListener::new(listener).unwrap();
            let server = async {
                serve(control.clone(), listener, state, options).await;
                Err("the server ended")
            };
            let client = async {
                control::unblock(move || client(address)).await;
                Ok(())
            };
            control::race(server, client).await.unwrap();
        }
    });
    state.calls.borrow().clone()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends `bytes` and reads to the end of the connection.
fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn pipelined_requests_are_answered_in_turn() {
    with_server(Options::default(), |address| {
        let answer = exchange(
            address,
            "GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n\
             POST /ready HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello\
             HEAD /ready HTTP/1.1\r\nhost: localhost\r\n\r\n\
             GET /none HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        );
        let statuses: Vec<&str> = answer.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
        assert_eq!(statuses.len(), 4, "{answer}");
        for (line, status) in statuses.iter().zip(["200", "405", "200", "404"]) {
            assert_eq!(line.split(' ').nth(1), Some(status), "{answer}");
        }
        assert_eq!(answer.matches("\r\n\r\nLIVE\n").count(), 1, "HEAD has no body");
        assert_eq!(answer.matches("content-length: 5\r\n").count(), 2, "but the length of one");
        assert!(answer.contains("allow: GET, HEAD\r\n") && answer.contains("x-content-type-options: nosniff\r\n"));
    });
}

#[test]
fn who_may_not_ask_is_told() {
    let calls = with_server(Options::default(), |address| {
        for (request, status) in [
            ("POST /reset_counters HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n", "403"),
            (
                "POST /reset_counters HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example\r\nconnection: close\r\n\r\n",
                "403",
            ),
            ("GET /ready\r\n\r\n", "400"),
            ("GET /ready HTTP/1.1\r\n\r\n", "400"),
            ("GET /ready HTTP/1.0\r\n\r\n", "200"),
            ("CONNECT localhost:1 HTTP/1.1\r\nhost: localhost:1\r\n\r\n", "404"),
        ] {
            let answer = exchange(address, request);
            assert_eq!(answer.split(' ').nth(1), Some(status), "{request} -> {answer}");
        }
    });
    assert!(calls.is_empty(), "{calls:?}");
}

#[test]
fn the_process_is_told_to_quit_after_the_answer() {
    let calls = with_server(Options::default(), |address| {
        let answer = exchange(address, "POST /quitquitquit HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        assert!(answer.ends_with("\r\n\r\nOK\n") && answer.contains("connection: close\r\n"), "{answer}");
    });
    assert_eq!(calls, ["quit"]);
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_gets_the_answer() {
    with_server(Options::default(), |address| {
        let request =
            "POST /reset_counters HTTP/1.1\r\nhost: [::1]\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
        let answer = exchange(address, request);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    });
}

#[test]
fn a_body_that_is_needed_is_asked_for() {
    let calls = with_server(Options::default(), |address| {
        let mut stream = connect(address);
        let head = "POST /runtime_modify HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
                    connection: close\r\ncontent-length: 3\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).unwrap();
        assert_eq!(asked, *b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"a=1").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    });
    assert_eq!(calls, [r#"runtime [("a", "1")]"#]);
}

#[test]
fn slow_and_idle_clients_are_let_go() {
    let short = Duration::from_millis(100);
    let options = Options { idle_timeout: short, request_timeout: short, ..Options::default() };
    with_server(options, |address| {
        assert_eq!(exchange(address, ""), "", "idle");
        assert_eq!(exchange(address, "GET /rea"), "", "slow");
        let answer = exchange(address, "GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n");
        assert!(answer.ends_with("LIVE\n"), "kept alive, then closed when idle: {answer}");
    });
}

#[test]
fn connections_are_limited_and_come_back() {
    with_server(Options { max_connections: 2, ..Options::default() }, |address| {
        const READY: &str = "GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let held: Vec<TcpStream> = (0..2).map(|_| connect(address)).collect();
        let mut third = connect(address);
        let mut byte = [0];
        assert!(matches!(third.read(&mut byte), Ok(0) | Err(_)), "closed at once");
        drop(held);
        for _ in 0..100 {
            let mut stream = connect(address);
            let mut answer = String::new();
            let asked = stream.write_all(READY.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
            if asked.is_ok() && answer.ends_with("LIVE\n") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the places never came back");
    });
}

#[test]
fn a_large_answer_arrives_whole() {
    with_server(Options::default(), |address| {
        let answer =
            exchange(address, "GET /stats/prometheus HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())) && body.len() > 5000);
    });
}
