//! Public functions without a caller, and names that must not be used again.

use super::imports::split_imports;
use super::{assert_none, comment_of, files_below, product_files, shown, text_of};

/// Public functions that only tests call, with the reason. An entry that is no longer needed is rejected too.
const FOR_TESTS: &[(&str, &str, &str)] = &[
    ("src/app/assembly.rs", "health_address", "a bot in a test's own process listens on a free port"),
    ("src/app/assembly.rs", "background", "a story pushes time and runs the worker's jobs at once"),
    ("src/background.rs", "drain_once", "a test runs what is due, once, without the loops"),
    ("src/background.rs", "look_for_activations", "a test reads the events once, without the loops"),
    ("src/background.rs", "look_at_locks", "a test looks at the locks once, without the loops"),
    (
        "src/directory/groups.rs",
        "members",
        "a test reads a group with a hostile name back, through the bot's own filter",
    ),
    ("src/store/dump.rs", "dump", "a test searches every column of every table for what must be sealed"),
    ("src/store/jobs.rs", "job_steps", "a test holds the steps that a claim brings against them"),
];

/// A public function or method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    is_method: bool,
}

/// The code without the items that exist only with the feature `faults`. Relies on rustfmt's indentation.
fn without_faults(code: &str) -> String {
    let mut kept = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        if !(bare.starts_with("#[cfg(") && bare.contains("feature = \"faults\"") && !bare.contains("not(")) {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let indent = &line[..line.len() - bare.len()];
        let closing = ["}", "};", "},", ")", ");"].map(|end| [indent, end].concat());
        for line in lines.by_ref() {
            let is_first_level = line.strip_prefix(indent).is_some_and(|rest| !rest.starts_with(' '));
            let is_whole = is_first_level && line.ends_with([';', ',']) || line.ends_with(" }");
            if is_whole || closing.iter().any(|end| end == line) {
                break;
            }
        }
    }
    kept
}

/// The public functions that some code defines, including those with a restricted visibility.
fn public_functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let begin = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let Some(head) = code[begin..at].trim_start().strip_prefix("pub") else { continue };
        let head = match head.strip_prefix('(') {
            Some(limited) => limited.split_once(')').map_or("", |(_, rest)| rest),
            None => head,
        };
        if !head.split_whitespace().all(|word| ["const", "async", "unsafe"].contains(&word)) {
            continue;
        }
        let rest = &code[at + "fn ".len()..];
        let Some(end) = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')) else { continue };
        let (name, signature) = rest.split_at(end);
        let first = signature.split_once('(').map_or("", |(_, rest)| rest);
        let first = first.split([',', ')', ':']).next().unwrap_or_default();
        found.push(Function { name, is_method: first.ends_with("self") });
    }
    found
}

/// Whether some code contains an identifier as a whole word, between texts that `fits` accepts.
fn stands_in(code: &str, name: &str, fits: impl Fn(&str, &str) -> bool) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part) && fits(before, after)
    })
}

/// Whether some code calls a function or passes it as a value. A field may have the name of a method.
fn calls(code: &str, function: Function<'_>) -> bool {
    stands_in(code, function.name, |before, after| {
        if function.is_method {
            before.ends_with("::") || before.ends_with('.') && after.starts_with(['(', ':'])
        } else {
            !before.ends_with("fn ")
        }
    })
}

/// The public functions that no file calls.
fn uncalled(files: &[(String, String)]) -> Vec<(&str, &str)> {
    // An import is not a call, unless it renames the function.
    let callers: Vec<String> = files
        .iter()
        .map(|(_, code)| {
            let (mut rest, trees) = split_imports(code);
            trees.iter().filter(|tree| tree.contains(" as ")).for_each(|tree| rest.push_str(tree));
            rest
        })
        .collect();
    let mut found = Vec::new();
    for (file, code) in files {
        let always = without_faults(code);
        for function in public_functions(code) {
            // The text of `code` outlives this function; that of `always` does not.
            let is_always = public_functions(&always).contains(&function);
            if is_always && !callers.iter().any(|code| calls(code, function)) {
                found.push((file.as_str(), function.name));
            }
        }
    }
    found
}

#[test]
fn every_public_function_has_a_caller_in_src() {
    let files = product_files();
    let read = files.iter().map(|(_, code)| public_functions(code).len()).sum::<usize>();
    assert!(read > 500, "only {read} public functions were read");
    let found = uncalled(&files);
    let is_excepted = |file: &str, name: &str| FOR_TESTS.iter().any(|(at, of, _)| *at == file && *of == name);
    let faults: Vec<String> = found
        .iter()
        .filter(|(file, name)| !is_excepted(file, name))
        .map(|(file, name)| format!("{file}: {name}"))
        .collect();
    assert_none(
        "A public function has no caller in src. Remove it, or call it where its work is done by hand; tests alone keep no function alive:",
        &faults,
    );
    let stale: Vec<String> = FOR_TESTS
        .iter()
        .filter(|(file, name, _)| !found.contains(&(*file, *name)))
        .map(|(file, name, _)| format!("{file}: {name}"))
        .collect();
    assert_none("tests/tidy/names.rs excepts a function that is called or gone. Take the entry out:", &stale);
}

/// What stands before the name of a type, a constant or a trait where it is defined.
const ITEM_KINDS: [&str; 7] = ["struct ", "enum ", "trait ", "type ", "const ", "static ", "union "];

/// The public types, constants and traits that some code defines.
fn public_items(code: &str) -> Vec<&str> {
    let is_public = |line: &&str| line.starts_with("pub ") || line.starts_with("pub(");
    let name = |line: &'_ str| -> Option<(usize, usize)> {
        let after = ITEM_KINDS.iter().find_map(|kind| line.find(kind).map(|at| at + kind.len()))?;
        let end = line[after..].find(|c: char| !(c.is_alphanumeric() || c == '_'))? + after;
        (line[..after].split('(').count() <= 2 && !line[..after].contains("fn ")).then_some((after, end))
    };
    let items = code.lines().map(str::trim_start).filter(is_public);
    items
        .filter_map(|line| name(line).map(|(begin, end)| &line[begin..end]))
        .filter(|name| *name != "fn")
        .collect()
}

#[test]
fn every_public_type_and_constant_is_used_in_src() {
    let files = product_files();
    let bodies: Vec<String> = files.iter().map(|(_, code)| split_imports(code).0).collect();
    let mut faults = Vec::new();
    let mut read = 0;
    for (file, code) in &files {
        for name in public_items(&without_faults(code)) {
            read += 1;
            let is_definition = |before: &str| ITEM_KINDS.iter().any(|kind| before.ends_with(kind));
            if !bodies.iter().any(|code| stands_in(code, name, |before, _| !is_definition(before))) {
                faults.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(read > 300, "only {read} public items were read");
    assert_none("A public type or constant is used nowhere in src. Remove it:", &faults);
}

#[test]
fn a_public_function_without_a_caller_is_found() {
    let file = |name: &str, code: &str| (name.to_owned(), code.to_owned());
    let files = [
        file(
            "a.rs",
            "impl A {\n    pub fn port(&self) -> u16 { self.port }\n    pub(crate) async fn stop(self) {}\n\
             \x20   #[cfg(feature = \"faults\")]\n    pub fn tear(&self) {\n        self.x();\n    }\n}\n\
             pub fn told() {}\npub const fn renamed() {}\nfn private() {}\n",
        ),
        file("b.rs", "pub use a::told;\nuse a::renamed as other;\nfn main() {\n    a\n        .stop();\n}\n"),
    ];
    assert_eq!(uncalled(&files), [("a.rs", "port"), ("a.rs", "told")]);
}

/// Old names that were replaced with the field's standard terms. Ordinary English words that have another meaning in code are not listed.
const GIVEN_UP: &[&str] = &[
    "Acquaintance",
    "Addressee",
    "AlreadyThere",
    "Barred",
    "Bed",
    "BedOptions",
    "CarefulResolver",
    "Cleaning",
    "Complaint",
    "Country",
    "Customs",
    "DenialWords",
    "Doorway",
    "Errand",
    "Fate",
    "Findings",
    "FormWords",
    "GatewayEar",
    "GlobalHold",
    "Halt",
    "Heard",
    "House",
    "Judged",
    "Knobs",
    "Letter",
    "Looked",
    "Nonsense",
    "NotMeWords",
    "NotNeeded",
    "NotNow",
    "Onward",
    "PATIENCE",
    "Postage",
    "Presser",
    "Refusal",
    "Room",
    "Scene",
    "Setback",
    "Sheet",
    "Shut",
    "Sight",
    "Sought",
    "Standing",
    "StoreEyes",
    "Tell",
    "TokenKeeper",
    "Town",
    "Tried",
    "Trouble",
    "Village",
    "Vitals",
    "WorkId",
    "WorkKind",
    "WorkState",
    "World",
    "comes_to_rest",
    "groups_seen",
    "is_disguise",
    "keep_tidy",
    "mourn",
    "mourns",
    "pay_back",
    "postage",
    "put_news",
    "turn_away",
    "upkeep",
];

/// Prefixes of functions that were renamed.
const GIVEN_UP_BEGINNINGS: &[&str] = &["heed_", "judge_"];

/// Lower-case names that were given up in SQL, labels and keys, too. In prose some of them are ordinary words.
const GIVEN_UP_IN_TEXTS: &[&str] =
    &["budget", "budgets", "groups_seen", "postage", "step_since", "tell", "upkeep", "work_step"];

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// The identifiers in a line of code, without string literals.
fn identifiers(line: &str) -> Vec<&str> {
    line.split('"').step_by(2).flat_map(words_of).collect()
}

/// Old names in some code, each with its line number.
fn given_up_in(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let is_old = |name: &&str| {
            GIVEN_UP.contains(name) || GIVEN_UP_BEGINNINGS.iter().any(|begin| name.starts_with(begin))
        };
        found.extend(identifiers(line).into_iter().filter(is_old).map(|name| (number + 1, name)));
        // A text without a space is a label, a key or a name; one with an upper-case word of SQL is a statement.
        for text in line.split('"').skip(1).step_by(2) {
            let is_sql =
                ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", " FROM "].iter().any(|word| text.contains(word));
            if is_sql || !text.contains(' ') {
                found.extend(
                    words_of(text)
                        .filter(|word| GIVEN_UP_IN_TEXTS.contains(word))
                        .map(|name| (number + 1, name)),
                );
            }
        }
    }
    found
}

/// The lines of a Rust file that are not comments, with their numbers kept.
fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| if comment_of(line).is_some() { "" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn names_that_were_given_up_do_not_come_back() {
    let mut faults = Vec::new();
    let code = ["src", "tests"].iter().flat_map(|folder| files_below(folder, "rs"));
    // This file and `tidy.rs` list the names themselves.
    let code = code.filter(|path| !shown(path).starts_with("tests/tidy"));
    for path in code {
        let (file, text) = (shown(&path), without_comments(&text_of(&path)));
        let found = given_up_in(&text);
        faults.extend(found.iter().map(|(line, name)| format!("{file}:{line}: `{name}`")));
    }
    for path in files_below("migrations", "sql") {
        for (number, line) in text_of(&path).lines().enumerate() {
            let statement = line.split("--").next().unwrap_or_default();
            let found = words_of(statement).filter(|word| GIVEN_UP_IN_TEXTS.contains(word));
            faults.extend(found.map(|name| format!("{}:{}: `{name}`", shown(&path), number + 1)));
        }
    }
    assert_none(
        "A name is used that was given up. Take the word of the field, as the glossary of docs/architecture.md has it:",
        &faults,
    );
}

#[test]
fn a_name_that_was_given_up_is_found() {
    let code = "fn judge_form(x: &Scene) {\n    say(\"a Scene\", Scenery, prejudge_x, \"upkeep.purge\");\n\
        \x20   read(\"SELECT at FROM budget\", \"people tell\");\n}";
    assert_eq!(given_up_in(code), [(1, "judge_form"), (1, "Scene"), (2, "upkeep"), (3, "budget")]);
}
