//! Load for UDP proxies: `udp_load echo` answers, `udp_load run PORT CLIENTS WINDOW BYTES SECONDS` asks. One file and
//! no dependency, so that `rustc -O` makes it in a second.
//!
//! `run` keeps WINDOW datagrams of each client under way, one client after the other: what came back is sent again.
//! It prints one line of JSON: round trips, bytes, seconds, their times in microseconds, and how many were lost.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// A datagram that has not come back by then is lost.
const PATIENCE: Duration = Duration::from_millis(500);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["echo", port] => echo(port),
        ["run", port, clients, window, bytes, seconds] => {
            let number = |text: &str| text.parse::<usize>().expect("a number");
            run(port, number(clients), number(window), number(bytes), number(seconds));
        }
        _ => panic!("udp_load echo PORT | udp_load run PORT CLIENTS WINDOW BYTES SECONDS"),
    }
}

fn echo(port: &str) {
    let socket = UdpSocket::bind(format!("127.0.0.1:{port}")).expect("a free port");
    let mut buf = [0; 1 << 16];
    loop {
        // An error is about a client that has gone.
        if let Ok((len, from)) = socket.recv_from(&mut buf) {
            let _ = socket.send_to(&buf[..len], from);
        }
    }
}

fn run(port: &str, clients: usize, window: usize, bytes: usize, seconds: usize) {
    let client = || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.connect(format!("127.0.0.1:{port}")).expect("an address");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket
    };
    let mut clients: Vec<(UdpSocket, Instant)> = (0..clients).map(|_| (client(), Instant::now())).collect();
    let datagram = vec![b'x'; bytes];
    let mut buf = vec![0; bytes + 1];
    let (mut times, mut done, mut lost) = (Vec::new(), 0u64, 0u64);
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds as u64);
    let send = |socket: &UdpSocket, since: &mut Instant| {
        *since = Instant::now();
        (0..window).for_each(|_| drop(socket.send(&datagram)));
    };
    clients.iter_mut().for_each(|(socket, since)| send(socket, since));
    while Instant::now() < end {
        for (socket, since) in &mut clients {
            let mut missing = window;
            while missing > 0 {
                match socket.recv(&mut buf) {
                    Ok(len) if len == bytes => done += 1,
                    _ => {
                        lost += missing as u64;
                        break;
                    }
                }
                missing -= 1;
            }
            if missing == 0 {
                times.push(since.elapsed().as_micros() as u64);
            }
            send(socket, since);
        }
    }
    let elapsed = start.elapsed().as_secs_f64();
    times.sort_unstable();
    let percentile = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(0);
    println!(
        r#"{{"requests": {done}, "bytes": {}, "seconds": {elapsed:.6}, "p50_us": {}, "p99_us": {}, "errors": {{"lost": {lost}}}}}"#,
        done * bytes as u64,
        percentile(50),
        percentile(99),
    );
}
