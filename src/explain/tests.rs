//! Questions about one file and their answers, which stand in `testdata/explain`; `NUNCIO_BLESS=1` writes them anew.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::*;
use crate::config;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/explain").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

fn gateway() -> Config {
    match config::parse(&text("gateway.json"), Path::new("/etc/nuncio"), "gateway.json") {
        Ok((config, _)) => config,
        Err(problems) => panic!("{problems}"),
    }
}

/// The words of a command line.
fn question(line: &str) -> Question {
    let mut words = line.split(' ');
    let mut next = || words.next().unwrap_or_else(|| panic!("{line}: a word is missing"));
    let first = next();
    let mut question = match first.starts_with("udp://") {
        true => Question::new("GET", first).unwrap(),
        false => Question::new(first, next()).unwrap(),
    };
    while let Some(option) = words.next() {
        let value = words.next().unwrap();
        match option {
            "-H" => question.add_line(value).unwrap(),
            "--from" => question.set_from(value).unwrap(),
            "--listener" => question.listener = Some(value.to_owned()),
            "--client-certificate" => question.set_certificate(value).unwrap(),
            _ => panic!("{line}"),
        }
    }
    question
}

fn golden(name: &str, actual: &str) {
    if std::env::var_os("NUNCIO_BLESS").is_some() {
        std::fs::write(file(name), actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(file(name)).unwrap_or_default();
    assert_eq!(actual, expected, "{name} (NUNCIO_BLESS=1 writes it anew)");
}

#[test]
fn questions_have_their_answers() {
    let config = gateway();
    let mut values = RuntimeValues::default();
    let mut scene = Scene::of_file(&config, &mut values);
    let (mut answers, mut json) = (String::new(), String::new());
    for line in text("questions").lines().filter(|line| !line.starts_with('#')) {
        let explanation = scene.explain(&question(line));
        writeln!(answers, "$ nuncio explain gateway.json {line}\n{explanation}").unwrap();
        let shares: f64 = explanation.outcomes.iter().map(|outcome| outcome.percent).sum();
        assert!((shares - 100.0).abs() < 1e-9 || explanation.stopped.is_some(), "{line}: {shares}");
        // One that has everything in it.
        if line.starts_with("GET https://www.example.com/shop//") {
            json = explanation.to_json();
        }
    }
    golden("answers.txt", &answers);
    golden("answer.json", &json);
}

#[test]
fn values_are_those_of_now() {
    let config = gateway();
    let mut values = RuntimeValues::default();
    values.modify(&[("checkout.canary".to_owned(), "100".to_owned())]).unwrap();
    let explanation = Scene::of_file(&config, &mut values).explain(&question("GET https://www.example.com/shop"));
    let taken: Vec<_> = explanation.outcomes.iter().map(|it| (it.route, it.percent)).collect();
    assert_eq!(taken, [(Some(1), 100.0)]);
}

/// A file without anything in it, as a proxy with an admin port only has.
#[test]
fn nothing_takes_nothing() {
    let config = Config::default();
    let explanation = Scene::of_file(&config, &mut RuntimeValues::default()).explain(&question("GET http://a/"));
    assert_eq!(explanation.stopped.as_deref(), Some("no listener takes it"));
}
