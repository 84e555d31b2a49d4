//! `"watch": true`: looks every second whether the file has changed. A look is one stat(2) of the name, so that it sees
//! an edit, a rename into place and a link that points elsewhere alike.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::process::Process;
use super::run::Event;
use crate::runtime::control::{self, Sender};

const PERIOD: Duration = Duration::from_secs(1);

/// What changes with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    inode: u64,
    size: u64,
    modified: SystemTime,
}

/// Reports changes of the file, as long as the running configuration asks for it and somebody listens.
pub(super) async fn watch(process: Rc<RefCell<Process>>, events: Sender<Event>) {
    let (mut reported, mut before) = (None, None);
    let mut interval = control::interval(PERIOD);
    loop {
        let watched = process.borrow().watched();
        let Some(path) = watched else {
            // A reload may turn it on.
            (reported, before) = (None, None);
            interval.tick().await;
            continue;
        };
        let now = look(&path).await;
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

async fn look(path: &Path) -> Option<Look> {
    use std::os::unix::fs::MetadataExt;
    let path = path.to_owned();
    control::unblock(move || {
        let file = std::fs::metadata(path).ok()?;
        Some(Look { inode: file.ino(), size: file.size(), modified: file.modified().ok()? })
    })
    .await
}
