//! `nuncio check FILE [--print]`: only validates.

use std::path::Path;
use std::process::ExitCode;

use super::{WRONG, say};
use crate::config;

pub(super) fn check(path: &Path, print: bool) -> ExitCode {
    match config::load(path) {
        Ok((config, warnings)) => {
            for warning in &warnings {
                eprintln!("{warning}");
            }
            say(&if print { config.to_json() } else { format!("{}: ok\n", path.display()) })
        }
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::from(WRONG)
        }
    }
}
