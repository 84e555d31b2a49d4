use std::time::Duration;

use nuncio_http::{BodyLength, Method};

use super::*;
use crate::filter::testing::{Driven, Setup, on_worker, request};
use crate::filter::{Dir, Offer};

fn limit(requests: u32, burst: u32, status: u16) -> config::Filter {
    config::Filter::LocalRateLimit(config::LocalRateLimit { requests, per: Duration::from_secs(3600), burst, status })
}

fn get(setup: &Setup) -> Driven {
    setup.stream(request(Method::Get, BodyLength::Empty, &[]))
}

#[test]
fn what_is_too_much_is_refused_and_told_when_to_come_back() {
    on_worker(|rt| async move {
        let mut setup = Setup::new(&rt, &[limit(2, 3, 503)]);
        for _ in 0..3 {
            assert!(matches!(get(&setup).offer_head(Dir::Request), Some(Offer::Head)));
        }
        let Some(Offer::Respond(reply)) = get(&setup).offer_head(Dir::Request) else { panic!("it passed") };
        assert_eq!((reply.status, reply.detail), (503, "local_rate_limited"));
        assert_eq!(reply.flags.short().to_string(), "RL");
        // Two an hour; the first of the hour is minted half an hour after the first request.
        assert_eq!(reply.headers.get(HeaderId::RetryAfter), Some(&b"1800"[..]));
        let stats = ["enabled", "ok", "rate_limited", "enforced"];
        let stats = stats.map(|name| setup.stat(&format!("http_local_rate_limit.{name}")));
        assert_eq!(stats, [4, 3, 1, 1]);
    });
}

#[test]
fn whole_seconds_are_rounded_up() {
    for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
        assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
    }
}
