//! Reads keys out of one table, counts what was asked for, and reports what is left over.
//!
//! serde's `deny_unknown_fields` stops at the first unknown key or wrong type, and forgets where a value stood once
//! it is parsed. An operator wants all faults in one run, each with its line; therefore this reader.
//! Every getter returns `None` after it has recorded a fault; the section is put together only when all getters ran.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::diagnostic::{Diagnostic, Diagnostics, Place, ValueError};
use super::document::{Entries, Node, Value, parse_raw};

/// One table of the configuration.
pub(super) struct Section<'a> {
    path: String,
    place: Place,
    entries: Entries,
    asked: RefCell<BTreeSet<&'static str>>,
    findings: &'a Diagnostics,
}

/// The parser of one text value.
type Parse<T> = fn(&str) -> Result<T, ValueError>;

impl<'a> Section<'a> {
    pub(super) fn new(
        path: impl Into<String>,
        place: Place,
        entries: Entries,
        findings: &'a Diagnostics,
    ) -> Self {
        Self { path: path.into(), place, entries, asked: RefCell::default(), findings }
    }

    /// The full key, such as `keycloak.url`.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { [&self.path, key].join(".") }
    }

    /// The place of a key, or of the table if the key is missing.
    pub(super) fn place(&self, key: &str) -> Place {
        self.entries.get(key).map_or_else(|| self.place.clone(), |node| node.place.clone())
    }

    /// Records a fault of a key.
    pub(super) fn diagnostic(&self, key: &str, problem: impl Into<String>, fix: impl Into<String>) {
        self.findings.diagnostic(Diagnostic::new(self.key(key), self.place(key), problem, fix));
    }

    /// Records a warning about a key.
    pub(super) fn warn(&self, key: &str, problem: impl Into<String>, fix: impl Into<String>) {
        self.findings.warn(Diagnostic::new(self.key(key), self.place(key), problem, fix));
    }

    fn node(&self, key: &'static str) -> Option<&Node> {
        self.asked.borrow_mut().insert(key);
        self.entries.get(key)
    }

    fn missing<T>(&self, key: &'static str) -> Option<T> {
        self.diagnostic(key, "is missing", "add it; `accolade config example` shows every key");
        None
    }

    fn judged<T>(&self, key: &str, judged: Result<T, ValueError>) -> Option<T> {
        judged.map_err(|complaint| self.diagnostic(key, complaint.problem, complaint.fix)).ok()
    }

    /// Whether the key is given at all.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.node(key).is_some()
    }

    /// Takes a key without looking at it, for loading that does not need it.
    pub(super) fn skip(&self, key: &'static str) {
        self.asked.borrow_mut().insert(key);
    }

    /// A text that must be there.
    pub(super) fn required<T>(&self, key: &'static str, parse: Parse<T>) -> Option<T> {
        match self.node(key) {
            None => self.missing(key),
            Some(node) => self.judged(key, text_of(node).and_then(|text| parse(&text))),
        }
    }

    /// A text with a default, written as an operator would write it.
    pub(super) fn or<T>(&self, key: &'static str, default: &str, parse: Parse<T>) -> Option<T> {
        let judged =
            self.node(key).map_or_else(|| parse(default), |node| text_of(node).and_then(|t| parse(&t)));
        self.judged(key, judged)
    }

    /// A text that may be missing. The outer `None` is a fault.
    #[expect(clippy::option_option, reason = "faulty, absent and given are three things")]
    pub(super) fn optional<T>(&self, key: &'static str, parse: Parse<T>) -> Option<Option<T>> {
        match self.node(key) {
            None => Some(None),
            Some(node) => self.judged(key, text_of(node).and_then(|text| parse(&text)).map(Some)),
        }
    }

    /// An id that must be there, as text or as a bare number.
    pub(super) fn id<T>(&self, key: &'static str, parse: Parse<T>) -> Option<T> {
        match self.node(key) {
            None => self.missing(key),
            Some(node) => self.judged(key, scalar_of(node).and_then(|text| parse(&text))),
        }
    }

    /// An id that may be missing. The outer `None` is a fault.
    #[expect(clippy::option_option, reason = "faulty, absent and given are three things")]
    pub(super) fn optional_id<T>(&self, key: &'static str, parse: Parse<T>) -> Option<Option<T>> {
        match self.node(key) {
            None => Some(None),
            Some(node) => self.judged(key, scalar_of(node).and_then(|text| parse(&text)).map(Some)),
        }
    }

    /// `true` or `false`; missing is `false`.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let Some(node) = self.node(key) else { return Some(false) };
        self.judged(key, flag_of(node))
    }

    /// A whole number within a range, with a default.
    pub(super) fn count(
        &self,
        key: &'static str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let Some(node) = self.node(key) else { return Some(default) };
        let judged = integer_of(node).and_then(|number| {
            u32::try_from(number).ok().filter(|number| range.contains(number)).ok_or_else(|| {
                let fix = format!("write a number from {} to {}", range.start(), range.end());
                ValueError::new("the number is out of range", fix)
            })
        });
        self.judged(key, judged)
    }

    /// A list of texts (or bare numbers, as Discord's ids are); missing is `default`. Faults name the item.
    pub(super) fn list<T>(&self, key: &'static str, default: &[&str], parse: Parse<T>) -> Option<Vec<T>> {
        let Some(node) = self.node(key) else {
            return default.iter().map(|text| self.judged(key, parse(text))).collect();
        };
        let items = self.judged(key, list_of(node))?;
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let judged = scalar_of(item).and_then(|text| parse(&text));
                let record = |complaint: ValueError| {
                    let key = format!("{}[{index}]", self.key(key));
                    self.findings.diagnostic(Diagnostic::new(
                        key,
                        item.place.clone(),
                        complaint.problem,
                        complaint.fix,
                    ));
                };
                judged.map_err(record).ok()
            })
            .collect();
        read.into_iter().collect()
    }

    /// A table; missing is empty. `None` is a fault.
    pub(super) fn table(&self, key: &'static str) -> Option<Section<'a>> {
        let Some(node) = self.node(key) else {
            return Some(Section::new(self.key(key), self.place.clone(), Entries::new(), self.findings));
        };
        let entries = self.judged(key, table_of(node))?;
        Some(Section::new(self.key(key), node.place.clone(), entries, self.findings))
    }

    /// A list of tables; missing is empty. `None` is a fault.
    pub(super) fn tables(&self, key: &'static str) -> Option<Vec<Section<'a>>> {
        let Some(node) = self.node(key) else { return Some(Vec::new()) };
        let items = self.judged(key, list_of(node))?;
        let sections = items.iter().enumerate().map(|(index, item)| {
            let path = format!("{}[{index}]", self.key(key));
            match table_of(item) {
                Ok(entries) => Some(Section::new(path, item.place.clone(), entries, self.findings)),
                Err(complaint) => {
                    let diagnostic =
                        Diagnostic::new(path, item.place.clone(), complaint.problem, complaint.fix);
                    self.findings.diagnostic(diagnostic);
                    None
                }
            }
        });
        sections.collect::<Vec<_>>().into_iter().collect()
    }

    /// Refuses every key that nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, node) in &self.entries {
            if asked.contains(key.as_str()) {
                continue;
            }
            let known: Vec<&str> = asked.iter().copied().collect();
            let fix = nearest(key, &known).map_or_else(
                || format!("take it out; the keys here are {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.findings.diagnostic(Diagnostic::new(
                self.key(key),
                node.place.clone(),
                "is not a known key",
                fix,
            ));
        }
    }
}

fn wrong_kind(wanted: &str, found: &Value) -> ValueError {
    ValueError::new(format!("expected {wanted}, found {}", found.kind()), "")
}

fn text_of(node: &Node) -> Result<String, ValueError> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Raw(raw) => Ok(unquoted(raw, &node.place)),
        other @ (Value::Integer(_) | Value::Flag(_) | Value::List(_) | Value::Table(_) | Value::Other(_)) => {
            Err(wrong_kind("text in quotes", other))
        }
    }
}

/// A list's item or an id: text, or a whole number written bare.
fn scalar_of(node: &Node) -> Result<String, ValueError> {
    match &node.value {
        Value::Integer(number) => Ok(number.to_string()),
        Value::Text(_) | Value::Raw(_) => text_of(node),
        other @ (Value::Flag(_) | Value::List(_) | Value::Table(_) | Value::Other(_)) => {
            Err(wrong_kind("text in quotes or a whole number", other))
        }
    }
}

/// A variable may hold the bare text or a quoted TOML string.
fn unquoted(raw: &str, place: &Place) -> String {
    match raw.starts_with(['"', '\'']).then(|| parse_raw(raw, place)).flatten() {
        Some(Value::Text(text)) => text,
        Some(_) | None => raw.to_owned(),
    }
}

/// The value that a variable holds as TOML, or the value of the file.
fn meant(node: &Node) -> Value {
    match &node.value {
        Value::Raw(raw) => parse_raw(raw, &node.place).unwrap_or_else(|| node.value.clone()),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Flag(_)
        | Value::List(_)
        | Value::Table(_)
        | Value::Other(_) => node.value.clone(),
    }
}

fn flag_of(node: &Node) -> Result<bool, ValueError> {
    let value = meant(node);
    if let Value::Flag(flag) = value { Ok(flag) } else { Err(wrong_kind("true or false", &value)) }
}

fn integer_of(node: &Node) -> Result<i64, ValueError> {
    let value = meant(node);
    if let Value::Integer(number) = value { Ok(number) } else { Err(wrong_kind("a whole number", &value)) }
}

fn list_of(node: &Node) -> Result<Vec<Node>, ValueError> {
    let value = meant(node);
    if let Value::List(items) = value { Ok(items) } else { Err(wrong_kind("a list", &value)) }
}

fn table_of(node: &Node) -> Result<Entries, ValueError> {
    let value = meant(node);
    if let Value::Table(entries) = value { Ok(entries) } else { Err(wrong_kind("a table", &value)) }
}

/// The known key that differs least, if it differs little.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|candidate| (distance(key, candidate), *candidate))
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: how many characters to add, take away or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            left = (corner + usize::from(from != *to)).min(left + 1).min(above + 1);
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
