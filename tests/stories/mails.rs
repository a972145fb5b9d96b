//! A mail that cannot be sent: the account is kept, nobody gets many mails, and an admin can retry.

use std::time::Duration;

use testbed::MailFault;

use harness::{Rules, Story, shared};

/// Breaks the mail server, approves, waits for the operator's notice, repairs the mail server and lets an admin press `Retry`.
async fn is_mended_by_an_admin(story: &Story, fault: MailFault) {
    let (ada, grace, linus) = (story.person("ada"), story.person("grace"), story.person("linus"));
    let mail = &shared().servers.mail;
    story.asks("ada").await;
    mail.set_fault(fault).await.expect("the mail catcher answers");
    grace.presses("Approve").await;
    // Keycloak does not say whether a failed mail was sent, so the bot retries once by itself and no more.
    let of_job = "SELECT error_code FROM job WHERE kind = 'provision' AND lease_until = 0";
    story.waits_for_rows(of_job, &["mail_unknown"]).await;
    // After a failed mail, all other mails wait for a minute.
    story.hurries_until("SELECT id FROM job WHERE kind = 'provision' AND state = 'needs_operator'").await;
    story.wait_until_idle().await;
    let card = grace.waits_for("· needs an operator").await;
    assert!(!card.contains("Account created"), "{card}");
    let notice = linus.waits_for("Once the cause is fixed").await;
    assert!(notice.contains("[Retry]"), "{notice}");
    assert!(story.entry("ada").await.is_some(), "the entry was lost");
    let status = story.status("ada").await;
    assert!(status.contains("an operator has to check"), "{status}");
    assert!(story.mails_to("ada") <= 2, "{} mails", story.mails_to("ada"));

    mail.set_fault(MailFault::None).await.expect("the mail catcher answers");
    grace.in_channel("log").presses("Retry").await;
    grace.waits_for("Your roles don't allow this").await;
    linus.in_channel("log").presses("Retry").await;
    linus.waits_for("Trying again").await;
    // The minute after the failed mail may still be running.
    story.hurries_until("SELECT id FROM job WHERE kind = 'provision' AND state = 'done'").await;
    ada.waits_for("Your request was approved").await;
    grace.waits_for("Account created").await;
    story.reads_mail("ada");
}

#[test]
fn a_mail_that_is_refused_for_good_waits_for_an_admin() {
    Story::plays_alone("m550", Rules::moderators(), async |story| {
        is_mended_by_an_admin(story, MailFault::Refuse550).await;
        assert_eq!(story.mails_to("ada"), 1);
        story.activates("ada").await;
    });
}

#[test]
fn a_mail_that_is_refused_for_now_waits_for_an_admin() {
    Story::plays_alone("m450", Rules::moderators(), async |story| {
        is_mended_by_an_admin(story, MailFault::Refuse450).await;
        assert_eq!(story.mails_to("ada"), 1);
    });
}

#[test]
fn a_mail_server_that_takes_mails_and_drops_the_line_gets_two_mails_at_most() {
    Story::plays_alone("mdrop", Rules::moderators(), async |story| {
        let mail = &shared().servers.mail;
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        mail.set_fault(MailFault::AcceptThenDrop).await.expect("the mail catcher answers");
        grace.presses("Approve").await;
        mail.wait_for_mail_to(&story.address("ada"), harness::story::LIMIT).await.expect("a mail was taken");
        mail.set_fault(MailFault::None).await.expect("the mail catcher answers");
        let over = "SELECT state FROM job WHERE kind = 'provision' AND state IN ('done', 'needs_operator')";
        story.hurries_until(over).await;
        let mails = story.mails_to("ada");
        assert!((1..=2).contains(&mails), "{mails} mails");
        ada.waits_for("Your request was approved").await;
        grace.waits_for("Account created").await;
        // Both links work; the story follows the newer one.
        story.activates("ada").await;
    });
}

#[test]
fn a_slow_mail_server_gets_two_mails_at_most_and_nothing_is_lost() {
    Story::plays_alone("mslow", Rules::moderators(), async |story| {
        let mail = &shared().servers.mail;
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        let slow = MailFault::Delay(Duration::from_secs(5));
        mail.set_fault(slow).await.expect("the mail catcher answers");
        grace.presses("Approve").await;
        mail.wait_for_mail_to(&story.address("ada"), harness::story::LIMIT).await.expect("a mail was taken");
        mail.set_fault(MailFault::None).await.expect("the mail catcher answers");
        let over = "SELECT state FROM job WHERE kind = 'provision' AND state IN ('done', 'needs_operator')";
        story.hurries_until(over).await;
        let mails = story.mails_to("ada");
        assert!((1..=2).contains(&mails), "{mails} mails");
        ada.waits_for("Your request was approved").await;
        grace.waits_for("Account created").await;
        story.reads_mail("ada");
    });
}
