//! Endpoints in a file of their own, which is read again when it changes. One that is wrong changes nothing.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::NamedHost;
use crate::cluster::Cluster;
use crate::config::{self, Endpoint, MAX_FILE};
use crate::runtime::control::{self, Stamp};

/// Between two looks at the file.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) async fn follow(cluster: Arc<Cluster>, report: impl Fn(Vec<NamedHost>)) {
    let Some(path) = cluster.config.file.clone() else { return };
    let stats = cluster.stats.control();
    let mut reported = None;
    // What was read last, whatever became of it, and the look before this one.
    let (mut read, mut before) = (None, None);
    let mut first = true;
    loop {
        let now = Stamp::look(&path).await;
        // Two equal looks in a row: whoever writes the file has finished. At the start nobody waits for that.
        if first || now == before && now != read {
            first = false;
            read = now;
            stats.update_attempt.inc();
            match load(path.clone()).await {
                Ok(hosts) => {
                    stats.update_success.inc();
                    stats.update_empty.add(hosts.is_empty().into());
                    if reported.as_ref() == Some(&hosts) {
                        stats.update_no_rebuild.inc();
                    } else {
                        reported = Some(hosts.clone());
                        report(hosts);
                    }
                }
                Err(problem) => {
                    stats.update_failure.inc();
                    log::error!("cluster {}: its hosts stay as they are: {problem}", cluster.name);
                }
            }
        }
        before = now;
        control::sleep(PERIOD).await;
    }
}

async fn load(path: PathBuf) -> Result<Vec<NamedHost>, String> {
    let shown = path.display().to_string();
    let endpoints = control::unblock(move || {
        let text = read_text(&path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        config::parse_endpoints(&text, directory, &shown).map_err(|problems| problems.to_string())
    });
    let host = |endpoint: &Endpoint| Some((endpoint.identity()?, endpoint.weight));
    Ok(endpoints.await?.iter().filter_map(host).collect())
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}
