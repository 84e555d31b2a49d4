//! `nuncio check FILE [--print]`: only validates, the certificates and keys that the file names included.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::{WRONG, say};
use crate::config::{self, Config};
use crate::tls::{ClientContext, ServerContext};

pub(super) fn check(path: &Path, print: bool) -> ExitCode {
    let (config, warnings) = match config::load(path) {
        Ok(read) => read,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(WRONG);
        }
    };
    for warning in &warnings {
        eprintln!("{warning}");
    }
    let problems = tls_problems(&config);
    if !problems.is_empty() {
        problems.iter().for_each(|problem| eprintln!("{}: {problem}", path.display()));
        return ExitCode::from(WRONG);
    }
    say(&if print { config.to_json() } else { format!("{}: ok\n", path.display()) })
}

/// What is wrong with the files that `tls` names.
fn tls_problems(config: &Config) -> Vec<String> {
    let chains = config.listeners.iter().flat_map(|listener| listener.chains.iter());
    let listeners = chains.filter_map(|chain| {
        let loaded = ServerContext::load(chain.service.tls.as_ref()?);
        Some(format!("listener {}: tls: {}", chain.name, loaded.err()?))
    });
    let system = Arc::default();
    let clusters = config.clusters.iter().filter_map(|(name, cluster)| {
        let loaded = ClientContext::load(cluster.tls.as_ref()?, &system);
        Some(format!("cluster {name}: tls: {}", loaded.err()?))
    });
    listeners.chain(clusters).collect()
}
