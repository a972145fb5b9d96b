//! Moderators deny requests.

use super::admins::asks;
use harness::{Frozen, Rules, Story};

#[test]
fn a_denied_person_reads_the_reason_and_may_ask_again() {
    Story::plays("told", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        let form = grace.presses("Deny").await.modal.expect("the form for the reason");
        assert_eq!(form.title, "Deny this request");
        let reason = "Please use the name of your house first";
        story.keeps_secret(reason);
        grace.submits(&[("reason", reason)]).await;
        let told = ada.waits_for("was denied").await;
        assert!(told.contains(reason), "{told}");
        grace.waits_for("Denied by @grace").await;
        let status = story.status("ada").await;
        assert!(status.contains("was denied") && status.contains(reason), "{status}");
        story.nothing_is_made_for("ada").await;

        let said = story.asks_with("ada", &story.form("ada")).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        let card = grace.waits_for("name and address are free").await;
        assert!(card.contains("Earlier requests: one"), "{card}");
        story.is_approved("ada").await;
    });
}

#[test]
fn a_quiet_denial_shows_nowhere_to_the_person() {
    Story::plays("hush", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        let reason = "An old acquaintance of ours";
        story.keeps_secret(reason);
        grace.presses("Deny quietly").await.modal.expect("the form for the reason");
        grace.submits(&[("reason", reason)]).await;
        let card = grace.waits_for("the requester was not told").await;
        assert!(!card.contains(reason), "{card}");
        story.wait_until_idle().await;
        story.is_told_nothing("ada");
        let status = story.status("ada").await;
        assert!(!status.contains("denied") && !status.contains(reason), "{status}");
        assert!(status.contains("Your last request ended"), "{status}");
        let taken_back = ada.runs("/account cancel").await.text;
        assert!(!taken_back.contains("denied"), "{taken_back}");
        let code = story.rows("SELECT code FROM request").await.pop().expect("a request");
        let linus = story.person("linus");
        for who in [&grace, &linus] {
            let shown = asks(who, &format!("/request show code:{code}"), "Denied by").await;
            assert!(shown.contains(reason) && shown.contains("the requester was not told"), "{shown}");
        }
        asks(&ada, &format!("/request show code:{code}"), "Your roles don't allow this").await;
        let told = story.commands(&["request", "show", &code, "--json"]).await;
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["denial_reason"], reason);
        let views =
            "SELECT source FROM audit WHERE event = 'admin.viewed' AND after = 'request.texts' ORDER BY seq";
        assert_eq!(story.rows(views).await, ["chat", "chat", "cli"]);
        story.nothing_is_made_for("ada").await;
    });
}

#[test]
fn a_reason_that_was_typed_while_the_card_changed_counts() {
    Story::plays_alone("dtyping", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        // The check waits for Keycloak, and its result edits the card.
        let frozen = Frozen::keycloak();
        story.asks_with("ada", &story.form("ada")).await;
        grace.waits_for("not yet checked").await;
        grace.presses("Deny").await.modal.expect("the form for the reason");
        let before = story.buttons_sent("approve").len();
        drop(frozen);
        story.wait_until_idle().await;
        assert!(story.buttons_sent("approve").len() > before, "the card has other buttons now");
        grace.submits(&[("reason", "Please come back in spring")]).await;
        let told = ada.waits_for("was denied").await;
        assert!(told.contains("Please come back in spring"), "{told}");
        story.wait_until_idle().await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["denied"]);
        grace.sees().await;
    });
}
