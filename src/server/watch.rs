//! `"watch": true`: looks every second whether the file has changed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::process::Process;
use super::run::Event;
use crate::runtime::control::{self, Sender, Stamp};

const PERIOD: Duration = Duration::from_secs(1);

/// Reports changes of the file, as long as the running configuration asks for it and somebody listens. `seen`: how it looked
/// at the start.
pub(super) async fn watch(process: Rc<RefCell<Process>>, events: Sender<Event>, seen: Option<Stamp>) {
    let (mut reported, mut before) = (seen, None);
    let mut interval = control::interval(PERIOD);
    loop {
        let watched = process.borrow().watched();
        let Some(path) = watched else {
            // A reload may turn it on.
            (reported, before) = (None, None);
            interval.tick().await;
            continue;
        };
        let now = Stamp::look(&path).await;
        reported = reported.or(now);
        // Two equal looks in a row: whoever writes the file has finished.
        if now.is_some() && now == before && now != reported {
            reported = now;
            if events.send(Event::FileChanged).await.is_err() {
                return;
            }
        }
        before = now;
        interval.tick().await;
    }
}
