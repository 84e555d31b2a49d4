//! The command line: words into a command, a command into an exit status. 0 fine, 1 failed at run time, 2 the
//! configuration or the command line is wrong.

mod args;
mod check;
mod demo;
mod explain;
mod help;
mod run;

use std::io::Write;
use std::process::ExitCode;

use args::{Args, Command};

/// Failed while running.
const FAILED: u8 = 1;
/// The configuration or the command line is wrong.
const WRONG: u8 = 2;

pub fn main() -> ExitCode {
    let args = match Args::parse(lexopt::Parser::from_env()) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("nuncio: {error}\nTry: nuncio help");
            return ExitCode::from(WRONG);
        }
    };
    match args.command {
        Command::Help(topic) => help::print(topic),
        Command::Version => help::version(),
        Command::Check { path, print } => check::check(&path, print),
        Command::Explain(asked) => explain::explain(&asked),
        Command::Run { path } => run::run(&path, args.workers, args.log_level),
        Command::Demo => demo::demo(args.workers, args.log_level),
    }
}

/// Prints to standard output. A reader that has seen enough (`| head`) is no failure.
fn say(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::from(FAILED),
        _ => ExitCode::SUCCESS,
    }
}
