//! A person cancels the request, at every stage.

use harness::{Rules, Story};

#[test]
fn a_draft_is_taken_back_and_its_button_says_so() {
    Story::plays("cdraft", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        ada.runs("/account request").await;
        let shown = ada.submits(&story.form("ada").fields()).await;
        let status = story.status("ada").await;
        assert!(status.contains("haven't sent it"), "{status}");
        let said = ada.runs("/account cancel").await.text;
        assert!(said.contains("has been cancelled"), "{said}");
        let send = ada.presses("Send").on(shown.message.expect("the draft's message")).await.text;
        assert!(send.contains("you cancelled it") && !send.contains("in time"), "{send}");
        let personal = "SELECT id FROM request WHERE address_enc IS NOT NULL";
        assert_eq!(story.rows(personal).await, Vec::<String>::new());
        story.nothing_is_made_for("ada").await;
    });
}

#[test]
fn a_waiting_request_is_taken_back_and_its_card_says_so() {
    Story::plays("cwait", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        let status = story.status("ada").await;
        assert!(status.contains("is waiting for a decision"), "{status}");
        let said = ada.presses("Cancel request").await.text;
        assert!(said.contains("has been cancelled"), "{said}");
        let card = grace.waits_for("Cancelled").await;
        assert!(!card.contains("[Approve]"), "{card}");
        let status = story.status("ada").await;
        assert!(status.contains("was cancelled"), "{status}");
        let again = ada.runs("/account cancel").await.text;
        assert!(again.contains("it was cancelled"), "{again}");
        story.nothing_is_made_for("ada").await;
    });
}

#[test]
fn an_approved_request_is_taken_back_before_anything_was_made() {
    Story::plays("cmaking", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        story.is_approved_and_not_begun().await;
        let status = story.status("ada").await;
        assert!(status.contains("is being created"), "{status}");
        let said = ada.runs("/account cancel").await.text;
        assert!(said.contains("is being removed"), "{said}");
        story.sim.heals();
        grace.waits_for("Cancelled").await;
        story.wait_until_idle().await;
        let status = story.status("ada").await;
        assert!(status.contains("was cancelled"), "{status}");
        story.nothing_is_made_for("ada").await;
    });
}

#[test]
fn an_account_that_waits_for_an_operator_is_taken_back_with_its_entry() {
    let rules = Rules::moderators().with(|options| options.groups = vec!["not-there"]);
    Story::plays("cstuck", rules, async |story| {
        let (ada, grace, linus) = (story.person("ada"), story.person("grace"), story.person("linus"));
        story.asks("ada").await;
        grace.presses("Approve").await;
        grace.waits_for("· needs an operator").await;
        let notice = linus.waits_for("Once the cause is fixed").await;
        assert!(notice.contains("[Retry]"), "{notice}");
        assert!(story.entry("ada").await.is_some(), "the entry was made before the group failed");
        let status = story.status("ada").await;
        assert!(status.contains("an operator has to check"), "{status}");
        let said = ada.presses("Cancel request").await.text;
        assert!(said.contains("is being removed"), "{said}");
        grace.waits_for("Cancelled").await;
        story.wait_until_idle().await;
        story.nothing_is_made_for("ada").await;
        let status = story.status("ada").await;
        assert!(status.contains("was cancelled"), "{status}");
    });
}

#[test]
fn an_account_whose_mail_is_out_is_withdrawn_with_entry_user_and_link() {
    Story::plays("cmail", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        story.is_approved("ada").await;
        let link = story.mailed_link("ada").await;
        let status = story.status("ada").await;
        assert!(status.contains("An email with a link was sent"), "{status}");
        let said = ada.runs("/account cancel").await.text;
        assert!(said.contains("its link will stop working"), "{said}");
        grace.waits_for("Cancelled").await;
        story.wait_until_idle().await;
        assert!(story.entry("ada").await.is_none(), "the entry is still there");
        assert!(!story.has_keycloak_user("ada").await, "the user is still there");
        let followed = testbed::browser::follow_action_link(&link, "Another-Password-1").await;
        let followed = followed.expect("Keycloak's pages answer");
        assert_ne!(followed, testbed::browser::Outcome::PasswordSet);
        let status = story.status("ada").await;
        assert!(status.contains("was cancelled"), "{status}");
        let again = ada.runs("/account request").await;
        assert!(again.modal.is_some(), "a new request is possible: {again}");
    });
}

#[test]
fn an_account_in_use_is_not_cancelled_and_the_reply_says_what_to_do() {
    Story::plays("cinuse", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        story.asks("ada").await;
        story.is_approved("ada").await;
        let password = story.activates("ada").await;
        let told = ada.runs("/account cancel").await.text;
        assert!(told.contains("There is nothing to cancel") && told.contains("ask a moderator"), "{told}");
        story.wait_until_idle().await;
        assert!(story.bind_works("ada", &password).await);
    });
}
