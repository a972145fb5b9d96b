//! What ends only because time passes.

use std::time::Duration;

use harness::{Rules, Story};

#[test]
fn a_draft_that_is_not_sent_in_fifteen_minutes_is_erased() {
    Story::plays("xdraft", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        ada.runs("/account request").await;
        let shown = ada.submits(&story.form("ada").fields()).await;
        story.advances(Duration::from_mins(14));
        story.tidies().await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["draft"]);
        story.advances(Duration::from_mins(2));
        story.tidies().await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["expired"]);
        let personal = "SELECT id FROM request WHERE address_enc IS NOT NULL OR given_enc IS NOT NULL";
        assert_eq!(story.rows(personal).await, Vec::<String>::new());
        let told = ada.presses("Send").on(shown.message.expect("the draft's message")).await.text;
        assert!(told.contains("your details were erased") && !told.contains("[Send]"), "{told}");
    });
}

#[test]
fn a_request_that_nobody_decides_in_fourteen_days_expires() {
    Story::plays("xwait", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        story.advances(Duration::from_hours(13 * 24));
        story.tidies().await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["waiting"]);
        story.advances(Duration::from_hours(25));
        story.tidies().await;
        ada.waits_for("nobody decided it in time").await;
        let card = grace.waits_for("Expired without a decision").await;
        assert!(!card.contains("[Approve]"), "{card}");
        let status = story.status("ada").await;
        assert!(status.contains("without a decision"), "{status}");
        let again = ada.runs("/account request").await;
        assert!(again.modal.is_some(), "a new request is possible: {again}");
    });
}

#[test]
fn an_account_that_nobody_uses_in_fourteen_days_is_withdrawn() {
    Story::plays("unused", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        story.is_approved("ada").await;
        story.advances(Duration::from_hours(14 * 24 + 1));
        story.tidies().await;
        ada.waits_for("was not used in time").await;
        grace.waits_for("Cancelled").await;
        story.wait_until_idle().await;
        assert!(story.entry("ada").await.is_none(), "the entry is still there");
        assert!(!story.has_keycloak_user("ada").await, "the user is still there");
    });
}

#[test]
fn thirty_one_days_after_its_end_nothing_personal_is_left_of_a_request() {
    Story::plays("monthold", Rules::moderators(), async |story| {
        let (ada, barbara, grace) = (story.person("ada"), story.person("barbara"), story.person("grace"));
        story.asks("ada").await;
        grace.presses("Deny").await;
        grace.submits(&[("reason", "Please come back in spring")]).await;
        ada.waits_for("was denied").await;
        story.asks("barbara").await;
        let told = barbara.runs("/account cancel").await.text;
        assert!(told.contains("has been cancelled"), "{told}");
        story.wait_until_idle().await;
        let kept = "SELECT state FROM request WHERE given_enc IS NOT NULL OR family_enc IS NOT NULL \
            OR address_enc IS NOT NULL OR answer_enc IS NOT NULL OR address_key IS NOT NULL ORDER BY state";
        story.advances(Duration::from_hours(29 * 24));
        story.tidies().await;
        assert_eq!(story.rows(kept).await, ["cancelled", "denied"]);
        story.advances(Duration::from_hours(2 * 24));
        story.tidies().await;
        assert_eq!(story.rows(kept).await, Vec::<String>::new());
        assert_eq!(story.rows("SELECT count(*) FROM decision WHERE reason_enc IS NOT NULL").await, ["0"]);
        assert_eq!(story.rows("SELECT count(*) FROM audit_personal").await, ["0"], "the log kept the reason");
        assert_eq!(story.rows("SELECT count(*) FROM rate_limit").await, ["0"], "counters of a month ago");
        let verified = story.commands(&["audit", "verify"]).await;
        assert!(verified.contains("intact"), "{verified}");
        grace.sees().await;
    });
}
