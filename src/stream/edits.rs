//! Header edits of routes and filters: remove, set, add. A value may be a template that is filled for each stream.

use nuncio_http::{HeaderList, HeaderName};

use super::info::StreamInfo;
use crate::access_log::{Format, FormatError};
use crate::config;

/// A compiled [`config::HeaderEdits`].
#[derive(Debug, Default)]
pub struct HeaderEditor {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Value)>,
    add: Vec<(HeaderName, Value)>,
}

#[derive(Debug)]
enum Value {
    Literal(Box<[u8]>),
    Template(Format),
}

impl HeaderEditor {
    pub fn new(edits: &config::HeaderEdits) -> Result<HeaderEditor, FormatError> {
        let compile = |templates: &[config::HeaderTemplate]| -> Result<Vec<(HeaderName, Value)>, FormatError> {
            templates.iter().map(|template| Ok((template.name.clone(), Value::new(&template.value)?))).collect()
        };
        Ok(HeaderEditor { remove: edits.remove.clone(), set: compile(&edits.set)?, add: compile(&edits.add)? })
    }

    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Fills the templates with the stream as it is known now. Without templates this allocates nothing.
    pub fn render(&self, info: &StreamInfo) -> Rendered {
        let values = self.set.iter().chain(&self.add).map(|(_, value)| value);
        let templates = values.filter_map(|value| match value {
            Value::Literal(_) => None,
            Value::Template(format) => {
                let mut text = Vec::new();
                format.render_header(info, &mut text);
                Some(text)
            }
        });
        Rendered(templates.collect())
    }

    /// Edits `headers`. A template that had nothing to say leaves no field.
    pub fn apply(&self, headers: &mut HeaderList, rendered: &Rendered) {
        let mut rendered = rendered.0.iter();
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            if let Some(text) = value.text(&mut rendered) {
                headers.set(name, text);
            }
        }
        for (name, value) in &self.add {
            if let Some(text) = value.text(&mut rendered) {
                headers.push(name, text);
            }
        }
    }
}

/// The templates of one [`HeaderEditor`], filled.
#[derive(Debug, Default)]
pub struct Rendered(Vec<Vec<u8>>);

impl Value {
    fn new(text: &str) -> Result<Value, FormatError> {
        let format = Format::parse(text)?;
        Ok(match format.literal() {
            Some(text) => Value::Literal(text.into()),
            None => Value::Template(format),
        })
    }

    fn text<'a>(&'a self, rendered: &mut std::slice::Iter<'a, Vec<u8>>) -> Option<&'a [u8]> {
        match self {
            Value::Literal(text) => Some(text),
            Value::Template(_) => rendered.next().map(Vec::as_slice).filter(|text| !text.is_empty()),
        }
    }
}
