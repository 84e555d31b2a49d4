//! `nuncio check FILE [--print]`: only validates, the certificates and keys that the file names included.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::{WRONG, say};
use crate::config::{self, Config};
use crate::tls::{ClientContext, LoadError, ServerContext};

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
    match read_tls(&config) {
        Ok(warnings) => warnings.iter().for_each(|warning| eprintln!("{}: {warning}", path.display())),
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{}: {problem}", path.display()));
            return ExitCode::from(WRONG);
        }
    }
    say(&if print { config.to_json() } else { format!("{}: ok\n", path.display()) })
}

/// Reads the files that `tls` names: what is allowed but hardly meant, or all that is wrong with them.
pub(super) fn read_tls(config: &Config) -> Result<Vec<String>, Vec<String>> {
    let (mut warnings, mut problems) = (Vec::new(), Vec::new());
    let mut note = |owner: String, loaded: Result<Vec<String>, LoadError>| match loaded {
        Ok(said) => warnings.extend(said.into_iter().map(|warning| format!("{owner}: tls: {warning}"))),
        Err(error) => problems.push(format!("{owner}: tls: {error}")),
    };
    for chain in config.listeners.iter().flat_map(|listener| listener.chains.iter()) {
        if let Some(tls) = &chain.service.tls {
            let loaded = ServerContext::load(tls).map(|context| context.warnings().to_vec());
            note(format!("listener {}", chain.name), loaded);
        }
    }
    let system = Arc::default();
    for (name, cluster) in &config.clusters {
        if let Some(tls) = &cluster.tls {
            let loaded = ClientContext::load(tls, &system).map(|context| context.warnings().to_vec());
            note(format!("cluster {name}"), loaded);
        }
    }
    if problems.is_empty() { Ok(warnings) } else { Err(problems) }
}
