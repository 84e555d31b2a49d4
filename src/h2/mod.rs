//! One HTTP/2 connection and its streams on one worker: what `downstream::h2` and `upstream::h2` share.
//!
//! ```text
//!                     +------------------------- Mux (Rc) --------------------------+
//!  connection's task  |  codec: windows, header tables, what is queued to be sent    |   one task a stream
//!   Driver::poll <--->|  one Entry a stream: parts received and not yet taken, waker  |<---> StreamHandle
//!   (owns the socket) +--------------------------------------------------------------+
//! ```
//!
//! **Who does what.** The connection's task alone touches the socket: it reads, lets the codec make events of the bytes, puts
//! parts into the entries, and writes what the codec has to send. A stream's task takes parts out of its entry and gives
//! the codec heads, bytes and trailers; it never does I/O. Both borrow the `Mux` for the length of one call and never across
//! a wake-up or an await.
//!
//! **Who wakes whom.** A part, a reset or room wakes the stream. Anything that a stream gives the codec wakes the connection's
//! task, which runs behind all streams that are runnable already: what they send leaves in one write.
//!
//! **Back-pressure.** Towards us: a part that its stream does not take keeps its window closed. From us:
//! [`StreamHandle::poll_room`] says how much a stream may queue. A stream that could send at once may always queue; what
//! waits for a window shares [`mux::QUEUE_LIMIT`] with the other streams of the connection, so that a peer that opens no windows
//! pins little (row H2-10).
//!
//! **Cancel.** Dropping a [`StreamHandle`] resets the stream if it is still open and gives its slot back: not before its task,
//! and with it all that it held, is gone (row H2-1). When the connection is lost every stream is told, takes what had
//! come for it, and then finds the loss.

mod driver;
mod entry;
mod mux;
mod stream;

pub(crate) use driver::{Driver, End, Event, Limits};
pub(crate) use entry::{Lost, Received};
pub(crate) use mux::Mux;
pub(crate) use stream::StreamHandle;
