//! The panel: a message with buttons in a channel.

use discord_sim::Effect;

use harness::{Rules, Story};

/// The panels in a channel, as text.
fn panels(story: &Story, channel: &str) -> Vec<String> {
    let texts = story.guild.history(channel).into_iter().map(|(_, text)| text);
    texts.filter(|text| text.contains("An account in this community")).collect()
}

const STANDS: &str = "SELECT count(*) FROM panel WHERE message_id IS NOT NULL";

/// Everybody in the channel reads all messages.
async fn is_read_by_all(story: &Story) {
    for person in ["ada", "barbara", "grace", "margaret", "linus", "mallory"] {
        story.person(person).sees().await;
    }
}

#[test]
fn an_admin_posts_the_panel_and_its_buttons_do_what_the_commands_do() {
    Story::plays("pnlbtn", Rules::moderators(), async |story| {
        let (ada, linus, mallory) = (story.person("ada"), story.person("linus"), story.person("mallory"));
        let answered = linus.runs("/panel post").await;
        assert!(answered.ephemeral, "{answered}");
        linus.waits_for("is being posted here").await;
        story.waits_for_rows(STANDS, &["1"]).await;
        let panel = panels(story, "general").pop().expect("it is posted");
        for label in ["[Request an account]", "[Check my status]", "[Send the link again]"] {
            assert!(panel.contains(label), "{panel}");
        }
        is_read_by_all(story).await;

        // Anybody may press it. Each person reads what the command would have answered, and only that person can read it.
        let (pressed, typed) =
            (mallory.presses("Request an account").await, mallory.runs("/account request").await);
        assert!(pressed.ephemeral && pressed.text == typed.text, "{pressed} {typed}");
        let (pressed, typed) = (ada.presses("Check my status").await, ada.runs("/account status").await);
        assert!(pressed.ephemeral && pressed.text == typed.text, "{pressed} {typed}");
        let (pressed, typed) =
            (ada.presses("Send the link again").await, ada.runs("/account password").await);
        assert!(pressed.ephemeral && pressed.text == typed.text, "{pressed} {typed}");

        // After a restart its buttons still work, up to a finished account.
        story.stops().await;
        story.starts().await;
        let message = story.guild.history("general").remove(0).0;
        let opened = ada.presses("Request an account").on(message).await;
        assert!(opened.modal.is_some(), "no form: {opened}");
        ada.submits(&story.form("ada").fields()).await;
        ada.presses("Send").await;
        story.person("grace").waits_for("name and address are free").await;
        story.is_approved("ada").await;
        let events = story.audit_events().await;
        assert_eq!(events.iter().filter(|event| *event == "panel.posted").count(), 1);
    });
}

#[test]
fn posted_again_it_is_updated_in_place_and_a_deleted_one_is_posted_anew() {
    Story::plays("pnlagain", Rules::moderators(), async |story| {
        let linus = story.person("linus");
        linus.runs("/panel post").await;
        story.waits_for_rows(STANDS, &["1"]).await;
        let first = story.guild.history("general").remove(0).0;
        linus.runs("/panel post").await;
        linus.waits_for("is being updated").await;
        story.wait_until_idle().await;
        assert_eq!(panels(story, "general").len(), 1, "one in a channel");
        assert_eq!(story.guild.history("general").remove(0).0, first, "the same message");
        // Another channel has a panel of its own.
        linus.in_channel("log").runs("/panel post").await;
        story.waits_for_rows(STANDS, &["2"]).await;
        assert_eq!((panels(story, "general").len(), panels(story, "log").len()), (1, 1));

        story.guild.deletes_message(first);
        linus.runs("/panel post").await;
        linus.waits_for("is being updated").await;
        story.wait_until_idle().await;
        assert_eq!(panels(story, "general").len(), 1, "posted again");
        assert_ne!(story.guild.history("general").remove(0).0, first);
        is_read_by_all(story).await;
    });
}

#[test]
fn a_panel_whose_post_was_answered_by_nobody_stands_once() {
    Story::plays("pnllost", Rules::moderators(), async |story| {
        let linus = story.person("linus");
        story.sim.fails("POST /channels/{channel}/messages", Effect::Cut { after_effect: true }, 1);
        linus.runs("/panel post").await;
        linus.waits_for("is being posted here").await;
        story.waits_for_rows(STANDS, &["1"]).await;
        story.wait_until_idle().await;
        assert_eq!(panels(story, "general").len(), 1);
        is_read_by_all(story).await;
    });
}

#[test]
fn only_admins_post_it_and_a_missing_right_is_said_to_them() {
    Story::plays("pnlright", Rules::moderators(), async |story| {
        let linus = story.person("linus");
        for person in ["ada", "grace"] {
            story.person(person).runs("/panel post").await;
            story.person(person).waits_for("Your roles don't allow this").await;
        }
        let refused = "SELECT count(*) FROM audit WHERE event = 'press.refused'";
        assert_eq!(story.rows(refused).await, ["2"]);
        // The rules are checked at that moment with current data, and not with the facts that Discord sends with the press.
        linus.is_timed_out(std::time::Duration::from_mins(5));
        linus.runs("/panel post").await;
        linus.waits_for("Your roles don't allow this").await;
        story.advances(std::time::Duration::from_mins(6));

        story.guild.forbids("general", discord_sim::Permissions::SEND_MESSAGES);
        linus.runs("/panel post").await;
        let told = linus.waits_for("the bot lacks a permission in this channel").await;
        assert!(told.contains("Send Messages") && !told.contains("Read Message History"), "{told}");
        assert_eq!(story.rows("SELECT count(*) FROM panel").await, ["0"]);
        assert!(panels(story, "general").is_empty());
    });
}
