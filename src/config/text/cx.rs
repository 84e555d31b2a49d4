//! What one reading of a file shares: the text, the problems so far, and the names that may be referred to.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::json::{Entry, Kind, Node};
use super::nearest::nearest;
use super::object::Object;
use super::problem::{Complaint, Problem, Problems, quote};
use crate::config::Subsets;
use crate::order;
use crate::runtime_values;

/// Beyond this many problems nothing near is looked for any more: a hostile file costs no more than a wrong one.
const HINTS: usize = 1000;
/// Problems, and warnings, shown at once; the rest is counted.
const SHOWN: usize = 100;
/// Beyond this many no more is recorded.
const KEPT: usize = 10_000;

pub(crate) struct Cx<'t> {
    text: &'t str,
    file: Arc<str>,
    base_dir: PathBuf,
    problems: RefCell<Vec<Note>>,
    warnings: RefCell<Vec<Note>>,
    /// Where each line starts, in bytes.
    lines: Vec<usize>,
    /// Names in `clusters`, sound or not: a reference to an unsound one is not a second problem.
    clusters: RefCell<BTreeSet<String>>,
    /// How each cluster parts its hosts, if it does. Sound clusters alone are here.
    subsets: RefCell<BTreeMap<String, Option<Rc<Subsets>>>>,
    /// Runtime keys that something reads, and as what.
    runtime_keys: RefCell<BTreeSet<(String, runtime_values::Kind)>>,
}

/// A problem whose line and column are still to be counted.
struct Note {
    /// Bytes from the start of the text.
    at: usize,
    path: String,
    message: String,
}

impl<'t> Cx<'t> {
    /// `base_dir` is what relative paths start from.
    pub(crate) fn new(text: &'t str, base_dir: &Path, file: &str) -> Cx<'t> {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Cx {
            text,
            file: file.into(),
            base_dir: base_dir.to_owned(),
            problems: RefCell::default(),
            warnings: RefCell::default(),
            lines: std::iter::once(0).chain(starts).collect(),
            clusters: RefCell::default(),
            subsets: RefCell::default(),
            runtime_keys: RefCell::default(),
        }
    }

    /// The warnings, if nothing was refused.
    pub(crate) fn into_result<T>(self, value: Option<T>) -> Result<(T, Vec<Problem>), Problems> {
        let (problems, omitted) = self.placed(self.problems.take());
        match value {
            Some(value) if problems.is_empty() => Ok((value, self.placed(self.warnings.take()).0)),
            _ => Err(Problems::new(problems, omitted)),
        }
    }

    /// The first ones in file order, with their places, and how many are left out. Columns are counted only here:
    /// a file may be one line.
    fn placed(&self, mut notes: Vec<Note>) -> (Vec<Problem>, usize) {
        order::sort_by_key(&mut notes, |note| note.at);
        let omitted = notes.len().saturating_sub(SHOWN);
        notes.truncate(SHOWN);
        let place = |note: Note| {
            let (line, column) = self.position(note.at);
            Problem { file: self.file.clone(), line, column, path: note.path, message: note.message }
        };
        (notes.into_iter().map(place).collect(), omitted)
    }

    /// Records a problem. `None`, so that a reader can end with it.
    pub(crate) fn refuse<T>(&self, node: &Node, complaint: impl Into<Complaint>) -> Option<T> {
        self.note(&self.problems, node, complaint.into());
        None
    }

    /// Records what is allowed but hardly meant.
    pub(crate) fn warn(&self, node: &Node, complaint: impl Into<Complaint>) {
        self.note(&self.warnings, node, complaint.into());
    }

    #[inline(never)]
    fn note(&self, notes: &RefCell<Vec<Note>>, node: &Node, complaint: Complaint) {
        let mut notes = notes.borrow_mut();
        if notes.len() < KEPT {
            notes.push(Note { at: self.offset(node), path: node.path.clone(), message: complaint.message() });
        }
    }

    /// A node's text is a part of the whole text: JSON is parsed in place.
    fn offset(&self, node: &Node) -> usize {
        (node.text.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len())
    }

    /// The text is not JSON: serde_json says where, and no more than the first place.
    pub(crate) fn syntax_error<T>(&self, error: &serde_json::Error) -> Option<T> {
        let start = self.lines.get(error.line().saturating_sub(1)).copied().unwrap_or(0);
        // Columns are counted in bytes, from 1; 0 is the end of the line before.
        let at = (start + error.column().saturating_sub(1)).min(self.text.len());
        let at = (0..=at).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
        let rest = self.text.get(at..).unwrap_or_default();
        let complaint = Complaint::new(format!("is not JSON: {}", json_message(error)));
        let complaint = match rest.as_bytes() {
            [b'/', b'/' | b'*', ..] | [b'#', ..] => complaint.hint("JSON has no comments"),
            [b'\'', ..] => complaint.hint("JSON has double quotes only"),
            [b'}' | b']', ..] => complaint.hint("is there a comma too many before it?"),
            _ => complaint,
        };
        self.refuse(&Node { path: String::new(), text: rest }, complaint)
    }

    /// Line and column, both from 1.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&start| start <= at);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count()) + 1;
        (line, column)
    }

    /// The nearest of `candidates`, while there are few problems.
    pub(crate) fn nearest<'c>(&self, word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
        if self.problems.borrow().len() < HINTS { nearest(word, candidates) } else { None }
    }

    /// A value of another type than it should be.
    pub(crate) fn wrong_type<T>(&self, node: &Node, expected: &str) -> Option<T> {
        self.refuse(node, Complaint::new(Cx::what(node)).expected(expected))
    }

    #[inline(never)]
    fn what(node: &Node) -> String {
        let what = match node.kind() {
            Kind::Null => "null".to_owned(),
            Kind::Boolean => node.text.to_owned(),
            Kind::Number => format!("the number {}", node.text.get(..32).unwrap_or(node.text)),
            Kind::String => match node.string() {
                Ok(text) => format!("the text {}", quote(&text)),
                Err(_) => "a text".to_owned(),
            },
            Kind::Array => "a list".to_owned(),
            Kind::Object => "an object".to_owned(),
        };
        format!("is {what}")
    }

    /// Opens an object whose keys are known.
    pub(crate) fn object<'c>(&'c self, node: &'c Node<'t>) -> Option<Object<'c, 't>> {
        let entries = self.entries(node, "an object")?;
        Some(Object::new(self, node, entries))
    }

    /// Opens an object whose keys are names that the operator chose. Duplicates are refused.
    pub(crate) fn entries(&self, node: &Node<'t>, expected: &str) -> Option<Vec<Entry<'t>>> {
        if node.kind() != Kind::Object {
            return self.wrong_type(node, expected);
        }
        let entries = match node.entries() {
            Ok(entries) => entries,
            Err(error) => return self.refuse(node, format!("is not JSON: {}", json_message(&error))),
        };
        let mut seen: HashMap<Cow<'t, str>, usize> = HashMap::new();
        let mut unique = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some(first) = seen.get(&entry.key) {
                let line = self.lines.partition_point(|start| start <= first);
                self.refuse::<()>(&entry.key_node, format!("stands here a second time (first in line {line})"));
                continue;
            }
            seen.insert(entry.key.clone(), self.offset(&entry.key_node));
            unique.push(entry);
        }
        Some(unique)
    }

    pub(crate) fn elements(&self, node: &Node<'t>, expected: &str) -> Option<Vec<Node<'t>>> {
        if node.kind() != Kind::Array {
            return self.wrong_type(node, expected);
        }
        match node.elements() {
            Ok(elements) => Some(elements),
            Err(error) => self.refuse(node, format!("is not JSON: {}", json_message(&error))),
        }
    }

    /// Absolute, or from the directory of the file.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.base_dir.join(path)
    }

    pub(crate) fn define_clusters(&self, names: BTreeSet<String>) {
        *self.clusters.borrow_mut() = names;
    }

    /// The cluster has these `subsets`, if any.
    pub(crate) fn define_subsets(&self, cluster: &str, subsets: Option<&Subsets>) {
        self.subsets.borrow_mut().insert(cluster.to_owned(), subsets.cloned().map(Rc::new));
    }

    /// The outer `None`: there is no such cluster, or it is unsound.
    pub(crate) fn subsets_of(&self, cluster: &str) -> Option<Option<Rc<Subsets>>> {
        self.subsets.borrow().get(cluster).cloned()
    }

    /// Something reads this runtime key.
    pub(crate) fn use_runtime_key(&self, key: &str, kind: runtime_values::Kind) {
        self.runtime_keys.borrow_mut().insert((key.to_owned(), kind));
    }

    /// The runtime keys that something reads, as far as the file has been read.
    pub(crate) fn runtime_keys(&self) -> BTreeSet<(String, runtime_values::Kind)> {
        self.runtime_keys.borrow().clone()
    }

    /// Reads the name of a cluster that exists.
    pub(crate) fn cluster(&self, node: &Node) -> Option<String> {
        let name = super::read::string(self, node)?;
        let clusters = self.clusters.borrow();
        if clusters.contains(&name) {
            return Some(name);
        }
        let nearest = self.nearest(&name, clusters.iter().map(String::as_str));
        self.refuse(node, Complaint::new(format!("there is no cluster {}", quote(&name))).did_you_mean(nearest))
    }
}

/// What serde_json says, without the place: it counts from the start of the value that it was given.
pub(super) fn json_message(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    if let Some(end) = message.rfind(" at line ") {
        message.truncate(end);
    }
    message
}
