//! Accepts connections of operators.

use std::rc::Rc;
use std::time::Duration;

use super::AdminState;
use super::connection::serve_connection;
use crate::runtime::control::{self, Control, ControlListener};
use crate::runtime::net::Addr;

/// Limits of the admin server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Any name may stand in `host`: the operator has said that other hosts may ask. UNIX sockets allow it always.
    pub allow_remote: bool,
    /// Connections at a time; more are closed at once.
    pub max_connections: usize,
    /// A connection without a request is closed after this.
    pub idle_timeout: Duration,
    /// From the first byte of a request to its last.
    pub request_timeout: Duration,
    /// For a whole answer.
    pub write_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            allow_remote: false,
            max_connections: 16,
            idle_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// Serves until it is dropped; connections that are open then go on until they are idle.
pub async fn serve(control: Control, mut listener: ControlListener, state: Rc<dyn AdminState>, options: Options) {
    let open = options.allow_remote || matches!(listener.local_addr(), Addr::Unix(_));
    let options = Rc::new(options);
    let connections = Rc::new(());
    loop {
        match listener.accept().await {
            // One count is ours.
            Ok(_) if Rc::strong_count(&connections) > options.max_connections => {
                log::warn!("admin: more than {} connections", options.max_connections);
            }
            Ok(stream) => {
                let (state, options, counted) = (Rc::clone(&state), Rc::clone(&options), Rc::clone(&connections));
                control.spawn(async move {
                    serve_connection(stream, &*state, &options, open).await;
                    drop(counted);
                });
            }
            Err(error) => {
                log::warn!("admin: cannot accept: {error}");
                control::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
