//! Moderators and admins read requests, links and the audit log, and nothing beyond their rights.

use accolade::domain::audit::{Actor, ChainRow, Entry, Event, FIRST_PREV, Source, chain_hash};
use accolade::domain::ids::{DiscordUserId, Timestamp};
use accolade::domain::username::Username;
use discord_sim::{Id, Person};
use serde_json::Value;
use testbed::wait_until;

use harness::story::LIMIT;
use harness::{REALM, Rules, Story, shared};

/// Runs a command whose answer replaces "thinking", perhaps before anybody reads that. Returns the answer's message and text. Only the
/// caller can read it.
pub(super) async fn asks_for(who: &Person, command: &str, wanted: &str) -> (Id, String) {
    let reply = who.runs(command).await;
    assert!(reply.ephemeral && !reply.failed, "{command}: {reply}");
    let (message, text) = match reply.message {
        Some(message) if !reply.text.contains("(thinking…)") => (message, reply.text),
        _ => who.waits_for_message("(only you)").await,
    };
    assert!(text.contains("(only you)") && text.contains(wanted), "{command}: {text}");
    (message, text)
}

/// As [`asks_for`], and returns only the text of the answer.
pub(super) async fn asks(who: &Person, command: &str, wanted: &str) -> String {
    asks_for(who, command, wanted).await.1
}

/// Runs a command whose answer is a file. Returns the text above the file, its name and its content.
pub(super) async fn gets_file(who: &Person, command: &str, wanted: &str) -> (String, String, String) {
    let (message, text) = asks_for(who, command, wanted).await;
    let (name, bytes) = who.opens_file(message);
    (text, name, String::from_utf8(bytes).expect("an export is text"))
}

/// The rows of a table below its header, each as a map from column name to value.
fn rows_of(table: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    reader.deserialize().map(|row| row.expect("a row of the table")).collect()
}

#[test]
fn an_admin_finds_and_shows_a_link_and_every_difference_has_its_name() {
    Story::plays("links", Rules::moderators(), async |story| {
        let (ada, linus) = (story.person("ada"), story.person("linus"));
        story.asks("ada").await;
        story.is_approved("ada").await;
        story.activates("ada").await;
        story.wait_until_idle().await;
        let name = story.username("ada");
        for what in [ada.id().to_string(), format!("<@{}>", ada.id()), name.clone(), story.address("ada")] {
            let found = asks(&linus, &format!("/link find what:{what}"), &name).await;
            assert!(
                found.contains("@ada") && found.contains("active") && !found.contains("people.example"),
                "{found}"
            );
        }
        let shown = asks(&linus, &format!("/link show what:{name}"), "No differences").await;
        assert!(shown.contains(&story.address("ada")) && shown.contains("groups: `members`"), "{shown}");
        let clean: Value =
            serde_json::from_str(&story.commands(&["link", "show", &name, "--json"]).await).expect("JSON");
        assert_eq!(
            (&clean["differences"], &clean["not_checked"]),
            (&serde_json::json!([]), &serde_json::json!([]))
        );

        let servers = &shared().servers;
        let dn = servers.slapd.person_dn(&name);
        let mark = clean["directory"]["mark"].as_str().expect("a mark").to_owned();
        let user = clean["keycloak_id"].as_str().expect("an id").to_owned();
        let set = async |attribute, values: &[&str]| {
            servers.slapd.set_attribute(&dn, attribute, values).await.expect("it is accepted");
        };
        set("description", &[]).await;
        set("employeeNumber", &["123456789012345678"]).await;
        servers
            .keycloak
            .set_user(REALM, &user, &serde_json::json!({"enabled": false}))
            .await
            .expect("Keycloak accepts it");
        let shown = asks(&linus, &format!("/link show what:{name}"), "Difference:").await;
        for code in ["mark_missing", "discord_id_differs", "keycloak_disabled"] {
            assert!(shown.contains(code), "{code}: {shown}");
        }
        assert!(!shown.contains("No differences"), "{shown}");
        let (code, out) = story.commands_with_code(&["link", "show", &name, "--json"]).await;
        assert_eq!(code, Some(3), "{out}");
        let told: Value = serde_json::from_str(&out).expect("JSON");
        let codes: Vec<&str> = told["differences"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|one| one["code"].as_str())
            .collect();
        assert_eq!(codes, ["mark_missing", "discord_id_differs", "keycloak_disabled"]);
        let (code, out) = story.commands_with_code(&["link", "show", &name]).await;
        assert_eq!(code, Some(3), "{out}");
        assert!(
            out.contains("doesn't carry Accolade's mark")
                && out.contains("Discord id on the entry is `123456789012345678`"),
            "{out}"
        );

        set("description", &[&mark]).await;
        set("employeeNumber", &[&ada.id().to_string()]).await;
        servers
            .keycloak
            .set_user(REALM, &user, &serde_json::json!({"enabled": true}))
            .await
            .expect("Keycloak accepts it");
        asks(&linus, &format!("/link show what:{name}"), "No differences").await;
        let looks = story
            .rows("SELECT source FROM audit WHERE event = 'admin.viewed' AND subject_id IS NOT NULL")
            .await;
        assert_eq!(looks.iter().filter(|source| *source == "chat").count(), 7, "{looks:?}");
        assert_eq!(looks.iter().filter(|source| *source == "cli").count(), 3, "{looks:?}");
    });
}

#[test]
fn a_silent_directory_is_said_to_be_not_checked_and_never_ok() {
    Story::plays_alone("unseen", Rules::moderators(), async |story| {
        let linus = story.person("linus");
        story.asks("ada").await;
        story.is_approved("ada").await;
        story.wait_until_idle().await;
        let name = story.username("ada");
        shared().servers.slapd.freeze();
        let shown = asks(&linus, &format!("/link show what:{name}"), "Not checked: the directory").await;
        shared().servers.slapd.thaw();
        assert!(!shown.contains("No differences") && !shown.contains("Difference:"), "{shown}");
        let healed = wait_until("both servers answer again", LIMIT, async || {
            Ok(story.commands_with_code(&["link", "show", &name]).await.0 == Some(0))
        });
        healed.await.expect("what was not checked is checked again");
    });
}

#[test]
fn only_whoever_is_an_admin_at_that_moment_looks_and_refusals_are_audited() {
    Story::plays("nolook", Rules::moderators(), async |story| {
        let commands = [
            "/link find what:ada",
            "/link show what:ada",
            "/link export",
            "/audit search",
            "/audit export format:json",
            "/audit verify",
            "/doctor",
        ];
        let linus = story.person("linus");
        linus.loses("admin");
        for who in [story.person("mallory"), story.person("grace"), linus.clone()] {
            for command in commands {
                asks(&who, command, "Your roles don't allow this").await;
            }
        }
        let refused = "SELECT coalesce(after, '') || ' ' || coalesce(reason_code, '') FROM audit WHERE event = 'press.refused' ORDER BY seq";
        let refused = story.rows(refused).await;
        assert_eq!(refused.len(), 21, "{refused:?}");
        let whats = ["link", "link", "link.export", "audit", "audit.export", "audit.verify", "doctor"];
        for (row, what) in refused.iter().zip(whats.iter().cycle()) {
            assert_eq!(*row, format!("{what} not_moderator"));
        }
        assert_eq!(
            story.rows("SELECT seq FROM audit WHERE event = 'admin.viewed'").await,
            Vec::<String>::new()
        );
        linus.gains("admin");
        asks(&linus, "/audit search event:press.refused", "There may be more").await;
        let refused = asks(&linus, "/audit search event:request.approved", "No rows match").await;
        assert!(!refused.contains("mallory"), "{refused}");
    });
}

#[test]
fn nobody_looks_from_a_direct_message_or_another_guild_and_another_guilds_links_are_not_shown() {
    Story::plays("borders", Rules::moderators(), async |story| {
        let linus = story.person("linus");
        let other =
            story.sim.guild("elsewhere").channel("general").bot(&story.bot).person("ursula", &[]).build();
        for who in [linus.in_dm_with(&story.bot), other.member("ursula")] {
            for command in ["/link find what:ada", "/doctor"] {
                let tried = who.tries_to_run(command).await;
                assert!(tried.is_err(), "{command}: {tried:?}");
            }
        }
        // An account that was not created by a request of this guild.
        let store = story.store().await;
        let mut tx = store.begin().await.expect("a transaction");
        let person =
            tx.ensure_person(DiscordUserId::new(175_928_847_299_117_999), "en").await.expect("a person");
        let name = Username::parse("stranger", 20).expect("a legal name");
        tx.insert_account(person.id, &name).await.expect("an account");
        tx.commit("test").await.expect("a commit");
        for what in ["stranger", "175928847299117999"] {
            asks(&linus, &format!("/link find what:{what}"), "No accounts match").await;
            asks(&linus, &format!("/link show what:{what}"), "No account matches").await;
        }
        let (told, _, table) = gets_file(&linus, "/link export", "There are no accounts").await;
        assert!(told.contains("(file links.csv") && rows_of(&table).is_empty(), "{told}: {table}");
        assert!(story.commands(&["link", "find", "stranger"]).await.contains("stranger"));
        store.close().await;
    });
}

#[test]
fn an_export_of_links_is_a_file_that_no_spreadsheet_computes() {
    Story::plays("tables", Rules::moderators(), async |story| {
        let (ada, linus) = (story.person("ada"), story.person("linus"));
        story.asks("ada").await;
        story.is_approved("ada").await;
        story.wait_until_idle().await;
        let dn = shared().servers.slapd.person_dn(&story.username("ada"));
        let hostile = "=cmd|\"x\"@people.example";
        shared().servers.slapd.set_attribute(&dn, "mail", &[hostile]).await.expect("it is accepted");
        let (told, name, table) =
            gets_file(&linus, "/link export addresses:true", "One account is in the file").await;
        assert_eq!(name, "links.csv");
        assert!(told.contains("(only you)"), "{told}");
        let rows = rows_of(&table);
        assert_eq!(rows.len(), 1, "{table}");
        assert_eq!(
            (&rows[0]["discord_id"], &rows[0]["username"]),
            (&ada.id().to_string(), &story.username("ada"))
        );
        assert_eq!(rows[0]["address"], format!("'{hostile}"));
        let (_, name, document) =
            gets_file(&linus, "/link export format:json state:invited", "One account").await;
        let document: Value = serde_json::from_str(&document).expect("JSON");
        assert_eq!(
            (name.as_str(), &document["accounts"][0]["state"]),
            ("links.json", &Value::from("invited"))
        );
        assert_eq!(document["accounts"][0]["address"], Value::Null, "an address that nobody asked for");
        gets_file(&linus, "/link export state:closed", "There are no accounts").await;
        let told = story.commands(&["link", "export", "--addresses", "--format", "json"]).await;
        let told: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["accounts"][0]["address"], hostile);
        let address = story.address("ada");
        shared().servers.slapd.set_attribute(&dn, "mail", &[&address]).await.expect("it is accepted");
        let looks = story.rows("SELECT after FROM audit WHERE event = 'admin.viewed'").await;
        assert_eq!(looks, ["link.export"; 4]);
    });
}

/// The chain's last hash, recomputed from an export alone.
fn recomputed(rows: &[Value]) -> String {
    let text = |row: &Value, key: &str| row[key].as_str().map(str::to_owned);
    let mut hash = FIRST_PREV.to_vec();
    for row in rows {
        let row = ChainRow {
            seq: row["seq"].as_i64().expect("a number"),
            at: Timestamp::from_millis(row["at_ms"].as_i64().expect("a number")),
            event: text(row, "event").expect("an event"),
            source: text(row, "source").expect("a source"),
            guild_id: text(row, "guild_id"),
            actor_id: text(row, "actor_id").expect("an actor"),
            subject_id: text(row, "subject_id"),
            request_id: text(row, "request_id"),
            job_id: text(row, "job_id"),
            before: text(row, "before"),
            after: text(row, "after"),
            reason_code: text(row, "reason_code"),
            personal_hash: text(row, "personal_hash")
                .map(|hash| hex::decode(hash).expect("hexadecimal digits")),
        };
        hash = chain_hash(&hash, &row);
    }
    hex::encode(hash)
}

#[test]
fn the_audit_log_is_searched_in_pages_exported_whole_and_verified_in_chat() {
    Story::plays("chronicle", Rules::moderators(), async |story| {
        let (ada, linus) = (story.person("ada"), story.person("linus"));
        let said = story.asks_with("ada", &story.form("ada")).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        story.person("grace").waits_for("name and address are free").await;
        let found = asks(&linus, &format!("/audit search person:<@{}>", ada.id()), "request.submitted").await;
        assert!(
            found.contains("by @ada") && found.contains("about @ada") && found.contains("(chat)"),
            "{found}"
        );
        assert!(!found.contains("There may be more") && !found.contains("Because ada"), "{found}");
        asks(&linus, "/audit search event:deny.added", "No rows match").await;
        asks(&linus, "/audit search person:<@12>", "No rows match").await;
        for (wrong, told) in [
            ("/audit search event:nothing.such", "There is no such event"),
            ("/audit search since:yesterday", "Enter a time such as"),
            ("/audit export until:2026-13-40", "Enter a time such as"),
            ("/audit verify head:12", "Enter the head as it was shown"),
        ] {
            let reply = linus.runs(wrong).await;
            assert!(reply.ephemeral && reply.text.contains(told), "{wrong}: {reply}");
        }

        let guild = story.config.guilds.first().expect("a guild").id;
        let store = story.store().await;
        for _ in 0..3 {
            let mut tx = store.begin().await.expect("a transaction");
            for _ in 0..1000 {
                tx.audit(Entry::new(Event::RoleGranted, Source::Worker, Actor::System).in_guild(guild));
            }
            tx.commit("test").await.expect("a commit");
        }
        store.close().await;
        let page =
            asks(&linus, "/audit search event:role.granted limit:2 source:worker", "There may be more").await;
        let after =
            page.rsplit("after: ").next().and_then(|rest| rest.split('`').next()).expect("a key").to_owned();
        let first: i64 = after.parse().expect("a number");
        assert!(page.contains(&format!("{} ·", first + 1)) && page.contains(&format!("{first} ·")), "{page}");
        let next = asks(
            &linus,
            &format!("/audit search event:role.granted limit:2 after:{after}"),
            "There may be more",
        )
        .await;
        assert!(
            next.contains(&format!("{} ·", first - 1)) && !next.contains(&format!("{first} ·")),
            "{next}"
        );
        let (told, name, text) =
            gets_file(&linus, "/audit search event:role.granted limit:200", "it is in the file").await;
        assert_eq!((name.as_str(), text.lines().count()), ("audit.txt", 200));
        assert!(told.contains("There may be more"), "{told}");

        // Only the command line shows rows that name no guild, so the log of one guild has gaps and the operator's log has none.
        let (told, name, document) =
            gets_file(&linus, "/audit export format:json", "head of the audit log is").await;
        let document: Value = serde_json::from_str(&document).expect("JSON");
        assert_eq!(name, "audit.json");
        assert!(document["rows"].as_array().is_some_and(|rows| rows.len() > 3000), "thousands of rows");
        assert!(told.contains(document["head"].as_str().expect("a head")), "{told}");
        let whole: Value =
            serde_json::from_str(&story.commands(&["audit", "export", "--format", "json"]).await)
                .expect("JSON");
        let rows = whole["rows"].as_array().expect("a list");
        let head = format!("{}:{}", rows.len(), recomputed(rows));
        assert_eq!(whole["head"], head, "the rows of the export do not hash to its head");
        let (_, _, table) =
            gets_file(&linus, "/audit export event:role.granted", "head of the audit log is").await;
        assert_eq!(rows_of(&table).len(), 3000);

        asks(&linus, "/audit verify", "The audit log is intact").await;
        asks(&linus, &format!("/audit verify head:{head}"), "The audit log is intact").await;
        asks(&linus, &format!("/audit verify head:1:{}", "0".repeat(64)), "truncated or replaced").await;
        story.person("grace").presses("Deny").await;
        story.person("grace").submits(&[("reason", "Not this time")]).await;
        ada.waits_for("was denied").await;
        story.person("grace").waits_for("Denied by").await;
        let whole = story.commands(&["audit", "search", "--actor", "system", "--limit", "1", "--json"]).await;
        assert!(whole.contains("\"actor_id\":\"system\""), "{whole}");
    });
}

#[test]
fn moderators_list_and_show_requests_in_chat_and_nobody_else_does() {
    Story::plays("lists", Rules::moderators(), async |story| {
        let (grace, linus) = (story.person("grace"), story.person("linus"));
        asks(&grace, "/request list", "No requests").await;
        asks(&grace, "/request show code:K7M2QX", "There is no such request here").await;
        story.asks("ada").await;
        story.asks("barbara").await;
        let first = asks(&grace, "/request list limit:1", "There may be more").await;
        assert!(first.contains("@barbara") && !first.contains("@ada"), "{first}");
        let after = first.rsplit("after: ").next().and_then(|rest| rest.split('`').next()).expect("a key");
        let second = asks(&grace, &format!("/request list limit:1 after:{after}"), "@ada").await;
        assert!(second.contains("waiting") && !second.contains("@barbara"), "{second}");
        asks(&grace, "/request list state:needs-operator", "No requests").await;
        let reply = grace.runs("/request list after:yesterday").await;
        assert!(reply.ephemeral && reply.text.contains("the value that the previous page showed"), "{reply}");
        let code = story.rows("SELECT code FROM request ORDER BY id").await.remove(0);
        let shown = asks(&linus, &format!("/request show code:{code}"), "Jobs: check, done").await;
        assert!(shown.contains("…@people.example") && !shown.contains(&story.address("ada")), "{shown}");
        assert!(!shown.contains("Given-") && !shown.contains("Because ada"), "{shown}");

        grace.loses("moderator");
        for who in [story.person("mallory"), grace.clone()] {
            for command in ["/request list", "/request show code:K7M2QX"] {
                asks(&who, command, "Your roles don't allow this").await;
            }
        }
        let refused = "SELECT coalesce(after, '') FROM audit WHERE event = 'press.refused'";
        assert_eq!(story.rows(refused).await, ["request"; 4]);
    });
}
