//! `"discovery": "file"`: the endpoints stand in a file of their own, which is read again when it changes. While it is missing
//! or wrong, the hosts stay as they are.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Found;
use super::finder::MOST_HOSTS;
use crate::cluster::{Cluster, Identity};
use crate::config::{self, MAX_FILE};
use crate::runtime::control::{self, Stamp};

const PERIOD: Duration = Duration::from_secs(1);

/// Finds hosts until it is dropped.
pub(super) async fn run(cluster: Arc<Cluster>, path: PathBuf, found: Rc<Found>) {
    let stats = cluster.stats.control();
    let (mut watched, mut said) = (Watched::default(), None);
    loop {
        let look = Stamp::look(&path).await;
        if watched.is_news(look) {
            stats.update_attempt.inc();
            let read = path.clone();
            match control::unblock(move || read_file(&read)).await {
                Ok(hosts) => {
                    watched.was_good(look);
                    stats.update_success.inc();
                    if said.as_ref() == Some(&hosts) {
                        stats.update_no_rebuild.inc();
                    } else {
                        stats.update_empty.add(u64::from(hosts.is_empty()));
                        said = Some(hosts.clone());
                        found.set(hosts);
                        cluster.signal.raise();
                    }
                }
                Err(error) if watched.was_bad(look) => {
                    stats.update_failure.inc();
                    log::error!("cluster {}: its endpoints stay as they are: {error}", cluster.name);
                }
                // Perhaps somebody is writing it.
                Err(_) => {}
            }
        }
        control::sleep(PERIOD).await;
    }
}

/// Which looks are worth reading the file. Sans-IO.
#[derive(Debug, Default)]
struct Watched {
    /// The last one that was read and dealt with. The inner `None`: there was no file.
    done: Option<Option<Stamp>>,
    /// The last one that was bad, for the first time.
    doubtful: Option<Option<Stamp>>,
}

impl Watched {
    fn is_news(&self, look: Option<Stamp>) -> bool {
        self.done != Some(look)
    }

    fn was_good(&mut self, look: Option<Stamp>) {
        (self.done, self.doubtful) = (Some(look), None);
    }

    /// Says whether that is certain: it was as bad at the look before, so nobody is writing it.
    fn was_bad(&mut self, look: Option<Stamp>) -> bool {
        let certain = self.doubtful == Some(look);
        (self.done, self.doubtful) = if certain { (Some(look), None) } else { (self.done, Some(look)) };
        certain
    }
}

/// The hosts, or what is wrong.
fn read_file(path: &Path) -> Result<Vec<(Identity, u32)>, String> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    // One byte more than allowed tells that there is more.
    let limit = MAX_FILE as u64 + 1;
    let read = control::open_file(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| format!("{name}: cannot be read: {error}"))?;
    if bytes.len() > MAX_FILE {
        return Err(format!("{name}: is larger than 4 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{name}: is not UTF-8"))?;
    let base_dir = path.parent().unwrap_or(Path::new(""));
    let endpoints = config::parse_endpoints(&text, base_dir, &name).map_err(|problems| problems.to_string())?;
    if endpoints.len() > MOST_HOSTS {
        return Err(format!("{name}: has {} endpoints; expected at most {MOST_HOSTS}", endpoints.len()));
    }
    Ok(endpoints.iter().filter_map(|endpoint| Some((endpoint.identity()?, endpoint.weight))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::control::block_on;

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("nuncio-endpoints-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn a_file_is_read_as_the_configuration_is() {
        let directory = directory("read");
        let path = directory.join("endpoints.json");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_file(&path)
        };
        let hosts = read(
            r#"{ "endpoints": ["192.0.2.1:80", { "address": "192.0.2.2:80", "weight": 3, "priority": 1, "zone": "b",
                "metadata": { "stage": "canary" } }] }"#,
        );
        let hosts = hosts.unwrap();
        assert_eq!(hosts[0], (Identity::of("192.0.2.1:80".parse().unwrap()), 1));
        let (identity, weight) = &hosts[1];
        assert_eq!((*weight, identity.priority, &*identity.zone), (3, 1, "b"));
        assert_eq!(identity.metadata["stage"], "canary");
        assert_eq!(read(r#"{ "endpoints": [] }"#), Ok(Vec::new()));
        for (text, error) in [
            ("", "endpoints.json:1:1: is not JSON: "),
            ("{}", "endpoints.json:1:1: \"endpoints\" is missing"),
            (
                "{ \"endpoints\": [\n\"api.internal:80\"] }",
                "endpoints.json:2:1: endpoints[0]: \"api.internal\" is a name",
            ),
            (&" ".repeat(MAX_FILE + 1), "is larger than 4 MiB"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(error), "{said}");
        }
        assert!(read_file(&directory.join("none")).unwrap_err().contains("none: cannot be read: "));
        assert!(read_file(&directory).unwrap_err().contains(": cannot be read: it is not a file"));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_file_that_is_bad_is_read_once_more_and_one_that_changes_all_the_time_each_time() {
        let directory = directory("look");
        let path = directory.join("endpoints.json");
        let look = |text: Option<&str>| {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            block_on(Stamp::look(&path))
        };
        let mut watched = Watched::default();
        let none = look(None);
        assert!(none.is_none() && watched.is_news(none) && !watched.was_bad(none) && watched.is_news(none));
        assert!(watched.was_bad(none) && !watched.is_news(none), "said once");
        let half = look(Some("half"));
        assert!(watched.is_news(half) && !watched.was_bad(half));
        let (whole, more) = (look(Some("a whole")), look(Some("a whole one")));
        for look in [whole, more] {
            assert!(watched.is_news(look));
            watched.was_good(look);
            assert!(!watched.is_news(look));
        }
        let bad = look(Some("bad"));
        assert!(!watched.was_bad(bad) && watched.was_bad(bad) && !watched.is_news(bad));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
