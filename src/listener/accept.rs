//! Accepting connections on one worker.

use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::arrive::{arrive, serve};
use super::{ChainSlot, Port};
use crate::runtime::net::{Stream, WorkerListener, is_fd_exhausted};
use crate::stream::info::ConnectionInfo;

/// How long accepting pauses when there are no descriptors left: long enough for some to come back, short enough to be
/// there when they do.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections taken in one turn before others get theirs.
const BATCH: usize = 64;

/// Accepts until the listener drains, and then those that wait already: they have been promised a server. Nothing that
/// goes wrong with one connection ends it.
pub async fn accept_loop(mut listener: WorkerListener, port: Rc<Port>) {
    let mut batch = 0;
    loop {
        let accepted = std::future::poll_fn(|task| {
            let stop = port.connections.poll_stop_accepting(task).is_ready();
            match listener.poll_accept(task) {
                Poll::Pending if stop => Poll::Ready(None),
                Poll::Ready(Err(_)) if stop => Poll::Ready(None),
                accepted => accepted.map(Some),
            }
        })
        .await;
        match accepted {
            None => return,
            Some(Ok(stream)) => admit(stream, &port),
            Some(Err(error)) => {
                port.view().stats.accept_error.inc();
                log::warn!("listener {}: accept: {error}", port.name);
                let pause = if is_fd_exhausted(&error) { PAUSE } else { PAUSE / 10 };
                port.worker.rt.sleep(pause).await;
            }
        }
        batch += 1;
        if batch >= BATCH {
            batch = 0;
            futures_lite::future::yield_now().await;
        }
    }
}

fn admit(stream: Stream, port: &Rc<Port>) {
    let view = port.view();
    let at_once = view.at_once();
    let connections = at_once.map_or(&port.connections, ChainSlot::connections);
    let admission = match connections.admit() {
        Ok(admission) => admission,
        Err(0) => return view.stats.downstream_cx_overflow.inc(),
        Err(_) => return view.stats.downstream_global_cx_overflow.inc(),
    };
    let rt = &port.worker.rt;
    let original = if view.arrival.original_dst { stream.original_dst() } else { None };
    match at_once {
        Some(chain) => {
            let mut info = ConnectionInfo::new(port.worker.next_connection_id(), &stream, chain.name());
            if let Some(original) = original {
                (info.local, info.redirected) = (original.into(), true);
            }
            serve(chain, Box::new(stream), Rc::new(info), admission, None, rt);
        }
        // On the heap, so that a connection does not pay for its arrival as long as it lives.
        None => rt.spawn_boxed(Box::pin(arrive(Box::new(stream), original, port.clone(), admission))),
    }
}
