//! "Not me": another person set the password.

use std::time::Duration;

use super::admins::asks;
use harness::{Frozen, REALM, Rules, Story, shared};

/// Ada has an active account. Returns the password that "somebody else" set.
async fn is_taken_over(story: &Story) -> String {
    story.asks("ada").await;
    story.is_approved("ada").await;
    let password = story.activates("ada").await;
    story.wait_until_idle().await;
    password
}

/// Whether Keycloak lets ada in.
async fn is_enabled(story: &Story) -> bool {
    let user = shared().servers.keycloak.user_named(REALM, &story.username("ada")).await;
    user.expect("Keycloak answers").expect("the user is there").enabled
}

#[test]
fn not_me_on_the_direct_message_locks_the_account_and_calls_the_admins() {
    Story::plays("notme", Rules::moderators(), async |story| {
        let (ada, linus) = (story.person("ada"), story.person("linus"));
        let password = is_taken_over(story).await;
        assert!(story.bind_works("ada", &password).await);
        let form = ada.presses("Not me").await.modal.expect("a form that confirms it");
        assert_eq!(form.title, "Lock your account?");
        assert_eq!(story.rows("SELECT kind FROM job WHERE kind = 'lock'").await, Vec::<String>::new());
        let note = "My brother reads my mail";
        story.keeps_secret(note);
        let said = ada.submits(&[("note", note)]).await;
        assert!(said.text.contains("is being locked now") && !said.text.contains("[Not me]"), "{said}");
        let told = ada.waits_for("is locked: the password no longer works").await;
        assert!(told.contains("The admins of this server have been told"), "{told}");
        let called = linus.waits_for("someone else set the password").await;
        assert!(called.contains("@ada") && !called.contains("brother"), "{called}");

        assert!(!story.bind_works("ada", &password).await, "the directory lets nobody in");
        assert!(!is_enabled(story).await, "Keycloak lets nobody in");
        assert!(story.entry("ada").await.is_some(), "nothing is deleted");
        assert_eq!(story.rows("SELECT state FROM account").await, ["disabled"]);
        let rows =
            "SELECT source || ' ' || before || ' ' || after FROM audit WHERE event = 'account.disabled'";
        assert_eq!(story.rows(rows).await, ["chat active lock_asked", "worker active disabled"]);
        let effects =
            "SELECT event FROM audit WHERE event IN ('entry.locked', 'user.disabled', 'sessions.ended')";
        let mut effects = story.rows(effects).await;
        effects.sort();
        assert_eq!(effects, ["entry.locked", "sessions.ended", "user.disabled"], "each effect has its row");

        let code = story.rows("SELECT code FROM request").await.pop().expect("a request");
        let shown = asks(&linus, &format!("/request show code:{code}"), "Approved by").await;
        assert!(shown.contains(note), "an admin reads the note: {shown}");
        let shown = asks(&story.person("grace"), &format!("/request show code:{code}"), "Approved by").await;
        assert!(!shown.contains("brother"), "a moderator does not: {shown}");
        let told = story.commands(&["request", "show", &code]).await;
        assert!(told.contains("Note") && told.contains(note), "{told}");
        let told = story.commands(&["request", "show", &code, "--json"]).await;
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["notes"][0]["text"], note);

        let status = story.status("ada").await;
        assert!(status.contains("is locked") && !status.contains("[Not me]"), "{status}");
        let refused = ada.runs("/account password").await;
        assert!(refused.text.contains("Your account is locked"), "{refused}");
        assert_eq!(story.mails_to("ada"), 1);
    });
}

#[test]
fn ninety_days_after_not_me_its_note_is_erased_and_the_audit_log_is_intact() {
    Story::plays("nmnote", Rules::moderators(), async |story| {
        let (ada, linus) = (story.person("ada"), story.person("linus"));
        is_taken_over(story).await;
        ada.presses("Not me").await.modal.expect("a form that confirms it");
        let note = "My brother reads my mail";
        story.keeps_secret(note);
        ada.submits(&[("note", note)]).await;
        ada.waits_for("is locked: the password no longer works").await;
        linus.waits_for("someone else set the password").await;
        story.wait_until_idle().await;
        let code = story.rows("SELECT code FROM request").await.pop().expect("a request");
        let shown = async || story.commands(&["request", "show", &code]).await;
        story.advances(Duration::from_hours(89 * 24));
        story.tidies().await;
        assert!(shown().await.contains(note));
        story.advances(Duration::from_hours(2 * 24));
        story.tidies().await;
        assert!(!shown().await.contains("note  "));
        assert_eq!(story.rows("SELECT count(*) FROM audit_personal").await, ["0"]);
        assert!(story.commands(&["audit", "verify"]).await.contains("intact"));
    });
}

#[test]
fn a_session_that_somebody_opened_ends_with_the_lock() {
    Story::plays("nmlogin", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        let password = is_taken_over(story).await;
        assert_eq!(story.groups_in_token("ada", &password).await, ["members"], "somebody is logged in");
        let sessions = async || {
            let keycloak = &shared().servers.keycloak;
            let user = keycloak.user_named(REALM, &story.username("ada")).await.expect("Keycloak answers");
            let user = user.expect("the user is there");
            keycloak.sessions(REALM, &user.id).await.expect("Keycloak answers")
        };
        assert!(sessions().await > 0, "there is a session");
        ada.runs("/account status").await;
        ada.presses("Not me").await.modal.expect("a form that confirms it");
        ada.submits(&[]).await;
        ada.waits_for("is locked: the password no longer works").await;
        story.person("linus").waits_for("someone else set the password").await;
        assert_eq!(sessions().await, 0, "a session is still open");
    });
}

#[test]
fn a_press_alone_a_press_by_others_and_an_old_message_lock_nothing() {
    Story::plays("nmwrong", Rules::moderators(), async |story| {
        let (ada, barbara) = (story.person("ada"), story.person("barbara"));
        let password = is_taken_over(story).await;
        // A mistaken press: the person closes the form again.
        ada.presses("Not me").await.modal.expect("a form that confirms it");
        let button = story.buttons_sent("notme").pop().expect("the message has a button");
        let stale = "is out of date";
        let told = barbara.presses_raw(&button).await.text;
        assert!(told.contains(stale), "{told}");
        let told = barbara.submits_raw(&button, &[("note", "")]).await.text;
        assert!(told.contains(stale), "{told}");
        let (head, _) = button.rsplit_once(':').expect("a nonce");
        let forged = [head, ":0123456789abcdef"].concat();
        let told = ada.presses_raw(&forged).await.text;
        assert!(told.contains(stale), "{told}");
        assert_eq!(story.rows("SELECT kind FROM job WHERE kind = 'lock'").await, Vec::<String>::new());
        assert!(story.bind_works("ada", &password).await);
        assert_eq!(story.rows("SELECT state FROM account").await, ["active"]);
    });
}

#[test]
fn not_me_works_after_a_restart_and_twice_is_once() {
    Story::plays("nmtwice", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        is_taken_over(story).await;
        story.stops().await;
        story.starts().await;
        let button = story.buttons_sent("notme").pop().expect("the message has a button");
        ada.presses("Not me").await.modal.expect("a form that confirms it");
        ada.submits(&[]).await;
        ada.waits_for("is locked: the password no longer works").await;
        story.person("linus").waits_for("someone else set the password").await;
        story.wait_until_idle().await;
        let told = ada.presses_raw(&button).await;
        assert!(told.modal.is_none() && told.text.contains("Your account is locked"), "{told}");
        assert_eq!(story.rows("SELECT state FROM job WHERE kind = 'lock'").await, ["done"]);
    });
}

#[test]
fn while_the_mail_again_waits_for_its_server_not_me_does_not_wait() {
    Story::plays_alone("nmwaits", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        let password = is_taken_over(story).await;
        story.advances(Duration::from_mins(6));
        // While Keycloak is frozen, the job that mails the link again cannot end.
        let frozen = Frozen::keycloak();
        ada.runs("/account password").await;
        story.waits_for_rows("SELECT state FROM job WHERE kind = 'resend'", &["open"]).await;
        ada.presses("Not me").await.modal.expect("a form that confirms it");
        ada.submits(&[]).await;
        let is_locked = async || Ok(!story.bind_works("ada", &password).await);
        let limit = Duration::from_mins(1);
        testbed::wait_until("the lock", limit, is_locked).await.expect("it waits for the mail");
        assert_eq!(story.rows("SELECT state FROM job WHERE kind = 'resend'").await, ["open"]);
        drop(frozen);
        story.waits_for_rows("SELECT state FROM account", &["disabled"]).await;
        story.wait_until_idle().await;
        ada.waits_for("is locked: the password no longer works").await;
        story.person("linus").waits_for("someone else set the password").await;
        ada.sees().await;
    });
}

#[test]
fn while_both_servers_stand_still_not_me_is_taken_down_and_done_when_they_are_back() {
    Story::plays_alone("nmfrozen", Rules::moderators(), async |story| {
        let (ada, linus) = (story.person("ada"), story.person("linus"));
        let password = is_taken_over(story).await;
        let frozen = Frozen::both();
        ada.presses("Not me").await.modal.expect("a form that confirms it");
        let said = ada.submits(&[]).await;
        assert!(said.text.contains("is being locked now"), "{said}");
        let met = "SELECT state FROM job WHERE kind = 'lock' AND error_code IS NOT NULL";
        story.waits_for_rows(met, &["open"]).await;
        drop(frozen);
        ada.waits_for("is locked: the password no longer works").await;
        linus.waits_for("someone else set the password").await;
        story.wait_until_idle().await;
        assert!(!story.bind_works("ada", &password).await && !is_enabled(story).await);
        assert_eq!(story.rows("SELECT state FROM account").await, ["disabled"]);
    });
}

#[test]
fn an_admin_gives_a_locked_account_back_and_the_person_sets_a_new_password() {
    Story::plays("nmback", Rules::moderators(), async |story| {
        let (ada, linus) = (story.person("ada"), story.person("linus"));
        let stolen = is_taken_over(story).await;
        ada.presses("Not me").await.modal.expect("a form that confirms it");
        ada.submits(&[]).await;
        let told = ada.waits_for("is locked: the password no longer works").await;
        assert!(told.contains("ask one of them to unlock it"), "{told}");
        let called = linus.waits_for("someone else set the password").await;
        assert!(called.contains("/link enable"), "the notice names the way back: {called}");
        story.wait_until_idle().await;
        let status = story.status("ada").await;
        assert!(status.contains("ask an admin of this server to unlock it"), "{status}");
        for command in ["/account request", "/account cancel", "/account password"] {
            let refused = ada.runs(command).await;
            assert!(
                refused.text.contains("Your account is locked: nobody can log in"),
                "{command}: {refused}"
            );
        }

        let name = story.username("ada");
        let reason = "Her mailbox is hers again";
        story.keeps_secret(reason);
        let command = format!("/link enable what:{name} \"reason:{reason}\"");
        asks(&linus, &command, "is being unlocked").await;
        let told = ada.waits_for("The old password no longer works").await;
        assert!(told.contains("is unlocked"), "{told}");
        linus.waits_for("is unlocked.").await;
        ada.waits_for("An email with a new link").await;
        story.wait_until_idle().await;
        assert_eq!(story.rows("SELECT state FROM account").await, ["active"]);
        assert!(!story.bind_works("ada", &stolen).await, "the directory refuses the stolen password");
        assert!(story.login_is_refused("ada", &stolen).await, "so does Keycloak");
        assert_eq!(story.mails_to("ada"), 2);
        let mails = shared().servers.mail.messages();
        let mail = mails.iter().rfind(|mail| mail.is_to(&story.address("ada"))).expect("a mail");
        let link = mail.links.iter().find(|link| link.contains("action-token")).expect("a link");
        story.keeps_secret(link.split_once("key=").expect("a token").1.split('&').next().unwrap_or_default());
        let new = ["New-", &stolen].concat();
        story.keeps_secret(&new);
        let set = testbed::browser::follow_action_link(link, &new).await.expect("Keycloak's pages answer");
        assert_eq!(set, testbed::browser::Outcome::PasswordSet);
        assert_eq!(story.groups_in_token("ada", &new).await, ["members"]);

        let code = story.rows("SELECT code FROM request").await.pop().expect("a request");
        let shown = asks(&linus, &format!("/request show code:{code}"), "Approved by").await;
        assert!(shown.contains(reason), "an admin reads the reason: {shown}");
        let shown = asks(&story.person("grace"), &format!("/request show code:{code}"), "Approved by").await;
        assert!(!shown.contains(reason), "a moderator does not: {shown}");
        asks(&linus, &format!("/link show what:{name}"), "No differences").await;

        // The command line: an account that is not locked, one whose owner has left, and nobody's.
        let enable = async |what: &str| {
            story.commands_with_code(&["link", "enable", what, "--reason", "A test"]).await
        };
        let (code, said) = enable(&name).await;
        assert!(code == Some(1) && said.contains("This account isn't locked"), "{code:?} {said}");
        let (code, said) = enable("nobody").await;
        assert!(code == Some(1) && said.contains("no account"), "{code:?} {said}");
    });
}
