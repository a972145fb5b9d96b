//! People who do not accept direct messages.

use harness::{Rules, Story};

#[test]
fn who_takes_no_direct_messages_reads_everything_in_the_status() {
    Story::plays("nodms", Rules::moderators(), async |story| {
        let (ada, barbara, grace) = (story.person("ada"), story.person("barbara"), story.person("grace"));
        ada.closes_dms();
        barbara.closes_dms();
        story.asks("ada").await;
        grace.presses("Approve").await;
        grace.waits_for("Account created").await;
        story.reads_mail("ada");
        story.wait_until_idle().await;
        let status = story.status("ada").await;
        assert!(status.contains("An email with a link was sent"), "{status}");
        let link = story.mailed_link("ada").await;
        story.sets_password("ada", &link).await;
        grace.waits_for("Account created").await;
        story.wait_until_idle().await;
        let status = story.status("ada").await;
        assert!(status.contains("has been active since"), "{status}");

        story.asks("barbara").await;
        grace.presses("Deny").await;
        grace.submits(&[("reason", "Come again in spring")]).await;
        grace.waits_for("Denied by").await;
        story.wait_until_idle().await;
        let status = story.status("barbara").await;
        assert!(status.contains("Come again in spring"), "{status}");
        story.is_told_nothing("barbara");
    });
}
