//! The layers of values, the later over the earlier, and the cells that show readers what they come to. On the control
//! thread; only the cells are shared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Kind;
use crate::order;
use crate::stats::{Handle, RuntimeStats};

/// The names of the layers.
pub const LAYERS: [&str; 2] = ["file", "admin"];

/// Most keys that operators may set.
const MOST_OVERRIDES: usize = 1000;
/// Longest key and value that operators may set, in bytes.
const LONGEST_KEY: usize = 256;
const LONGEST_VALUE: usize = 1024;

/// What a key comes to, as a reader of one kind sees it. Read by all threads, written by the control thread.
#[derive(Debug)]
pub struct RuntimeValue(AtomicU64);

/// The bits of no value: a NaN, which no kind takes.
const UNSET: u64 = u64::MAX;

impl RuntimeValue {
    /// `None`: no layer has the key, or none that its reader could use.
    #[inline]
    pub fn get(&self) -> Option<f64> {
        match self.0.load(Relaxed) {
            UNSET => None,
            bits => Some(f64::from_bits(bits)),
        }
    }

    fn set(&self, value: Option<f64>) {
        self.0.store(value.map_or(UNSET, f64::to_bits), Relaxed);
    }
}

/// One key with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// In the order of [`LAYERS`]; `None`: the layer does not have it.
    pub values: [Option<String>; 2],
}

impl Entry {
    /// The last layer's that has one.
    pub fn final_value(&self) -> &str {
        self.values.iter().rev().flatten().next().map_or("", String::as_str)
    }
}

/// A change that operators may not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A reader of the key does not take the value.
    Value { key: String, value: String, expected: &'static str },
    /// The key is empty, too long, or has control characters.
    Key(String),
    /// The value of this key is too long.
    TooLong(String),
    /// There are as many keys as there may be.
    TooMany,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Value { key, value, expected } => {
                write!(f, "{key}: \"{}\" is not {expected}", value.escape_debug())
            }
            Refusal::Key(key) => write!(
                f,
                "\"{}\" is not a key: 1 to {LONGEST_KEY} bytes, none of them a blank or a control character",
                key.escape_debug()
            ),
            Refusal::TooLong(key) => write!(f, "{key}: longer than {LONGEST_VALUE} bytes"),
            Refusal::TooMany => write!(f, "more than {MOST_OVERRIDES} keys"),
        }
    }
}

/// All values of the process.
#[derive(Debug)]
pub struct RuntimeValues {
    file: BTreeMap<String, String>,
    admin: BTreeMap<String, String>,
    /// What somebody reads.
    cells: BTreeMap<(String, Kind), Arc<RuntimeValue>>,
    stats: Handle<RuntimeStats>,
}

impl Default for RuntimeValues {
    /// Nothing is set, and nobody counts: for what is built without a process.
    fn default() -> RuntimeValues {
        RuntimeValues::new(Handle::detached())
    }
}

impl RuntimeValues {
    pub fn new(stats: Handle<RuntimeStats>) -> RuntimeValues {
        stats.num_layers.set(LAYERS.len() as i64);
        RuntimeValues { file: BTreeMap::new(), admin: BTreeMap::new(), cells: BTreeMap::new(), stats }
    }

    /// The cell of a key. The same one for all who read it as `kind`, over reloads too.
    pub fn intern(&mut self, key: &str, kind: Kind) -> Arc<RuntimeValue> {
        let cell = self.cells.entry((key.to_owned(), kind)).or_insert_with(|| Arc::new(RuntimeValue(UNSET.into())));
        cell.set(find(&self.file, &self.admin, key, kind));
        cell.clone()
    }

    /// The file's layer, anew.
    pub fn set_file(&mut self, values: BTreeMap<String, String>) {
        self.file = values;
        self.stats.load_success.inc();
        self.publish();
    }

    /// What operators want changed, all or nothing; an empty value takes the key out of their layer.
    ///
    /// # Errors
    /// The first change that cannot be made.
    pub fn modify(&mut self, changes: &[(String, String)]) -> Result<(), Refusal> {
        let mut admin = self.admin.clone();
        for (key, value) in changes {
            if value.is_empty() {
                admin.remove(key);
            } else if let Err(refusal) = self.check(key, value) {
                self.stats.load_error.inc();
                return Err(refusal);
            } else {
                admin.insert(key.clone(), value.clone());
            }
        }
        if admin.len() > MOST_OVERRIDES {
            self.stats.load_error.inc();
            return Err(Refusal::TooMany);
        }
        self.admin = admin;
        self.stats.load_success.inc();
        self.publish();
        Ok(())
    }

    fn check(&self, key: &str, value: &str) -> Result<(), Refusal> {
        if !(1..=LONGEST_KEY).contains(&key.len()) || key.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Refusal::Key(key.to_owned()));
        }
        if value.len() > LONGEST_VALUE {
            return Err(Refusal::TooLong(key.to_owned()));
        }
        let read = Kind::ALL.into_iter().filter(|kind| self.cells.contains_key(&(key.to_owned(), *kind)));
        match read.chain(Kind::of(key)).find(|kind| kind.parse(value).is_none()) {
            None => Ok(()),
            Some(kind) => {
                Err(Refusal::Value { key: key.to_owned(), value: value.to_owned(), expected: kind.expected() })
            }
        }
    }

    /// Forgets the cells that nobody reads any more.
    pub fn sweep(&mut self) {
        self.cells.retain(|_, cell| Arc::strong_count(cell) > 1);
    }

    /// Every key that a layer has, in the order of the keys.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |key: &String| Entry {
            key: key.clone(),
            values: [self.file.get(key).cloned(), self.admin.get(key).cloned()],
        };
        self.keys().into_iter().map(entry).collect()
    }

    fn keys(&self) -> BTreeSet<&String> {
        order::set(self.file.keys().chain(self.admin.keys()))
    }

    fn publish(&mut self) {
        for ((key, kind), cell) in &self.cells {
            cell.set(find(&self.file, &self.admin, key, *kind));
        }
        self.stats.num_keys.set(self.keys().len() as i64);
        self.stats.admin_overrides_active.set(i64::from(!self.admin.is_empty()));
    }
}

/// A value that a reader cannot use, which a reload may bring about, counts as none.
fn find(file: &BTreeMap<String, String>, admin: &BTreeMap<String, String>, key: &str, kind: Kind) -> Option<f64> {
    [admin, file].into_iter().find_map(|layer| kind.parse(layer.get(key)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn the_later_layer_wins_and_outlives_the_file() {
        let mut values = RuntimeValues::default();
        let cell = values.intern("a.b", Kind::Percent);
        assert_eq!(cell.get(), None);
        values.set_file(BTreeMap::from([pair("a.b", "5"), pair("c", "x")]));
        assert_eq!(cell.get(), Some(5.0));
        values.modify(&[pair("a.b", "7.5")]).unwrap();
        assert_eq!(cell.get(), Some(7.5));
        assert_eq!((values.stats.num_keys.get(), values.stats.admin_overrides_active.get()), (2, 1));
        values.set_file(BTreeMap::new());
        assert_eq!(cell.get(), Some(7.5), "over a reload");
        assert!(Arc::ptr_eq(&cell, &values.intern("a.b", Kind::Percent)));
        values.modify(&[pair("a.b", "")]).unwrap();
        assert_eq!(cell.get(), None);
        assert_eq!((values.stats.num_keys.get(), values.stats.admin_overrides_active.get()), (0, 0));
        assert_eq!((values.stats.load_success.get(), values.stats.load_error.get()), (4, 0));
    }

    #[test]
    fn changes_are_all_or_nothing() {
        let mut values = RuntimeValues::default();
        let cell = values.intern("share", Kind::Percent);
        for (key, value, said) in [
            ("share", "200", "share: \"200\" is not a number from 0 to 100"),
            (
                "upstream.maintenance_mode.app",
                "x",
                "upstream.maintenance_mode.app: \"x\" is not a number from 0 to 100",
            ),
            ("", "1", "\"\" is not a key: 1 to 256 bytes, none of them a blank or a control character"),
            ("a b", "1", "\"a b\" is not a key: 1 to 256 bytes, none of them a blank or a control character"),
            ("long", &"x".repeat(1025), "long: longer than 1024 bytes"),
        ] {
            let refusal = values.modify(&[pair("share", "9"), pair(key, value)]).unwrap_err();
            assert_eq!(refusal.to_string(), said);
            assert_eq!((cell.get(), values.entries()), (None, Vec::new()));
        }
        assert_eq!(values.stats.load_error.get(), 5);
        values.modify(&[pair("nobody.reads", "anything at all")]).unwrap();
        assert_eq!(values.entries()[0].final_value(), "anything at all");
    }

    #[test]
    fn operators_fill_no_memory() {
        let mut values = RuntimeValues::default();
        let many: Vec<_> = (0..MOST_OVERRIDES).map(|at| pair(&format!("k{at}"), "1")).collect();
        values.modify(&many).unwrap();
        assert_eq!(values.modify(&[pair("one.more", "1")]), Err(Refusal::TooMany));
        values.modify(&[pair("k0", ""), pair("one.more", "1")]).unwrap();
    }

    #[test]
    fn readers_of_two_kinds_see_what_each_can_use() {
        let mut values = RuntimeValues::default();
        values.set_file(BTreeMap::from([pair("k", "50")]));
        values.modify(&[pair("k", "503")]).unwrap();
        let (percent, status) = (values.intern("k", Kind::Percent), values.intern("k", Kind::Status));
        assert_eq!((percent.get(), status.get()), (Some(50.0), Some(503.0)), "503 % counts as nothing said");
        drop(percent);
        values.sweep();
        assert_eq!(values.cells.len(), 1);
    }
}
