//! The file and the environment, merged into one tree that records the place of each value.
//!
//! Values of the environment stay raw text here, because only the reader knows whether `42` is a number or a name. This file knows no keys.
//! [`Document::read`] builds the tree.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::environment::PREFIX;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A value of the tree.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    List(Vec<Node>),
    Table(Entries),
    /// A kind of TOML value that no key accepts, by its name.
    Other(&'static str),
    /// Text from the environment; the reader parses it as the type that the key has.
    Raw(String),
}

impl fmt::Debug for Value {
    /// Only the kind, because an operator may have put a secret into the file by mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl Value {
    /// The kind in words, for "expected …, found …".
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
            Self::Raw(_) => "text from the environment",
        }
    }
}

/// The keys of a table.
pub(super) type Entries = BTreeMap<String, Node>;

/// The top of the tree.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) entries: Entries,
}

impl Document {
    /// Parses `text` and applies `environment` on top of it. Syntax errors go to `diagnostics`. Everything that could be read is
    /// returned, so that the same run finds the other errors.
    pub(super) fn read(text: &str, environment: &[(String, String)], diagnostics: &Diagnostics) -> Self {
        let lines = Lines::of(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let place = error.span().map_or(Place::File, |span| lines.place(span.start));
            diagnostics.error(Diagnostic::new("", place, format!("not valid TOML: {}", error.message()), ""));
        }
        let mut entries = entries_of(table.get_ref(), &|at| lines.place(at));
        for (variable, value) in environment {
            overlay_variable(&mut entries, variable, value, diagnostics);
        }
        Self { entries }
    }
}

/// Parses an environment variable as a TOML value.
pub(super) fn parse_raw(raw: &str, place: &Place) -> Option<Value> {
    let value = DeValue::parse(raw).ok()?;
    Some(value_of(value.get_ref(), &|_| place.clone()))
}

/// `ACCOLADE__KEYCLOAK__CLIENT_ID` sets `keycloak.client_id`.
fn overlay_variable(entries: &mut Entries, variable: &str, value: &str, diagnostics: &Diagnostics) {
    let place = Place::Environment(variable.to_owned());
    let path: Vec<String> =
        variable.strip_prefix(PREFIX).unwrap_or_default().split("__").map(str::to_ascii_lowercase).collect();
    let Some((last, parents)) = path.split_last() else { return };
    if path.iter().any(String::is_empty) {
        let fix = "name it ACCOLADE__SECTION__KEY, with two underscores between the parts";
        diagnostics.error(Diagnostic::new("", place, "the variable names no key", fix));
        return;
    }
    let mut table = entries;
    for (depth, part) in parents.iter().enumerate() {
        let node = table
            .entry(part.clone())
            .or_insert_with(|| Node { value: Value::Table(Entries::new()), place: place.clone() });
        if let Value::Raw(raw) = &node.value
            && let Some(parsed) = parse_raw(raw, &node.place)
        {
            node.value = parsed;
        }
        let Value::Table(below) = &mut node.value else {
            let key = path.get(..=depth).unwrap_or_default().join(".");
            let fix = "give the whole value in one variable, written as TOML";
            diagnostics.error(Diagnostic::new(
                key,
                place,
                "the variable reaches into something that is no table",
                fix,
            ));
            return;
        };
        table = below;
    }
    table.insert(last.clone(), Node { value: Value::Raw(value.to_owned()), place });
}

fn entries_of(table: &DeTable<'_>, place: &dyn Fn(usize) -> Place) -> Entries {
    table
        .iter()
        .map(|(key, value)| {
            let node = Node { value: value_of(value.get_ref(), place), place: place(key.span().start) };
            (key.get_ref().to_string(), node)
        })
        .collect()
}

fn value_of(value: &DeValue<'_>, place: &dyn Fn(usize) -> Place) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number that is too big"), Value::Integer),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node { value: value_of(item.get_ref(), place), place: place(item.span().start) })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(entries_of(table, place)),
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
    }
}

/// The byte offsets at which the lines of a text start.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column (in characters) of a byte offset, both starting at 1.
    fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(1, |before| before.chars().count() + 1);
        Place::Line { line, column }
    }
}
