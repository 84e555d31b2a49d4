//! A header block in one arena: the text of all fields stands in one buffer, a field is a pair of spans.
//! One block costs two allocations however many fields it has, and editing never moves text.

use std::borrow::Cow;

use crate::name::{HeaderId, Name};

/// An ordered list of fields. Names are lower case; values are bytes as received, without the white space
/// around them. The list trusts its callers: parsers validate what comes from a peer and the configuration
/// validates what comes from the operator, both by [`crate::validate`].
#[derive(Clone, Default)]
pub struct HeaderList {
    arena: Vec<u8>,
    fields: Vec<Entry>,
}

/// One field of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    pub id: HeaderId,
    /// Lower case.
    pub name: &'a [u8],
    pub value: &'a [u8],
}

#[derive(Clone, Copy)]
struct Entry {
    id: HeaderId,
    name: Span,
    value: Span,
}

/// A range of the arena. A block is far below 4 GiB: its codec limits it to some KiB.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl HeaderList {
    pub const fn new() -> HeaderList {
        HeaderList { arena: Vec::new(), fields: Vec::new() }
    }

    /// A list with room for `bytes` of text in `fields` fields.
    pub fn with_capacity(bytes: usize, fields: usize) -> HeaderList {
        HeaderList { arena: Vec::with_capacity(bytes), fields: Vec::with_capacity(fields) }
    }

    /// Forgets all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.fields.clear();
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.fields.iter().map(|entry| self.field(entry))
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: impl Name) -> Option<&[u8]> {
        self.find(&name).map(|at| self.text(self.fields[at].value))
    }

    /// The values of all fields of this name, in order.
    pub fn get_all<'a>(&'a self, name: &'a impl Name) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |entry| self.is_named(entry, name)).map(|entry| self.text(entry.value))
    }

    /// The whole value as a recipient must see it: all fields of this name joined by `", "` (RFC 9110
    /// section 5.3). Borrowed where there is only one.
    pub fn joined<'a>(&'a self, name: &'a impl Name) -> Option<Cow<'a, [u8]>> {
        let mut values = self.get_all(name);
        let first = values.next()?;
        let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
        let mut joined = [first, second].join(&b", "[..]);
        for value in values {
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(value);
        }
        Some(Cow::Owned(joined))
    }

    pub fn contains(&self, name: impl Name) -> bool {
        self.find(&name).is_some()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: impl Name, value: &[u8]) {
        let entry = Entry { id: name.id(), name: self.intern_name(&name), value: self.intern(value) };
        self.fields.push(entry);
    }

    /// Adds a field as a parser meets it: `name` in any case.
    pub fn push_raw(&mut self, name: &[u8], value: &[u8]) {
        self.push_recognised(HeaderId::recognise_any_case(name), name, value);
    }

    /// As [`HeaderList::push_raw`], for a parser that has already looked the name up as `id`.
    pub fn push_recognised(&mut self, id: HeaderId, name: &[u8], value: &[u8]) {
        // A known name needs no text of its own.
        let mut name_span = Span::default();
        if id == HeaderId::Other {
            name_span = self.intern(name);
            self.arena[name_span.range()].make_ascii_lowercase();
        }
        let value = self.intern(value);
        self.fields.push(Entry { id, name: name_span, value });
    }

    /// Makes this field the only one of its name, in the place of the first one.
    pub fn set(&mut self, name: impl Name, value: &[u8]) {
        let Some(at) = self.find(&name) else { return self.push(name, value) };
        self.fields[at].value = self.intern(value);
        let mut index = 0;
        self.retain_entries(|list, entry| {
            index += 1;
            index <= at + 1 || !list.is_named(entry, &name)
        });
    }

    /// Removes all fields of this name; says whether there was one.
    pub fn remove(&mut self, name: impl Name) -> bool {
        if self.find(&name).is_none() {
            return false;
        }
        self.retain_entries(|list, entry| !list.is_named(entry, &name));
        true
    }

    /// Keeps the fields for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        self.retain_entries(|list, entry| keep(list.field(entry)));
    }

    pub(crate) fn intern(&mut self, text: &[u8]) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_slice(text);
        // Codec limits keep a block far below 4 GiB; a block beyond it would read as truncated, never as other text.
        Span { start: u32::try_from(start).unwrap_or(u32::MAX), len: u32::try_from(text.len()).unwrap_or(0) }
    }

    pub(crate) fn text(&self, span: Span) -> &[u8] {
        self.arena.get(span.range()).unwrap_or_default()
    }

    fn intern_name(&mut self, name: &impl Name) -> Span {
        if name.id() == HeaderId::Other { self.intern(name.text()) } else { Span::default() }
    }

    fn field(&self, entry: &Entry) -> Field<'_> {
        Field { id: entry.id, name: self.name(entry), value: self.text(entry.value) }
    }

    fn name(&self, entry: &Entry) -> &[u8] {
        if entry.id == HeaderId::Other { self.text(entry.name) } else { entry.id.as_bytes() }
    }

    fn find(&self, name: &impl Name) -> Option<usize> {
        self.fields.iter().position(|entry| self.is_named(entry, name))
    }

    fn is_named(&self, entry: &Entry, name: &impl Name) -> bool {
        entry.id == name.id() && (entry.id != HeaderId::Other || self.text(entry.name) == name.text())
    }

    fn retain_entries(&mut self, mut keep: impl FnMut(&HeaderList, &Entry) -> bool) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.retain(|entry| keep(self, entry));
        self.fields = fields;
    }
}

impl Span {
    fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }
}

impl std::fmt::Debug for HeaderList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl std::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name.escape_ascii(), self.value.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::HeaderName;

    fn sample() -> HeaderList {
        let mut list = HeaderList::new();
        list.push_raw(b"Accept", b"text/html");
        list.push_raw(b"X-Tier", b"gold");
        list.push_raw(b"ACCEPT", b"*/*");
        list.push(HeaderId::UserAgent, b"curl");
        list
    }

    fn text(list: &HeaderList) -> String {
        list.iter().map(|field| format!("{field:?};")).collect()
    }

    #[test]
    fn fields_keep_their_order_and_are_found_by_name() {
        let list = sample();
        assert_eq!(text(&list), "accept: text/html;x-tier: gold;accept: */*;user-agent: curl;");
        assert_eq!(list.get(HeaderId::Accept), Some(&b"text/html"[..]));
        let tier = HeaderName::new("X-Tier").unwrap();
        assert_eq!(list.get(tier), Some(&b"gold"[..]));
        assert_eq!(list.joined(&HeaderId::Accept).unwrap(), &b"text/html, */*"[..]);
        assert_eq!(list.joined(&HeaderId::Via), None);
    }

    #[test]
    fn set_replaces_all_in_the_first_place() {
        let mut list = sample();
        list.set(HeaderId::Accept, b"a/b");
        assert_eq!(text(&list), "accept: a/b;x-tier: gold;user-agent: curl;");
        list.set(HeaderId::Via, b"1.1 x");
        assert_eq!(list.get(HeaderId::Via), Some(&b"1.1 x"[..]));
    }

    #[test]
    fn remove_and_retain() {
        let mut list = sample();
        assert!(list.remove(HeaderId::Accept));
        assert!(!list.remove(HeaderId::Accept));
        list.retain(|field| field.name != b"x-tier");
        assert_eq!(text(&list), "user-agent: curl;");
        list.clear();
        assert!(list.is_empty());
    }
}
