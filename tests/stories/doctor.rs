//! An admin has all external systems checked from the chat. The answer lists the worst findings first and names only the admin's own
//! guild.

use discord_sim::Permissions;
use serde_json::{Value, json};

use super::admins::{asks, asks_for, gets_file};
use harness::{Frozen, Rules, Story, shared};

/// A guild that the bot was never invited to.
const ELSEWHERE: &str = "175928847299117055";

/// The codes of the findings that `accolade doctor` reports.
async fn wrong_by_command_line(story: &Story) -> Vec<String> {
    let (code, out) = story.commands_with_code(&["doctor", "--json"]).await;
    assert_eq!(code, Some(3), "{out}");
    let said: Value = serde_json::from_str(&out).expect("JSON");
    let checks = said["checks"].as_array().expect("a list").iter();
    let wrong = checks.filter(|check| check["result"] == "wrong");
    wrong.map(|check| check["code"].as_str().expect("a code").to_owned()).collect()
}

/// The position of the line of the answer that begins with a code.
fn place_of(code: &str, text: &str) -> usize {
    let line = [code, ": "].concat();
    text.find(&line).unwrap_or_else(|| panic!("{code} is not in: {text}"))
}

/// The line of the answer that names a code.
fn line_with<'a>(code: &str, text: &'a str) -> &'a str {
    let found = text.lines().find(|line| line.contains(code));
    found.map_or_else(|| panic!("{code} is not in: {text}"), str::trim)
}

#[test]
fn an_admin_hears_in_chat_what_is_wrong_the_worst_first_with_its_fix() {
    let beside = json!({"id": ELSEWHERE, "request_channel": ELSEWHERE, "rule": [{"name": "all", "groups": ["nowhere"]}]});
    let rules = Rules::moderators().with(|options| options.beside = Some(beside));
    Story::plays("doctored", rules, async |story| {
        let linus = story.person("linus");
        let view = Permissions::VIEW_CHANNEL;
        for (role, allow) in [("Accolade", view), ("moderator", view), ("admin", view)] {
            story.guild.excepts("account-requests", role, allow, Permissions(0));
        }
        story.guild.excepts("account-requests", "@everyone", Permissions(0), view);
        let healthy = asks(&linus, "/doctor", "Findings: none").await;
        for told in ["Fine: Discord: ", "The directory: ", "Keycloak: ", "checks passed"] {
            assert!(healthy.contains(told), "{told} is not in: {healthy}");
        }
        let unseen = line_with("Not checked: Keycloak", &healthy);
        assert!(unseen.contains("run `accolade doctor --as-admin` on the bot's machine"), "{healthy}");
        assert!(!healthy.contains("Everything was checked") && healthy.chars().count() < 2000, "{healthy}");

        story.guild.deletes_role("account-holder");
        story.guild.permits_role("Accolade", Permissions::ADMINISTRATOR);
        let ill = asks(&linus, "/doctor", "Findings: 2").await;
        assert!(place_of("administrator_given", &ill) < place_of("role_missing", &ill), "{ill}");
        assert!(ill.contains("Fix: Server Settings, Roles: remove Administrator"), "{ill}");
        let role = story.config.guilds.first().and_then(|guild| guild.member_role).expect("a role");
        assert!(ill.contains(&format!("role {role}`")), "{ill}");

        // The operator's doctor reports the same findings, and those of other guilds.
        assert!(!ill.contains(ELSEWHERE) && !ill.contains("nowhere"), "{ill}");
        let mut all = wrong_by_command_line(story).await;
        all.sort_unstable();
        assert_eq!(all, ["administrator_given", "guild_missing", "ldap_group_missing", "role_missing"]);

        let people = shared().servers.slapd.people().await.expect("the directory answers");
        let left = people.iter().find(|entry| entry.dn.starts_with("uid=selftest-"));
        assert!(left.is_none(), "the self-test left an entry");
        let looks = "SELECT after || ' ' || source FROM audit WHERE event = 'admin.viewed' AND actor_id NOT LIKE 'cli:%'";
        assert_eq!(story.rows(looks).await, ["doctor chat"; 2]);
        assert!(story.sim.requests_inside_retry_after().is_empty(), "Discord's limits were not kept");
    });
}

#[test]
fn what_is_too_long_for_a_message_is_a_file_and_a_revoked_admin_role_counts_at_once() {
    let rules = Rules::moderators().with(|options| {
        options.groups = vec![
            "members",
            "nowhere",
            "neverland",
            "utopia",
            "cockaigne",
            "atlantis",
            "lilliput",
            "brobdingnag",
            "laputa",
            "erewhon",
            "thule",
            "avalon",
            "narnia",
            "gondor",
            "rohan",
            "mordor",
            "oz",
            "elbonia",
            "ruritania",
            "freedonia",
            "genovia",
            "zembla",
        ];
    });
    Story::plays("longlist", rules, async |story| {
        let linus = story.person("linus");
        for role in ["account-holder", "member", "moderator"] {
            story.guild.deletes_role(role);
        }
        story.guild.permits_role("Accolade", Permissions::ADMINISTRATOR);
        let (told, name, text) = gets_file(&linus, "/doctor", "it is in the file").await;
        assert_eq!(name, "doctor.txt");
        assert!(told.contains("(only you)") && !told.contains("role_missing"), "{told}");
        for (code, times) in [("role_missing: ", 3), ("ldap_group_missing: ", 21)] {
            assert_eq!(text.matches(code).count(), times, "{code}{text}");
        }
        for hole in ["administrator_given", "channel_open"] {
            assert!(place_of(hole, &text) < place_of("role_missing", &text), "{hole}: {text}");
        }
        let folder = story.config.store.key_file.parent().expect("a folder").display().to_string();
        for inside in
            [&folder, &shared().servers.slapd.bot_dn, &shared().servers.keycloak.url, &story.bot.token()]
        {
            assert!(!text.contains(inside.as_str()), "the answer reveals internals: {text}");
        }
        linus.loses("admin");
        let refused = asks(&linus, "/doctor", "Your roles don't allow this").await;
        assert!(refused.contains("Ask an admin") && !refused.contains("moderator"), "{refused}");
    });
}

#[test]
fn a_channel_without_embeds_still_gets_the_card_and_the_doctor_names_the_right() {
    Story::plays("noembed", Rules::moderators(), async |story| {
        let (ada, grace, linus) = (story.person("ada"), story.person("grace"), story.person("linus"));
        let embeds = Permissions::EMBED_LINKS;
        story.guild.excepts("account-requests", "@everyone", Permissions(0), embeds);
        story.asks_with("ada", &story.form("ada")).await;
        story.wait_until_idle().await;
        let card = grace.waits_for("** of @ada · Waiting for a decision").await;
        assert!(card.contains("[Approve]") && !card.contains("Rule: "), "{card}");
        let told = asks(&linus, "/doctor", "channel_rights_missing: ").await;
        assert!(told.contains("Embed Links"), "{told}");
        // The next edit shows what was left out.
        story.guild.excepts("account-requests", "@everyone", Permissions(0), Permissions(0));
        ada.runs("/account cancel").await;
        let card = grace.waits_for("Cancelled").await;
        assert!(card.contains("Rule: `members`"), "{card}");
    });
}

#[test]
fn while_servers_are_silent_a_doctor_says_so_once_at_a_time_and_nobody_waits_for_it() {
    Story::plays_alone("silentone", Rules::moderators(), async |story| {
        let (linus, grace) = (story.person("linus"), story.person("grace"));
        grace.gains("admin");
        let frozen = Frozen::both();
        let begun = linus.runs("/doctor").await;
        assert!(begun.ephemeral && begun.text.contains("(thinking…)"), "{begun}");
        let one_look = "SELECT after FROM audit WHERE event = 'admin.viewed'";
        story.waits_for_rows(one_look, &["doctor"]).await;
        // The second check is asked for while the first one waits for servers that do not answer.
        asks(&grace, "/doctor", "A check is already running").await;
        let status = story.status("ada").await;
        assert!(status.contains("`/account request`"), "{status}");
        let (_, told) = linus.waits_for_message("(only you)").await;
        drop(frozen);
        assert!(place_of("ldap_unreachable", &told) < place_of("keycloak_unreachable", &told), "{told}");
        assert!(line_with("ldap_acl_wide", &told).starts_with("Not checked: "), "{told}");
        assert_eq!(story.rows(one_look).await, ["doctor"]);
        // The first check has ended, whatever its result was.
        let (_, healed) = asks_for(&grace, "/doctor", "Findings: ").await;
        assert!(!healed.contains("A check is already running"), "{healed}");
    });
}
