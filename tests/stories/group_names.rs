//! Names of groups that the configuration writes otherwise than the directory. The directory compares `cn` without case.

use super::admins::asks;
use harness::{Rules, Story};

#[test]
fn a_group_that_the_configuration_writes_in_capitals_is_granted_and_seen() {
    let rules = Rules::moderators().with(|options| options.groups = vec!["MEMBERS"]);
    Story::plays("gcase", rules, async |story| {
        story.asks("ada").await;
        story.is_approved("ada").await;
        let password = story.activates("ada").await;
        story.wait_until_idle().await;
        assert_eq!(story.groups_in_token("ada", &password).await, ["members"]);
        let what = format!("/link show what:{}", story.username("ada"));
        asks(&story.person("linus"), &what, "No differences").await;
    });
}
