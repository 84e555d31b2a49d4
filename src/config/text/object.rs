//! An object whose keys are known: a section reader asks for each of its keys, `finish` refuses the others.

use super::cx::Cx;
use super::json::{Entry, Node};
use super::places::places_of;
use super::problem::{Complaint, quote};

pub(crate) struct Object<'c, 't> {
    cx: &'c Cx<'t>,
    node: &'c Node<'t>,
    /// What nobody asked for yet.
    entries: Vec<Entry<'t>>,
    known: Vec<&'static str>,
    later: &'static [&'static str],
    // Both said at the end, unless an unknown key is near to one of these keys: then it is that key, misspelt.
    missing: Vec<&'static str>,
    lacks: Vec<(Complaint, &'static [&'static str])>,
    finished: bool,
}

impl<'c, 't> Object<'c, 't> {
    pub(super) fn new(cx: &'c Cx<'t>, node: &'c Node<'t>, entries: Vec<Entry<'t>>) -> Self {
        Object {
            cx,
            node,
            entries,
            known: Vec::new(),
            later: &[],
            missing: Vec::new(),
            lacks: Vec::new(),
            finished: false,
        }
    }

    /// Keys of features to come: refused as such, not as unknown.
    pub(crate) fn later(&mut self, keys: &'static [&'static str]) {
        self.later = keys;
    }

    /// The value of a key, unread.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Node<'t>> {
        self.known.push(key);
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at).value)
    }

    /// Is the key given (and not asked for yet)?
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Refuses a key, if it is given: it means something elsewhere, and nothing here.
    pub(crate) fn refuse(&mut self, key: &str, complaint: impl Into<Complaint>) {
        if let Some(at) = self.entries.iter().position(|entry| entry.key == key) {
            self.cx.refuse::<()>(&self.entries.remove(at).key_node, complaint);
        }
    }

    /// A key that may be absent. A value that is refused counts as absent: the file as a whole is refused anyway.
    pub(crate) fn maybe<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Cx<'t>, &Node<'t>) -> Option<T>,
    ) -> Option<T> {
        let node = self.take(key)?;
        read(self.cx, &node)
    }

    /// A key with a default.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Cx<'t>, &Node<'t>) -> Option<T>,
    ) -> T {
        self.maybe(key, read).unwrap_or(default)
    }

    /// A key that must be there. `None`: it is not, or its value was refused; either has been recorded.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Cx<'t>, &Node<'t>) -> Option<T>,
    ) -> Option<T> {
        match self.take(key) {
            Some(node) => read(self.cx, &node),
            None => {
                self.missing.push(key);
                None
            }
        }
    }

    /// A complaint about the object that none of these keys is given.
    pub(crate) fn lacks(&mut self, complaint: Complaint, keys: &'static [&'static str]) {
        self.lacks.push((complaint, keys));
    }

    /// A key that must be there unless there is a value to keep.
    pub(crate) fn required_or<T>(
        &mut self,
        key: &'static str,
        kept: Option<T>,
        read: impl FnOnce(&Cx<'t>, &Node<'t>) -> Option<T>,
    ) -> Option<T> {
        match kept {
            Some(kept) => Some(self.optional(key, kept, read)),
            None => self.required(key, read),
        }
    }

    /// Refuses every key that was not asked for, and what is missing.
    pub(crate) fn finish(mut self) {
        self.finished = true;
        let mut meant = Vec::new();
        for entry in &self.entries {
            let (complaint, nearest) = self.unknown(&entry.key);
            meant.extend(nearest);
            self.cx.refuse::<()>(&entry.key_node, complaint);
        }
        for key in self.missing.iter().filter(|key| !meant.contains(*key)) {
            self.cx.refuse::<()>(self.node, format!("\"{key}\" is missing"));
        }
        for (complaint, keys) in std::mem::take(&mut self.lacks) {
            if !keys.iter().any(|key| meant.contains(key)) {
                self.cx.refuse::<()>(self.node, complaint);
            }
        }
    }

    /// Gives up: which keys are right is not known.
    pub(crate) fn abandon(mut self) {
        self.finished = true;
    }

    /// What to say of a key, and which key was meant.
    fn unknown(&self, key: &str) -> (Complaint, Option<&'static str>) {
        if self.later.contains(&key) {
            return (Complaint::new(format!("\"{key}\" is not supported yet")), None);
        }
        let complaint = Complaint::new(format!("unknown key {}", quote(key)));
        if let Some(nearest) = self.cx.nearest(key, self.known.iter().copied()) {
            return (complaint.did_you_mean(Some(nearest)), Some(nearest));
        }
        let complaint = match &places_of(key)[..] {
            [] => complaint.expected(list(&self.known)),
            places => complaint.hint(format!("it belongs in {}", places.join(" or "))),
        };
        (complaint, None)
    }
}

impl Drop for Object<'_, '_> {
    fn drop(&mut self) {
        debug_assert!(self.finished || std::thread::panicking(), "{}: an object must be finished", self.node.path);
    }
}

/// `"a", "b" or "c"`.
pub(super) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "no key".to_owned(),
    }
}
