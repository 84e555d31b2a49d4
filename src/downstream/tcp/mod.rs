//! A connection that is carried as bytes: a stream without heads, proxied whole.
//!
//! ```text
//!  Admitted --filters, route, cluster--> Connecting --a host takes it--> Open --both directions are over--> done
//!     | a filter refuses, no route,         | as many hosts as may be       | idle or too old: closed        
//!     | no host, an open breaker:           | tried refuse: closed          | one end resets: the other is reset
//!     `-- closed                            `-- the client goes: given up   `
//! ```
//! **One task drives both directions.** Each has a read buffer at its source and a queue towards its sink (`pipe`). A
//! direction reads when its queue is empty: a sink that takes nothing stops its source, and nothing else. Much at a time, from
//! socket to socket and with no filter on the way, goes through the kernel instead (`bypass`).
//!
//! **Before a host is found nothing is read**: what the client sends waits in its socket (or in the bytes that detection
//! has read, which go first).
//!
//! **Through a proxy** (`tunnel`): a connected host is asked to connect further first, and the bytes flow when it has.
//!
//! **Half-close** is kept: the end of one direction is passed on behind its last byte, the other goes on until it ends too, or
//! `half_close_timeout` or `idle_timeout` passes.
//!
//! **Who wakes.** Either socket, a filter that waits, and one timer wake this task, which looks at everything again.
//!
//! **Cancel.** Dropping the task closes both sockets and gives the permits back.

mod bypass;
mod connect;
mod pipe;
mod session;
mod tunnel;

use std::rc::Rc;

use crate::listener::{Admission, Slot, TcpView};
use crate::runtime::Transport;
use crate::stream::buffers::ReadBuffer;
use crate::stream::info::ConnectionInfo;
use session::{End, Session};

/// Serves one connection. `first`: bytes of it that were read already.
pub async fn serve(
    transport: Box<dyn Transport>,
    info: Rc<ConnectionInfo>,
    slot: Rc<Slot<TcpView>>,
    admission: Admission,
    first: Option<ReadBuffer>,
) {
    let mut session = Session::new(transport, info, &slot, admission, first);
    let end = run(&mut session).await;
    session.finish(end);
}

/// What becomes of a connection, in this order.
async fn run(session: &mut Session) -> End {
    if let Err(end) = session.admit().await {
        return end;
    }
    if session.is_echo() {
        return session.echo().await;
    }
    let view = match session.route() {
        Ok(view) => view,
        Err(end) => return end,
    };
    // On the heap: it is over when the bytes flow.
    match Box::pin(connect::connect(session, view)).await {
        Ok(upstream) => session.carry(upstream).await,
        Err(end) => end,
    }
}
