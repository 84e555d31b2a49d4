//! Sinks over real files, FIFOs and failing devices.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::*;
use crate::stats::{AccessLogStats, Handle};

const LIMIT: Duration = Duration::from_secs(20);

/// A fresh directory for one test, gone at its end.
struct Directory(PathBuf);

fn directory(test: &str) -> Directory {
    let path = std::env::temp_dir().join(format!("nuncio-sink-{}-{test}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    Directory(path)
}

impl Directory {
    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A test may have removed it already.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sink(path: &Path) -> (Sink, Handle<AccessLogStats>) {
    let stats = Handle::detached();
    (Sink::open(&LogPath::File(path.to_owned()), Handle::clone(&stats)).unwrap(), stats)
}

fn wait_until(mut done: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not in time");
}

#[test]
fn every_line_of_every_worker_is_written_whole() {
    let directory = directory("whole");
    let path = directory.join("log");
    let (sink, _) = sink(&path);
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let writer = sink.writer(Handle::detached());
            std::thread::spawn(move || {
                for number in 0..2000 {
                    writer.write(format!("{worker} {number} {}\n", "x".repeat(number % 50)).as_bytes());
                }
                assert_eq!((writer.stats.written.get(), writer.stats.dropped.get()), (2000, 0));
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert!(sink.close(LIMIT));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut next = [0; 4];
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let worker: usize = words[0].parse().unwrap();
        assert_eq!(words[1].parse(), Ok(next[worker]));
        assert_eq!(words[2].len(), next[worker] % 50);
        next[worker] += 1;
    }
    assert_eq!(next, [2000; 4]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0, "at most 0640");
}

#[test]
fn an_idle_writer_is_woken() {
    let directory = directory("idle");
    let path = directory.join("log");
    let (sink, _) = sink(&path);
    let writer = sink.writer(Handle::detached());
    for round in 1..=3 {
        wait_until(|| sink.shared.asleep.load(Ordering::Relaxed));
        writer.write(b"line\n");
        wait_until(|| std::fs::read(&path).is_ok_and(|text| text.len() == 5 * round));
    }
}

#[test]
fn a_reopened_file_goes_on_under_its_name() {
    let directory = directory("reopen");
    let (path, rotated) = (directory.join("log"), directory.join("log.1"));
    let (sink, _) = sink(&path);
    let writer = sink.writer(Handle::detached());
    writer.write(b"before\n");
    wait_until(|| std::fs::read(&path).is_ok_and(|text| text == b"before\n"));
    std::fs::rename(&path, &rotated).unwrap();
    sink.reopen();
    wait_until(|| path.exists());
    writer.write(b"after\n");
    assert!(sink.close(LIMIT));
    assert_eq!(
        (std::fs::read(&path).unwrap(), std::fs::read(&rotated).unwrap()),
        (b"after\n".to_vec(), b"before\n".to_vec())
    );
}

#[test]
fn a_file_that_cannot_be_reopened_stays_open() {
    let directory = directory("stays");
    let path = directory.join("log");
    let (sink, stats) = sink(&path);
    let open = File::open(&path).unwrap();
    std::fs::remove_dir_all(&directory.0).unwrap();
    sink.reopen();
    wait_until(|| stats.reopen_failed.get() == 1);
    sink.writer(Handle::detached()).write(b"kept\n");
    assert!(sink.close(LIMIT));
    assert_eq!(io::read_to_string(open).unwrap(), "kept\n");
}

#[test]
fn a_full_disk_is_counted_and_survived() {
    let (sink, stats) = sink(Path::new("/dev/full"));
    let writer = sink.writer(Handle::detached());
    writer.write(b"one\n");
    writer.write(b"two\n");
    wait_until(|| stats.lost.get() == 2);
    assert!(stats.write_failed.get() >= 1);
    assert!(sink.close(LIMIT), "the writer lives and can end");
}

#[test]
fn a_reader_that_does_not_read_costs_lines_not_time() {
    let directory = directory("fifo");
    let path = directory.join("fifo");
    let _ = std::fs::remove_file(&path);
    let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(status.success());
    let config = LogPath::File(path.clone());
    assert!(Sink::open(&config, Handle::detached()).is_err(), "nobody reads: refused, not waited for");
    let reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let (sink, _) = sink(&path);
    let writer = sink.writer(Handle::detached());
    let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
    for _ in 0..16 * 1024 {
        writer.write(&line);
    }
    let (written, dropped) = (writer.stats.written.get(), writer.stats.dropped.get());
    assert_eq!(written + dropped, 16 * 1024);
    assert!(written >= 3 * 1024 && dropped > 8 * 1024, "{written} {dropped}");
    assert!(sink.close(LIMIT), "the end does not wait for the reader");
    drop(reader);
}

#[test]
fn a_dropped_sink_serves_the_writers_that_are_left() {
    let directory = directory("left");
    let path = directory.join("log");
    let (sink, _) = sink(&path);
    let writer = sink.writer(Handle::detached());
    drop(sink);
    std::thread::sleep(Duration::from_millis(50));
    writer.write(b"late\n");
    drop(writer);
    wait_until(|| std::fs::read(&path).is_ok_and(|text| text == b"late\n"));
}
