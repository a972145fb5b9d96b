//! Buttons: who may press them, when and how often, and what a forged one does.

use std::time::Duration;

use discord_sim::{Effect, Fault};

use harness::{Rules, Story};

#[test]
fn of_two_moderators_who_press_at_once_one_wins_and_the_other_reads_who() {
    Story::plays("race", Rules::moderators(), async |story| {
        let (ada, grace, margaret) = (story.person("ada"), story.person("grace"), story.person("margaret"));
        story.asks("ada").await;
        margaret.presses("Deny").await.modal.expect("the form for the reason");
        let error_code = [("reason", "Not this week")];
        let (approved, denied) =
            tokio::join!(async { grace.presses("Approve").await }, margaret.submits(&error_code));
        assert!(!approved.failed && !denied.failed);
        story.waits_for_rows("SELECT count(*) FROM decision", &["1"]).await;
        match story.rows("SELECT verdict FROM decision").await.first().map(String::as_str) {
            Some("approve") => {
                margaret.waits_for("@grace approved this request").await;
                ada.waits_for("Your request was approved").await;
                grace.waits_for("Account created").await;
                story.reads_mail("ada");
            }
            Some(_) => {
                grace.waits_for("@margaret denied this request").await;
                ada.waits_for("was denied").await;
                grace.waits_for("Denied by @margaret").await;
                story.nothing_is_made_for("ada").await;
            }
            None => panic!("nobody decided"),
        }
    });
}

#[test]
fn only_moderators_decide_and_nobody_on_their_own_request() {
    Story::plays("own", Rules::moderators(), async |story| {
        let (grace, margaret) = (story.person("grace"), story.person("margaret"));
        let mallory = story.person("mallory");
        let said = story.asks_with("grace", &story.form("grace")).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        margaret.waits_for("name and address are free").await;

        mallory.presses("Approve").await;
        mallory.waits_for("Your roles don't allow this").await;
        let refused = mallory.presses("Deny").await;
        assert!(refused.modal.is_none() && refused.text.contains("Your roles don't allow this"), "{refused}");
        grace.presses("Approve").await;
        grace.waits_for("This is your own request").await;
        let refused = grace.presses("Deny").await;
        assert!(refused.modal.is_none() && refused.text.contains("your own request"), "{refused}");
        margaret.is_timed_out(Duration::from_mins(5));
        margaret.presses("Approve").await;
        margaret.waits_for("Your roles don't allow this").await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["waiting"]);
        assert!(story.audit_events().await.contains(&"press.refused".to_owned()));

        story.advances(Duration::from_mins(6));
        margaret.presses("Approve").await;
        grace.waits_for("Your request was approved").await;
        margaret.waits_for("Account created").await;
        story.reads_mail("grace");
    });
}

#[test]
fn who_loses_the_moderators_role_with_the_form_open_does_not_deny() {
    Story::plays("demoted", Rules::moderators(), async |story| {
        let margaret = story.person("margaret");
        story.asks("ada").await;
        margaret.presses("Deny").await.modal.expect("the form for the reason");
        margaret.loses("moderator");
        margaret.submits(&[("reason", "Because I could")]).await;
        margaret.waits_for("Your roles don't allow this").await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["waiting"]);
    });
}

#[test]
fn a_week_old_button_works_after_a_restart() {
    Story::plays("weekold", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        ada.runs("/account request").await;
        let shown = ada.submits(&story.form("ada").fields()).await;
        story.stops().await;
        story.starts().await;
        ada.presses("Send").on(shown.message.expect("the draft's message")).await;
        story.person("grace").waits_for("name and address are free").await;
        story.stops().await;
        story.advances(Duration::from_hours(7 * 24));
        story.starts().await;
        story.is_approved("ada").await;
        let status = story.status("ada").await;
        assert!(status.contains("An email with a link was sent"), "{status}");
    });
}

#[test]
fn forged_foreign_and_old_buttons_change_nothing() {
    Story::plays("forged", Rules::moderators(), async |story| {
        let (ada, barbara) = (story.person("ada"), story.person("barbara"));
        let grace = story.person("grace").in_channel("account-requests");
        story.asks("ada").await;
        let real = story.buttons_sent("approve").pop().expect("the card has a button");
        let parts: Vec<&str> = real.split(':').collect();
        let (id, nonce) = (parts[2], parts[3]);
        let other_id: String = id.chars().rev().collect();
        let older = "This button is from an older version";
        let stale = "is out of date";
        for (forged, word) in [
            (format!("ac2:approve:{id}:{nonce}"), older),
            (format!("ac1:promote:{id}:{nonce}"), older),
            (format!("ac1:approve:{id}"), older),
            (format!("ac1:approve:{id}:{nonce}:more"), older),
            (format!("ac1:approve:{}:{nonce}", id.to_uppercase()), older),
            (format!("ac1:approve:-:{nonce}"), older),
            (format!("ac1:denyform:{id}:{nonce}"), older),
        ] {
            let told = grace.presses_raw(&forged).await.text;
            assert!(told.contains(word), "the reply to {forged} is: {told}");
        }
        for forged in [
            format!("ac1:approve:{other_id}:{nonce}"),
            format!("ac1:approve:{id}:0123456789abcdef"),
            format!("ac1:approve:{id}:0000000000000000"),
        ] {
            grace.presses_raw(&forged).await;
            let told = grace.waits_for("only you").await;
            assert!(told.contains(stale), "the reply to {forged} is: {told}");
        }
        // The genuine button, pressed in another channel than the card's.
        let elsewhere = story.person("grace");
        elsewhere.presses_raw(&real).await;
        let told = elsewhere.waits_for("only you").await;
        assert!(told.contains(stale), "{told}");
        // A draft of another person.
        barbara.runs("/account request").await;
        barbara.submits(&story.form("barbara").fields()).await;
        let send = story.buttons_sent("send").pop().expect("a draft's button");
        for forged in [send.clone(), send.replace(":send:", ":change:"), send.replace(":send:", ":cancel:")] {
            let told = ada.presses_raw(&forged).await.text;
            assert!(told.contains(stale), "the reply to {forged} is: {told}");
        }
        assert_eq!(story.rows("SELECT state FROM request ORDER BY state").await, ["draft", "waiting"]);
    });
}

#[test]
fn a_button_of_a_guild_that_is_not_served_decides_nothing() {
    Story::plays("elsewher", Rules::moderators(), async |story| {
        story.asks("ada").await;
        let real = story.buttons_sent("approve").pop().expect("the card has a button");
        let other =
            story.sim.guild("Elsewhere").channel("general").bot(&story.bot).person("eve", &[]).build();
        let told = other.member("eve").presses_raw(&real).await.text;
        assert!(told.contains("not set up for accounts"), "{told}");
        assert_eq!(story.rows("SELECT state FROM request").await, ["waiting"]);
    });
}

#[test]
fn a_button_of_two_edits_ago_is_stale() {
    Story::plays("edited", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace").in_channel("account-requests"));
        story.asks("ada").await;
        let first = story.buttons_sent("approve").remove(0);
        ada.loses("member");
        grace.presses("Approve").await;
        grace.waits_for("only you").await;
        grace.waits_for("no longer meets the rules").await;
        story.wait_until_idle().await;
        ada.gains("member");
        if story.buttons_sent("approve").len() < 3 {
            // The first two renderings were sent as one, so one more edit is needed.
            ada.loses("member");
            grace.presses("Approve").await;
            grace.waits_for("only you").await;
            story.wait_until_idle().await;
            grace.sees().await;
            ada.gains("member");
        }
        let card = story.guild.history("account-requests").remove(0).0;
        assert!(story.buttons_sent("approve").len() >= 3, "{:?}", story.buttons_sent("approve"));
        grace.presses_raw(&first).await;
        grace.waits_for("is out of date").await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["waiting"]);
        grace.presses("Approve").on(card).await;
        ada.waits_for("Your request was approved").await;
        grace.waits_for("Account created").await;
        story.reads_mail("ada");
    });
}

#[test]
fn what_discord_delivers_many_times_happens_once() {
    Story::plays("often", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        let many = |copies| {
            let effect = Effect::DeliverAgain { copies };
            story.sim.breaks(Fault { route: "*".to_owned(), effect, times: 1 });
        };
        ada.runs("/account request").await;
        many(1);
        ada.submits(&story.form("ada").fields()).await;
        many(99);
        ada.presses("Send").await;
        grace.waits_for("name and address are free").await;
        many(99);
        grace.presses("Approve").await;
        ada.waits_for("Your request was approved").await;
        grace.waits_for("Account created").await;
        story.reads_mail("ada");
        story.wait_until_idle().await;
        // A repeated press is answered with the result of the first one.
        ada.sees().await;
        grace.sees().await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["approved"]);
        assert_eq!(story.rows("SELECT count(*) FROM account").await, ["1"]);
        assert_eq!(story.rows("SELECT count(*) FROM decision").await, ["1"]);
        assert_eq!(story.mails_to("ada"), 1);
        assert_eq!(story.guild.history("account-requests").len(), 1, "one card");
        let submitted = "SELECT count(*) FROM audit WHERE event IN ('request.submitted', 'request.approved')";
        assert_eq!(story.rows(submitted).await, ["2"]);
    });
}
