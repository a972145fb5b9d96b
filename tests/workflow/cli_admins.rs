//! Runs of the whole binary that find, compare, export and verify links and the audit log.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;

use accolade::domain::account::{AccountState, DirectoryId};
use accolade::domain::audit::{Actor, Entry, Event, Source};
use accolade::domain::ids::DiscordUserId;
use accolade::domain::username::Username;
use accolade::store::AccountInserted;
use serde_json::{Value, json};

use crate::cli_env::{ADA, CliEnv, GRACE};
use harness::AccountsEnv;

/// The value of this key in each object of a list.
fn each<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().expect("a list").iter().map(|line| line[key].as_str().unwrap_or("null")).collect()
}

/// The rows of a table after its header.
fn rows_of(table: &str) -> Vec<HashMap<String, String>> {
    csv::Reader::from_reader(table.as_bytes()).deserialize().map(|row| row.expect("a row")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_found_and_shown_and_each_look_is_audited() {
    let env = AccountsEnv::new().await;
    let cli = CliEnv::of(&env);
    let ada = env.asks(ADA, "ada").await;
    let (account, _) = env.approves(&ada).await;
    for what in ["ada", &ADA.to_string(), &account.id.to_string()] {
        let text = cli.runs(&["link", "find", what]).done();
        let row = format!("ada        creating  {ADA}  {}\n", ada.code);
        assert_eq!(text, format!("User name  State     Discord id          Request\n{row}"), "{what}");
        let found = cli.runs(&["link", "find", what, "--json"]).json();
        assert_eq!(found["links"][0]["discord_id"], ADA.to_string());
        assert_eq!(found["links"][0]["request_code"], ada.code.as_str());
    }
    let looks = cli.runs(&["audit", "search", "--event", "admin.viewed", "--json"]).json();
    assert_eq!(each(&looks["rows"], "after"), ["link"; 6]);
    assert_eq!(each(&looks["rows"], "subject_discord_id"), [ADA.to_string().as_str(); 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_servers_do_not_answer_is_shown_as_not_checked_and_ends_with_1() {
    let env = AccountsEnv::new().await;
    let cli = CliEnv::of(&env);
    let ada = env.asks(ADA, "ada").await;
    let (account, _) = env.approves(&ada).await;
    env.account_becomes(&account, AccountState::Active).await;
    let shown = cli.runs(&["link", "show", "ada"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    let values: Vec<(&str, &str)> = shown.out.lines().filter_map(|line| line.split_once("  ")).collect();
    let value = |key: &str| values.iter().find(|(name, _)| *name == key).map(|(_, value)| value.trim());
    assert_eq!(value("discord id"), Some(ADA.to_string().as_str()), "{shown:?}");
    assert_eq!(value("request code"), Some(ada.code.as_str()), "{shown:?}");
    assert_eq!((value("account id"), value("person id")), (None, None), "{shown:?}");
    assert!(shown.out.contains("Not checked: the directory is not responding"), "{shown:?}");
    assert!(!shown.out.contains("No differences") && !shown.out.contains("Difference:"), "{shown:?}");
    let shown = cli.runs(&["link", "show", "ada", "--json"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    let shown: Value = serde_json::from_str(&shown.out).expect("one JSON object");
    assert_eq!((&shown["differences"], &shown["directory"]), (&json!([]), &Value::Null));
    assert!(
        shown["not_checked"].as_array().is_some_and(|parts| parts.contains(&json!("directory"))),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_exported_page_by_page_as_a_table_or_a_document() {
    let env = AccountsEnv::new().await;
    let cli = CliEnv::of(&env);
    assert_eq!(rows_of(&cli.runs(&["link", "export"]).done()), Vec::new());
    assert_eq!(cli.runs(&["link", "export", "--format", "json"]).json(), json!({"accounts": []}));
    let request = env.asks(GRACE, "grace.h").await;
    let (mut account, _) = env.approves(&request).await;
    account.directory_id = DirectoryId::new("6d3f9c52-0000-4000-8000-000000000001");
    env.account_becomes(&account, AccountState::Invited).await;
    // More than two pages, one of them full to the last row.
    let mut tx = env.store.begin().await.expect("a transaction");
    for n in 0..250_u64 {
        let person = tx.ensure_person(DiscordUserId::new(ADA + 1000 + n), "en").await.expect("a person");
        // None of these letters is confusable with another.
        let letter = |digit: u64| ["a", "b", "c", "d", "e", "g", "k"][(digit % 7) as usize];
        let name = ["member.", letter(n / 49), letter(n / 7), letter(n)].concat();
        let name = Username::parse(&name, 20).expect("a legal name");
        let inserted = tx.insert_account(person.id, &name).await.expect("an answer");
        assert!(matches!(inserted, AccountInserted::Made(_)), "{inserted:?}");
    }
    tx.commit("test").await.expect("a commit");
    let run = cli.runs(&["link", "export"]);
    assert!(run.err.contains("251 accounts were written"), "{run:?}");
    let rows = rows_of(&run.done());
    let mut names: Vec<&str> = rows.iter().map(|row| row["username"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 251);
    let of_grace = rows.iter().find(|row| row["username"] == "grace.h").expect("her row");
    assert_eq!((&of_grace["discord_id"], &of_grace["request_code"]), (&GRACE.to_string(), &request.code));
    assert_eq!((of_grace["state"].as_str(), of_grace["address"].as_str()), ("invited", ""));
    let document = cli.runs(&["link", "export", "--format", "json"]).json();
    assert_eq!(each(&document["accounts"], "username").len(), 251);
    assert_eq!(rows_of(&cli.runs(&["link", "export", "--state", "active"]).done()), Vec::new());
    // If the directory doesn't return an address, the export fails. It never writes an empty address.
    let silent = cli.runs(&["link", "export", "--addresses"]);
    assert!(silent.code == Some(1) && silent.err.contains("directory_down: "), "{silent:?}");
    let looks = cli.runs(&["audit", "search", "--event", "admin.viewed", "--json"]).json();
    assert_eq!(each(&looks["rows"], "after"), ["link.export"; 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_into_a_new_file_for_its_owner_or_nowhere() {
    let env = AccountsEnv::new().await;
    let cli = CliEnv::of(&env);
    let file = cli.folder.join("links.csv");
    let path = file.to_str().expect("a path of text");
    let run = cli.runs(&["link", "export", "--output", path]);
    assert_eq!((run.code, run.out.as_str()), (Some(0), ""), "{run:?}");
    let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = std::fs::read(&file).expect("the file");
    assert!(written.starts_with(b"account_id,"), "{written:?}");
    for verb in ["link", "audit"] {
        let again = cli.runs(&[verb, "export", "--output", path]).fails(1);
        assert!(again.contains("nothing was overwritten"), "{again}");
    }
    assert_eq!(std::fs::read(&file).expect("the file"), written);
    // An export that fails leaves no file.
    let unfinished = cli.folder.join("unfinished.csv");
    let path = unfinished.to_str().expect("a path of text");
    let ada = env.asks(ADA, "ada").await;
    let (mut account, _) = env.approves(&ada).await;
    account.directory_id = DirectoryId::new("6d3f9c52-0000-4000-8000-000000000001");
    env.account_becomes(&account, AccountState::Invited).await;
    cli.runs(&["link", "export", "--addresses", "--output", path]).fails(1);
    assert!(!unfinished.exists());
    let nowhere = cli.folder.join("no-folder/x.csv");
    cli.runs(&["audit", "export", "--output", nowhere.to_str().expect("text")]).fails(1);
    for wrong in [&["link", "export", "--format", "xml"][..], &["link", "export", "--state", "gone"]] {
        cli.runs(wrong).fails(2);
    }
    // The command refuses an output before it reads any data.
    let looks = cli.runs(&["audit", "search", "--event", "admin.viewed", "--json"]).json();
    assert_eq!(each(&looks["rows"], "after"), ["link.export", "link.export"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_narrowed_by_who_whence_and_when_and_exported() {
    let env = AccountsEnv::new().await;
    let cli = CliEnv::of(&env);
    let ada = env.asks(ADA, "ada").await;
    cli.runs(&["deny", "add", "--domain", "example.net"]).done();
    let mut tx = env.store.begin().await.expect("a transaction");
    tx.audit(Entry::new(Event::DenyAdded, Source::Cli, Actor::Cli("=1+1".to_owned())));
    tx.commit("test").await.expect("a commit");
    let events = |filter: &[&str]| {
        let found = cli.runs(&[&["audit", "search", "--json"], filter].concat()).json();
        each(&found["rows"], "event").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(events(&["--actor", &ADA.to_string()]), ["request.submitted"]);
    assert_eq!(events(&["--actor", "cli:=1+1"]), ["deny.added"]);
    assert_eq!(events(&["--actor", "system", "--source", "config"]), Vec::<String>::new());
    assert_eq!(events(&["--actor", "4242"]), Vec::<String>::new());
    assert_eq!(events(&["--source", "chat"]), ["request.submitted"]);
    assert_eq!(events(&["--request", &ada.code, "--until", "2020-01-01"]), Vec::<String>::new());
    assert_eq!(events(&["--request", &ada.code, "--since", "2020-01-01"]), ["request.submitted"]);
    for wrong in [["--source", "phone"], ["--since", "yesterday"], ["--event", "no.such"]] {
        cli.runs(&[&["audit", "export"][..], &wrong].concat()).fails(2);
    }

    let run = cli.runs(&["audit", "export", "--event", "deny.added"]);
    let head = run.err.clone();
    let rows = rows_of(&run.done());
    assert_eq!(rows.iter().map(|row| row["source"].as_str()).collect::<Vec<_>>(), ["cli", "cli"]);
    assert_eq!(rows[1]["actor_id"], "cli:=1+1");
    let whole = cli.runs(&["audit", "export", "--format", "json"]).json();
    let kept = whole["head"].as_str().expect("a head");
    assert!(!head.contains(kept), "every export is audited, so each has its own head");
    assert!(cli.runs(&["audit", "verify", "--head", kept]).done().contains("is intact"));
    assert_eq!(each(&whole["rows"], "after").last(), Some(&"audit.export"));
    assert!(
        !whole.to_string().contains("Lovelace") && !whole.to_string().contains(&ADA.to_string()),
        "{whole}"
    );
    let nobody = cli.runs(&["audit", "export", "--person", "4242", "--format", "json"]).json();
    assert_eq!(nobody["rows"], json!([]));
}
