//! The binary accepts what the reference in `docs/reference` promises to operators.

use std::collections::BTreeSet;

use accolade::domain::cause::{Cause, Peer};
use accolade::domain::error_code::ErrorCode;
use accolade::domain::finding::Finding;
use accolade::messages;

use crate::cli_env::run_bare;

const CAUSES: &str = include_str!("../../docs/reference/causes.md");
const CODES: &str = include_str!("../../docs/reference/codes.md");
const COMMANDS: &str = include_str!("../../docs/reference/commands.md");
const FINDINGS: &str = include_str!("../../docs/reference/findings.md");
const KEYS: &str = include_str!("../../docs/reference/keys.md");

/// The first cell of each line of a table.
fn first_cells(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
}

/// The text between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_guide_and_the_example_have_the_same_keys() {
    let mut in_guide = BTreeSet::new();
    let mut section = "";
    for cell in first_cells(KEYS) {
        let Some(name) = code(cell).next() else { continue };
        if name.starts_with('[') {
            section = name;
        } else {
            in_guide.insert([section, ".", name].concat());
        }
    }
    let mut in_example = BTreeSet::new();
    let mut section = "";
    for line in accolade::config::EXAMPLE.lines() {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        let Some((name, _)) = line.split_once(" = ") else { continue };
        if name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            in_example.insert([section, ".", name].concat());
        }
    }
    assert!(in_example.len() > 50, "the example was not read: {in_example:?}");
    assert_eq!(in_guide, in_example);
}

#[test]
fn the_guide_names_the_defaults_that_the_example_shows() {
    // A key without a default has a made-up value in the example.
    let made_up = [
        "endpoint",
        "ca_file",
        "password_file",
        "public_url",
        "object_classes",
        "login_url",
        "mail_redirect_uri",
        "community_name",
    ];
    let mut compared = 0;
    let mut section = "";
    for line in accolade::config::EXAMPLE.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let Some((name, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")) else {
            continue;
        };
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') || made_up.contains(&name) {
            continue;
        }
        let (_, of_section) = KEYS.split_once(&["`", section, "`"].concat()).expect("the section");
        let row =
            of_section.lines().find(|row| row.starts_with(&["| `", name, "` |"].concat())).expect("the key");
        let default = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        assert_eq!(default.replace(['`', '"'], ""), value.replace('"', ""), "{section} {name}");
        compared += 1;
    }
    assert!(compared > 20, "the example was not read: {compared}");
}

#[test]
fn the_guide_explains_every_refusal_code_and_no_other() {
    let explained: BTreeSet<&str> = first_cells(CODES).filter_map(|cell| code(cell).next()).collect();
    let all: BTreeSet<&str> = ErrorCode::ALL.iter().map(|error_code| error_code.code()).collect();
    assert_eq!(explained, all);
}

#[test]
fn the_guide_explains_every_finding_with_its_words() {
    let lang = accolade::domain::lang::Lang::default();
    // Each finding has a heading of its own, and long lines are wrapped.
    let on_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let explained: Vec<String> = FINDINGS
        .split("\n### ")
        .skip(1)
        .map(|part| on_one_line(part.split("\n## ").next().unwrap_or(part)))
        .collect();
    let wanted: Vec<String> = Finding::ALL
        .iter()
        .map(|finding| {
            let (wrong, fix) =
                (messages::doctor::wrong(lang, *finding), messages::doctor::fix(lang, *finding));
            on_one_line(&format!("`{finding}` {wrong} Fix: {fix}"))
        })
        .collect();
    assert_eq!(explained, wanted);
}

#[test]
fn the_guide_explains_every_cause_with_its_words() {
    let lang = accolade::domain::lang::Lang::default();
    let on_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let explained: Vec<String> = CAUSES
        .split("\n- ")
        .skip(1)
        .map(|part| on_one_line(part.split("\n\n").next().unwrap_or(part)))
        .collect();
    let wanted: Vec<String> = Cause::ALL
        .iter()
        .map(|cause| {
            // The page names the keys of no special server.
            let sentence = messages::cause::sentence(lang, Peer::Directory, *cause);
            let sentence =
                sentence.replace("`directory.url`", "`url`").replace("`directory.ca_file`", "`ca_file`");
            on_one_line(&format!("`{cause}`: {sentence}"))
        })
        .collect();
    assert_eq!(explained, wanted);
}

/// Every usage in the reference: the code in the first cells of the tables, and the lines of the code blocks. A line that begins with
/// blanks continues the line before it.
fn usages() -> Vec<String> {
    let mut usages: Vec<String> = first_cells(COMMANDS).flat_map(code).map(str::to_owned).collect();
    for block in COMMANDS.split("```text\n").skip(1) {
        for line in block.split("```").next().unwrap_or(block).lines() {
            match usages.last_mut() {
                Some(usage) if line.starts_with(' ') => usage.push_str(line),
                _ => usages.push(line.to_owned()),
            }
        }
    }
    usages
}

#[test]
fn every_verb_and_flag_of_the_guide_is_taken() {
    let mut tried = 0;
    for usage in usages() {
        let words: Vec<&str> = usage.split([' ', '[', ']', '|']).filter(|word| !word.is_empty()).collect();
        let is_verb = |word: &&&str| word.bytes().all(|b| b.is_ascii_lowercase());
        let mut arguments: Vec<&str> = words.iter().take_while(is_verb).copied().collect();
        arguments.push("--help");
        let help = run_bare(&arguments).done();
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{usage}: {help}");
        }
        tried += 1;
    }
    assert!(tried >= 45, "the verbs were not read: {tried}");
}
