//! From a stream to the file.

use super::*;
use crate::access_log::testing;
use crate::config::LogFormat;
use crate::runtime::control;
use crate::stats::Registry;

#[test]
fn a_stream_becomes_a_line_of_each_log() {
    let path = std::env::temp_dir().join(format!("nuncio-logger-{}", std::process::id()));
    let mut registry = Registry::new();
    let mut sinks = Sinks::new(registry.scope("access_log", 2));
    let mut open = |format| sinks.open(&AccessLog { path: LogPath::File(path.clone()), format }).unwrap();
    let text = open(LogFormat::Text("%REQ(:PATH)% %RESPONSE_CODE%".to_owned()));
    let json = open(LogFormat::Json(vec![("code".to_owned(), "%RESPONSE_CODE%".to_owned())]));
    assert!(Arc::ptr_eq(&text.sink, &json.sink), "one file, opened once");
    let loggers = [text.logger(0), json.logger(1)];
    loggers.iter().for_each(|logger| logger.log(&testing::stream()));
    drop((text, json));
    sinks.reopen();
    let deadline = control::now() + Duration::from_secs(20);
    assert!(sinks.close(deadline, control::now));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["/new?q=1 503", "{\"code\":503}"]);
    let stats = registry.scope::<AccessLogStats>("access_log", 2);
    assert_eq!((stats.worker(0).written.get(), stats.worker(1).written.get()), (1, 1));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_cannot_be_opened_is_said() {
    let mut registry = Registry::new();
    let mut sinks = Sinks::new(registry.scope("access_log", 1));
    let file = LogPath::File("/nonexistent/directory/log".into());
    let format = LogFormat::Text("%PROTOCOL%".to_owned());
    assert!(matches!(sinks.open(&AccessLog { path: file.clone(), format }), Err(OpenError::File(..))));
    let format = LogFormat::Text("%NONE%".to_owned());
    assert!(matches!(sinks.open(&AccessLog { path: file, format }), Err(OpenError::Format(_))));
    let log = sinks.open(&AccessLog { path: LogPath::Stderr, format: LogFormat::Text("x".to_owned()) }).unwrap();
    sinks.sweep();
    assert_eq!(sinks.sinks.len(), 1);
    drop(log);
    sinks.sweep();
    assert_eq!(sinks.sinks.len(), 0);
}
