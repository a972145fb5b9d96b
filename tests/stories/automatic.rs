//! A rule that needs no moderator.

use harness::{Rules, Story};

#[test]
fn a_rule_that_approves_by_itself_makes_the_account_without_a_moderator() {
    Story::plays("auto", Rules::automatic(), async |story| {
        let said = story.asks_with("ada", &story.form("ada").without("answer")).await;
        assert!(said.contains("It doesn't need a moderator"), "{said}");
        story.person("ada").waits_for("Your request was approved").await;
        let card = story.person("grace").waits_for("Account created").await;
        assert!(card.contains("approved by rule `trusted`") && !card.contains("[Approve]"), "{card}");
        let password = story.activates("ada").await;
        assert_eq!(story.groups_in_token("ada", &password).await, ["members"]);
        let sources = "SELECT source FROM audit WHERE event = 'request.approved'";
        assert_eq!(story.rows(sources).await, ["config"]);
    });
}
