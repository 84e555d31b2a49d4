//! What was typed.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use lexopt::Arg;

/// One command line, understood.
#[derive(Debug, PartialEq)]
pub(super) struct Args {
    pub(super) command: Command,
    /// `--workers`
    pub(super) workers: Option<usize>,
    /// `--log-level`
    pub(super) log_level: Option<log::LevelFilter>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Command {
    Run { path: PathBuf },
    Check { path: PathBuf, print: bool },
    Demo,
    Help(Option<String>),
    Version,
}

/// Why a command line is refused.
#[derive(Debug, PartialEq)]
pub(super) struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> UsageError {
        UsageError(error.to_string())
    }
}

/// The commands, for the error message and the help.
pub(super) const COMMANDS: &[&str] = &["run", "check", "demo", "help"];

impl Args {
    pub(super) fn parse(mut parser: lexopt::Parser) -> Result<Args, UsageError> {
        let mut words: Vec<OsString> = Vec::new();
        let (mut workers, mut log_level, mut print) = (None, None, false);
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Long("version") | Arg::Short('V') => return Ok(Args::plain(Command::Version)),
                Arg::Long("help") | Arg::Short('h') => {
                    let topic = words.first().and_then(|word| word.to_str()).map(str::to_owned);
                    return Ok(Args::plain(Command::Help(topic)));
                }
                Arg::Long("workers") => workers = Some(parse_workers(&parser.value()?)?),
                Arg::Long("log-level") => log_level = Some(parse_level(&parser.value()?)?),
                Arg::Long("print") => print = true,
                Arg::Value(word) => words.push(word),
                Arg::Short(_) | Arg::Long(_) => return Err(arg.unexpected().into()),
            }
        }
        let command = command(words, print)?;
        let runs = matches!(command, Command::Run { .. } | Command::Demo);
        if !runs && (workers.is_some() || log_level.is_some()) {
            return Err(UsageError("--workers and --log-level go with \"run\" and \"demo\"".into()));
        }
        Ok(Args { command, workers, log_level })
    }

    fn plain(command: Command) -> Args {
        Args { command, workers: None, log_level: None }
    }
}

fn command(words: Vec<OsString>, print: bool) -> Result<Command, UsageError> {
    let mut words = words.into_iter();
    let Some(name) = words.next() else {
        return if print { Err(UsageError("--print goes with \"check\"".into())) } else { Ok(Command::Help(None)) };
    };
    let name = name.to_string_lossy().into_owned();
    let path = |word: Option<OsString>| {
        word.map(PathBuf::from).ok_or_else(|| UsageError(format!("nuncio {name} needs a FILE")))
    };
    let command = match name.as_str() {
        "run" => Command::Run { path: path(words.next())? },
        "check" => Command::Check { path: path(words.next())?, print },
        "demo" => Command::Demo,
        "help" => Command::Help(words.next().map(|word| word.to_string_lossy().into_owned())),
        "version" => Command::Version,
        _ => return Err(UsageError(format!("no command \"{name}\"; there are {}", COMMANDS.join(", ")))),
    };
    if let Some(surplus) = words.next() {
        return Err(UsageError(format!("\"{}\" is one word too many", surplus.to_string_lossy())));
    }
    if print && !matches!(command, Command::Check { .. }) {
        return Err(UsageError("--print goes with \"check\"".into()));
    }
    Ok(command)
}

fn parse_workers(word: &OsString) -> Result<usize, UsageError> {
    let count = word.to_str().and_then(|word| word.parse().ok()).filter(|count| (1..=1024).contains(count));
    count.ok_or_else(|| UsageError("--workers takes a number from 1 to 1024".into()))
}

fn parse_level(word: &OsString) -> Result<log::LevelFilter, UsageError> {
    let level = word.to_str().and_then(|word| word.parse().ok());
    level.ok_or_else(|| UsageError("--log-level takes off, error, warn, info, debug or trace".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, UsageError> {
        Args::parse(lexopt::Parser::from_iter(std::iter::once("nuncio").chain(line.split_whitespace())))
    }

    #[test]
    fn command_lines() {
        let run = parse("run --workers 2 a.json --log-level debug").unwrap();
        assert_eq!(run.command, Command::Run { path: "a.json".into() });
        assert_eq!((run.workers, run.log_level), (Some(2), Some(log::LevelFilter::Debug)));
        let check = |print| Command::Check { path: "a.json".into(), print };
        assert_eq!(parse("check a.json").unwrap().command, check(false));
        assert_eq!(parse("check --print a.json").unwrap().command, check(true));
        assert_eq!(parse("").unwrap().command, Command::Help(None));
        assert_eq!(parse("help run").unwrap().command, Command::Help(Some("run".into())));
        assert_eq!(parse("run --help").unwrap().command, Command::Help(Some("run".into())));
        assert_eq!(parse("--version").unwrap().command, Command::Version);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("rnu a.json", "run, check, demo"),
            ("run", "needs a FILE"),
            ("run a b", "one word too many"),
            ("run a --workers 0", "1 to 1024"),
            ("run a --workers", "--workers"),
            ("run a --log-level loud", "off, error"),
            ("run a --print", "goes with \"check\""),
            ("check a --workers 2", "go with \"run\""),
            ("run a --fast", "--fast"),
        ] {
            let UsageError(message) = parse(line).unwrap_err();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
