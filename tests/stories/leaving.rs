//! People who lose their role or leave between the request, the approval and the creation of the account.

use discord_sim::Person;
use harness::{Frozen, Rules, Story};

#[test]
fn who_lost_the_role_is_not_approved_and_may_be_when_it_is_back() {
    Story::plays("norole", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        ada.loses("member");
        grace.presses("Approve").await;
        let told = grace.waits_for("only you").await;
        assert!(told.contains("You need the role") || told.contains("no longer meets the rules"), "{told}");
        grace.waits_for("no longer meets the rules").await;
        story.nothing_is_made_for("ada").await;
        ada.gains("member");
        story.is_approved("ada").await;
    });
}

#[test]
fn the_request_of_who_left_or_was_banned_ends_at_the_press() {
    Story::plays("gone", Rules::moderators(), async |story| {
        let (ada, barbara, grace) = (story.person("ada"), story.person("barbara"), story.person("grace"));
        story.asks("ada").await;
        ada.leaves();
        grace.presses("Approve").await;
        grace.waits_for("no longer a member").await;
        grace.waits_for("Cancelled").await;

        story.asks("barbara").await;
        story.sim.bans(&barbara);
        grace.presses("Approve").await;
        grace.waits_for("no longer a member").await;
        grace.waits_for("Cancelled").await;
        story.nothing_is_made_for("ada").await;
        story.nothing_is_made_for("barbara").await;
        // Neither can be told by direct message: the answers to `Send` say it instead, and the cards name that.
        story.wait_until_idle().await;
        for person in [&ada, &barbara] {
            person.waits_for("Discord refuses my direct messages").await;
        }
        grace.sees().await;
    });
}

#[test]
fn who_loses_the_role_after_the_approval_gets_no_entry_and_reads_why() {
    Story::plays("lateloss", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        story.is_approved_and_not_begun().await;
        ada.loses("member");
        story.sim.heals();
        let told = ada.waits_for("was approved, but").await;
        assert!(told.contains("You no longer met the rules"), "{told}");
        grace.waits_for("Approved, but").await;
        let status = story.status("ada").await;
        assert!(status.contains("You no longer met the rules"), "{status}");
        story.nothing_is_made_for("ada").await;
        assert_eq!(story.rows("SELECT state FROM account").await, ["closed"]);
        assert!(!story.audit_events().await.contains(&"entry.created".to_owned()));
    });
}

#[test]
fn who_is_banned_after_the_approval_gets_no_entry() {
    Story::plays("lateban", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        story.is_approved_and_not_begun().await;
        story.sim.bans(&ada);
        story.sim.heals();
        let card = grace.waits_for("Approved, but").await;
        assert!(card.contains("left the server"), "{card}");
        story.wait_until_idle().await;
        ada.sees().await;
        // The card also says that she can't be told by direct message.
        grace.sees().await;
        story.nothing_is_made_for("ada").await;
        assert!(!story.audit_events().await.contains(&"entry.created".to_owned()));
    });
}

/// How often the bot asked Discord for this member.
fn questions_about(story: &Story, person: &Person) -> usize {
    let route = format!("/guilds/{}/members/{}", story.guild.id, person.id());
    story
        .sim
        .requests()
        .iter()
        .filter(|asked| asked.route.starts_with("GET ") && asked.path.ends_with(&route))
        .count()
}

#[test]
fn a_rule_that_approves_at_once_rests_on_the_member_that_pressed_send() {
    Story::plays("atonce", Rules::automatic(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks_with("ada", &story.form("ada").without("answer")).await;
        ada.waits_for("Your request was approved").await;
        grace.waits_for("Account created").await;
        assert_eq!(questions_about(story, &ada), 0, "Discord had shown the member a moment before");
        story.reads_mail("ada");
    });
}

#[test]
fn who_loses_the_role_or_leaves_while_a_rule_approves_gets_no_entry() {
    Story::plays_alone("losesnow", Rules::automatic(), async |story| {
        let (ada, barbara, grace) = (story.person("ada"), story.person("barbara"), story.person("grace"));
        let frozen = Frozen::both();
        story.asks_with("ada", &story.form("ada").without("answer")).await;
        story.asks_with("barbara", &story.form("barbara").without("answer")).await;
        ada.loses("member");
        // The answer arrives after the event, in the same session.
        story.status("ada").await;
        barbara.leaves();
        grace.runs("/account status").await;
        drop(frozen);
        let told = ada.waits_for("was approved, but").await;
        assert!(told.contains("You no longer met the rules"), "{told}");
        grace.waits_for("left the server").await;
        story.wait_until_idle().await;
        barbara.waits_for("Discord refuses my direct messages").await;
        grace.sees().await;
        assert_eq!((questions_about(story, &ada), questions_about(story, &barbara)), (1, 1));
        story.nothing_is_made_for("ada").await;
        story.nothing_is_made_for("barbara").await;
        assert!(!story.audit_events().await.contains(&"entry.created".to_owned()));
    });
}
