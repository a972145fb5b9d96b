//! Attacks: late and forged presses, presses in other channels, many requests for one victim's address, and
//! attempts to learn which names exist.

use std::time::Duration;

use discord_sim::Permissions;
use testbed::slapd::PersonByHand;

use harness::{Frozen, Rules, Story, shared};

const NO_ROW: &str = "00000000000000000000000000000000";
const NO_NONCE: &str = "0123456789abcdef";

const VERBS: [&str; 13] = [
    "request",
    "form",
    "send",
    "change",
    "approve",
    "deny",
    "denyform",
    "denyquiet",
    "denyquietform",
    "retry",
    "cancel",
    "resend",
    "notme",
];

#[test]
fn a_press_that_arrives_after_its_quarter_of_an_hour_does_nothing() {
    Story::plays("tardy", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        story.the_bot_is_ahead_by(Duration::from_mins(16));
        let told = grace.presses("Approve").await.text;
        assert!(told.contains("arrived too late"), "{told}");
        let told = ada.runs("/account cancel").await.text;
        assert!(told.contains("arrived too late"), "{told}");
        assert_eq!(story.rows("SELECT state FROM request").await, ["waiting"]);
        assert_eq!(story.rows("SELECT count(*) FROM decision").await, ["0"]);
        story.sim.advance(Duration::from_mins(16));
        story.is_approved("ada").await;
    });
}

#[test]
fn a_card_s_button_pressed_in_direct_messages_decides_nothing() {
    Story::plays("dmpress", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        let approve = story.buttons_sent("approve").pop().expect("the card has a button");
        let nonce = approve.rsplit(':').next().expect("a nonce");
        for verb in VERBS.iter().filter(|verb| !["resend", "notme", "cancel"].contains(verb)) {
            let forged = approve.replace(":approve:", &[":", verb, ":"].concat());
            for person in [&ada, &grace] {
                let told = person.in_dm_with(&story.bot).presses_raw(&forged).await;
                assert!(told.text.contains("in your community's server"), "{verb}: {told}");
            }
        }
        // A verb that works there names a row, and the row must belong to the person who presses.
        let cancel = format!(
            "{}:{nonce}",
            approve.replace(":approve:", ":cancel:").rsplit_once(':').expect("a nonce").0
        );
        let told = grace.in_dm_with(&story.bot).presses_raw(&cancel).await.text;
        assert!(told.contains("is out of date"), "{told}");
        assert_eq!(story.rows("SELECT state FROM request").await, ["waiting"]);
    });
}

#[test]
fn every_verb_forged_as_press_and_as_form_is_answered_and_changes_nothing() {
    Story::plays("verbs", Rules::moderators(), async |story| {
        let grace = story.person("grace").in_channel("account-requests");
        story.asks("ada").await;
        let card = story.buttons_sent("approve").pop().expect("the card has a button");
        let rows = async || {
            let requests = story.rows("SELECT id || state || revision FROM request").await;
            let jobs = story.rows("SELECT id || state FROM job").await;
            (requests, jobs, story.rows("SELECT count(*) FROM account").await)
        };
        story.wait_until_idle().await;
        let before = rows().await;
        let form = story.form("grace");
        for verb in VERBS {
            for id in [NO_ROW, "-"] {
                let forged = format!("ac1:{verb}:{id}:{NO_NONCE}");
                let pressed = grace.presses_raw(&forged).await;
                assert!(!pressed.failed, "a press of {forged} got no answer");
                // The first form needs no row, because it starts every request.
                if verb != "form" {
                    let submitted = grace.submits_raw(&forged, &form.fields()).await;
                    assert!(!submitted.failed, "a form of {forged} got no answer");
                }
            }
        }
        // The card's own id and nonce, sent as forms that nobody opened.
        for verb in ["approve", "deny", "denyform", "denyquietform", "change", "send", "cancel"] {
            let forged = card.replace(":approve:", &[":", verb, ":"].concat());
            let told =
                grace.submits_raw(&forged, &[("reason", "because I could"), ("username", "eve")]).await;
            assert!(!told.failed, "{forged} got no answer");
        }
        story.wait_until_idle().await;
        grace.sees().await;
        assert_eq!(rows().await, before, "a forged button or form changed something");
    });
}

#[test]
fn fields_that_come_twice_or_that_no_form_has_change_nothing_of_what_is_shown() {
    Story::plays("fields", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        let form = story.form("ada");
        let mut fields = form.fields();
        let second = [
            ("username", "root"),
            ("address", "victim@people.example"),
            ("state", "approved"),
            ("person_id", "1"),
            ("", ""),
            ("__proto__", "x"),
        ];
        fields.extend(second);
        let shown = ada.submits_raw("ac1:form:-:0000000000000000", &fields).await;
        assert!(shown.ephemeral && shown.text.contains("[Send]"), "{shown}");
        assert!(
            shown.text.contains(&story.username("ada")) && shown.text.contains(&story.address("ada")),
            "{shown}"
        );
        assert!(!shown.text.contains("root") && !shown.text.contains("victim"), "{shown}");
        assert_eq!(
            story.rows("SELECT username || ' ' || state FROM request").await,
            [story.username("ada") + " draft"]
        );
    });
}

/// The time of the answer reveals nothing either. The servers that know which values exist do not answer here,
/// so the bot cannot ask them first.
#[test]
fn known_and_unknown_names_and_addresses_are_answered_alike_while_nobody_can_look() {
    Story::plays_alone("blind", Rules::moderators(), async |story| {
        let grace = story.person("grace");
        let slapd = &shared().servers.slapd;
        let known = PersonByHand {
            mail: Some(story.address("ada")),
            ..PersonByHand::named(&story.username("margaret"))
        };
        slapd.add_person_by_hand(&known).await.expect("an entry by hand");
        let frozen = Frozen::both();
        let mut answers = Vec::new();
        // A known address, an unknown one, a known name.
        for person in ["ada", "barbara", "margaret"] {
            let who = story.person(person);
            let opened = who.runs("/account request").await;
            let form = story.form(person);
            let shown = who.submits(&form.fields()).await;
            let sent = who.presses("Send").await;
            assert!(!opened.failed && !shown.failed && !sent.failed, "{person} got no answer");
            assert!(sent.text.contains("A moderator will review it"), "{sent}");
            let status = story.status(person).await;
            let code = story.rows("SELECT code FROM request ORDER BY id DESC LIMIT 1").await.remove(0);
            let of_person = [&code, person, &story.address(person)];
            let told = [opened.text, shown.text, sent.text, status]
                .map(|text| of_person.iter().fold(text, |text, own| text.replace(&**own, "…")));
            answers.push(told.map(|text| without_times(&text)));
        }
        assert_eq!(answers[0], answers[1], "a known address gets another answer");
        assert_eq!(answers[0], answers[2], "a known name gets another answer");
        drop(frozen);
        story.hurries_until("SELECT id FROM request WHERE reason_code = 'address_in_use'").await;
        story.hurries_until("SELECT id FROM request WHERE reason_code = 'name_unavailable'").await;
        grace.waits_for("another account uses this address").await;
        grace.waits_for("name taken").await;
        grace.waits_for("name and address are free").await;
        story.person("margaret").waits_for("is not available").await;
        story.wait_until_idle().await;
        story.is_told_nothing("ada");
        story.is_told_nothing("barbara");
    });
}

/// Removes Discord's times (`<t:…>`), which differ by the second of the request.
fn without_times(text: &str) -> String {
    let mut parts = text.split("<t:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + part.split_once('>').map_or("", |(_, rest)| rest))
}

#[test]
fn nobody_gets_more_than_three_mails_a_day_whoever_asks_for_them() {
    Story::plays("bombing", Rules::automatic(), async |story| {
        let victim = story.address("victim");
        let mails = || shared().servers.mail.messages().iter().filter(|mail| mail.is_to(&victim)).count();
        story.keeps_secret(&victim);
        for (sent, person) in ["ada", "barbara", "grace"].iter().enumerate() {
            let who = story.person(person);
            let form = story.form(person).without("answer").with("address", &victim);
            story.asks_with(person, &form).await;
            who.waits_for("Your request was approved").await;
            assert_eq!(mails(), sent + 1);
            who.runs("/account cancel").await;
            story.wait_until_idle().await;
            who.sees().await;
        }
        let margaret = story.person("margaret");
        let form = story.form("margaret").without("answer").with("address", &victim);
        let said = story.asks_with("margaret", &form).await;
        assert!(!said.contains("mail") || !said.contains("too"), "the reply reveals the rate limit: {said}");
        let waits =
            "SELECT error_code FROM job WHERE kind = 'provision' AND state = 'open' AND lease_until = 0";
        story.waits_for_rows(waits, &["too_many"]).await;
        let status = story.status("margaret").await;
        assert!(
            !status.contains("too many") && !status.contains("others"),
            "the status reveals other people: {status}"
        );
        // The result is the same for every further attempt on that day.
        story.advances(Duration::from_hours(20));
        story.waits_for_rows(waits, &["too_many"]).await;
        assert_eq!(mails(), 3);
        margaret.runs("/account cancel").await;
        story.wait_until_idle().await;
        margaret.sees().await;
        story.person("grace").sees().await;
        story.reads_mail("victim");
    });
}

#[test]
fn a_bot_that_may_do_more_than_it_needs_is_warned_about_at_the_start() {
    Story::plays("rights", Rules::moderators(), async |story| {
        // The simulator grants these rights to a bot that is invited with more than the guide asks for.
        story.waits_for_log("Ban Members").await;
        story.stops().await;
        story.guild.role_may(&story.bot.name(), Permissions::ADMINISTRATOR);
        story.starts().await;
        story.waits_for_log("Administrator").await;
    });
}
