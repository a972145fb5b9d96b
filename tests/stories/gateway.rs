//! The gateway session begins: READY at once, late and twice.

use std::time::{Duration, Instant};

use discord_sim::Effect;
use harness::health_page::{page, waits_for_gateway, waits_until_part};
use harness::story::LIMIT;
use harness::{Rules, Story};
use testbed::wait_until;

/// Longer than a healthy session may need, and shorter than the bot waits for it.
const LATE: Duration = Duration::from_secs(35);

/// How many sessions the bot has opened.
fn sessions(story: &Story) -> usize {
    story.sim.gateway_log().iter().filter(|what| what.ends_with("identified")).count()
}

/// How often the bot has registered its commands.
fn registrations(story: &Story) -> usize {
    let is_registration = |route: &str| route.starts_with("PUT ") && route.contains("/commands");
    story.sim.requests().iter().filter(|request| is_registration(&request.route)).count()
}

/// Whether the health page says now that there is a session.
async fn is_up(story: &Story) -> bool {
    let (_, metrics) = page(story.health_address().await, "/metrics").await.expect("the page answers");
    metrics.lines().any(|line| line == "accolade_gateway_up 1")
}

#[test]
fn a_session_that_is_open_before_anybody_asked_for_it_is_healthy_and_stays() {
    Story::plays("gwatonce", Rules::moderators(), async |story| {
        for round in 2..=6 {
            story.stops().await;
            story.sim.fails("*", Effect::ReadyAtOnce, 1);
            story.starts().await;
            // Until the first heartbeat, after 41 s, the library's own record may say that there is no session.
            waits_for_gateway(story.health_address().await, 1).await.expect("the session is seen");
            assert_eq!(sessions(story), round, "a healthy session was torn down");
        }
        let told = story.person("ada").runs("/account status").await;
        assert!(told.ephemeral, "{told}");
        story.asks("ada").await;
        assert!(is_up(story).await);
        story.is_approved("ada").await;
    });
}

#[test]
fn a_late_ready_is_waited_for_and_what_was_pressed_meanwhile_is_answered() {
    Story::plays("gwlate", Rules::moderators(), async |story| {
        story.stops().await;
        story.sim.fails("*", Effect::ReadyHeld, 1);
        story.starts_uninvited().await;
        let opened = wait_until("the session", LIMIT, async || Ok(sessions(story) == 2));
        opened.await.expect("the bot identifies itself");
        let health = story.health_address().await;
        waits_until_part(health, "gateway", "does not answer").await.expect("there is no session yet");
        let asked = Instant::now();
        let is_late = wait_until("a late READY", LATE * 2, async || {
            assert!(!is_up(story).await, "there is no session yet");
            assert_eq!(sessions(story), 2, "the bot gave up after {:?}", asked.elapsed());
            Ok(asked.elapsed() >= LATE)
        });
        is_late.await.expect("time passes");
        // Discord counts three seconds from the press, so ada presses while READY is on its way.
        story.sim.heals();
        let told = story.person("ada").runs("/account status").await;
        assert!(told.ephemeral && !told.failed, "what was pressed in the first second: {told}");
        waits_for_gateway(health, 1).await.expect("the session is seen");
        assert_eq!(sessions(story), 2, "a healthy session was torn down");
    });
}

#[test]
fn a_second_ready_changes_nothing() {
    Story::plays("gwtwice", Rules::moderators(), async |story| {
        let before = registrations(story);
        story.stops().await;
        story.sim.fails("*", Effect::ReadyTwice, 1);
        story.starts().await;
        waits_for_gateway(story.health_address().await, 1).await.expect("the session is seen");
        story.asks("ada").await;
        story.is_approved("ada").await;
        assert!(is_up(story).await);
        assert_eq!(sessions(story), 2, "a healthy session was torn down");
        assert_eq!(registrations(story), before, "the commands were registered again");
        let (status, text) =
            page(story.health_address().await, "/healthz/ready").await.expect("the page answers");
        assert_eq!(status, 200, "{text}");
    });
}
