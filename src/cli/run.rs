//! `nuncio run FILE`: the proxy in the foreground.

use std::path::Path;
use std::process::ExitCode;

use super::check::read_tls;
use super::{FAILED, WRONG};
use crate::admin::logging;
use crate::config;
use crate::server::{self, Options, Started};

pub(super) fn run(path: &Path, workers: Option<usize>, log_level: Option<log::LevelFilter>) -> ExitCode {
    logging::init(log_level.unwrap_or(log::LevelFilter::Info));
    let config = match config::load(path) {
        Ok((config, warnings)) => {
            for warning in &warnings {
                log::warn!("{warning}");
            }
            config
        }
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(WRONG);
        }
    };
    if let Err(problems) = read_tls(&config) {
        // Warnings come when they are loaded.
        problems.iter().for_each(|problem| eprintln!("{}: {problem}", path.display()));
        return ExitCode::from(WRONG);
    }
    let options = Options { path: Some(path.to_owned()), workers };
    exit_status(server::run(config, options, announce))
}

/// One line for each listener, for people and for scripts that need the port.
pub(super) fn announce(started: &Started<'_>) {
    for (name, address) in &started.listeners {
        log::info!("listener {name}: listening on {address}");
    }
    if let Some(admin) = started.admin {
        log::info!("admin: listening on {admin}");
    }
    log::info!("ready, {} workers", started.workers);
}

pub(super) fn exit_status(result: Result<(), server::RunError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nuncio: {error}");
            ExitCode::from(FAILED)
        }
    }
}
