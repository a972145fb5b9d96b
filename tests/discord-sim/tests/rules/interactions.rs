//! The rules of interactions: answered once, within 3 seconds, for 15 minutes, and permanently ephemeral.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Rest, TestEnv, webhook};

fn message(content: &str, flags: u64) -> Value {
    json!({"type": 4, "data": {"content": content, "flags": flags, "allowed_mentions": {"parse": []}}})
}

#[tokio::test]
async fn a_command_is_answered_once_and_only_its_user_sees_the_ephemeral_reply() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let rest = Rest::new(&env.sim, None);
    let answers = async {
        let interaction = gateway.interaction().await;
        let first = rest.answer(&interaction, &message("welcome", 64)).await;
        (first, rest.answer(&interaction, &message("again", 64)).await)
    };
    let (reply, (first, second)) = tokio::join!(env.ada.runs("/account request"), answers);
    assert_eq!(first.0, 204);
    assert_eq!((second.0.as_u16(), &second.1["code"]), (400, &json!(40060)));
    assert_eq!(reply.text, "#general Accolade (only you): welcome");
    assert!(reply.ephemeral && !reply.failed);
    assert_eq!(env.grace.sees().await, "");
    env.sim.assert_clean();
}

#[tokio::test]
async fn an_answer_after_three_seconds_is_too_late() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let rest = Rest::new(&env.sim, None);
    let late = async {
        let interaction = gateway.interaction().await;
        env.sim.advance(Duration::from_millis(3_001));
        rest.answer(&interaction, &message("late", 64)).await
    };
    let (reply, (status, body)) = tokio::join!(env.ada.runs("/account request"), late);
    assert_eq!((status.as_u16(), &body["code"]), (404, &json!(10062)));
    assert!(reply.failed);
    assert_eq!(reply.text, "The application did not respond");
    assert_eq!(env.sim.takes_silences(), ["ada: /account request: The application did not respond"]);
}

#[tokio::test]
async fn the_first_follow_up_edits_the_deferred_answer_and_cannot_change_who_sees_it() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let rest = Rest::new(&env.sim, None);
    let work = async {
        let interaction = gateway.interaction().await;
        let early = rest.post(&webhook(&interaction, ""), &json!({"content": "early"})).await;
        assert_eq!((early.0.as_u16(), &early.1["code"]), (404, &json!(10015)));
        rest.answer(&interaction, &json!({"type": 5, "data": {"flags": 64}})).await;
        interaction
    };
    let (reply, interaction) = tokio::join!(env.ada.runs("/account request"), work);
    assert!(reply.text.contains("(thinking…)"), "{reply}");
    let (_, waiting) = rest.get(&webhook(&interaction, "/messages/@original")).await;
    assert_eq!(waiting["flags"], 64 | 128);
    let (_, first) = rest.post(&webhook(&interaction, ""), &json!({"content": "secret", "flags": 0})).await;
    assert_eq!((&first["id"], &first["flags"]), (&waiting["id"], &json!(64)));
    // The second follow-up is a separate message and public, because its flags do not say otherwise.
    let (_, second) = rest.post(&webhook(&interaction, ""), &json!({"content": "leak", "flags": 0})).await;
    assert_eq!(second["flags"], 0);
    assert_eq!(env.ada.sees().await, "#general Accolade (only you): secret\n#general Accolade: leak");
    assert_eq!(env.grace.sees().await, "#general Accolade: leak");
    let edit = json!({"content": "open?", "flags": 0});
    let (_, edited) = rest.patch(&webhook(&interaction, "/messages/@original"), &edit).await;
    assert_eq!(edited["flags"], 64);
    assert_eq!(env.grace.sees().await, "");
    env.sim.advance(Duration::from_mins(15));
    let (status, body) = rest.post(&webhook(&interaction, ""), &json!({"content": "too late"})).await;
    assert_eq!((status.as_u16(), &body["code"]), (401, &json!(50027)));
}

#[tokio::test]
async fn a_form_opens_with_its_values_is_filled_and_answered() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let rest = Rest::new(&env.sim, None);
    let input = |id: &str, value: &str| {
        json!({"type": 1, "components": [{"type": 4, "custom_id": id, "label": id.to_uppercase(), "style": 1,
            "value": value, "max_length": 20}]})
    };
    let modal = json!({"type": 9, "data": {"custom_id": "ac1:form", "title": "Your account",
        "components": [input("username", "ada"), input("mail", "")]}});
    let open = async {
        let interaction = gateway.interaction().await;
        rest.answer(&interaction, &modal).await
    };
    let (reply, (status, body)) = tokio::join!(env.ada.runs("/account request"), open);
    assert_eq!(status, 204, "{body}");
    let form = reply.modal.expect("a form");
    assert_eq!((form.title.as_str(), form.value("username")), ("Your account", Some("ada")));
    let refused = env.ada.tries_to_submit(&[("username", "ada")]).await;
    assert!(refused.expect_err("the mail is required").0.contains("MAIL"));
    let submit = async {
        let interaction = gateway.interaction().await;
        let (status, body) = rest.answer(&interaction, &modal).await;
        assert_eq!(status, 400, "a form cannot answer a form: {body}");
        rest.answer(&interaction, &message("thank you", 64)).await;
        interaction
    };
    let (reply, interaction) = tokio::join!(env.ada.submits(&[("mail", "ada@example.org")]), submit);
    assert_eq!(interaction["data"]["components"][1]["components"][0]["value"], "ada@example.org");
    assert_eq!(interaction["data"]["components"][0]["components"][0]["value"], "ada");
    assert!(reply.text.ends_with("thank you"));
    assert!(env.ada.open_form().is_none());
}

#[tokio::test]
async fn a_button_is_found_by_its_label_and_its_message_can_be_updated() {
    let env = TestEnv::new().await;
    let mut gateway = env.connect().await;
    let rest = env.rest();
    let channel = env.guild.channel("account-requests").id;
    let button = |label: &str, id: &str| json!({"type": 2, "style": 1, "label": label, "custom_id": id});
    let card = json!({"content": "a request", "components": [
        {"type": 1, "components": [button("Approve", "yes"), button("Deny", "no")]}]});
    let (status, _) = rest.post(&format!("/channels/{channel}/messages"), &card).await;
    assert_eq!(status, 200);
    let (id, text) = env.grace.waits_for_message("a request").await;
    assert_eq!(text, "#account-requests Accolade: a request\n    [Approve] [Deny]");
    assert!(env.ada.tries_to_press("Approve").await.is_err(), "ada does not see the channel");
    let update = async {
        let interaction = gateway.interaction().await;
        let data = json!({"content": "approved", "components": []});
        rest.answer(&interaction, &json!({"type": 7, "data": data})).await;
        interaction
    };
    let (reply, interaction) = tokio::join!(env.grace.presses("Approve").on(id), update);
    assert_eq!(interaction["data"]["custom_id"], "yes");
    assert_eq!(interaction["message"]["id"], id.to_string());
    assert_eq!(reply.text, "#account-requests Accolade (edited): approved");
    let forged = async {
        let interaction = gateway.interaction().await;
        rest.answer(&interaction, &json!({"type": 6})).await;
        interaction
    };
    let (_, interaction) = tokio::join!(env.ada.presses_raw("ac1:approve:x"), forged);
    assert_eq!(interaction["data"]["custom_id"], "ac1:approve:x");
    assert_eq!(interaction["member"]["user"]["username"], "ada");
}
