use std::time::Duration;

use nuncio_http::{BodyLength, Method};

use super::*;
use crate::filter::Offer;
use crate::filter::testing::{Driven, Setup, on_worker, request};

fn fault(delay: Option<(u64, f64)>, abort: Option<(u16, f64)>) -> config::Filter {
    config::Filter::Fault(config::Fault {
        delay: delay.map(|(millis, percent)| config::FaultDelay {
            duration: Duration::from_millis(millis),
            percent: config::Percent::fixed(percent),
        }),
        abort: abort.map(|(status, percent)| config::FaultAbort { status, percent: config::Percent::fixed(percent) }),
    })
}

fn get(setup: &Setup) -> Driven {
    setup.stream(request(Method::Get, BodyLength::Empty, &[]))
}

fn stats(setup: &mut Setup) -> [i64; 3] {
    ["delays_injected", "aborts_injected", "active_faults"].map(|name| setup.stat(&format!("fault.{name}")))
}

#[test]
fn a_delay_then_an_abort() {
    on_worker(|rt| async move {
        let mut setup = Setup::new(&rt, &[fault(Some((20, 100.0)), Some((503, 100.0)))]);
        let mut stream = get(&setup);
        let start = rt.now();
        assert!(stream.offer_head(Dir::Request).is_none());
        assert!(stream.chain.is_waiting(Dir::Request));
        assert!(!stream.chain.is_waiting(Dir::Response));
        assert_eq!(stats(&mut setup), [1, 0, 1]);
        let offer = std::future::poll_fn(|task| match stream.poll_with(Dir::Request, task) {
            Some(offer) => Poll::Ready(offer),
            None => Poll::Pending,
        });
        let Offer::Respond(reply) = offer.await else { panic!("it passed") };
        assert!(rt.now() - start >= Duration::from_millis(20));
        assert_eq!((reply.status, reply.detail), (503, "fault_filter_abort"));
        assert_eq!(reply.flags.short().to_string(), "FI");
        assert_eq!(stream.info.flags.short().to_string(), "DI");
        assert_eq!(stats(&mut setup), [1, 1, 1]);
        stream.end();
        drop(stream);
        assert_eq!(stats(&mut setup), [1, 1, 0]);
    });
}

#[test]
fn a_delay_alone_lets_the_request_go_on() {
    on_worker(|rt| async move {
        let mut setup = Setup::new(&rt, &[fault(Some((1, 100.0)), None)]);
        let mut stream = get(&setup);
        assert!(stream.offer_head(Dir::Request).is_none());
        assert!(stream.poll(Dir::Request).is_none());
        rt.sleep(Duration::from_millis(10)).await;
        assert!(matches!(stream.poll(Dir::Request), Some(Offer::Head)));
        assert_eq!(stats(&mut setup), [1, 0, 1]);
    });
}

#[test]
fn a_stream_that_goes_during_its_delay_is_not_active_any_more() {
    on_worker(|rt| async move {
        let mut setup = Setup::new(&rt, &[fault(Some((3_600_000, 100.0)), None)]);
        let mut stream = get(&setup);
        assert!(stream.offer_head(Dir::Request).is_none());
        drop(stream);
        assert_eq!(stats(&mut setup), [1, 0, 0]);
    });
}

#[test]
fn an_abort_without_content_has_no_body() {
    on_worker(|rt| async move {
        for (status, empty) in [(200, false), (204, true), (205, true), (304, true), (599, false)] {
            let setup = Setup::new(&rt, &[fault(None, Some((status, 100.0)))]);
            let Some(Offer::Respond(reply)) = get(&setup).offer_head(Dir::Request) else { panic!("it passed") };
            assert_eq!((reply.status, reply.body.is_empty()), (status, empty));
        }
    });
}

#[test]
fn percentages_are_of_all_streams() {
    on_worker(|rt| async move {
        fastrand::seed(11);
        let setup = Setup::new(&rt, &[fault(Some((3_600_000, 10.0)), Some((503, 50.0)))]);
        let (mut delayed, mut aborted, mut passed) = (0, 0, 0);
        for _ in 0..10_000 {
            let mut stream = get(&setup);
            let untouched = stream.chain.is_empty();
            match stream.offer_head(Dir::Request) {
                None => delayed += 1,
                Some(Offer::Respond(_)) => aborted += 1,
                Some(Offer::Head) => {
                    assert!(untouched, "a stream without a fault has no filter");
                    passed += 1;
                }
                offer => panic!("{offer:?}"),
            }
        }
        // 10 %; 90 % of 50 %; 90 % of 50 %: six standard deviations of room.
        assert!((820..1180).contains(&delayed), "{delayed}");
        assert!((4200..4800).contains(&aborted), "{aborted}");
        assert!((4200..4800).contains(&passed), "{passed}");
    });
}

#[test]
fn values_change_what_is_configured() {
    on_worker(|rt| async move {
        let mut setup = Setup::new(&rt, &[fault(None, Some((503, 0.0)))]);
        assert!(get(&setup).chain.is_empty());
        setup.set_value("fault.http.abort.abort_percent", "100");
        setup.set_value("fault.http.abort.http_status", "418");
        setup.set_value("fault.http.delay.fixed_delay_percent", "100");
        let Some(Offer::Respond(reply)) = get(&setup).offer_head(Dir::Request) else { panic!("it passed") };
        assert_eq!(reply.status, 418, "at once: no delay is configured");
        setup.set_value("fault.http.abort.abort_percent", "");
        assert!(get(&setup).chain.is_empty());
    });
}
