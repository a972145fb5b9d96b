//! People whom Keycloak's user profile does not accept as they are. Keycloak validates the whole user at each change, so every change of
//! such a person is refused. Their accounts must end nevertheless.

use super::admins::asks;
use harness::{REALM, Rules, Story, shared};

/// An operator gives ada names in the directory that Keycloak's profile refuses.
async fn is_renamed(story: &Story) {
    let slapd = &shared().servers.slapd;
    let dn = slapd.person_dn(&story.username("ada"));
    slapd.set_names(&dn, "Anne (Annie)", "O&M").await.expect("the directory answers");
}

/// The names of ada's entry.
async fn names(story: &Story) -> Vec<String> {
    let entry = story.entry("ada").await.expect("the entry is there");
    ["givenName", "sn", "cn"].iter().map(|name| entry.value(name).unwrap_or_default().to_owned()).collect()
}

/// The status with which Keycloak refuses to disable ada.
async fn refusal(story: &Story) -> u16 {
    let keycloak = &shared().servers.keycloak;
    let user = keycloak.user_named(REALM, &story.username("ada")).await.expect("Keycloak answers");
    let path = format!("{REALM}/users/{}", user.expect("the user is there").id);
    let body = serde_json::json!({"enabled": false});
    let answer = keycloak.admin_call(reqwest::Method::PUT, &path, Some(&body)).await;
    answer.expect("Keycloak answers").status().as_u16()
}

#[test]
fn not_me_locks_and_disables_an_account_whose_names_keycloak_refuses() {
    Story::plays("kcrefusal", Rules::moderators(), async |story| {
        let (ada, linus) = (story.person("ada"), story.person("linus"));
        story.asks("ada").await;
        story.is_approved("ada").await;
        let password = story.activates("ada").await;
        story.wait_until_idle().await;
        assert_eq!(story.groups_in_token("ada", &password).await, ["members"], "somebody is logged in");
        is_renamed(story).await;
        assert_eq!(refusal(story).await, 400, "Keycloak accepts every name");
        let before = names(story).await;

        ada.presses("Not me").await.modal.expect("a form that confirms it");
        ada.submits(&[]).await;
        ada.waits_for("is locked: the password no longer works").await;
        linus.waits_for("someone else set the password").await;
        story.wait_until_idle().await;

        assert!(!story.bind_works("ada", &password).await, "the directory lets somebody in");
        let keycloak = &shared().servers.keycloak;
        let user = keycloak.user_named(REALM, &story.username("ada")).await.expect("Keycloak answers");
        let user = user.expect("the user is there");
        assert!(!user.enabled, "Keycloak lets somebody in");
        assert_eq!(keycloak.sessions(REALM, &user.id).await.expect("Keycloak answers"), 0);
        assert_eq!(names(story).await, before, "the directory has other names");
        let shown =
            asks(&linus, &format!("/link show what:{}", story.username("ada")), "No differences").await;
        assert!(shown.contains("disabled"), "{shown}");
    });
}

#[test]
fn a_cancelled_account_whose_names_keycloak_refuses_is_removed_and_its_link_is_dead() {
    Story::plays("kccancel", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        story.asks("ada").await;
        story.is_approved("ada").await;
        let link = story.mailed_link("ada").await;
        story.wait_until_idle().await;
        is_renamed(story).await;
        assert_eq!(refusal(story).await, 400, "Keycloak accepts every name");
        let told = ada.runs("/account cancel").await.text;
        assert!(told.contains("its link will stop working"), "{told}");
        story.person("grace").waits_for("Cancelled").await;
        story.wait_until_idle().await;
        assert!(story.entry("ada").await.is_none(), "the entry is still there");
        assert!(!story.has_keycloak_user("ada").await, "the user is still there");
        let followed = testbed::browser::follow_action_link(&link, "Another-Password-1").await;
        assert!(matches!(followed, Ok(testbed::browser::Outcome::Refused { .. })), "{followed:?}");
    });
}

#[test]
fn names_that_keycloak_would_refuse_are_refused_in_the_form_with_the_character() {
    Story::plays("kcform", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        ada.runs("/account request").await.modal.expect("the form");
        let form = story.form("ada").with("given", "Anne (Annie)").with("family", "O&M");
        let told = ada.submits(&form.fields()).await.text;
        assert!(told.contains("Given name: `(` can't be used"), "{told}");
        assert!(told.contains("Family name: `&` can't be used"), "{told}");
        story.nothing_is_made_for("ada").await;
    });
}
