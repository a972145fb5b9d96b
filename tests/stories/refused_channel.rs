//! A channel that refuses the cards, and comes back.

use discord_sim::Permissions;
use harness::health_page::{page, waits_until_part};
use harness::{Rules, Story};

const NONE: Permissions = Permissions(0);

/// A request whose card Discord refuses, until the note about it is in the log channel.
async fn asks_without_card(story: &Story, denied: Permissions) {
    let (linus, health) = (story.person("linus"), story.health_address().await);
    story.guild.excepts("account-requests", "Accolade", NONE, denied);
    let said = story.asks_with("ada", &story.form("ada")).await;
    assert!(said.contains("A moderator will review it"), "{said}");
    let told = linus.waits_for("Discord refuses messages in").await;
    assert!(told.contains("Nothing is lost"), "{told}");
    waits_until_part(health, "messages", "degraded: one message waits for channel")
        .await
        .expect("it says so");
}

#[test]
fn a_card_comes_as_soon_as_the_bot_gets_its_right_back_and_everybody_hears_of_it_before() {
    Story::plays("noright", Rules::moderators(), async |story| {
        let (grace, health) = (story.person("grace"), story.health_address().await);
        asks_without_card(story, Permissions::SEND_MESSAGES).await;
        story.waits_for_log("50013").await;
        let (_, metrics) = page(health, "/metrics").await.expect("the metrics");
        assert!(metrics.contains("accolade_messages_refused{code=\"missing_permissions\"} 1"), "{metrics}");
        grace.runs("/request list").await;
        let listed = grace.waits_for("no card yet").await;
        assert!(listed.contains("give its role Send Messages"), "{listed}");

        // The clock is not pushed: the event about the channel wakes the card.
        story.guild.excepts("account-requests", "Accolade", Permissions::VIEW_CHANNEL, NONE);
        grace.waits_for("name and address are free").await;
        waits_until_part(health, "messages", "ok").await.expect("it says so");
        grace.presses("Deny").await;
        grace.submits(&[("reason", "Come again in spring")]).await;
        story.person("ada").waits_for("Come again in spring").await;
        grace.waits_for("Denied by").await;
    });
}

#[test]
fn a_card_comes_after_a_restart_if_the_channel_came_back_meanwhile() {
    Story::plays("restart", Rules::moderators(), async |story| {
        let grace = story.person("grace");
        asks_without_card(story, Permissions::VIEW_CHANNEL).await;
        story.stops().await;
        story.guild.excepts("account-requests", "Accolade", Permissions::VIEW_CHANNEL, NONE);
        story.starts().await;
        grace.waits_for("name and address are free").await;
    });
}

#[test]
fn a_card_comes_to_another_channel_once_the_configuration_names_it() {
    Story::plays("moved", Rules::moderators(), async |story| {
        let grace = story.person("grace");
        asks_without_card(story, Permissions::VIEW_CHANNEL).await;
        let mut config = story.config.clone();
        let general = story.guild.channel("general").id.0;
        config.guilds[0].request_channel = accolade::domain::ids::ChannelId::new(general);
        story.reloads(config).await;
        grace.waits_for("name and address are free").await;
        let posted = story.guild.history("general");
        assert!(posted.iter().any(|(_, card)| card.contains("[Approve")), "{posted:?}");
    });
}
