//! People who do not accept direct messages.

use std::time::Duration;

use harness::{Rules, Story};

#[test]
fn who_takes_no_direct_messages_reads_everything_in_the_answer_and_in_the_status() {
    Story::plays("nodms", Rules::moderators(), async |story| {
        let (ada, barbara, grace) = (story.person("ada"), story.person("barbara"), story.person("grace"));
        ada.closes_dms();
        barbara.closes_dms();
        story.asks("ada").await;
        grace.presses("Approve").await;
        grace.waits_for("Account created").await;
        story.reads_mail("ada");
        let told = ada.waits_for("so here is the news").await;
        assert!(told.contains("(only you)") && told.contains("Your request was approved"), "{told}");
        grace.waits_for("Direct messages to this person are closed").await;
        story.wait_until_idle().await;
        let status = story.status("ada").await;
        assert!(status.contains("An email with a link was sent"), "{status}");
        let link = story.mailed_link("ada").await;
        story.sets_password("ada", &link).await;
        let told = ada.waits_for("A password was set").await;
        assert!(told.contains("so here is the news") && told.contains("[Not me]"), "{told}");
        grace.waits_for("Account created").await;
        story.wait_until_idle().await;
        let status = story.status("ada").await;
        assert!(status.contains("has been active since"), "{status}");

        story.asks("barbara").await;
        grace.presses("Deny").await;
        grace.submits(&[("reason", "Come again in spring")]).await;
        grace.waits_for("Denied by").await;
        let told = barbara.waits_for("so here is the news").await;
        assert!(told.contains("Come again in spring"), "{told}");
        story.wait_until_idle().await;
        let status = story.status("barbara").await;
        assert!(status.contains("Come again in spring"), "{status}");
        story.is_told_nothing("barbara");
    });
}

#[test]
fn a_denial_long_after_send_is_in_the_status_alone_and_open_messages_clear_the_note_on_the_card() {
    Story::plays("latedm", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        ada.closes_dms();
        story.asks("ada").await;
        story.wait_until_idle().await;
        story.advances(Duration::from_mins(20));
        grace.presses("Deny").await;
        grace.submits(&[("reason", "Come again in spring")]).await;
        grace.waits_for("Direct messages to this person are closed").await;
        story.wait_until_idle().await;
        story.is_told_nothing("ada");
        let status = story.status("ada").await;
        assert!(status.contains("Come again in spring"), "{status}");

        ada.opens_dms();
        story.asks("ada").await;
        grace.presses("Deny").await;
        grace.submits(&[("reason", "Not this year")]).await;
        ada.waits_for("Not this year").await;
        story.wait_until_idle().await;
        assert_eq!(
            story.rows("SELECT id FROM person WHERE unreachable_since IS NOT NULL").await,
            Vec::<String>::new()
        );
        grace.read_now();
    });
}
