//! The static table (RFC 7541 appendix A), each entry with the id of its name, and the search in it.

use nuncio_http::HeaderId;

/// A field of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) id: HeaderId,
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// Entries of the static table; dynamic ones come behind (section 2.3.3).
pub(crate) const LEN: usize = ENTRIES.len();

/// The entry of an index, which begins at 1.
#[inline]
pub(crate) fn get(index: usize) -> Option<Entry<'static>> {
    ENTRIES.get(index.wrapping_sub(1)).copied()
}

/// Where a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The whole field.
    Field(usize),
    /// The name alone, at the first of its indexes.
    Name(usize),
    Nothing,
}

impl Found {
    /// The index of the name; 0 if it is not in the table.
    pub(crate) fn name(self) -> usize {
        match self {
            Found::Field(index) | Found::Name(index) => index,
            Found::Nothing => 0,
        }
    }
}

/// Looks a field up. `id` is that of `name`.
#[inline]
pub(crate) fn find(id: HeaderId, name: &[u8], value: &[u8]) -> Found {
    let first = if id == HeaderId::Other { find_other(name) } else { BY_ID[id as usize] };
    let Some(entry) = get(usize::from(first)) else { return Found::Nothing };
    if entry.value == value {
        return Found::Field(usize::from(first));
    }
    let first = usize::from(first);
    // Only the names at the front have more than one value, one behind the other.
    let others = ENTRIES.get(first..LAST_OF_PSEUDO).unwrap_or_default();
    let same_name = others.iter().take_while(|other| other.name == entry.name);
    match same_name.zip(first + 1..).find(|(other, _)| other.value == value) {
        Some((_, index)) => Found::Field(index),
        None => Found::Name(first),
    }
}

/// The last index of a pseudo-header field.
const LAST_OF_PSEUDO: usize = 14;

const fn known(id: HeaderId, value: &'static [u8]) -> Entry<'static> {
    Entry { id, name: id.as_bytes(), value }
}

const fn other(name: &'static [u8], value: &'static [u8]) -> Entry<'static> {
    Entry { id: HeaderId::Other, name, value }
}

static ENTRIES: [Entry<'static>; 61] = [
    other(b":authority", b""),
    other(b":method", b"GET"),
    other(b":method", b"POST"),
    other(b":path", b"/"),
    other(b":path", b"/index.html"),
    other(b":scheme", b"http"),
    other(b":scheme", b"https"),
    other(b":status", b"200"),
    other(b":status", b"204"),
    other(b":status", b"206"),
    other(b":status", b"304"),
    other(b":status", b"400"),
    other(b":status", b"404"),
    other(b":status", b"500"),
    other(b"accept-charset", b""),
    known(HeaderId::AcceptEncoding, b"gzip, deflate"),
    other(b"accept-language", b""),
    other(b"accept-ranges", b""),
    known(HeaderId::Accept, b""),
    known(HeaderId::AccessControlAllowOrigin, b""),
    known(HeaderId::Age, b""),
    known(HeaderId::Allow, b""),
    known(HeaderId::Authorization, b""),
    known(HeaderId::CacheControl, b""),
    other(b"content-disposition", b""),
    known(HeaderId::ContentEncoding, b""),
    other(b"content-language", b""),
    known(HeaderId::ContentLength, b""),
    other(b"content-location", b""),
    other(b"content-range", b""),
    known(HeaderId::ContentType, b""),
    known(HeaderId::Cookie, b""),
    known(HeaderId::Date, b""),
    known(HeaderId::Etag, b""),
    known(HeaderId::Expect, b""),
    other(b"expires", b""),
    other(b"from", b""),
    known(HeaderId::Host, b""),
    other(b"if-match", b""),
    other(b"if-modified-since", b""),
    other(b"if-none-match", b""),
    other(b"if-range", b""),
    other(b"if-unmodified-since", b""),
    known(HeaderId::LastModified, b""),
    other(b"link", b""),
    known(HeaderId::Location, b""),
    other(b"max-forwards", b""),
    known(HeaderId::ProxyAuthenticate, b""),
    known(HeaderId::ProxyAuthorization, b""),
    other(b"range", b""),
    known(HeaderId::Referer, b""),
    other(b"refresh", b""),
    known(HeaderId::RetryAfter, b""),
    known(HeaderId::Server, b""),
    known(HeaderId::SetCookie, b""),
    other(b"strict-transport-security", b""),
    known(HeaderId::TransferEncoding, b""),
    known(HeaderId::UserAgent, b""),
    known(HeaderId::Vary, b""),
    known(HeaderId::Via, b""),
    known(HeaderId::WwwAuthenticate, b""),
];

/// The first index of each known name; 0: not in the table.
static BY_ID: [u8; HeaderId::KNOWN.len()] = {
    let mut indexes = [0; HeaderId::KNOWN.len()];
    let mut at = ENTRIES.len();
    while at > 0 {
        let id = ENTRIES[at - 1].id;
        if !matches!(id, HeaderId::Other) {
            indexes[id as usize] = at as u8;
        }
        at -= 1;
    }
    indexes
};

/// Slots of the look-up table of names without an id.
const SLOTS: usize = 64;

/// First indexes of names without an id by [`slot`], collisions in the slots behind; 0: free.
static BY_NAME: [u8; SLOTS] = {
    let mut slots = [0; SLOTS];
    let mut at = 0;
    while at < ENTRIES.len() {
        let entry = &ENTRIES[at];
        at += 1;
        // The entries of a name follow each other.
        let again = at > 1 && is_same(entry.name, ENTRIES[at.saturating_sub(2)].name);
        if matches!(entry.id, HeaderId::Other) && !again {
            let mut slot = slot(entry.name);
            while slots[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = at as u8;
        }
    }
    slots
};

/// The first index of a name without an id; 0: not in the table.
#[inline]
fn find_other(name: &[u8]) -> u8 {
    let mut at = slot(name);
    // Ends: most slots are free.
    while let Some(entry) = get(usize::from(BY_NAME[at])) {
        if entry.name == name {
            return BY_NAME[at];
        }
        at = (at + 1) % SLOTS;
    }
    0
}

/// The first index of a name of the table, at compile time.
pub(crate) const fn index_of(name: &[u8]) -> usize {
    let mut at = 0;
    while !is_same(ENTRIES[at].name, name) {
        at += 1;
    }
    at + 1
}

/// The slot where the search for `name` begins: from its length and three of its octets.
const fn slot(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let packed = u32::from_le_bytes([name[len / 3], name[len / 2], name[len - 1], len as u8]);
    (packed.wrapping_mul(0x9e37_79b1) >> 26) as usize
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut same = a.len() == b.len();
    let mut at = 0;
    while same && at < a.len() {
        same = a[at] == b[at];
        at += 1;
    }
    same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_and_has_the_id_of_its_name() {
        for (index, entry) in (1..).zip(&ENTRIES) {
            assert_eq!(entry.id, HeaderId::recognise(entry.name), "{}", entry.name.escape_ascii());
            assert_eq!(find(entry.id, entry.name, entry.value), Found::Field(index));
            let first = 1 + ENTRIES.iter().position(|other| other.name == entry.name).unwrap();
            assert_eq!(find(entry.id, entry.name, b"something else"), Found::Name(first));
            assert!(entry.name[0] != b':' || index <= LAST_OF_PSEUDO);
            assert!(index <= LAST_OF_PSEUDO || first == index, "one value a name");
        }
        assert_eq!((get(0).is_none(), get(LEN).is_some(), get(LEN + 1).is_none()), (true, true, true));
    }

    #[test]
    fn other_names_are_not_found() {
        for name in [&b""[..], b":", b":patH", b":protocol", b"Accept", b"x-request-id", b"traceparent"] {
            assert_eq!(find(HeaderId::recognise(name), name, b""), Found::Nothing, "{}", name.escape_ascii());
        }
    }
}
