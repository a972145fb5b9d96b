//! Discord's rate limits: the bot waits as long as Discord asks, and nothing is lost meanwhile.

use discord_sim::{Effect, Fault};
use testbed::wait_until;

use harness::story::LIMIT;
use harness::{Rules, Story};

/// Refuses the next calls of a route, with a `retry_after` of one second.
fn is_refused(story: &Story, route: &str, global: bool, times: u32) {
    let effect = Effect::RateLimit { retry_after: Some(1.0), global };
    story.sim.breaks(Fault { route: route.to_owned(), effect, times });
}

#[test]
fn no_request_goes_out_while_discord_asks_to_wait() {
    Story::plays("limits", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        // The card and its edits.
        is_refused(story, "POST /channels/{channel}/messages", false, 2);
        is_refused(story, "PATCH /channels/{channel}/messages/{message}", false, 2);
        story.asks("ada").await;
        // The direct message. This refusal is global, so barbara's calls have to wait too.
        is_refused(story, "POST /users/@me/channels", true, 1);
        grace.presses("Approve").await;
        let refusals = || story.sim.requests().into_iter().filter(|request| request.status == 429).count();
        let all_wait = wait_until("the refusal", LIMIT, async || Ok(refusals() == 5)).await;
        assert!(all_wait.is_ok(), "the bot met {} refusals", refusals());
        story.asks("barbara").await;
        ada.waits_for("Your request was approved").await;
        story.wait_until_idle().await;
        grace.sees().await;
        story.reads_mail("ada");
        let early = story.sim.requests_inside_retry_after();
        assert!(early.is_empty(), "asked again too early: {early:#?}");
    });
}
