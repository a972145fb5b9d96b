//! `docs/files.md` lists every file with the first sentence of its comment, and `docs/features.md` names the files of each feature.

use super::{assert_none, files_below, root, shown, text_of};

/// The first sentence of the comment that opens a file, without links of rustdoc.
fn first_sentence(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!").or_else(|| line.strip_prefix("--")));
    let paragraph: Vec<&str> = lines.map(str::trim).take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
    without_links(&paragraph[..end])
}

/// ``[`name`](place)`` and ``[`name`]`` become `` `name` ``.
fn without_links(sentence: &str) -> String {
    let mut plain = String::new();
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once("[`") {
        let (name, mut behind) = after.split_once("`]").unwrap_or((after, ""));
        if let Some(place) = behind.strip_prefix('(') {
            behind = place.split_once(')').map_or("", |(_, behind)| behind);
        }
        plain.extend([before, "`", name, "`"]);
        rest = behind;
    }
    plain + rest
}

/// The rows of the page: file and sentence. A row that is wrapped continues with two blanks.
fn rows(page: &str) -> Vec<(String, String)> {
    let mut rows: Vec<String> = Vec::new();
    for line in page.lines() {
        if line.starts_with("- `") {
            rows.push(line.to_owned());
        } else if let (Some(more), Some(row)) = (line.strip_prefix("  "), rows.last_mut()) {
            row.extend([" ", more]);
        }
    }
    let split = |row: String| {
        let (file, sentence) = row.trim_start_matches("- `").split_once("`: ")?;
        Some((file.to_owned(), sentence.to_owned()))
    };
    rows.into_iter().filter_map(split).collect()
}

/// The features of the page: the first line of each, and the files that its line *Code* names before the tests.
fn features(page: &str) -> Vec<(&str, Vec<&str>)> {
    let feature = |item| {
        let paragraph = str::split(item, "\n\n").next()?.split("\n  <details>").next()?;
        let code = paragraph.split_once("\n  Code: ").map_or("", |(_, code)| code);
        let files = code.starts_with('`').then(|| code.split('`').skip(1).step_by(2).collect());
        Some((paragraph.lines().next()?, files.unwrap_or_default()))
    };
    page.split("\n- **").skip(1).filter_map(feature).collect()
}

#[test]
fn every_feature_names_the_files_of_its_code() {
    let page = text_of(&root().join("docs/features.md"));
    let features = features(&page);
    let mut faults = Vec::new();
    for (feature, files) in &features {
        if files.is_empty() {
            faults.push(format!("no line `  Code: …` before the tests of: {feature}"));
        }
        for file in files.iter().filter(|file| !root().join(file).is_file()) {
            faults.push(format!("`{file}` is no file; it is named by: {feature}"));
        }
    }
    assert_none("A feature of docs/features.md does not say which file to open first:", &faults);
    assert!(features.len() > 80, "only {} features were read", features.len());
}

#[test]
fn the_files_of_a_feature_are_read_over_lines_and_only_before_its_tests() {
    let page = "# F\n\n- **One\n  thing.**\n  Code: `src/a.rs`; text:\n  `src/b.rs`.\n  <details>\n\n  - `test`\n\n\
                - **Two.**\n  <details>\n\n  Code: `src/c.rs`.\n\n- **Three.** `x`";
    let read = features(page);
    assert_eq!(read, [("One", vec!["src/a.rs", "src/b.rs"]), ("Two.**", vec![]), ("Three.** `x`", vec![])]);
}

#[test]
fn the_list_of_files_is_complete_and_says_what_each_file_says() {
    let page = rows(&text_of(&root().join("docs/files.md")));
    let mut faults = Vec::new();
    let mut expected = Vec::new();
    let files = [("src", "rs"), ("tests", "rs"), ("migrations", "sql")];
    for path in files.into_iter().flat_map(|(folder, ending)| files_below(folder, ending)) {
        expected.push((shown(&path), first_sentence(&text_of(&path))));
    }
    for (file, sentence) in expected.iter().filter(|row| !page.contains(row)) {
        faults.push(format!("missing: - `{file}`: {sentence}"));
    }
    for (file, sentence) in page.iter().filter(|row| !expected.contains(row)) {
        faults.push(format!("too much: - `{file}`: {sentence}"));
    }
    assert_none("docs/files.md is not what the files say of themselves:", &faults);
}

#[test]
fn the_first_sentence_is_read_without_links() {
    let text = "//! Turns [`Raw`](super::raw) into an\n//! [`Interaction`]. More.\n\nuse a;";
    assert_eq!(first_sentence(text), "Turns `Raw` into an `Interaction`.");
    assert_eq!(first_sentence("-- Jobs.\n\nCREATE"), "Jobs.");
}
