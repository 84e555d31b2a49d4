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
    Explain(Explain),
    Demo,
    Help(Option<String>),
    Version,
}

/// What `explain` asks.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Explain {
    pub(super) path: PathBuf,
    pub(super) method: String,
    pub(super) url: String,
    /// `-H`: `name: value`
    pub(super) fields: Vec<String>,
    /// `--json`
    pub(super) json: bool,
    /// `--from`
    pub(super) from: Option<String>,
    /// `--listener`
    pub(super) listener: Option<String>,
    /// `--client-certificate`
    pub(super) certificate: Option<String>,
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
pub(super) const COMMANDS: &[&str] = &["run", "check", "explain", "demo", "help"];

impl Args {
    pub(super) fn parse(mut parser: lexopt::Parser) -> Result<Args, UsageError> {
        let mut words: Vec<OsString> = Vec::new();
        let (mut workers, mut log_level, mut print) = (None, None, false);
        let mut explain = Explain::default();
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
                Arg::Short('H') => explain.fields.push(text(parser.value()?)?),
                Arg::Long("json") => explain.json = true,
                Arg::Long("from") => explain.from = Some(text(parser.value()?)?),
                Arg::Long("listener") => explain.listener = Some(text(parser.value()?)?),
                Arg::Long("client-certificate") => explain.certificate = Some(text(parser.value()?)?),
                Arg::Value(word) => words.push(word),
                Arg::Short(_) | Arg::Long(_) => return Err(arg.unexpected().into()),
            }
        }
        let asks = explain != Explain::default();
        let command = command(words, print, explain)?;
        if asks && !matches!(command, Command::Explain(_)) {
            return Err(UsageError(
                "-H, --json, --from, --listener and --client-certificate go with \"explain\"".into(),
            ));
        }
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

fn command(words: Vec<OsString>, print: bool, explain: Explain) -> Result<Command, UsageError> {
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
        "explain" => {
            let path = path(words.next())?;
            let needs = || UsageError("nuncio explain needs a FILE, a METHOD and a URL".into());
            let first = words.next().ok_or_else(needs)?;
            // A datagram has no method.
            let is_udp = first.to_str().is_some_and(|word| word.starts_with("udp://"));
            let (method, url) = if is_udp { ("GET".into(), first) } else { (first, words.next().ok_or_else(needs)?) };
            Command::Explain(Explain { path, method: text(method)?, url: text(url)?, ..explain })
        }
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

fn text(word: OsString) -> Result<String, UsageError> {
    word.into_string().map_err(|word| UsageError(format!("\"{}\" is not UTF-8", word.to_string_lossy())))
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
        let explain = Explain {
            path: "a.json".into(),
            method: "GET".into(),
            url: "http://a/".into(),
            fields: vec!["x-a:1".into(), "x-b:2".into()],
            json: true,
            listener: Some("web".into()),
            ..Explain::default()
        };
        let line = "explain a.json GET http://a/ -H x-a:1 -Hx-b:2 --json --listener web";
        assert_eq!(parse(line).unwrap().command, Command::Explain(explain));
        let udp = Explain {
            path: "a.json".into(),
            method: "GET".into(),
            url: "udp://192.0.2.1:53".into(),
            ..Explain::default()
        };
        assert_eq!(parse("explain a.json udp://192.0.2.1:53").unwrap().command, Command::Explain(udp));
        assert_eq!(parse("").unwrap().command, Command::Help(None));
        assert_eq!(parse("help run").unwrap().command, Command::Help(Some("run".into())));
        assert_eq!(parse("run --help").unwrap().command, Command::Help(Some("run".into())));
        assert_eq!(parse("--version").unwrap().command, Command::Version);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("rnu a.json", "run, check, explain, demo"),
            ("run", "needs a FILE"),
            ("run a b", "one word too many"),
            ("run a --workers 0", "1 to 1024"),
            ("run a --workers", "--workers"),
            ("run a --log-level loud", "off, error"),
            ("run a --print", "goes with \"check\""),
            ("check a --workers 2", "go with \"run\""),
            ("explain a GET", "a METHOD and a URL"),
            ("check a -H x:1", "go with \"explain\""),
            ("run a --fast", "--fast"),
        ] {
            let UsageError(message) = parse(line).unwrap_err();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
