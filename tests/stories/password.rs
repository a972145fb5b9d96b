//! Mailing the link again, for an account that waits for its first password and for an active one.

use std::time::Duration;

use testbed::MailFault;

use harness::story::LIMIT;
use harness::{Rules, Story, shared};

/// A little more than the required pause between two mails of one account.
const PAUSE: Duration = Duration::from_mins(6);

/// Waits until a person has this many mails, and returns their links, oldest first.
async fn links(story: &Story, person: &str, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    let address = story.address(person);
    let waited = testbed::wait_until("the mails", LIMIT, async || {
        let mails = shared().servers.mail.messages();
        let links = mails.iter().filter(|mail| mail.is_to(&address)).flat_map(|mail| mail.links.iter());
        found = links.filter(|link| link.contains("action-token")).cloned().collect();
        Ok(found.len() == count)
    })
    .await;
    assert!(waited.is_ok(), "{} links, wanted {count}", found.len());
    found
}

#[test]
fn an_invited_person_gets_the_mail_again_and_both_links_work_until_their_time() {
    Story::plays("pwagain", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        story.asks("ada").await;
        story.is_approved("ada").await;
        // Too early: the first mail was sent a moment ago.
        let early = ada.runs("/account password").await;
        assert!(early.ephemeral && early.text.contains("a moment ago"), "{early}");
        assert!(!story.status("ada").await.contains("[Send the link again]"));

        story.advances(PAUSE);
        let shown = story.status("ada").await;
        assert!(shown.contains("[Send the link again]"), "{shown}");
        let asked = ada.presses("Send the link again").await;
        assert!(asked.ephemeral && asked.text.contains("is being sent"), "{asked}");
        assert!(asked.text.contains("Links from earlier emails still work"), "{asked}");
        let told = ada.waits_for("is on its way: open it").await;
        assert!(told.contains("still work") && told.matches("works until").count() == 2, "{told}");
        let both = links(story, "ada", 2).await;
        assert_eq!(story.rows("SELECT state FROM mail").await, ["accepted", "accepted"]);
        assert_eq!(story.rows("SELECT state FROM account").await, ["invited"]);
        let lifespans = "SELECT DISTINCT link_until - begun_at FROM mail";
        assert_eq!(story.rows(lifespans).await, ["43200000"], "a first link lives for twelve hours");

        // As the person was told, Keycloak accepts the older link as well as the newer one.
        let password = story.sets_password("ada", &both[0]).await;
        ada.waits_for("A password was set").await;
        assert!(story.bind_works("ada", &password).await);
        story.person("grace").waits_for("Account created").await;
        let status = story.status("ada").await;
        assert!(status.contains("still work"), "{status}");
    });
}

#[test]
fn a_person_with_an_account_in_use_gets_a_link_of_an_hour_and_nothing_else_changes() {
    Story::plays("pwreset", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        story.asks("ada").await;
        story.is_approved("ada").await;
        let password = story.activates("ada").await;
        story.wait_until_idle().await;
        story.advances(PAUSE);
        let asked = ada.runs("/account password").await;
        assert!(asked.ephemeral && asked.text.contains("is being sent"), "{asked}");
        ada.waits_for("is on its way: open it").await;
        let both = links(story, "ada", 2).await;
        let newest = "SELECT link_until - begun_at FROM mail ORDER BY begun_at DESC LIMIT 1";
        assert_eq!(story.rows(newest).await, ["3600000"], "a reset link lives for an hour");
        assert_eq!(story.rows("SELECT state FROM account").await, ["active"]);
        assert!(story.bind_works("ada", &password).await, "the old password works until there is a new one");
        assert_eq!(story.groups_in_token("ada", &password).await, ["members"]);
        assert!(!story.audit_events().await.iter().any(|event| event.starts_with("account.disabled")));
        let mails = "SELECT actor_id = subject_id FROM audit WHERE event = 'mail.sent' ORDER BY seq";
        assert_eq!(story.rows(mails).await, ["0", "1"], "the person asked for the second mail");

        let outcome = testbed::browser::follow_action_link(&both[1], "Another-horse-2").await;
        assert_eq!(outcome.expect("Keycloak's pages answer"), testbed::browser::Outcome::PasswordSet);
        story.keeps_secret("Another-horse-2");
        assert!(story.bind_works("ada", "Another-horse-2").await);
        // An activation is announced once, and this was not the first password.
        story.wait_until_idle().await;
        story.is_told_nothing("ada");
    });
}

#[test]
fn who_has_no_account_or_a_locked_one_reads_what_to_do_and_gets_no_mail() {
    Story::plays("pwnone", Rules::moderators(), async |story| {
        let (ada, mallory) = (story.person("ada"), story.person("mallory"));
        let told = mallory.runs("/account password").await;
        assert!(told.ephemeral && told.text.contains("You don't have an account"), "{told}");
        story.asks("ada").await;
        let told = ada.runs("/account password").await;
        assert!(told.text.contains("You don't have an account"), "a request is not an account: {told}");
        assert_eq!(story.mails_to("ada"), 0);
    });
}

#[test]
fn a_mail_that_is_refused_or_uncertain_is_told_as_it_is() {
    Story::plays_alone("pwrefuse", Rules::moderators(), async |story| {
        let (ada, mail) = (story.person("ada"), &shared().servers.mail);
        story.asks("ada").await;
        story.is_approved("ada").await;
        story.advances(PAUSE);
        // Keycloak reports every fault of the mail server in the same way, so the result is uncertain.
        mail.set_fault(MailFault::Refuse550).await.expect("the mail catcher answers");
        ada.runs("/account password").await;
        let told = ada.waits_for("may not have been sent").await;
        assert!(told.contains("[Send the link again]"), "{told}");
        mail.set_fault(MailFault::None).await.expect("the mail catcher answers");
        let status = story.status("ada").await;
        assert!(status.contains("perhaps") || status.contains("If the newest email arrived"), "{status}");
        assert_eq!(story.mails_to("ada"), 1);
        story.wait_until_idle().await;

        // The person asks again from the direct message. The mail server's circuit breaker is closed by then.
        story.advances(PAUSE);
        let again = ada.presses("Send the link again").await;
        assert!(again.text.contains("is being sent"), "{again}");
        ada.waits_for("is on its way: open it").await;
        assert_eq!(story.mails_to("ada"), 2);
        let mails = "SELECT event FROM audit WHERE event LIKE 'mail.%' ORDER BY seq";
        assert_eq!(story.rows(mails).await, ["mail.sent", "mail.unknown", "mail.sent"]);
    });
}

#[test]
fn three_mails_a_day_and_then_the_person_reads_when_to_ask_again() {
    Story::plays("pwmany", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        story.asks("ada").await;
        story.is_approved("ada").await;
        for _ in 0..2 {
            story.advances(PAUSE);
            ada.runs("/account password").await;
            ada.waits_for("is on its way: open it").await;
        }
        story.advances(PAUSE);
        let told = ada.runs("/account password").await;
        assert!(told.text.contains("You can ask for another"), "{told}");
        assert_eq!(story.mails_to("ada"), 3);
        assert_eq!(story.rows("SELECT count(*) FROM job WHERE kind = 'resend'").await, ["2"]);
    });
}

#[test]
fn a_full_mail_rate_limit_of_the_community_is_told_and_nothing_is_sent() {
    let rules =
        Rules::moderators().with(|options| options.rate_limits = serde_json::json!({"mails_in_all": 1}));
    Story::plays("pwheld", rules, async |story| {
        let ada = story.person("ada");
        story.asks("ada").await;
        story.is_approved("ada").await;
        story.advances(PAUSE);
        ada.runs("/account password").await;
        ada.waits_for("the limit for emails was reached").await;
        let status = story.status("ada").await;
        assert!(status.contains("the limit for emails was reached"), "{status}");
        assert_eq!(story.mails_to("ada"), 1);
        assert_eq!(
            story.rows("SELECT reason_code FROM audit WHERE event = 'mail.refused'").await,
            ["too_many"]
        );
    });
}

#[test]
fn a_mail_that_keycloak_refuses_outright_is_told_and_comes_when_the_cause_is_gone() {
    Story::plays("pwgone", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        story.asks("ada").await;
        story.is_approved("ada").await;
        story.wait_until_idle().await;
        story.advances(PAUSE);
        // An administrator removed the address from the directory. Keycloak answers 400, so no mail can have been sent.
        let slapd = &shared().servers.slapd;
        let (dn, address) = (slapd.person_dn(&story.username("ada")), story.address("ada"));
        slapd.set_attribute(&dn, "mail", &[]).await.expect("the address is gone");
        ada.runs("/account password").await;
        let told = ada.waits_for("could not be sent").await;
        assert!(told.contains("Please tell a moderator"), "{told}");
        story.wait_until_idle().await;
        let mails = "SELECT event FROM audit WHERE event LIKE 'mail.%' ORDER BY seq";
        assert_eq!(story.rows(mails).await, ["mail.sent", "mail.refused"]);
        assert_eq!(story.mails_to("ada"), 1);

        slapd.set_attribute(&dn, "mail", &[&address]).await.expect("the address is back");
        story.advances(PAUSE);
        ada.runs("/account password").await;
        ada.waits_for("is on its way: open it").await;
        assert_eq!(story.mails_to("ada"), 2);
    });
}
