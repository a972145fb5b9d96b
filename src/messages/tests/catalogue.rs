//! Compares `en.ftl` with the calls of `tr!` in all of `src`, and with the codes after which messages are named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::domain::cause::Cause;
use crate::domain::comparison::DifferenceKind;
use crate::domain::finding::{self, Attempt, Finding, System};
use crate::domain::link::{self, LinkDifference};
use crate::domain::refusal::RefusalReason;

/// Each message with the text after its `=`.
fn messages() -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::new();
    let mut id = "";
    for line in ENGLISH.lines() {
        if line.starts_with(|c: char| c.is_ascii_lowercase()) {
            let (begun, text) = line.split_once(" =").expect("a message has a text");
            id = begun;
            assert_eq!(found.insert(id, text.to_owned()), None, "{id} is defined twice");
        } else if line.starts_with([' ', '}']) {
            found.entry(id).or_default().push_str(line);
        }
    }
    assert!(found.len() > 400, "only {} messages were read", found.len());
    found
}

/// The name after each `mark` in a text, such as names of variables.
fn names_after<'a>(text: &'a str, mark: &'a str) -> BTreeSet<&'a str> {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let names = text.split(mark).skip(1).map(|rest| rest.split(|c| !is_inside(c)).next().unwrap_or_default());
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())).collect()
}

/// A call of `tr!`.
struct Call {
    file: String,
    id: String,
    names: BTreeSet<String>,
}

/// The arguments of a call, parsed from the code after its opening parenthesis.
fn arguments(code: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut is_text) = (0, 0, false);
    let mut found = Vec::new();
    for (at, c) in code.char_indices() {
        match c {
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | ')' if depth == 0 => {
                found.push(code[begin..at].trim());
                begin = at + 1;
                if c == ')' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|argument| !argument.is_empty());
    found
}

fn calls() -> Vec<Call> {
    fn read(folder: &Path, found: &mut Vec<Call>) {
        for entry in std::fs::read_dir(folder).expect("the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let code: Vec<&str> =
                    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let code = code.join("\n");
                // The mark is in two parts, so that this line is not parsed as a call.
                for (at, mark) in code.match_indices(concat!("tr!", "(")) {
                    // This is `include_str!`.
                    if code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
                        continue;
                    }
                    let arguments = arguments(&code[at + mark.len()..]);
                    let names = arguments.iter().skip(2).filter_map(|argument| argument.split_once(" = "));
                    found.push(Call {
                        file: path.display().to_string(),
                        id: arguments.get(1).copied().unwrap_or_default().trim_matches('"').to_owned(),
                        names: names.map(|(name, _)| name.to_owned()).collect(),
                    });
                }
            }
        }
    }
    let mut found = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 300, "only {} calls were read", found.len());
    found
}

/// The kinds of messages that are named after codes, with all codes of each kind. Every such message must exist.
fn named_after_codes() -> Vec<(&'static str, Vec<&'static str>)> {
    fn codes<T: Copy>(all: &[T], code: impl Fn(T) -> &'static str) -> Vec<&'static str> {
        all.iter().copied().map(code).collect()
    }
    vec![
        ("refusal", codes(ErrorCode::ALL, ErrorCode::code)),
        ("ended", codes(RequestState::ALL, RequestState::code)),
        ("refused", codes(RefusalReason::ALL, RefusalReason::code)),
        ("step", codes(Step::ALL, Step::code)),
        ("difference", codes(LinkDifference::ALL, LinkDifference::code)),
        ("not-checked", codes(link::NotChecked::ALL, link::NotChecked::code)),
        ("restored", codes(DifferenceKind::ALL, DifferenceKind::code)),
        ("doctor", codes(Finding::ALL, Finding::code)),
        ("doctor-fix", codes(Finding::ALL, Finding::code)),
        ("doctor-not-checked", codes(finding::NotChecked::ALL, finding::NotChecked::code)),
        ("doctor-system", codes(System::ALL, System::code)),
        ("attempt", codes(Attempt::ALL, Attempt::code)),
        ("cause", codes(Cause::ALL, Cause::code)),
    ]
}

/// The messages that exist only for some error codes.
fn named_after_some_codes() -> BTreeSet<String> {
    let of = |kind| ErrorCode::ALL.iter().map(move |code| id_of_code(kind, code.code()));
    of("failed").chain(of("why-code")).chain(of("waits-for")).collect()
}

#[test]
fn every_call_names_a_message_and_exactly_its_variables() {
    let messages = messages();
    for call in calls() {
        let text = messages.get(call.id.as_str());
        let text = text.unwrap_or_else(|| panic!("{}: there is no message `{}`", call.file, call.id));
        let names: BTreeSet<&str> = call.names.iter().map(String::as_str).collect();
        assert_eq!(names, names_after(text, "$"), "{}: the values of `{}`", call.file, call.id);
    }
}

#[test]
fn every_code_has_its_message() {
    let messages = messages();
    for (kind, codes) in named_after_codes() {
        for code in codes {
            let id = id_of_code(kind, code);
            let text = messages.get(id.as_str()).unwrap_or_else(|| panic!("there is no message `{id}`"));
            let may_have: &[&str] = match kind {
                "difference" => &["detail"],
                "cause" => &["url", "ca"],
                _ => &[],
            };
            let variables = names_after(text, "$");
            assert!(variables.iter().all(|name| may_have.contains(name)), "`{id}` has {variables:?}");
        }
    }
    for id in named_after_some_codes() {
        let text = messages.get(id.as_str()).map(String::as_str).unwrap_or_default();
        assert!(!text.contains('$'), "`{id}` has a variable");
    }
}

#[test]
fn every_message_is_used() {
    let messages = messages();
    let mut used: BTreeSet<String> = calls().into_iter().map(|call| call.id).collect();
    for (kind, codes) in named_after_codes() {
        used.extend(codes.into_iter().map(|code| id_of_code(kind, code)));
    }
    used.extend(named_after_some_codes());
    let unused: Vec<_> = messages.keys().filter(|id| !used.contains(**id)).collect();
    assert!(unused.is_empty(), "nothing uses {unused:?}");
}

#[test]
fn every_message_is_a_whole_text_within_discords_limit() {
    for lang in Lang::ALL {
        for (id, source) in messages() {
            for count in 0..3 {
                let values: HashMap<Cow<'static, str>, FluentValue<'_>> = names_after(&source, "$")
                    .into_iter()
                    .map(|name| {
                        let is_count = matches!(name, "count" | "hours");
                        (Cow::Owned(name.to_owned()), if is_count { count.into() } else { "`ada`".into() })
                    })
                    .collect();
                assert_is_whole(&TEXTS.lookup_with_args(&identifier(*lang), id, &values));
            }
        }
    }
}
