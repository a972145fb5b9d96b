//! Reads keys out of one table and reports the keys that no getter asked for.
//!
//! serde's `deny_unknown_fields` stops at the first unknown key or wrong type, and drops the position of a value once it is parsed.
//! An operator wants all errors in one run, each with its line, so this reader exists.
//! A getter that records an error returns `None`; a section is built only after all its getters have run.

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
    diagnostics: &'a Diagnostics,
}

/// The parser of one text value.
type Parse<T> = fn(&str) -> Result<T, ValueError>;

impl<'a> Section<'a> {
    pub(super) fn new(
        path: impl Into<String>,
        place: Place,
        entries: Entries,
        diagnostics: &'a Diagnostics,
    ) -> Self {
        Self { path: path.into(), place, entries, asked: RefCell::default(), diagnostics }
    }

    /// The full key, such as `keycloak.url`.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { [&self.path, key].join(".") }
    }

    /// The place of a key, or of the table if the key is missing.
    pub(super) fn place(&self, key: &str) -> Place {
        self.entries.get(key).map_or_else(|| self.place.clone(), |node| node.place.clone())
    }

    /// Records an error about a key.
    pub(super) fn error(&self, key: &str, problem: impl Into<String>, fix: impl Into<String>) {
        self.diagnostics.error(Diagnostic::new(self.key(key), self.place(key), problem, fix));
    }

    /// Records a warning about a key.
    pub(super) fn warn(&self, key: &str, problem: impl Into<String>, fix: impl Into<String>) {
        self.diagnostics.warn(Diagnostic::new(self.key(key), self.place(key), problem, fix));
    }

    fn node(&self, key: &'static str) -> Option<&Node> {
        self.asked.borrow_mut().insert(key);
        self.entries.get(key)
    }

    fn missing<T>(&self, key: &'static str) -> Option<T> {
        self.error(key, "is missing", "add it; `accolade config example` shows every key");
        None
    }

    fn checked<T>(&self, key: &str, value: Result<T, ValueError>) -> Option<T> {
        value.map_err(|error| self.error(key, error.problem, error.fix)).ok()
    }

    /// Whether the key is set.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.node(key).is_some()
    }

    /// Accepts a key without reading it, when a command does not need it.
    pub(super) fn skip(&self, key: &'static str) {
        self.asked.borrow_mut().insert(key);
    }

    /// A required text.
    pub(super) fn required<T>(&self, key: &'static str, parse: Parse<T>) -> Option<T> {
        match self.node(key) {
            None => self.missing(key),
            Some(node) => self.checked(key, text_of(node).and_then(|text| parse(&text))),
        }
    }

    /// A text with a default, which is written as an operator would write it.
    pub(super) fn or<T>(&self, key: &'static str, default: &str, parse: Parse<T>) -> Option<T> {
        let value =
            self.node(key).map_or_else(|| parse(default), |node| text_of(node).and_then(|t| parse(&t)));
        self.checked(key, value)
    }

    /// An optional text. The outer `None` means an error.
    #[expect(clippy::option_option, reason = "invalid, absent and set are three cases")]
    pub(super) fn optional<T>(&self, key: &'static str, parse: Parse<T>) -> Option<Option<T>> {
        match self.node(key) {
            None => Some(None),
            Some(node) => self.checked(key, text_of(node).and_then(|text| parse(&text)).map(Some)),
        }
    }

    /// A required id, as text or as a bare number.
    pub(super) fn id<T>(&self, key: &'static str, parse: Parse<T>) -> Option<T> {
        match self.node(key) {
            None => self.missing(key),
            Some(node) => self.checked(key, scalar_of(node).and_then(|text| parse(&text))),
        }
    }

    /// An optional id. The outer `None` means an error.
    #[expect(clippy::option_option, reason = "invalid, absent and set are three cases")]
    pub(super) fn optional_id<T>(&self, key: &'static str, parse: Parse<T>) -> Option<Option<T>> {
        match self.node(key) {
            None => Some(None),
            Some(node) => self.checked(key, scalar_of(node).and_then(|text| parse(&text)).map(Some)),
        }
    }

    /// `true` or `false`; `false` if it is missing.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let Some(node) = self.node(key) else { return Some(false) };
        self.checked(key, flag_of(node))
    }

    /// A whole number within a range, with a default.
    pub(super) fn count(
        &self,
        key: &'static str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let Some(node) = self.node(key) else { return Some(default) };
        let value = integer_of(node).and_then(|number| {
            u32::try_from(number).ok().filter(|number| range.contains(number)).ok_or_else(|| {
                let fix = format!("write a number from {} to {}", range.start(), range.end());
                ValueError::new("the number is out of range", fix)
            })
        });
        self.checked(key, value)
    }

    /// A list of texts or bare numbers (Discord ids); `default` if it is missing. Errors name the item.
    pub(super) fn list<T>(&self, key: &'static str, default: &[&str], parse: Parse<T>) -> Option<Vec<T>> {
        let Some(node) = self.node(key) else {
            return default.iter().map(|text| self.checked(key, parse(text))).collect();
        };
        let items = self.checked(key, list_of(node))?;
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let value = scalar_of(item).and_then(|text| parse(&text));
                let record = |error: ValueError| {
                    let key = format!("{}[{index}]", self.key(key));
                    self.diagnostics.error(error.at(key, item.place.clone()));
                };
                value.map_err(record).ok()
            })
            .collect();
        read.into_iter().collect()
    }

    /// A table; empty if it is missing. `None` means an error.
    pub(super) fn table(&self, key: &'static str) -> Option<Section<'a>> {
        let Some(node) = self.node(key) else {
            return Some(Section::new(self.key(key), self.place.clone(), Entries::new(), self.diagnostics));
        };
        let entries = self.checked(key, table_of(node))?;
        Some(Section::new(self.key(key), node.place.clone(), entries, self.diagnostics))
    }

    /// A list of tables; empty if it is missing. `None` means an error.
    pub(super) fn tables(&self, key: &'static str) -> Option<Vec<Section<'a>>> {
        let Some(node) = self.node(key) else { return Some(Vec::new()) };
        let items = self.checked(key, list_of(node))?;
        let sections = items.iter().enumerate().map(|(index, item)| {
            let path = format!("{}[{index}]", self.key(key));
            match table_of(item) {
                Ok(entries) => Some(Section::new(path, item.place.clone(), entries, self.diagnostics)),
                Err(error) => {
                    self.diagnostics.error(error.at(path, item.place.clone()));
                    None
                }
            }
        });
        sections.collect::<Vec<_>>().into_iter().collect()
    }

    /// Reports every key that no getter asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, node) in &self.entries {
            if asked.contains(key.as_str()) {
                continue;
            }
            let known: Vec<&str> = asked.iter().copied().collect();
            let fix = nearest(key, &known).map_or_else(
                || format!("remove it; the keys here are {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.diagnostics.error(Diagnostic::new(
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

/// An item of a list or an id: text, or a whole number without quotes.
fn scalar_of(node: &Node) -> Result<String, ValueError> {
    match &node.value {
        Value::Integer(number) => Ok(number.to_string()),
        Value::Text(_) | Value::Raw(_) => text_of(node),
        other @ (Value::Flag(_) | Value::List(_) | Value::Table(_) | Value::Other(_)) => {
            Err(wrong_kind("text in quotes or a whole number", other))
        }
    }
}

/// The text of a variable, which may be bare or a quoted TOML string.
fn unquoted(raw: &str, place: &Place) -> String {
    match raw.starts_with(['"', '\'']).then(|| parse_raw(raw, place)).flatten() {
        Some(Value::Text(text)) => text,
        Some(_) | None => raw.to_owned(),
    }
}

/// The value that a variable contains as TOML, or the value of the file.
fn parsed_value(node: &Node) -> Value {
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
    let value = parsed_value(node);
    if let Value::Flag(flag) = value { Ok(flag) } else { Err(wrong_kind("true or false", &value)) }
}

fn integer_of(node: &Node) -> Result<i64, ValueError> {
    let value = parsed_value(node);
    if let Value::Integer(number) = value { Ok(number) } else { Err(wrong_kind("a whole number", &value)) }
}

fn list_of(node: &Node) -> Result<Vec<Node>, ValueError> {
    let value = parsed_value(node);
    if let Value::List(items) = value { Ok(items) } else { Err(wrong_kind("a list", &value)) }
}

fn table_of(node: &Node) -> Result<Entries, ValueError> {
    let value = parsed_value(node);
    if let Value::Table(entries) = value { Ok(entries) } else { Err(wrong_kind("a table", &value)) }
}

/// The known key that is most similar to `key`, if few characters differ.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|candidate| (strsim::levenshtein(key, candidate), *candidate))
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
