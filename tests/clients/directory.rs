//! The directory client against a real slapd with the documented access rules.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use accolade::config;
use accolade::directory::{
    Added, By, Directory, DirectoryError, Holders, IndexKind, NewPerson, OwnedEntry, Removed, Taken,
    needed_indexes,
};
use accolade::domain::account::{DirectoryId, Mark};
use accolade::domain::eligibility::GroupName;
use accolade::domain::ids::{AccountId, DiscordUserId};
use accolade::domain::job::Outcome;
use accolade::domain::mail_address::MailAddress;
use accolade::domain::person_name::PersonName;
use accolade::domain::username::Username;
use proptest::test_runner::{Config, TestRunner};
use secrecy::SecretString;
use testbed::slapd::{CONFIG_ADMIN, Edits, PersonByHand};
use testbed::{Managed, ServerOptions, TestServers, wait_until};
use url::Url;
use uuid::Uuid;

use crate::servers;

/// A person to be added: everything but the name is derived from a number.
pub(crate) struct TestPerson {
    pub(crate) username: Username,
    pub(crate) given: PersonName,
    pub(crate) family: PersonName,
    pub(crate) address: MailAddress,
    pub(crate) discord_id: DiscordUserId,
    pub(crate) mark: Mark,
}

impl TestPerson {
    pub(crate) fn new(name: &str, number: u64) -> Self {
        Self {
            username: Username::parse(name, 20).expect("a legal name"),
            given: PersonName::parse("Ada").expect("a name"),
            family: PersonName::parse("Byron").expect("a name"),
            address: MailAddress::parse(&[name, "@example.org"].concat()).expect("an address"),
            discord_id: DiscordUserId::new(100_000_000_000_000_000 + number),
            mark: Mark::of(AccountId::new(Uuid::from_u128(u128::from(number)))),
        }
    }

    pub(crate) fn as_new(&self) -> NewPerson<'_> {
        NewPerson {
            username: &self.username,
            given: &self.given,
            family: &self.family,
            address: &self.address,
            discord_id: self.discord_id,
            mark: self.mark,
        }
    }

    pub(crate) async fn add_to(&self, directory: &Directory) -> OwnedEntry {
        match directory.add_person(&self.as_new()).await.expect("the Add succeeds") {
            Added::Created(entry) => entry.ours(self.mark, self.discord_id).expect("it has our attributes"),
            other @ (Added::AlreadyOurs(_) | Added::Conflict(_)) => panic!("not created: {other:?}"),
        }
    }
}

async fn servers_and_client() -> (TestServers, Directory) {
    let servers = servers::own_slapd().await;
    let client = Directory::new(&servers::directory_config(&servers.slapd)).expect("usable settings");
    (servers, client)
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).expect("not empty")
}

/// Whether the only entry with this mark carries the administrator's lock.
async fn is_locked(client: &Directory, ours: &OwnedEntry) -> bool {
    let found = client.find(By::Mark(ours.mark)).await.expect("an answer");
    let [entry] = &found[..] else { panic!("not one entry: {found:?}") };
    entry.is_locked
}

#[tokio::test]
async fn an_added_person_has_mark_and_id_and_no_password_and_a_second_add_finds_it() {
    let (servers, client) = servers_and_client().await;
    let ada = TestPerson::new("ada", 1);
    let ours = ada.add_to(&client).await;
    let entry =
        servers.slapd.entry(&servers.slapd.person_dn("ada")).await.expect("an answer").expect("the entry");
    assert_eq!(entry.value("description"), Some(ada.mark.to_string().as_str()));
    assert_eq!(entry.value("employeeNumber"), Some("100000000000000001"));
    assert_eq!(entry.value("cn"), Some("Ada Byron"));
    assert_eq!(entry.value("entryUUID"), Some(ours.directory_id.as_str()));
    assert!(entry.values("userPassword").is_empty());
    let again = client.add_person(&ada.as_new()).await.expect("an answer");
    assert!(matches!(again, Added::AlreadyOurs(entry) if entry.is(&ours)));
    assert_eq!(client.password_changed_at(&ours).await, Ok(None));
}

#[tokio::test]
async fn entries_are_found_together_by_their_lasting_ids_up_to_a_limit() {
    let (_servers, client) = servers_and_client().await;
    let mut ids = vec![DirectoryId::new("00000000-0000-4000-8000-000000000000").expect("an unused id")];
    for number in 1..30 {
        let name = ["member", &number.to_string()].concat();
        ids.push(TestPerson::new(&name, number).add_to(&client).await.directory_id);
    }
    let found = client.find_together(&ids).await.expect("an answer");
    let mut found: Vec<_> = found.into_iter().map(|entry| entry.directory_id).collect();
    found.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    ids.remove(0);
    ids.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    assert_eq!(found, ids);
    assert!(client.find_together(&[]).await.expect("no request is sent").is_empty());
    let many = vec![ids[0].clone(); Directory::MAX_TOGETHER + 1];
    assert!(matches!(client.find_together(&many).await, Err(DirectoryError::TooBig { .. })));
}

#[tokio::test]
async fn a_name_an_address_and_an_id_of_somebody_else_are_conflicts_that_write_nothing() {
    let (servers, client) = servers_and_client().await;
    servers.slapd.add_person_by_hand(&PersonByHand::named("grace")).await.expect("grace is there");
    let ada = TestPerson::new("ada", 1);
    ada.add_to(&client).await;

    let same_name = TestPerson::new("grace", 2);
    let conflict = client.add_person(&same_name.as_new()).await.expect("an answer");
    let by_other = Some(Taken::ByOther);
    assert_eq!(
        conflict,
        Added::Conflict(Holders { username: by_other, address: by_other, discord_id: None })
    );

    let mut same_address = TestPerson::new("bob", 3);
    same_address.address = MailAddress::parse("ADA@example.org").expect("an address");
    let by_ada = Some(Taken::ByAccount(ada.mark));
    let conflict = client.add_person(&same_address.as_new()).await.expect("an answer");
    assert_eq!(conflict, Added::Conflict(Holders { username: None, address: by_ada, discord_id: None }));

    let mut same_id = TestPerson::new("carol", 4);
    same_id.discord_id = ada.discord_id;
    let conflict = client.add_person(&same_id.as_new()).await.expect("an answer");
    assert_eq!(conflict, Added::Conflict(Holders { username: None, address: None, discord_id: by_ada }));
    assert_eq!(servers.slapd.people().await.expect("the people").len(), 2);
}

/// The directory's Add is the final check, even if the store has accepted all requests: fifty connections add at once.
#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_adds_at_once_with_one_name_address_or_id_one_makes_an_entry() {
    let (servers, _) = servers_and_client().await;
    let shares: [fn(&mut TestPerson, &TestPerson); 3] = [
        |somebody, ada| somebody.username = ada.username.clone(),
        |somebody, ada| somebody.address = ada.address.clone(),
        |somebody, ada| somebody.discord_id = ada.discord_id,
    ];
    for (at, share) in shares.into_iter().enumerate() {
        let ada = TestPerson::new(&format!("ada{at}"), 1000);
        let adds = (0..50).map(|number| {
            let mut somebody = TestPerson::new(&format!("p{at}x{number}"), 2000 + 100 * at as u64 + number);
            share(&mut somebody, &ada);
            let client = Directory::new(&servers::directory_config(&servers.slapd)).expect("usable settings");
            async move { client.add_person(&somebody.as_new()).await.expect("an answer") }
        });
        let added = futures::future::join_all(adds).await;
        let made = added.iter().filter(|added| matches!(added, Added::Created(_))).count();
        let conflicts = added.iter().filter(|added| matches!(added, Added::Conflict(_))).count();
        assert_eq!((made, conflicts), (1, 49), "{added:?}");
        assert_eq!(servers.slapd.people().await.expect("the people").len(), at + 1);
    }
}

#[tokio::test]
async fn membership_is_made_once_and_only_managed_groups_are_left() {
    let (servers, client) = servers_and_client().await;
    for name in ["members", "builders", "alumni"] {
        servers.slapd.add_group(name, Managed::Yes).await.expect("a group");
    }
    servers.slapd.add_group("staff", Managed::No).await.expect("a group");
    let ours = TestPerson::new("ada", 1).add_to(&client).await;
    let managed = [group("members"), group("builders"), group("alumni")];
    let first = client.ensure_membership(&ours, &managed[..2], &managed).await.expect("membership");
    assert_eq!((first.outcome, first.added.len()), (Outcome::Applied, 2));
    let second = client.ensure_membership(&ours, &managed[..2], &managed).await.expect("membership");
    assert_eq!((second.outcome, second.added.len()), (Outcome::Unchanged, 0));
    let third = client.ensure_membership(&ours, &managed[1..2], &managed).await.expect("membership");
    assert_eq!((third.added, third.removed), (vec![], vec![group("members")]));
    let entry = client.find(By::DirectoryId(&ours.directory_id)).await.expect("an answer").remove(0);
    assert_eq!(client.groups_of(&entry).await, Ok(vec![group("builders")]));
    assert_eq!(client.members(&group("builders")).await, Ok(vec![entry.dn.clone()]));

    let refused = client.ensure_membership(&ours, &[group("staff")], &managed).await;
    assert_eq!(refused, Err(DirectoryError::Groups { groups: vec![group("staff")], rc: 50 }));
    let absent = client.ensure_membership(&ours, &[group("nowhere")], &managed).await;
    assert!(matches!(absent, Err(DirectoryError::Groups { .. })), "{absent:?}");
}

#[tokio::test]
async fn a_lock_stops_the_password_and_unlock_gives_it_back() {
    let (servers, client) = servers_and_client().await;
    let ours = TestPerson::new("ada", 1).add_to(&client).await;
    let dn = servers.slapd.person_dn("ada");
    servers.slapd.set_attribute(&dn, "userPassword", &["correct horse battery"]).await.expect("a password");
    assert!(servers.slapd.bind_works(&dn, "correct horse battery").await.expect("an answer"));
    assert_eq!(client.lock(&ours).await, Ok(Outcome::Applied));
    assert_eq!(client.lock(&ours).await, Ok(Outcome::Unchanged));
    assert!(is_locked(&client, &ours).await);
    assert!(!servers.slapd.bind_works(&dn, "correct horse battery").await.expect("an answer"));
    assert!(client.password_changed_at(&ours).await.expect("an answer").is_some());
    assert_eq!(client.remove_if_ours(&ours).await, Ok(Removed::HasPassword));
    assert_eq!(client.unlock(&ours).await, Ok(Outcome::Applied));
    assert_eq!(client.unlock(&ours).await, Ok(Outcome::Unchanged));
    assert!(servers.slapd.bind_works(&dn, "correct horse battery").await.expect("an answer"));
}

#[tokio::test]
async fn only_what_is_ours_and_locked_and_never_had_a_password_is_removed() {
    let (servers, client) = servers_and_client().await;
    let ada = TestPerson::new("ada", 1);
    let ours = ada.add_to(&client).await;
    let other_mark = OwnedEntry { mark: TestPerson::new("xavier", 9).mark, ..ours.clone() };
    assert_eq!(client.remove_if_ours(&other_mark).await, Ok(Removed::NotOurs));
    let other_id = OwnedEntry { discord_id: DiscordUserId::new(9), ..ours.clone() };
    assert_eq!(client.remove_if_ours(&other_id).await, Ok(Removed::NotOurs));
    assert_eq!(client.lock(&other_mark).await, Err(DirectoryError::NotOurs { verb: "lock" }));
    assert_eq!(client.remove_if_ours(&ours).await, Ok(Removed::HasPassword), "it is not locked");
    client.lock(&ours).await.expect("locked");
    assert_eq!(client.remove_if_ours(&ours).await, Ok(Removed::Removed));
    assert_eq!(client.remove_if_ours(&ours).await, Ok(Removed::Absent));
    assert!(servers.slapd.people().await.expect("the people").is_empty());
}

#[tokio::test]
async fn a_killed_server_is_reached_again_after_its_restart_without_a_new_client() {
    let (servers, client) = servers_and_client().await;
    let ada = TestPerson::new("ada", 1);
    ada.add_to(&client).await;
    servers.slapd.kill();
    let down = client.find(By::Username(&ada.username)).await.expect_err("nobody is there");
    assert!(matches!(down, DirectoryError::Down { .. }), "{down:?}");
    servers.slapd.start().await.expect("it starts again");
    wait_until("the client to find ada", Duration::from_secs(5), || async {
        Ok(client.find(By::Username(&ada.username)).await.is_ok_and(|found| found.len() == 1))
    })
    .await
    .expect("the client comes back");
}

#[tokio::test]
async fn a_frozen_server_ends_in_a_timeout_and_the_next_verb_after_the_thaw_works() {
    let (servers, client) = servers_and_client().await;
    client.probe().await.expect("it is there");
    servers.slapd.freeze();
    let begun = Instant::now();
    let down = client.probe().await.expect_err("it does not answer");
    assert!(matches!(down, DirectoryError::Down { is_ambiguous: true, .. }), "{down:?}");
    assert!(begun.elapsed() < accolade::directory::VERB_LIMIT + Duration::from_secs(2));
    servers.slapd.thaw();
    client.probe().await.expect("it is there again");
}

#[tokio::test]
async fn tls_is_used_and_a_stranger_s_certificate_is_refused() {
    let servers = servers::own_slapd().await;
    let stranger = servers::own_slapd().await;
    let secured = |url: &str, start_tls, ca: &std::path::Path| {
        let config = config::Directory {
            url: Url::parse(url).expect("a URL"),
            ca_file: Some(ca.to_owned()),
            start_tls,
            plaintext_on_loopback: false,
            ..servers::directory_config(&servers.slapd)
        };
        Directory::new(&config).expect("usable settings")
    };
    secured(&servers.slapd.ldaps_url, false, &servers.slapd.ca_file).probe().await.expect("ldaps works");
    secured(&servers.slapd.ldap_url, true, &servers.slapd.ca_file).probe().await.expect("StartTLS works");
    for (url, start_tls) in [(&servers.slapd.ldaps_url, false), (&servers.slapd.ldap_url, true)] {
        let refused = secured(url, start_tls, &stranger.slapd.ca_file).probe().await.expect_err("a wrong CA");
        assert!(matches!(&refused, DirectoryError::Down { cause, .. } if cause.is_of_tls()), "{refused:?}");
    }
}

#[tokio::test]
async fn settings_that_would_bind_as_nobody_or_in_the_clear_are_refused() {
    let servers = servers::own_slapd().await;
    let good = servers::directory_config(&servers.slapd);
    let refused =
        |config: config::Directory| matches!(Directory::new(&config), Err(DirectoryError::Settings { .. }));
    assert!(refused(config::Directory { bind_password: SecretString::from(""), ..good.clone() }));
    assert!(refused(config::Directory { plaintext_on_loopback: false, ..good.clone() }));
    let elsewhere = Url::parse("ldap://10.0.0.1").expect("a URL");
    assert!(refused(config::Directory { url: elsewhere, ..good.clone() }));
    let wrong = config::Directory { bind_password: SecretString::from("wrong"), ..good };
    let answer = Directory::new(&wrong).expect("usable settings").probe().await;
    assert_eq!(answer, Err(DirectoryError::Refused { verb: "bind", rc: 49 }));
}

/// Group names are the least restricted text in a filter: any text finds exactly the group with that name or none.
#[tokio::test(flavor = "multi_thread")]
async fn any_text_finds_exactly_the_group_of_that_name_or_none() {
    let (servers, client) = servers_and_client().await;
    let known = ["members", "a-b", "alumni"];
    for name in known {
        servers.slapd.add_group(name, Managed::Yes).await.expect("a group");
    }
    let runtime = tokio::runtime::Handle::current();
    let run = move || {
        let mut runner =
            TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
        let texts = "[ -~]{1,24}|[*()\\\\&|!=,+]{1,8}|(members|a-b|alumni|mem\\*|\\*)[)(*]{0,3}|\\PC{1,12}";
        let strategy = proptest::string::string_regex(texts).expect("a pattern");
        runner.run(&strategy, |text| {
            let Some(name) = GroupName::new(&text) else { return Ok(()) };
            let found = runtime.block_on(client.members(&name));
            // `cn` is compared without case and without insignificant blanks.
            let folded = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            let wanted = if known.contains(&folded.as_str()) {
                Ok(Vec::new())
            } else {
                Err(DirectoryError::Absent { verb: "members" })
            };
            assert_eq!(found, wanted);
            Ok(())
        })
    };
    tokio::task::spawn_blocking(run).await.expect("the runner ends").expect("every text");
}

#[tokio::test]
async fn every_entry_with_our_mark_is_found_part_by_part_where_they_are_many() {
    let (servers, client) = servers_and_client().await;
    let by_hand = PersonByHand::named("stranger");
    servers.slapd.add_person_by_hand(&by_hand).await.expect("an entry without a mark");
    assert_eq!(client.all_marked("").await.expect("an answer").len(), 0);
    let people: Vec<TestPerson> =
        (1..=501).map(|number| TestPerson::new(&format!("ada.{number}"), number)).collect();
    for somebody in &people[..500] {
        somebody.add_to(&client).await;
    }
    assert_eq!(client.all_marked("").await.expect("an answer").len(), 500);
    people[500].add_to(&client).await;
    let too_many = client.all_marked("").await;
    assert!(matches!(too_many, Err(DirectoryError::TooBig { .. })), "{too_many:?}");
    let mut found = Vec::new();
    for ending in "0123456789abcdef".chars().map(|digit| digit.to_string()) {
        let part = client.all_marked(&ending).await.expect("an answer");
        let marks: Vec<String> = part.iter().filter_map(|entry| entry.mark).map(|m| m.to_string()).collect();
        assert!(marks.iter().all(|mark| mark.ends_with(&ending)), "{ending}: {marks:?}");
        found.extend(marks);
    }
    let mut wanted: Vec<String> = people.iter().map(|somebody| somebody.mark.to_string()).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn another_bind_password_holds_for_every_clone_from_the_next_verb_on() {
    let servers = servers::own_slapd().await;
    let right = servers::directory_config(&servers.slapd);
    let mut wrong = right.clone();
    wrong.bind_password = SecretString::from("wrong");
    let client = Directory::new(&wrong).expect("usable settings");
    let clone = client.clone();
    assert!(matches!(clone.probe().await, Err(DirectoryError::Refused { rc: 49, .. })));
    client.replace_password(right.bind_password).await;
    clone.probe().await.expect("the directory answers");
    client.replace_password(wrong.bind_password).await;
    assert!(matches!(clone.probe().await, Err(DirectoryError::Refused { rc: 49, .. })));
}

/// The attributes that the bot's searches compare, with the settings of `servers.rs`.
const SEARCHED: [&str; 8] =
    ["objectClass", "uid", "mail", "employeeNumber", "description", "entryUUID", "member", "cn"];

async fn slapd_with(edits: Edits) -> TestServers {
    let options = ServerOptions { slapd_edits: edits, ..ServerOptions::slapd_alone() };
    TestServers::start(options).await.expect("slapd starts")
}

/// Calls every operation of the client at least once.
async fn uses_every_verb(servers: &TestServers) {
    let directory = Directory::new(&servers::directory_config(&servers.slapd)).expect("usable settings");
    servers.slapd.add_group("members", Managed::Yes).await.expect("a group");
    directory.probe().await.expect("it answers");
    let ada = TestPerson::new("ada", 1);
    let ours = ada.add_to(&directory).await;
    assert!(matches!(directory.add_person(&ada.as_new()).await, Ok(Added::AlreadyOurs(_))));
    let keys = [
        By::Username(&ada.username),
        By::Address(&ada.address),
        By::DiscordId(ada.discord_id),
        By::Mark(ada.mark),
        By::DirectoryId(&ours.directory_id),
    ];
    for key in keys {
        assert_eq!(directory.find(key).await.expect("an answer").len(), 1, "{key:?}");
    }
    let together = directory.find_together(std::slice::from_ref(&ours.directory_id)).await;
    let entry = together.expect("an answer").remove(0);
    for ending in ["", "1"] {
        assert_eq!(directory.all_marked(ending).await.expect("an answer").len(), 1, "{ending:?}");
    }
    let holders = directory.find_holders(&ada.username, &ada.address, ada.discord_id).await;
    let held = Some(Taken::ByAccount(ada.mark));
    assert_eq!(holders, Ok(Holders { username: held, address: held, discord_id: held }));
    let members = [group("members")];
    directory.ensure_membership(&ours, &members, &members).await.expect("membership");
    assert_eq!(directory.groups_of(&entry).await.as_deref(), Ok(members.as_slice()));
    assert_eq!(directory.members(&members[0]).await.expect("an answer").len(), 1);
    directory.lock(&ours).await.expect("locked");
    directory.unlock(&ours).await.expect("unlocked");
    assert_eq!(directory.password_changed_at(&ours).await, Ok(None));
    directory.lock(&ours).await.expect("locked");
    assert!(is_locked(&directory, &ours).await);
    assert_eq!(directory.remove_if_ours(&ours).await, Ok(Removed::Removed));
}

/// The names of the missing indexes, read by a bind that has access to the server's settings.
async fn missing_indexes(servers: &TestServers) -> Vec<String> {
    let own = servers::directory_config(&servers.slapd);
    let lent = config::Directory {
        bind_dn: servers::dn(CONFIG_ADMIN),
        bind_password: SecretString::from(servers.slapd.admin_password.clone()),
        ..own
    };
    let directory = Directory::new(&lent).expect("usable settings");
    let settings = directory.server_settings().await.expect("an answer").expect("the settings are readable");
    settings.missing_indexes.into_iter().map(|index| index.attribute).collect()
}

#[tokio::test]
async fn every_search_of_the_client_is_answered_from_the_indexes_that_set_up_prints() {
    let servers = slapd_with(Edits { log_level: "filter", ..Edits::default() }).await;
    uses_every_verb(&servers).await;
    assert_eq!(servers.slapd.unindexed_comparisons().expect("the log"), BTreeMap::new());
    assert_eq!(missing_indexes(&servers).await, [""; 0]);
    let needed = needed_indexes(&servers::directory_config(&servers.slapd));
    assert_eq!(needed.iter().map(|index| index.attribute.as_str()).collect::<Vec<_>>(), SEARCHED);
}

#[tokio::test]
async fn each_index_is_needed_and_its_absence_is_seen_in_the_settings_and_in_slapds_log() {
    for attribute in SEARCHED {
        let edits = Edits { without_index: Some(attribute), log_level: "filter", ..Edits::default() };
        let servers = slapd_with(edits).await;
        uses_every_verb(&servers).await;
        let unindexed = servers.slapd.unindexed_comparisons().expect("the log");
        assert_eq!(unindexed.keys().collect::<Vec<_>>(), [attribute], "without an index of {attribute}");
        assert_eq!(missing_indexes(&servers).await, [attribute]);
    }
}

#[tokio::test]
async fn each_search_by_the_mark_is_one_unindexed_comparison_where_the_mark_has_no_index() {
    let edits = Edits { without_index: Some("description"), log_level: "filter", ..Edits::default() };
    let servers = slapd_with(edits).await;
    let directory = Directory::new(&servers::directory_config(&servers.slapd)).expect("usable settings");
    let ada = TestPerson::new("ada", 1);
    ada.add_to(&directory).await;
    let count =
        || servers.slapd.unindexed_comparisons().expect("the log").get("description").copied().unwrap_or(0);
    let before = count();
    for _ in 0..5 {
        directory.find(By::Mark(ada.mark)).await.expect("an answer");
    }
    assert_eq!(count() - before, 5, "one for each search");
    directory.all_marked("").await.expect("an answer");
    assert_eq!(count() - before, 6);
    for _ in 0..5 {
        directory.find(By::Username(&ada.username)).await.expect("an answer");
    }
    assert_eq!(count() - before, 6, "a search by another attribute is not affected");
}

#[tokio::test]
async fn an_index_without_the_beginnings_of_the_mark_serves_all_searches_but_that_for_all_marked() {
    let config = |text: &str| text.replace("description eq,subinitial", "description eq");
    let servers = slapd_with(Edits { config, log_level: "filter", ..Edits::default() }).await;
    uses_every_verb(&servers).await;
    let unindexed = servers.slapd.unindexed_comparisons().expect("the log");
    assert_eq!(unindexed, BTreeMap::from([("description".to_owned(), 2)]), "two calls of all_marked");
    assert_eq!(missing_indexes(&servers).await, ["description"]);
    let needed = needed_indexes(&servers::directory_config(&servers.slapd));
    let mark = needed.iter().find(|index| index.attribute == "description").expect("an index");
    assert_eq!(mark.kinds, [IndexKind::Equality, IndexKind::Initial]);
}

/// Names that the server takes for the name of one entry, and names that it does not.
#[tokio::test]
async fn names_are_equal_exactly_where_the_server_finds_the_same_entry() {
    let servers = servers::own_slapd().await;
    let slapd = &servers.slapd;
    slapd.add_group("Caf\u{e9} People", Managed::Yes).await.expect("a group");
    let base = &slapd.groups_dn;
    let own = servers::dn(&format!("cn=Caf\u{e9} People,{base}"));
    for first in [
        "cn=Caf\u{e9} People",
        "CN=caf\u{e9} people",
        "cn=CAFE\u{301} PEOPLE",
        "commonName=caf\u{e9} people",
        "2.5.4.3=caf\u{e9} people",
        "cn=caf\u{e9}    people",
        "cn = caf\u{e9} people ",
        "cn=\\20caf\u{e9} people\\20",
        "cn=caf\\C3\\A9 people",
        "cn=cafe people",
        "cn=caf\u{e9}people",
        "sn=caf\u{e9} people",
        "cn=caf\u{e9} people\\,",
    ] {
        let text = format!("{first},{base}");
        let is_found = slapd.entry(&text).await.expect("an answer").is_some();
        let is_equal = accolade::domain::dn::Dn::parse(&text).is_some_and(|name| name == own);
        assert_eq!(is_equal, is_found, "{first}");
    }
}

/// A schema name, another name or an OID of one attribute: the server answers with the first.
#[tokio::test]
async fn a_mark_in_an_attribute_that_is_configured_by_another_name_is_found() {
    let servers = servers::own_slapd().await;
    let config = config::Directory {
        mark_attribute: "DESCRIPTION".to_owned(),
        discord_id_attribute: "EmployeeNumber".to_owned(),
        ..servers::directory_config(&servers.slapd)
    };
    let directory = Directory::new(&config).expect("usable settings");
    let person = TestPerson::new("by-another-name", 399);
    let ours = person.add_to(&directory).await;
    let found = directory.find(By::DirectoryId(&ours.directory_id)).await.expect("an answer");
    assert!(found[0].is(&ours));
}
