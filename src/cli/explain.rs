//! `nuncio explain FILE METHOD URL`: which way a request would take, and why. No proxy runs, so hosts are taken to be healthy
//! and names are not looked up.

use std::process::ExitCode;

use super::args::Explain;
use super::{WRONG, say};
use crate::config;
use crate::explain::{Question, QuestionError, Scene};
use crate::runtime_values::RuntimeValues;

pub(super) fn explain(asked: &Explain) -> ExitCode {
    let question = match question(asked) {
        Ok(question) => question,
        Err(error) => {
            eprintln!("nuncio: {error}\nTry: nuncio help explain");
            return ExitCode::from(WRONG);
        }
    };
    let config = match config::load(&asked.path) {
        // Warnings are what `check` is for.
        Ok((config, _)) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(WRONG);
        }
    };
    if let Some(name) = &question.listener
        && !match question.is_udp {
            true => config.listeners.udp.iter().any(|listener| listener.name == *name),
            false => config.listeners.iter().any(|listener| listener.name == *name),
        }
    {
        let what = if question.is_udp { "datagrams" } else { "connections" };
        eprintln!("nuncio: there is no listener {name:?} that takes {what}");
        return ExitCode::from(WRONG);
    }
    let explanation = Scene::of_file(&config, &mut RuntimeValues::default()).explain(&question);
    say(&if asked.json { explanation.to_json() } else { explanation.to_string() })
}

fn question(asked: &Explain) -> Result<Question, QuestionError> {
    let mut question = Question::new(&asked.method, &asked.url)?;
    asked.fields.iter().try_for_each(|line| question.add_line(line))?;
    if let Some(from) = &asked.from {
        question.set_from(from)?;
    }
    if let Some(certificate) = &asked.certificate {
        question.set_certificate(certificate)?;
    }
    question.listener.clone_from(&asked.listener);
    Ok(question)
}
