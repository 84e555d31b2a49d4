//! One line per stream, written off the request path. `Format` is text with Envoy's `%OPERATORS%`, which header values
//! of the configuration use too; a `Line` is a whole line, text or JSON. A worker's `Logger` renders a line and puts it
//! into a queue of its own; the thread of a `Sink` takes it from there to the file.

mod error;
mod escape;
mod format;
mod line;
mod logger;
mod operator;
mod queue;
mod sink;
mod time;

#[cfg(test)]
mod testing;

pub use error::{FormatError, FormatErrorKind};
pub use format::Format;
pub use line::{JsonMember, Line};
pub use logger::{LineLog, Log, Logger, OpenError, Sinks};
pub use sink::{Sink, SinkWriter};
pub(crate) use time::TimeFormat;
