//! Accepting connections on one worker.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::ListenerSlot;
use crate::downstream::Connection;
use crate::runtime::Transport;
use crate::runtime::net::{Stream, WorkerListener, is_fd_exhausted};
use crate::stream::info::ConnectionInfo;

/// How long accepting pauses when there are no descriptors left: long enough for some to come back, short enough to be
/// there when they do.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections taken in one turn before others get theirs.
const BATCH: usize = 64;

/// Accepts until the listener drains, and then those that wait already: they have been promised a server. Nothing that
/// goes wrong with one connection ends it.
pub async fn accept_loop(mut listener: WorkerListener, slot: Rc<ListenerSlot>) {
    let mut batch = 0;
    loop {
        let accepted = std::future::poll_fn(|task| {
            let stop = slot.connections.poll_stop_accepting(task).is_ready();
            match listener.poll_accept(task) {
                Poll::Pending if stop => Poll::Ready(None),
                Poll::Ready(Err(_)) if stop => Poll::Ready(None),
                accepted => accepted.map(Some),
            }
        })
        .await;
        match accepted {
            None => return,
            Some(Ok(stream)) => admit(stream, &slot),
            Some(Err(error)) => {
                slot.view().listener_stats.accept_error.inc();
                log::warn!("listener {}: accept: {error}", slot.name);
                let pause = if is_fd_exhausted(&error) { PAUSE } else { PAUSE / 10 };
                slot.worker.rt.sleep(pause).await;
            }
        }
        batch += 1;
        if batch >= BATCH {
            batch = 0;
            futures_lite::future::yield_now().await;
        }
    }
}

fn admit(stream: Stream, slot: &Rc<ListenerSlot>) {
    let view = slot.view();
    let admission = match slot.connections.admit() {
        Ok(admission) => admission,
        Err(0) => return view.listener_stats.downstream_cx_overflow.inc(),
        Err(_) => return view.listener_stats.downstream_global_cx_overflow.inc(),
    };
    let worker = &slot.worker;
    let info = Rc::new(ConnectionInfo {
        id: worker.next_connection_id(),
        remote: stream.peer_addr().clone(),
        local: stream.local_addr().clone(),
        listener: slot.name.clone(),
        replay: Cell::new(0),
    });
    worker.rt.spawn(Connection::new(Box::new(stream), info, slot.clone(), admission).serve());
}
