//! Import cycles between the files of `src`.
//!
//! Files and their imports form a graph. A parent module and its children are files like any other. A child and
//! a parent that import from each other form a cycle. `mod child;` alone is not an import.

use std::collections::{BTreeMap, BTreeSet};

use super::{assert_none, product_files};

/// The path of a module within the crate, empty for the crate root.
type Module = Vec<String>;
/// File -> files from which it imports.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The module in a product file. `None` for `main.rs`, which is a separate crate.
fn module_of(file: &str) -> Option<Module> {
    let below = file.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut module: Module = below.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    match below {
        "main" => None,
        "lib" => Some(Module::new()),
        _ => Some(module),
    }
}

/// Splits at the commas outside of braces.
fn items(text: &str) -> Vec<&str> {
    let (mut found, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[begin..]);
    found.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// The single paths in an import tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths_in(tree: &str) -> Vec<String> {
    let Some((before, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or(tree).trim().to_owned()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    items(inner).into_iter().flat_map(|item| paths_in(&[before.trim(), item].concat())).collect()
}

/// A line without the visibility of its item.
fn without_visibility(line: &str) -> &str {
    let bare = line.trim_start();
    let Some(after) = bare.strip_prefix("pub") else { return bare };
    match after.strip_prefix('(') {
        Some(visible) => visible.split_once(") ").map_or(bare, |(_, item)| item),
        None => after.strip_prefix(' ').unwrap_or(bare),
    }
}

/// The code without its imports, and the import trees.
pub(super) fn split_imports(code: &str) -> (String, Vec<String>) {
    let (mut rest, mut trees) = (String::new(), Vec::new());
    let mut tree: Option<String> = None;
    for line in code.lines() {
        let bare = without_visibility(line);
        if tree.is_none() && bare.starts_with("use ") {
            tree = Some(String::new());
        }
        let Some(begun) = &mut tree else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        begun.push_str(if begun.is_empty() { bare.trim_start_matches("use ") } else { line.trim() });
        begun.push(' ');
        if let Some((whole, _)) = begun.split_once(';') {
            trees.push(whole.to_owned());
            tree = None;
        }
    }
    (rest, trees)
}

/// The modules in a file: its own code, and that of each `mod name { … }`, with the path of each. Relies on rustfmt's indentation.
fn inline_modules(code: &str) -> Vec<(Module, String)> {
    let mut parts = vec![(Module::new(), String::new())];
    let mut open: Vec<(usize, String)> = Vec::new();
    for line in code.lines() {
        if open.last().is_some_and(|(_, end)| end == line) {
            open.pop();
            continue;
        }
        let at = open.last().map_or(0, |(part, _)| *part);
        let name = without_visibility(line).strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {"));
        if let Some(name) = name {
            let mut names = parts[at].0.clone();
            names.push(name.to_owned());
            parts.push((names, String::new()));
            let indent = &line[..line.len() - line.trim_start().len()];
            open.push((parts.len() - 1, [indent, "}"].concat()));
            continue;
        }
        parts[at].1.push_str(line);
        parts[at].1.push('\n');
    }
    parts
}

/// The modules that some code declares to be in separate files.
fn children_in(code: &str) -> Vec<&str> {
    let declared = |line| without_visibility(line).strip_prefix("mod ")?.strip_suffix(';');
    code.lines().filter_map(declared).collect()
}

/// The path that begins at the start of a text: `a::b::c`.
fn path_at(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    text[..end].trim_end_matches(':')
}

/// All paths in some code that may lead to another file, as they are written.
fn written_paths(code: &str) -> Vec<String> {
    let (rest, trees) = split_imports(code);
    let mut paths: Vec<String> = trees.iter().flat_map(|tree| paths_in(tree)).collect();
    let children = children_in(code);
    for begin in ["crate", "super", "self"].into_iter().chain(children.iter().copied()) {
        for (at, _) in rest.match_indices(&[begin, "::"].concat()) {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '"';
            // The path in `pub(in …)` is not an import.
            if !rest[..at].ends_with(is_part) && !rest[..at].ends_with("pub(in ") {
                paths.push(path_at(&rest[at..]).to_owned());
            }
        }
    }
    for path in &mut paths {
        let first = path.split("::").next().unwrap_or_default();
        if children.contains(&first) {
            *path = ["self::", path].concat();
        }
    }
    paths
}

/// The absolute path within the crate; `None` for a path into another crate.
fn absolute(path: &str, module: &[String]) -> Option<Module> {
    let mut parts = path.split("::").map(str::trim).peekable();
    let mut whole = match *parts.peek()? {
        "crate" | "$crate" => Module::new(),
        "self" => module.to_vec(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        _ => return None,
    };
    parts.next();
    while parts.next_if_eq(&"super").is_some() {
        whole.pop();
    }
    whole.extend(parts.map(str::to_owned));
    Some(whole)
}

/// All paths in a file, as absolute paths within the crate.
fn paths_of(code: &str, module: &[String]) -> Vec<Module> {
    let mut paths = Vec::new();
    for (names, code) in inline_modules(code) {
        let module = [module, &names].concat();
        paths.extend(written_paths(&code).iter().filter_map(|path| absolute(path, &module)));
    }
    paths
}

fn graph_of(files: &[(String, String)]) -> Graph {
    let modules: BTreeMap<Module, (&String, &String)> =
        files.iter().filter_map(|(file, code)| Some((module_of(file)?, (file, code)))).collect();
    let mut graph = Graph::new();
    for (module, (file, code)) in &modules {
        let mut targets = BTreeSet::new();
        for whole in paths_of(code, module) {
            let target = (1..=whole.len()).rev().find_map(|length| modules.get_key_value(&whole[..length]));
            targets
                .extend(target.filter(|(found, _)| *found != module).map(|(_, (file, _))| (*file).clone()));
        }
        graph.insert((*file).clone(), targets);
    }
    graph
}

/// All files that can be reached from a file. The file itself is included only if it is in a cycle.
fn reached<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = graph.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(file) = open.pop() {
        if found.insert(file) {
            open.extend(graph.get(file).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

/// The shortest path from a file back to itself.
fn way_back<'a>(graph: &'a Graph, file: &'a str) -> Vec<&'a str> {
    let mut ways = vec![vec![file]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().copied().unwrap_or(file);
            for next in graph.get(last).into_iter().flatten() {
                let way = [&way[..], &[next.as_str()]].concat();
                if next == file {
                    return way;
                }
                if seen.insert(next) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    Vec::new()
}

/// The cycles in a graph: how many files each has, and a path around it.
fn circles_in(graph: &Graph) -> Vec<String> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reached(graph, file))).collect();
    let mut circles = BTreeMap::new();
    for (file, reached) in reach.iter().filter(|(file, reached)| reached.contains(*file)) {
        let is_mutual = |other: &&str| reach.get(other).is_some_and(|back| back.contains(file));
        let circle: Vec<&str> = reached.iter().copied().filter(is_mutual).collect();
        circles.entry(circle).or_insert_with(|| way_back(graph, file).join(" -> "));
    }
    circles.iter().map(|(circle, way)| format!("{} files: {way}", circle.len())).collect()
}

#[test]
fn no_imports_of_product_files_make_a_circle() {
    let graph = graph_of(&product_files());
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 300, "hardly any import was read");
    assert_none(
        "Files import each other in a circle. Import from the file that defines the value, or move the value down:",
        &circles_in(&graph),
    );
}

#[test]
fn a_circle_of_imports_is_found() {
    let file = |name: &str, code: &str| (["src/", name].concat(), code.to_owned());
    let files = [
        file("a/mod.rs", "mod low;\nmod up;\npub use up::Up;\n"),
        file("a/low.rs", "use super::Up;\n"),
        file("a/up.rs", "use super::low::Low;\nmod faults {\n    use super::Inner;\n}\n"),
        file("b.rs", "use crate::a::{Up, Down};\n"),
    ];
    let found = circles_in(&graph_of(&files));
    assert_eq!(found, ["3 files: src/a/low.rs -> src/a/mod.rs -> src/a/up.rs -> src/a/low.rs"]);
    // A module inside a file has that file as its parent.
    let straight = [files[0].clone(), file("a/low.rs", ""), files[2].clone(), files[3].clone()];
    assert_eq!(circles_in(&graph_of(&straight)), [""; 0]);
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let code = "use crate::a::{b::{C, D}, e};\npub(crate) use super::f::G as H;\npub mod child;\n\
        pub(in crate::v) fn x() { child::y(); self::z::w(); }\nmod inner {\n    use super::q;\n}";
    let module = ["m".to_owned(), "n".to_owned()];
    let found: BTreeSet<String> = paths_of(code, &module).iter().map(|path| path.join("::")).collect();
    let wanted = ["a::b::C", "a::b::D", "a::e", "m::f::G", "m::n::child::y", "m::n::q", "m::n::z::w"];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}
