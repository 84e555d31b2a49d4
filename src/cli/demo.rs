use std::process::ExitCode;
pub(super) fn demo(_w: Option<usize>, _l: Option<log::LevelFilter>) -> ExitCode { ExitCode::SUCCESS }
