//! Runs of the whole binary that show and decide requests, on rows that the use cases wrote.

use serde_json::{Value, json};

use crate::cli_env::{ADA, CliEnv, GRACE, LINUS, MALLORY, discord};
use harness::AccountsEnv;
use harness::accounts::member;

/// The value of this key in each object of a list.
fn each<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().expect("a list").iter().map(|line| line[key].as_str().unwrap_or("null")).collect()
}

#[test]
fn empty_lists_say_so_and_give_programs_an_empty_list() {
    let cli = CliEnv::new();
    cli.runs(&["migrate"]).done();
    for (verb, said, name) in [
        (&["request", "list"][..], "No requests.\n", "requests"),
        (&["request", "list", "--state", "needs-operator"], "No requests.\n", "requests"),
        (&["deny", "list"], "The deny list is empty.\n", "denied"),
        (&["link", "find", "nobody"], "No links.\n", "links"),
        (&["audit", "search", "--event", "request.approved"], "No rows.\n", "rows"),
    ] {
        assert_eq!(cli.runs(verb).done(), said, "{verb:?}");
        let listed = cli.runs(&[verb, &["--json"]].concat()).json();
        assert_eq!(listed[name], json!([]), "{verb:?}");
        assert_eq!(listed["next"], Value::Null, "{verb:?}");
    }
    for (verb, told) in [
        (&["request", "show", "K7M2QX"][..], "accolade request list"),
        (&["request", "cancel", "K7M2QX"], "accolade request list"),
        (&["link", "show", "nobody"], "accolade link find"),
        (&["deny", "remove", "--domain", "example.org"], "not on the deny list"),
    ] {
        assert!(cli.runs(verb).fails(1).contains(told), "{verb:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_read_in_pages_and_one_is_shown_without_personal_values() {
    let env = AccountsEnv::new().await;
    let cli = CliEnv::of(&env);
    for (n, name) in (0..3).zip(["ada", "barbara", "edsger"]) {
        // Ids sort by the millisecond, so the clock must advance.
        env.clock.push(std::time::Duration::from_millis(1));
        env.asks(ADA + 100 + n, name).await;
    }
    let mut names = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..4 {
        let key = after.take();
        let mut arguments = vec!["request", "list", "--json", "--limit", "2"];
        arguments.extend(key.iter().flat_map(|key| ["--after", key.as_str()]));
        let page = cli.runs(&arguments).json();
        names.extend(each(&page["requests"], "username").into_iter().map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(names, ["edsger", "barbara", "ada"]);
    let page = cli.runs(&["request", "list", "--limit", "2"]);
    assert!(page.err.contains("--after"), "{page:?}");
    let lines = page.done();
    let mut rows = lines.lines();
    let headings = rows.next().unwrap_or_default().split("  ").filter(|cell| !cell.is_empty());
    let headings: Vec<&str> = headings.map(str::trim).collect();
    assert_eq!(headings, ["Code", "State", "User name", "Discord id", "Created", "Reason"]);
    let (first, second) = (rows.next().expect("a row"), rows.next().expect("a row"));
    assert!(first.contains("edsger") && second.contains("barbara") && rows.next().is_none(), "{lines}");
    assert_eq!(first.find("waiting"), second.find("waiting"), "the columns are aligned: {lines}");
    let at = first.split_whitespace().nth(4).expect("a time");
    assert!(at.len() == "2026-12-01T00:00:00Z".len() && at.ends_with('Z'), "to the second in UTC: {at}");
    let code = first.split_whitespace().next().expect("a code").to_owned();
    let shown = cli.runs(&["request", "show", &code]).done();
    assert!(shown.contains("…@example.org") && shown.contains("\nJob    State"), "{shown}");
    assert!(shown.contains("\ncheck  "), "{shown}");
    let whole = cli.runs(&["request", "show", &code, "--json"]).json();
    assert_eq!(whole["request"]["state"], "waiting");
    assert!(!whole.to_string().contains("Lovelace") && !shown.contains("Lovelace"), "{whole}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deciding_follows_the_rules_of_chat_and_is_audited_with_the_login() {
    let env = AccountsEnv::new().await;
    let sim = discord().await;
    let mut cli = CliEnv::of(&env);
    cli.talk_to(&sim);
    let ada = env.asks(ADA, "ada").await;
    let grace = env.asks(GRACE, "grace.h").await;
    let approve = |code: &str, by: u64| cli.runs(&["request", "approve", code, "--as", &by.to_string()]);
    for nobody in [MALLORY, ADA, 4_242] {
        let refused = approve(&grace.code, nobody).fails(1);
        assert!(refused.contains("not_moderator: "), "{nobody}: {refused}");
    }
    let own = approve(&grace.code, GRACE).fails(1);
    assert!(own.contains("own_request: "), "{own}");
    assert!(approve(&ada.code, GRACE).done().contains("is approved"));
    let second = approve(&ada.code, LINUS).fails(1);
    assert!(second.contains("already_decided: "), "{second}");
    let linus = LINUS.to_string();
    let denied = cli.runs(&[
        "request",
        "deny",
        &grace.code,
        "--as",
        &linus,
        "--reason",
        "Ask again in May",
        "--quietly",
    ]);
    assert!(denied.done().contains("is denied"));
    let shown = cli.runs(&["request", "show", &grace.code, "--json"]).json();
    assert_eq!(shown["decisions"][0]["verdict"], "deny");
    assert_eq!(shown["denial_reason"], "Ask again in May", "the operator reads a quiet reason, too");

    let rows = cli.runs(&["audit", "search", "--event", "request.approved", "--json"]).json();
    assert_eq!(each(&rows["rows"], "source"), ["cli"]);
    assert!(rows["rows"][0]["actor_id"].as_str().is_some_and(|actor| actor.starts_with("cli:")), "{rows}");
    let refused = cli.runs(&["audit", "search", "--event", "press.refused", "--json"]).json();
    let mut reasons = each(&refused["rows"], "reason_code");
    reasons.sort_unstable();
    assert_eq!(reasons, ["not_moderator", "not_moderator", "not_moderator", "own_request"]);
    assert_eq!(cli.runs(&["audit", "verify", "--json"]).json()["ok"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_role_meanwhile_gets_nothing_approved() {
    let env = AccountsEnv::new().await;
    let sim = discord().await;
    let mut cli = CliEnv::of(&env);
    cli.talk_to(&sim);
    // No member of the guild has this id any more.
    let gone = member(ADA + 500, &[harness::accounts::MEMBER]);
    let request = env.asks(gone.user_id.get(), "gone").await;
    let refused = cli.runs(&["request", "approve", &request.code, "--as", &GRACE.to_string()]).fails(1);
    assert!(refused.contains("member_gone: "), "{refused}");
    let shown = cli.runs(&["request", "show", &request.code, "--json"]).json();
    assert_eq!(shown["request"]["state"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_operator_is_listed_and_goes_on_at_an_admins_word() {
    let env = AccountsEnv::new().await;
    let sim = discord().await;
    let mut cli = CliEnv::of(&env);
    cli.talk_to(&sim);
    let ada = env.asks(ADA, "ada").await;
    env.asks(GRACE, "grace.h").await;
    env.approves(&ada).await;
    let retry = |by: u64| cli.runs(&["request", "retry", &ada.code, "--as", &by.to_string()]);
    assert!(retry(LINUS).fails(1).contains("no job of request"));
    cli.tampers(
        "UPDATE job SET state = 'needs_operator', error_code = 'mail_refused' WHERE kind = 'provision'",
    )
    .await;
    for spelling in ["needs-operator", "needs_operator"] {
        let listed = cli.runs(&["request", "list", "--state", spelling, "--json"]).json();
        assert_eq!(each(&listed["requests"], "code"), [ada.code.as_str()]);
    }
    let shown = cli.runs(&["request", "show", &ada.code]).done();
    assert!(shown.contains("needs_operator") && shown.contains("mail_refused"), "{shown}");
    assert!(retry(GRACE).fails(1).contains("not_moderator: "));
    assert!(retry(LINUS).done().contains("continues"));
    assert_eq!(cli.runs(&["request", "list", "--state", "needs-operator"]).done(), "No requests.\n");
    let rows = cli.runs(&["audit", "search", "--event", "job.retried", "--json"]).json();
    assert_eq!(each(&rows["rows"], "source"), ["cli"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_taken_back_and_its_making_undone() {
    let env = AccountsEnv::new().await;
    let cli = CliEnv::of(&env);
    let ada = env.asks(ADA, "ada").await;
    let grace = env.asks(GRACE, "grace.h").await;
    env.approves(&grace).await;
    env.takes_messages().await;
    let cancelled = cli.runs(&["request", "cancel", &ada.code.to_lowercase()]).done();
    assert!(cancelled.contains("has been cancelled") && !cancelled.contains("removed"), "{cancelled}");
    let told = env.takes_messages().await;
    assert!(told.iter().any(|key| key.contains("cancelled")), "Ada is told: {told:?}");
    assert!(cli.runs(&["request", "cancel", &grace.code]).done().contains("is being removed"));
    let again = cli.runs(&["request", "cancel", &ada.code]);
    assert_eq!(again.code, Some(1), "{again:?}");
    let listed = cli.runs(&["request", "list", "--state", "cancelled", "--json"]).json();
    assert_eq!(each(&listed["requests"], "username"), ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_read_in_pages_and_a_change_by_hand_ends_with_3() {
    let env = AccountsEnv::new().await;
    let cli = CliEnv::of(&env);
    env.asks(ADA, "ada").await;
    env.asks(GRACE, "grace.h").await;
    let of_ada = cli.runs(&["audit", "search", "--person", &ADA.to_string(), "--json"]).json();
    assert_eq!(each(&of_ada["rows"], "event"), ["request.submitted"]);
    let text = cli.runs(&["audit", "search", "--event", "request.submitted"]).done();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows[0].starts_with("Row  Time "), "{text}");
    assert!(
        rows[1].contains(&GRACE.to_string()) && rows[2].contains(&ADA.to_string()),
        "newest first: {text}"
    );
    let requests = cli.runs(&["request", "list", "--json"]).json();
    let grace = GRACE.to_string();
    let of_grace = |request: &&Value| request["discord_id"] == grace.as_str();
    let requests = requests["requests"].as_array().expect("requests");
    let code = requests.iter().find(of_grace).expect("her request")["code"].clone();
    assert!(rows[1].contains(code.as_str().expect("a code")), "{text}");
    // Accolade's own ids begin with the time: the form of a UUID.
    let is_own_id = |word: &str| word.len() == 36 && word.matches('-').count() == 4;
    assert!(!text.split_whitespace().any(is_own_id), "{text}");
    let oldest = cli.runs(&["audit", "search", "--event", "request.submitted", "--oldest-first"]).done();
    let turned: Vec<&str> = oldest.lines().skip(1).collect();
    assert_eq!(turned, [rows[2], rows[1]]);
    let first = cli.runs(&["audit", "search", "--limit", "2", "--json"]).json();
    let key = first["next"].as_str().expect("there is more");
    let second = cli.runs(&["audit", "search", "--limit", "2", "--after", key, "--json"]).json();
    let seqs = |page: &Value| -> Vec<i64> {
        page["rows"].as_array().expect("a list").iter().filter_map(|row| row["seq"].as_i64()).collect()
    };
    assert!(seqs(&first).iter().all(|seq| !seqs(&second).contains(seq)), "{first} {second}");

    let whole = cli.runs(&["audit", "verify", "--json"]).json();
    let head = whole["head"].as_str().expect("a head").to_owned();
    assert!(cli.runs(&["audit", "verify", "--head", &head]).done().contains("is intact"));
    let (seq, _) = head.split_once(':').expect("number and hash");
    let forged = [seq, ":", &"0".repeat(64)].concat();
    let missing = cli.runs(&["audit", "verify", "--head", &forged]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
    assert!(missing.out.contains("truncated or replaced"), "{missing:?}");

    cli.tampers("UPDATE audit SET actor_id = 'system' WHERE seq = 2").await;
    let broken = cli.runs(&["audit", "verify"]);
    assert_eq!(broken.code, Some(3), "{broken:?}");
    assert!(broken.out.contains("row 2 doesn't match"), "{broken:?}");
    let broken = cli.runs(&["audit", "verify", "--json"]);
    assert_eq!(broken.code, Some(3), "{broken:?}");
    let broken: Value = serde_json::from_str(&broken.out).expect("one JSON object");
    assert_eq!(broken, json!({"ok": false, "first_bad_row": 2}));
}

#[test]
fn the_deny_list_is_kept_from_the_command_line_without_showing_whom() {
    let cli = CliEnv::new();
    cli.runs(&["migrate"]).done();
    let id = ADA.to_string();
    let added =
        cli.runs(&["deny", "add", "--person", &id, "--until", "30d", "--reason", "spam\nand\u{1b}[2J more"]);
    assert!(added.done().contains("Added"));
    cli.runs(&["deny", "add", "--address", "Eve@Example.org"]).done();
    cli.runs(&["deny", "add", "--domain", "example.net"]).done();
    let listed = cli.runs(&["deny", "list", "--json"]).json();
    let mut kinds = each(&listed["denied"], "kind");
    kinds.sort_unstable();
    assert_eq!(kinds, ["address", "domain", "person"]);
    let text = cli.runs(&["deny", "list"]).done();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.starts_with("Kind "), "{text}");
    for whom in [id.as_str(), "eve@example.org", "example.net", "\u{1b}"] {
        assert!(!text.contains(whom) && !listed.to_string().contains(whom), "{whom}: {text}");
    }
    let page = cli.runs(&["deny", "list", "--limit", "2", "--json"]).json();
    let rest = cli
        .runs(&["deny", "list", "--limit", "2", "--after", page["next"].as_str().expect("more"), "--json"])
        .json();
    assert_eq!(each(&rest["denied"], "kind").len(), 1, "{rest}");
    assert!(cli.runs(&["deny", "remove", "--address", "eve@example.org"]).done().contains("Removed"));
    assert!(
        cli.runs(&["deny", "remove", "--address", "eve@example.org"])
            .fails(1)
            .contains("not on the deny list")
    );
    let rows = cli.runs(&["audit", "search", "--event", "deny.added", "--json"]).json();
    assert_eq!(each(&rows["rows"], "source"), ["cli", "cli", "cli"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_cannot_ask_discord_is_none() {
    let env = AccountsEnv::new().await;
    let mut cli = CliEnv::of(&env);
    let ada = env.asks(ADA, "ada").await;
    let sim = discord().await;
    cli.set("discord", "endpoint", json!({"address": "127.0.0.1:1", "ca_file": sim.ca_file()}));
    let by = GRACE.to_string();
    for verb in [
        &["request", "approve", ada.code.as_str(), "--as", by.as_str()][..],
        &["request", "deny", ada.code.as_str(), "--as", by.as_str(), "--reason", "no"],
    ] {
        let told = cli.runs(verb).fails(1);
        assert!(told.contains("nothing was done: could not reach Discord"), "{told}");
    }
    let shown = cli.runs(&["request", "show", &ada.code, "--json"]).json();
    assert_eq!((&shown["request"]["state"], &shown["decisions"]), (&json!("waiting"), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_looked_up_in_the_directory_and_its_silence_is_said() {
    let env = AccountsEnv::new().await;
    let cli = CliEnv::of(&env);
    let told = cli.runs(&["link", "find", "ada@example.org"]).fails(1);
    assert!(told.contains("directory_down: ") && !told.contains("ada@"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verbs_work_on_postgres_too() {
    let env = harness::StoreEnv::on_postgres().await;
    let mut cli = CliEnv::new();
    let mut url = env.config.url.clone();
    cli.keeps("postgres", url.password().unwrap_or_default());
    url.set_password(None).expect("the url has a host");
    cli.set("store", "url", json!(url.as_str()));
    cli.set("store", "password_file", json!(cli.folder.join("secrets/postgres")));
    cli.set("store", "key_file", json!(env.config.key_file));
    assert!(cli.runs(&["migrate"]).done().contains("There was nothing to do."));
    let request = env.waiting(1, "ada").await;
    let listed = cli.runs(&["request", "list", "--json"]).json();
    assert_eq!(each(&listed["requests"], "code"), [request.code.as_str()]);
    assert_eq!(cli.runs(&["request", "list", "--state", "needs-operator"]).done(), "No requests.\n");
    assert!(cli.runs(&["request", "cancel", &request.code]).done().contains("has been cancelled"));
    cli.runs(&["deny", "add", "--domain", "example.net"]).done();
    assert_eq!(cli.runs(&["audit", "verify", "--json"]).json()["ok"], true);
}
