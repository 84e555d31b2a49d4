//! `"watch": true`: looks every second whether the file has changed. A look is one stat(2) of the name, so that it sees
//! an edit, a rename into place and a link that points elsewhere alike.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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

/// Reports changes until nobody listens. Without a path there is nothing to watch.
pub(super) async fn watch(path: Option<PathBuf>, events: Sender<Event>) {
    let Some(path) = path else { return };
    let mut reported = look(&path).await;
    let mut before = reported;
    let mut interval = control::interval(PERIOD);
    loop {
        interval.tick().await;
        let now = look(&path).await;
        // Two equal looks in a row: whoever writes the file has finished.
        if now.is_some() && now == before && now != reported {
            reported = now;
            if events.send(Event::FileChanged).await.is_err() {
                return;
            }
        }
        before = now;
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
