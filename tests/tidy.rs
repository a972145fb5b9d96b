//! The project's rules as a test: which module may import which, where external crates are used, what the docs
//! promise, and which words are banned.
//!
//! The rules read the files as text. Rules that are hard to check in text are not here.

#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/names.rs"]
mod names;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Module -> modules that it may import. Every module may import `domain`, `config`, `net`, `clock` and `crash`, and itself.
const IMPORTS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &[]),
    ("crash", &[]),
    ("config", &[]),
    ("net", &[]),
    ("messages", &[]),
    ("telemetry", &[]),
    ("store", &[]),
    ("directory", &[]),
    ("keycloak", &[]),
    ("discord", &[]),
    ("accounts", &["store", "directory", "keycloak", "discord", "messages"]),
    ("worker", &["store", "directory", "keycloak", "discord"]),
    ("jobs", &["worker", "store", "directory", "keycloak", "discord"]),
    ("notify", &["worker", "store", "discord", "messages"]),
    ("maintenance", &["worker", "store", "directory"]),
    ("background", &["jobs", "notify", "maintenance", "worker", "store"]),
    ("bot", &["accounts", "messages", "discord", "telemetry"]),
    ("web", &["accounts", "messages"]),
    ("setup", &["store", "directory", "keycloak", "discord", "messages"]),
    ("doctor", &["store", "directory", "keycloak", "discord", "messages"]),
    ("cli", &["accounts", "messages", "setup", "doctor", "app", "telemetry"]),
    (
        "app",
        &[
            "store",
            "directory",
            "keycloak",
            "discord",
            "messages",
            "accounts",
            "background",
            "doctor",
            "bot",
            "web",
            "telemetry",
        ],
    ),
    ("main", &["cli", "telemetry"]),
];

/// Modules that every module may import.
const OPEN: &[&str] = &["domain", "config", "net", "clock", "crash"];

/// Single files that may import more than their module, with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("src/cli/migrate.rs", "store", "it makes and changes the database, before any use-case can run"),
    ("src/cli/backup.rs", "store", "it copies and replaces the whole database, which no use-case does"),
];

/// External crate -> the modules that may use it.
const CRATES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("ldap3", &["directory"]),
    ("reqwest", &["keycloak", "discord", "setup"]),
    ("serenity", &["discord", "bot"]),
    ("poise", &["bot"]),
    ("axum", &["web"]),
    ("prometheus_client", &["web", "worker", "background", "app"]),
    ("clap", &["cli"]),
    ("rpassword", &["cli"]),
    ("fluent_templates", &["messages"]),
    ("chacha20poly1305", &["store"]),
    ("tracing_subscriber", &["telemetry"]),
];

/// A file of the product that is longer than this has more than one purpose. Tests below `mod tests` do not count.
const LONGEST_FILE: usize = 560;

/// Words and phrases that earlier pages used for things that have a common name.
const OLD_WORDS: &[&str] = &[
    "addressee",
    "anew",
    "asked of the directory",
    "doorway",
    "errand",
    "in use since",
    "keep tidy",
    "mail again",
    "mails again",
    "much is going on",
    "operators has to look",
    "postage",
    "presser",
    "setback",
    "setbacks",
    "somebody of the",
    "taken back",
    "upkeep",
    "was asked for",
    "whoever",
    "whomever",
];

/// A longer line of a page is hard to read in an editor and in a review.
const LONGEST_LINE: usize = 160;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target" && name != ".git") {
                    walk(&path, ending, found);
                }
            } else if path.extension().is_some_and(|have| have == ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no .{ending} file below {folder}");
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", shown(path)))
}

/// The module of a product file: the first part of its path below `src`.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).expect("a file below src");
    let first = below.components().next().expect("a path with a part").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The file without comments and without its test module, which comes last if it is not a separate file.
fn code_of(text: &str) -> String {
    let is_own = |part: &str| part.lines().next().is_some_and(|line| line.ends_with('{'));
    let mut parts = text.split("\n#[cfg(test)]\nmod ");
    let mut product = parts.next().unwrap_or(text).to_owned();
    for part in parts.take_while(|part| !is_own(part)) {
        product.push('\n');
        product.push_str(part.split_once('\n').map_or("", |(_, rest)| rest));
    }
    product.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The files of the product with their code, without tests in separate files.
fn product_files() -> Vec<(String, String)> {
    let is_product = |file: &String| !file.ends_with("/tests.rs") && !file.contains("/tests/");
    let files = files_below("src", "rs").into_iter().map(|path| (shown(&path), path));
    let files = files.filter(|(file, _)| is_product(file));
    files.map(|(file, path)| (file, code_of(&text_of(&path)))).collect()
}

/// Names that follow `prefix` in `code`, up to the first character that is not part of an identifier.
fn names_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(prefix).filter_map(move |(at, _)| {
        let is_word_before = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        if is_word_before {
            return None;
        }
        let rest = &code[at + prefix.len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        Some(&rest[..end])
    })
}

fn assert_none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}\n{}", faults.join("\n"));
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let modules: Vec<&str> = IMPORTS.iter().map(|(module, _)| *module).collect();
    let mut faults = Vec::new();
    for path in files_below("src", "rs") {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let Some(allowed) = table.get(module.as_str()) else {
            faults.push(format!("{}: the module `{module}` is not in the table", shown(&path)));
            continue;
        };
        let code = code_of(&text_of(&path));
        for used in names_after(&code, "crate::").chain(names_after(&code, "accolade::")) {
            let is_excepted = EXCEPTIONS.iter().any(|(file, name, _)| *file == shown(&path) && *name == used);
            let is_fine = used == module || OPEN.contains(&used) || allowed.contains(&used) || is_excepted;
            if modules.contains(&used) && !is_fine {
                faults.push(format!("{}: `{module}` imports `{used}`", shown(&path)));
            }
        }
    }
    assert_none("A module imports what the table in tests/tidy.rs forbids:", &faults);
}

#[test]
fn the_domain_is_pure() {
    let foreign = ["tokio", "sqlx", "ldap3", "reqwest", "serenity", "poise", "axum", "tracing", "rand"];
    let mut faults = Vec::new();
    for path in files_below("src/domain", "rs") {
        let code = code_of(&text_of(&path));
        for name in foreign {
            if names_after(&code, &format!("{name}::")).next().is_some() {
                faults.push(format!("{}: uses `{name}`", shown(&path)));
            }
        }
        if code.contains("async fn") || code.contains("SystemTime") {
            faults.push(format!("{}: is asynchronous or asks the clock", shown(&path)));
        }
    }
    assert_none("The domain has no I/O, clock, randomness, async or logging:", &faults);
}

#[test]
fn foreign_crates_stay_in_their_modules() {
    let mut faults = Vec::new();
    for path in files_below("src", "rs") {
        let module = module_of(&path);
        let code = code_of(&text_of(&path));
        for (name, modules) in CRATES {
            let is_used = names_after(&code, &format!("{name}::")).next().is_some()
                || code.contains(&format!("use {name};"));
            if is_used && !modules.contains(&module.as_str()) {
                faults.push(format!("{}: `{name}` belongs in {modules:?}", shown(&path)));
            }
        }
    }
    assert_none("A foreign crate is used outside its module:", &faults);
}

#[test]
fn modules_say_what_lives_in_them_and_stay_short() {
    let mut faults = Vec::new();
    for path in files_below("src", "rs").into_iter().chain(files_below("tests", "rs")) {
        let text = text_of(&path);
        if !text.starts_with("//!") {
            faults.push(format!("{}: does not open with `//!`", shown(&path)));
        }
        let lines = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(&text).lines().count();
        if path.starts_with(root().join("src")) && lines > LONGEST_FILE {
            faults.push(format!("{}: {lines} lines without its tests, {LONGEST_FILE} at most", shown(&path)));
        }
    }
    assert_none("A module hides its purpose or has too many of them:", &faults);
}

#[test]
fn nobody_switches_a_check_off_or_waits_for_time() {
    // Written in two parts, so that the test does not match this file.
    let forbidden = [
        concat!("#[ig", "nore"),
        concat!("#[al", "low("),
        concat!("#![al", "low("),
        concat!("todo", "!("),
        concat!("unimple", "mented!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
    ];
    let mut faults = Vec::new();
    for path in files_below("src", "rs").into_iter().chain(files_below("tests", "rs")) {
        let text = text_of(&path);
        for (number, line) in text.lines().enumerate() {
            for word in forbidden {
                if line.contains(word) {
                    faults.push(format!("{}:{}: `{word}`", shown(&path), number + 1));
                }
            }
        }
    }
    assert_none("A check is switched off, or something is unfinished:", &faults);
}

/// The only files that may let time pass, with the reason.
const SLEEPING: &[(&str, &str)] = &[
    ("tests/testbed/src/waiting.rs", "it asks a condition again and again, for all tests"),
    ("tests/discord-sim/src/rest/mod.rs", "an answer that comes late is a fault that it plays"),
    ("src/clock.rs", "it is the clock that the product waits by, which tests push"),
];

/// The lines that wait for time to pass.
fn lines_that_wait(text: &str) -> Vec<usize> {
    // Written in two parts, so that the test does not match this file.
    let forbidden = [concat!("sle", "ep("), concat!("sle", "ep_until("), concat!("park_", "timeout(")];
    let sleeps = |line: &str| forbidden.iter().any(|call| line.contains(call));
    text.lines().zip(1..).filter(|(line, _)| sleeps(line)).map(|(_, number)| number).collect()
}

#[test]
fn tests_wait_for_conditions_and_never_for_time() {
    let mut faults = Vec::new();
    for path in files_below("src", "rs").into_iter().chain(files_below("tests", "rs")) {
        let file = shown(&path);
        let is_excepted = SLEEPING.iter().any(|(excepted, _)| *excepted == file);
        let found = lines_that_wait(&text_of(&path));
        if is_excepted {
            assert!(!found.is_empty(), "{file} no longer waits: remove it from the list");
            continue;
        }
        faults.extend(found.iter().map(|line| format!("{file}:{line}")));
    }
    assert_none(
        "A test waits for time to pass. Wait for the condition with `testbed::wait_until`, or push the clock:",
        &faults,
    );
    let call = concat!("tokio::time::sle", "ep(SECOND)");
    assert_eq!(lines_that_wait(&["fn asleep", call, "}"].join("\n")), [2]);
}

#[test]
fn filters_names_and_sql_are_never_formatted() {
    let mut faults = Vec::new();
    for path in files_below("src/directory", "rs").into_iter().chain(files_below("src/store", "rs")) {
        let code = code_of(&text_of(&path));
        for (number, line) in code.lines().enumerate() {
            if line.contains("format!(") || line.contains("write!(") && !line.contains("write!(f,") {
                faults.push(format!("{}: line {} of its code: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    assert_none(
        "Text is formatted in a module that builds filters, names or SQL; use its typed builders:",
        &faults,
    );
}

#[test]
fn there_is_one_http_client_and_one_tls_provider() {
    let lock = text_of(&root().join("Cargo.lock"));
    let versions = |name: &str| lock.matches(&format!("\nname = \"{name}\"\n")).count();
    assert_eq!(versions("reqwest"), 1, "exactly one version of reqwest");
    for name in ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl-sys"] {
        assert_eq!(versions(name), 0, "{name} has become a dependency");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    for manifest in [
        "Cargo.toml",
        "tests/discord-sim/Cargo.toml",
        "tests/echo-bot/Cargo.toml",
        "tests/harness/Cargo.toml",
        "tests/testbed/Cargo.toml",
    ] {
        let text = text_of(&root().join(manifest));
        let mut in_dependencies = false;
        let mut reasoned = false;
        let mut faults = Vec::new();
        for line in text.lines() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies]");
                reasoned = false;
            } else if !in_dependencies || line.trim().is_empty() {
                reasoned = false;
            } else if line.starts_with('#') {
                reasoned = true;
            } else if !reasoned && !line.contains("workspace = true") && !line.contains("path = ") {
                faults.push(format!("{manifest}: {line}"));
            }
        }
        assert_none("A dependency has no line of reason above it or its neighbours:", &faults);
    }
}

/// The names of all test functions in the workspace: those below a test attribute, and all in an `on_both_databases!` list.
fn test_names() -> Vec<String> {
    let mut names = Vec::new();
    for path in files_below("src", "rs").into_iter().chain(files_below("tests", "rs")) {
        let (mut is_test, mut is_list) = (false, false);
        for line in text_of(&path).lines() {
            let code = line.trim_start();
            if code.starts_with("on_both_databases! {") {
                is_list = true;
            } else if line == "}" {
                is_list = false;
            }
            if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(name) = names_after(code, "fn ").next() {
                let begins_here = code.starts_with("fn ") || code.starts_with("async fn ");
                if begins_here
                    && (is_test || (is_list && line.starts_with("    ") && !line.starts_with("     ")))
                {
                    names.push(name.to_owned());
                }
                is_test = false;
            }
        }
    }
    names
}

/// The test that a line of a list names: `- ` and one code span.
fn test_of(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("- `")?.strip_suffix('`').filter(|name| !name.contains('`'))
}

/// The list items that begin in bold, each with the tests below it.
fn items(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut items: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        if line.starts_with("- **") {
            items.push((line, Vec::new()));
        } else if let (Some(name), Some((_, tests))) = (test_of(line), items.last_mut()) {
            tests.push(name);
        }
    }
    items
}

/// The text below a second-level heading, up to the next one.
fn below<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text.split_once(heading).unwrap_or_else(|| panic!("no heading {heading}"));
    rest.split("\n## ").next().unwrap_or(rest)
}

/// All pages of the book and the README.
fn pages() -> Vec<PathBuf> {
    let mut pages = files_below("docs", "md");
    pages.push(root().join("README.md"));
    pages
}

/// A page without its code blocks.
fn prose_of(text: &str) -> String {
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        if !is_fence && !is_code {
            prose.push_str(line);
        }
        is_code ^= is_fence;
        prose.push('\n');
    }
    prose
}

#[test]
fn the_tests_that_the_docs_name_exist() {
    let names = test_names();
    let mut faults = Vec::new();
    for (doc, at_least) in [("docs/features.md", 250), ("docs/security.md", 250)] {
        let text = text_of(&root().join(doc));
        let promised: Vec<&str> = text.lines().filter_map(test_of).collect();
        assert!(promised.len() > at_least, "{doc} names only {} tests", promised.len());
        for name in promised {
            if !names.iter().any(|have| have == name) {
                faults.push(format!("{doc}: no test is called `{name}`"));
            }
        }
    }
    // Elsewhere a test is recognised by its long name, because no code, key or metric has five words.
    for page in pages() {
        let prose = prose_of(&text_of(&page));
        for name in prose.split('`').skip(1).step_by(2) {
            let is_name = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if is_name && name.matches('_').count() >= 4 && !names.iter().any(|have| have == name) {
                faults.push(format!("{}: no test is called `{name}`", shown(&page)));
            }
        }
    }
    assert_none("The docs name tests that do not exist:", &faults);
}

#[test]
fn every_rule_of_the_security_page_names_a_test() {
    let text = text_of(&root().join("docs/security.md"));
    // The other lists on the page are limits and advice.
    let rules = items(below(&text, "\n## Rules\n"));
    let without: Vec<String> =
        rules.iter().filter(|(_, tests)| tests.is_empty()).map(|(rule, _)| (*rule).to_owned()).collect();
    assert_none("A rule of docs/security.md has no test:", &without);
    assert!(rules.len() > 70, "only {} rules were read", rules.len());
}

#[test]
fn every_feature_names_a_test_or_says_that_none_shows_it() {
    let text = text_of(&root().join("docs/features.md"));
    let features = items(&text);
    let without: Vec<&str> =
        features.iter().filter(|(_, tests)| tests.is_empty()).map(|(feature, _)| *feature).collect();
    assert!(features.len() > 80, "only {} features were read", features.len());
    let excused = text.split_whitespace().collect::<Vec<_>>().join(" ").matches("No test ").count();
    assert_eq!(without.len(), excused, "features without a test: {without:#?}");
}

#[test]
fn what_kills_the_process_in_tests_cannot_be_in_a_release() {
    let map = text_of(&root().join("src/lib.rs"));
    let guarded = "#[cfg(all(feature = \"faults\", not(debug_assertions)))]\ncompile_error!(";
    assert!(map.contains(guarded), "src/lib.rs no longer refuses the feature `faults` in a release");
    let manifest = text_of(&root().join("Cargo.toml"));
    assert!(!manifest.contains("default = ["), "a feature is on by default");
    for profile in manifest.split("[profile.release").skip(1) {
        let own = profile.split("\n[").next().unwrap_or_default();
        assert!(!own.contains("debug-assertions"), "a release would take the feature `faults`");
    }
    assert!(
        !text_of(&root().join("Dockerfile")).contains("faults"),
        "the image is built with the feature `faults`"
    );
}

#[test]
fn the_image_has_no_shell_and_is_not_root() {
    let file = text_of(&root().join("Dockerfile"));
    let stages: Vec<&str> = file.split("\nFROM ").collect();
    let last = stages.last().expect("a stage");
    let words: Vec<&str> = last.lines().collect();
    assert!(words[0].starts_with("gcr.io/distroless/") && words[0].contains("nonroot"), "{}", words[0]);
    let says = |word: &str| words.iter().copied().filter(|line| line.starts_with(word)).collect::<Vec<_>>();
    assert_eq!(says("USER "), ["USER 65532:65532"]);
    assert!(says("RUN ").is_empty() && says("ADD ").is_empty(), "the last stage runs or fetches something");
    assert_eq!(says("COPY ").len(), 1, "more than the program is in the image");
    // The form without brackets would need a shell.
    assert!(says("ENTRYPOINT ").iter().chain(&says("CMD ")).all(|line| line.contains(" [")));
    assert!(file.contains("cargo build --release --locked"), "the lock file is not enforced");
}

#[test]
fn the_policy_of_dependencies_leaves_nothing_open() {
    let policy: toml::Table = text_of(&root().join(".deny.toml")).parse().expect("TOML");
    let sources = policy["sources"].as_table().expect("a table");
    assert_eq!(sources["unknown-registry"].as_str(), Some("deny"));
    assert_eq!(sources["unknown-git"].as_str(), Some("deny"));
    for ignored in policy["advisories"]["ignore"].as_array().expect("a list") {
        let reason = ignored["reason"].as_str().unwrap_or_default();
        assert!(
            reason.contains("look again 20"),
            "an advisory is ignored without a date for the next review: {ignored}"
        );
    }
    let dev = text_of(&root().join("dev"));
    let verb = dev.split("verb_deny() {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the verb");
    for check in ["check bans licenses sources", "check --disable-fetch advisories"] {
        assert!(verb.contains(check), "./dev deny does not {check}");
    }
    assert!(!verb.contains("check --disable-fetch advisories ||"), "a finding does not fail the command");
}

/// The anchor of a heading in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn links_in_the_docs_lead_somewhere_in_the_book() {
    let mut faults = Vec::new();
    let mut followed = 0;
    for path in pages() {
        let text = prose_of(&text_of(&path));
        for (at, _) in text.match_indices("](") {
            let rest = &text[at + 2..];
            let Some(end) = rest.find(')') else { continue };
            if rest[..end].contains("://") || rest[..end].starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (target, part) = rest[..end].split_once('#').unwrap_or((&rest[..end], ""));
            let folder = path.parent().expect("a page lies in a folder");
            let leads_to = if target.is_empty() { path.clone() } else { folder.join(target) };
            let is_page = leads_to.extension().is_some_and(|ending| ending == "md");
            let has_part = || {
                let page = prose_of(&text_of(&leads_to));
                let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
                headings.map(|heading| anchor(heading.trim_start_matches('#'))).any(|have| have == part)
            };
            // A link out of the book works only in the repository.
            let is_in_book = path.starts_with(root().join("docs"));
            let leaves =
                is_in_book && !leads_to.canonicalize().is_ok_and(|to| to.starts_with(root().join("docs")));
            let is_found = part.is_empty() || (is_page && has_part());
            if !leads_to.exists() || leaves || !is_found {
                faults.push(format!("{}: {}", shown(&path), &rest[..end]));
            }
        }
    }
    assert_none("A link in the docs leads nowhere, or out of the book:", &faults);
    assert!(followed > 60, "only {followed} links were followed");
}

#[test]
fn the_summary_lists_every_page_of_the_book() {
    let text = text_of(&root().join("docs/SUMMARY.md"));
    let listed: Vec<PathBuf> = text
        .match_indices("](")
        .filter_map(|(at, _)| text[at + 2..].split(')').next())
        .map(|target| root().join("docs").join(target))
        .collect();
    let mut faults = Vec::new();
    for page in files_below("docs", "md").into_iter().filter(|page| !page.ends_with("SUMMARY.md")) {
        let count = listed.iter().filter(|have| **have == page).count();
        if count != 1 {
            faults.push(format!("{} stands there {count} times", shown(&page)));
        }
    }
    assert_none("docs/SUMMARY.md lists each page once, or mdbook leaves it out:", &faults);
}

#[test]
fn no_line_of_a_page_is_longer_than_a_screen() {
    let mut faults = Vec::new();
    for page in pages() {
        for (number, line) in text_of(&page).lines().enumerate() {
            let length = line.chars().count();
            if length > LONGEST_LINE {
                faults.push(format!("{}:{}: {length} characters", shown(&page), number + 1));
            }
        }
    }
    assert_none("A line of a page is longer than 160 characters; use a list or a heading:", &faults);
}

/// The old words that `text` contains as whole words.
fn old_words_in(text: &str) -> Vec<&'static str> {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let is_inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let is_used = |old: &&&str| {
        words.match_indices(**old).any(|(at, _)| {
            let (before, after) = (&words[..at], &words[at + old.len()..]);
            !is_inside(before.chars().next_back()) && !is_inside(after.chars().next())
        })
    };
    OLD_WORDS.iter().filter(is_used).copied().collect()
}

/// The text of a line that is a comment.
fn comment_of(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("//").map(|text| text.trim_start_matches(['/', '!']))
}

#[test]
fn docs_comments_and_messages_use_the_words_of_the_field() {
    let mut faults = Vec::new();
    for page in pages() {
        // Names of tests in code spans may be older than the rule.
        let prose = prose_of(&text_of(&page));
        let words = prose.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        faults.extend(old_words_in(&words).iter().map(|old| format!("{}: `{old}`", shown(&page))));
    }
    let rust = ["src", "tests"].iter().flat_map(|folder| files_below(folder, "rs"));
    // These two list the words themselves.
    for path in rust.filter(|path| !shown(path).starts_with("tests/tidy")) {
        let comments = text_of(&path).lines().filter_map(comment_of).collect::<Vec<_>>().join(" ");
        // Names in code spans may be older than the rule.
        let words = comments.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        faults
            .extend(old_words_in(&words).iter().map(|old| format!("{}: `{old}` in a comment", shown(&path))));
    }
    let messages = root().join("src/messages/en.ftl");
    for (number, line) in text_of(&messages).lines().enumerate() {
        let words = old_words_in(line);
        faults.extend(words.iter().map(|old| format!("{}:{}: `{old}`", shown(&messages), number + 1)));
    }
    assert_eq!(old_words_in("Ask whoever holds it, and the mail\nagain."), ["mail again", "whoever"]);
    assert_none("A page or a message uses a private word or phrase:", &faults);
}

#[test]
fn the_map_names_files_that_exist() {
    let text = text_of(&root().join("docs/architecture.md"));
    let table = below(&text, "\n## Where is …?\n");
    let mut faults = Vec::new();
    let mut named = 0;
    for cell in table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1)) {
        for path in cell.split('`').skip(1).step_by(2).filter(|path| path.contains(['/', '.'])) {
            named += 1;
            if !root().join("src").join(path).exists() && !root().join(path).exists() {
                faults.push(path.to_owned());
            }
        }
    }
    assert_none("docs/architecture.md says where something is, and it isn't there:", &faults);
    assert!(named > 60, "only {named} files were read");
}

#[test]
fn every_key_and_code_is_in_the_reference() {
    let codes = text_of(&root().join("docs/reference/codes.md"));
    let keys = text_of(&root().join("docs/reference/keys.md"));
    let mut missing = Vec::new();
    for error_code in accolade::domain::error_code::ErrorCode::ALL {
        if !codes.contains(&format!("| `{error_code}` |")) {
            missing.push(format!("docs/reference/codes.md: {}", error_code.code()));
        }
    }
    let example = text_of(&root().join("config/accolade.example.toml"));
    for line in example.lines() {
        let line = line.trim_start_matches('#').trim();
        if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            && !keys.contains(&format!("| `{key}` |"))
        {
            missing.push(format!("docs/reference/keys.md: {key}"));
        }
    }
    assert_none("The reference does not explain:", &missing);
}

/// The metrics in the reference's table: name -> labels.
fn metrics_of_the_reference() -> BTreeMap<String, Vec<String>> {
    let guide = text_of(&root().join("docs/reference/metrics.md"));
    let cells = guide.lines().filter_map(|line| line.strip_prefix("| `accolade_")?.split('`').next());
    cells
        .map(|cell| {
            let (name, labels) = cell.split_once('{').unwrap_or((cell, ""));
            let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
            (name.to_owned(), labels.map(str::to_owned).collect())
        })
        .collect()
}

#[test]
fn the_alert_rules_ask_for_metrics_labels_and_values_that_exist() {
    let metrics = metrics_of_the_reference();
    let guide = text_of(&root().join("docs/reference/metrics.md"));
    let rules = text_of(&root().join("docs/alerts.yml"));
    let asked: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(asked.len() > 5, "{asked:?}");
    let mut faults = Vec::new();
    let mut used = Vec::new();
    for expression in asked {
        for (at, _) in expression.match_indices("accolade_") {
            let rest = &expression[at + "accolade_".len()..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let bare = ["_bucket", "_count", "_sum"].iter().find_map(|part| rest[..end].strip_suffix(part));
            let name = bare.unwrap_or(&rest[..end]);
            let Some(labels) = metrics.get(name) else {
                faults.push(format!("{expression}: there is no accolade_{name}"));
                continue;
            };
            used.push(name);
            let selector = rest[end..].strip_prefix('{').and_then(|selector| selector.split('}').next());
            for part in selector.unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
                let (label, values) = part.split_once(['=', '!']).unwrap_or((part, ""));
                if !labels.iter().any(|have| have == label) {
                    faults.push(format!("{expression}: accolade_{name} has no label `{label}`"));
                }
                for value in values.trim_matches(|c| "=~\"".contains(c)).split('|') {
                    if !guide.contains(value) {
                        faults.push(format!("{expression}: the reference knows no `{value}`"));
                    }
                }
            }
        }
    }
    for name in metrics.keys().filter(|name| !used.contains(&name.as_str())) {
        faults.push(format!("no rule watches accolade_{name}"));
    }
    assert_none("docs/alerts.yml and docs/reference/metrics.md differ:", &faults);
}
