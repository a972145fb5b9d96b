//! Who may ask for an account.

use std::time::Duration;

use harness::{Rules, Story};

#[test]
fn who_may_not_ask_reads_what_is_missing() {
    Story::plays("missing", Rules::moderators(), async |story| {
        let refused = story.person("mallory").runs("/account request").await;
        assert!(refused.ephemeral && refused.modal.is_none(), "{refused}");
        assert!(refused.text.contains("You need the role @member"), "{refused}");
        let newcomer = story.guild.newcomer("edsger").with_role("member").in_screening().joins();
        let refused = newcomer.runs("/account request").await.text;
        assert!(refused.contains("membership screening"), "{refused}");
        let ada = story.person("ada");
        ada.is_timed_out(Duration::from_hours(1));
        let refused = ada.runs("/account request").await.text;
        assert!(refused.contains("You are in timeout"), "{refused}");
        // The rules are checked again when an old form is submitted.
        let forged = story.form("mallory");
        let refused =
            story.person("mallory").submits_raw("ac1:form:-:0000000000000000", &forged.fields()).await;
        assert!(refused.text.contains("You need the role @member"), "{refused}");
        assert_eq!(story.rows("SELECT id FROM request").await, Vec::<String>::new());
    });
}

#[test]
fn a_second_request_and_a_second_account_are_refused() {
    Story::plays("second", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        story.asks("ada").await;
        let refused = ada.runs("/account request").await.text;
        assert!(refused.contains("You already have an open request"), "{refused}");
        story.is_approved("ada").await;
        let refused = ada.runs("/account request").await.text;
        assert!(refused.contains("You already have an account"), "{refused}");
        let forged = story.form("ada").with("username", "ada.other");
        let refused = ada.submits_raw("ac1:form:-:0000000000000000", &forged.fields()).await.text;
        assert!(refused.contains("You already have an account"), "{refused}");
    });
}

#[test]
fn people_addresses_and_domains_on_the_deny_list_get_no_account() {
    Story::plays("denylist", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        let id = ada.id().to_string();
        story.commands(&["deny", "add", "--person", &id, "--reason", "spam"]).await;
        let refused = ada.runs("/account request").await.text;
        assert!(refused.contains("You can't ask for an account here"), "{refused}");
        story.commands(&["deny", "remove", "--person", &id]).await;

        story.commands(&["deny", "add", "--address", &story.address("ada").to_uppercase()]).await;
        let refused = story.asks_with("ada", &story.form("ada")).await;
        assert!(refused.contains("You can't ask for an account here"), "{refused}");

        story.commands(&["deny", "add", "--domain", "throwaway.example"]).await;
        let form = story.form("barbara").with("address", "b@mail.throwaway.example");
        let refused = story.asks_with("barbara", &form).await;
        assert!(refused.contains("You can't ask for an account here"), "{refused}");
        assert_eq!(story.rows("SELECT id FROM request WHERE state <> 'draft'").await, Vec::<String>::new());
        story.is_told_nothing("barbara");
    });
}

#[test]
fn who_is_put_on_the_deny_list_while_waiting_is_not_approved() {
    Story::plays("later", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        story.commands(&["deny", "add", "--person", &ada.id().to_string()]).await;
        grace.presses("Approve").await;
        grace.waits_for("only you").await;
        story.wait_until_idle().await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["waiting"]);
        story.nothing_is_made_for("ada").await;
    });
}

#[test]
fn a_status_never_sends_somebody_to_a_command_that_refuses_them() {
    Story::plays("noway", Rules::moderators(), async |story| {
        let status = story.status("mallory").await;
        assert!(
            status.contains("You have no account") && status.contains("You need the role @member"),
            "{status}"
        );
        assert!(!status.contains("Use `/account request`") && !status.contains("[Request"), "{status}");
        let status = story.status("ada").await;
        assert!(
            status.contains("Use `/account request`") && status.contains("[Request an account]"),
            "{status}"
        );
    });
}
