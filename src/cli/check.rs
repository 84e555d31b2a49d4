//! `nuncio check FILE [--print]`: only validates.

use std::path::Path;
use std::process::ExitCode;

use super::WRONG;
use crate::config;

pub(super) fn check(path: &Path, print: bool) -> ExitCode {
    match config::load(path) {
        Ok((config, warnings)) => {
            for warning in &warnings {
                eprintln!("{warning}");
            }
            if print {
                print!("{}", config.to_json());
            } else {
                println!("{}: ok", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::from(WRONG)
        }
    }
}
