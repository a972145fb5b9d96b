//! The bot's own membership of the guild: it is removed, invited again, and invited after it was started.

use std::time::Duration;

use discord_sim::Permissions;
use harness::health_page::{page, waits_until_part};
use harness::{Rules, Story};
use testbed::wait_until;

const LIMIT: Duration = Duration::from_secs(30);

/// Waits until the health page says this about the guilds, and returns its status.
async fn guilds_are(story: &Story, says: &str) -> u16 {
    let health = story.health_address().await;
    waits_until_part(health, "guilds", says).await.expect("the health page says it");
    page(health, "/healthz/ready").await.expect("the health page answers").0
}

/// Waits until Discord knows the bot's commands in the guild.
async fn commands_are_there(story: &Story) {
    let ada = story.person("ada");
    let known =
        wait_until("the commands", LIMIT, async || Ok(ada.tries_to_run("/account status").await.is_ok()));
    known.await.expect("the commands are registered");
}

#[test]
fn a_bot_that_is_removed_and_invited_again_has_its_commands_without_a_restart() {
    Story::plays("reinvited", Rules::moderators(), async |story| {
        assert_eq!(guilds_are(story, "ok").await, 200);
        story.guild.removes(&story.bot);
        let id = story.guild.id.0.to_string();
        assert_eq!(guilds_are(story, &format!("invite the bot to these configured guilds: {id}")).await, 200);
        assert!(story.person("ada").tries_to_run("/account status").await.is_err(), "the commands are gone");
        story.guild.invites(&story.bot, Permissions::MANAGE_ROLES);
        commands_are_there(story).await;
        guilds_are(story, "ok").await;
        story.asks("ada").await;
        story.is_approved("ada").await;
    });
}

#[test]
fn a_bot_that_was_started_before_its_invitation_has_its_commands_without_a_restart() {
    Story::plays("latecomer", Rules::moderators(), async |story| {
        story.stops().await;
        story.guild.removes(&story.bot);
        story.starts_uninvited().await;
        guilds_are(story, "invite the bot").await;
        story.guild.invites(&story.bot, Permissions::MANAGE_ROLES);
        commands_are_there(story).await;
        story.asks("ada").await;
        story.is_approved("ada").await;
    });
}
