//! Entries that resemble ours but are foreign are never adopted, changed or removed.

use testbed::slapd::PersonByHand;

use harness::{Rules, Story, shared};

#[test]
fn an_entry_with_the_persons_discord_id_and_no_mark_holds_the_request() {
    Story::plays("unmarked", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        let slapd = &shared().servers.slapd;
        let by_hand = PersonByHand {
            discord_id: Some(ada.id().to_string()),
            ..PersonByHand::named(&story.username("old"))
        };
        let dn = slapd.add_person_by_hand(&by_hand).await.expect("an entry by hand");
        let before = slapd.entry(&dn).await.expect("the directory answers").expect("the entry").attributes;
        let said = story.asks_with("ada", &story.form("ada")).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        grace.waits_for("was not created by the bot").await;
        let status = story.status("ada").await;
        assert!(status.contains("is waiting for a decision"), "{status}");
        grace.presses("Approve").await;
        let told = grace.waits_for("only you").await;
        assert!(told.contains("not as expected"), "{told}");
        grace.presses("Deny").await;
        grace.submits(&[("reason", "You have an account of old")]).await;
        ada.waits_for("was denied").await;
        grace.waits_for("Denied by").await;
        let after = slapd.entry(&dn).await.expect("the directory answers").expect("the entry").attributes;
        assert_eq!(before, after, "somebody else's entry was changed");
        story.nothing_is_made_for("ada").await;
    });
}

#[test]
fn an_entry_that_takes_the_name_after_the_check_is_left_alone_and_the_person_is_told() {
    Story::plays("overtake", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        story.asks("ada").await;
        let slapd = &shared().servers.slapd;
        let by_hand = PersonByHand::named(&story.username("ada"));
        let dn = slapd.add_person_by_hand(&by_hand).await.expect("an entry by hand");
        let before = slapd.entry(&dn).await.expect("the directory answers").expect("the entry").attributes;
        grace.presses("Approve").await;
        let told = ada.waits_for("was approved, but").await;
        assert!(told.contains("This user name is not available"), "{told}");
        let card = grace.waits_for("Approved, but").await;
        assert!(card.contains("the name is taken"), "{card}");
        let after = slapd.entry(&dn).await.expect("the directory answers").expect("the entry").attributes;
        assert_eq!(before, after, "somebody else's entry was changed");
        assert_eq!(story.mails_to("ada"), 0);
        let again = ada.runs("/account request").await;
        assert!(again.modal.is_some(), "a new request is possible: {again}");
    });
}

#[test]
fn an_entry_that_takes_the_discord_id_after_the_check_is_a_conflict_for_an_operator() {
    Story::plays("conflict", Rules::moderators(), async |story| {
        let (ada, grace, linus) = (story.person("ada"), story.person("grace"), story.person("linus"));
        story.asks("ada").await;
        let slapd = &shared().servers.slapd;
        let by_hand = PersonByHand {
            discord_id: Some(ada.id().to_string()),
            ..PersonByHand::named(&story.username("old"))
        };
        let dn = slapd.add_person_by_hand(&by_hand).await.expect("an entry by hand");
        let before = slapd.entry(&dn).await.expect("the directory answers").expect("the entry").attributes;
        grace.presses("Approve").await;
        grace.waits_for("· needs an operator").await;
        linus.waits_for("Once the cause is fixed").await;
        story.wait_until_idle().await;
        let status = story.status("ada").await;
        assert!(status.contains("is not as expected"), "{status}");
        let after = slapd.entry(&dn).await.expect("the directory answers").expect("the entry").attributes;
        assert_eq!(before, after, "somebody else's entry was changed");
        story.nothing_is_made_for("ada").await;
    });
}
