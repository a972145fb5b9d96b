//! The file and the environment as one tree that remembers where each value stands.
//!
//! Values of the environment stay raw text here: only the reader knows whether `42` shall be a number or a name.
//! Nothing here knows a key; start with [`Document::read`].

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Diagnostics, Place};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What a value is.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    List(Vec<Node>),
    Table(Entries),
    /// A kind of TOML value that no key takes, by its name.
    Other(&'static str),
    /// From the environment: it becomes what the reader asks for.
    Raw(String),
}

impl fmt::Debug for Value {
    /// The kind only: a careless operator may have put a secret into the file.
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
    /// Parses `text` and lays `environment` over it. Faults of form go to `findings`; what could be read is returned,
    /// so that the other faults are found in the same run.
    pub(super) fn read(text: &str, environment: &[(String, String)], findings: &Diagnostics) -> Self {
        let lines = Lines::of(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let place = error.span().map_or(Place::File, |span| lines.place(span.start));
            findings.diagnostic(Diagnostic::new(
                "",
                place,
                format!("not valid TOML: {}", error.message()),
                "",
            ));
        }
        let mut entries = entries_of(table.get_ref(), &|at| lines.place(at));
        for (variable, value) in environment {
            lay_over(&mut entries, variable, value, findings);
        }
        Self { entries }
    }
}

/// Parses a TOML value that stands in an environment variable.
pub(super) fn parse_raw(raw: &str, place: &Place) -> Option<Value> {
    let value = DeValue::parse(raw).ok()?;
    Some(value_of(value.get_ref(), &|_| place.clone()))
}

/// `ACCOLADE__KEYCLOAK__CLIENT_ID` sets `keycloak.client_id`.
fn lay_over(entries: &mut Entries, variable: &str, value: &str, findings: &Diagnostics) {
    let place = Place::Environment(variable.to_owned());
    let path: Vec<String> = variable
        .strip_prefix(super::load::PREFIX)
        .unwrap_or_default()
        .split("__")
        .map(str::to_ascii_lowercase)
        .collect();
    let Some((last, parents)) = path.split_last() else { return };
    if path.iter().any(String::is_empty) {
        let fix = "name it ACCOLADE__SECTION__KEY, with two underscores between the parts";
        findings.diagnostic(Diagnostic::new("", place, "the variable names no key", fix));
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
            findings.diagnostic(Diagnostic::new(
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

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column (in characters) of a byte, both from 1.
    fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(1, |before| before.chars().count() + 1);
        Place::Line { line, column }
    }
}
