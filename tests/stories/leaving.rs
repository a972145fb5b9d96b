//! People who lose their role or go, between request, approval and the making.

use harness::{Rules, Story};

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
        story.nothing_is_made_for("ada").await;
        assert!(!story.audit_events().await.contains(&"entry.created".to_owned()));
    });
}
