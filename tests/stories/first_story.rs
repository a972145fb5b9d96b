//! From `/account request` to a working login.

use harness::{Rules, Story};

#[test]
fn a_member_asks_a_moderator_approves_and_the_person_logs_in() {
    Story::plays("first", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));

        let opened = ada.runs("/account request").await.modal.expect("the form opens");
        assert_eq!(opened.title, "Request an account");
        let shown = ada.submits(&story.form("ada").fields()).await;
        assert!(shown.ephemeral, "what was typed is shown to ada alone");
        assert!(shown.text.contains(&story.address("ada")) && shown.text.contains(&story.username("ada")));
        let sent = ada.presses("Send").await;
        assert!(sent.text.contains("A moderator will review it"), "{sent}");

        let card = grace.waits_for("name and address are free").await;
        assert!(!card.contains(&story.address("ada")), "the card shows the whole address: {card}");
        assert!(card.contains("…@people.example") && card.contains("Member since: <t:"), "{card}");
        for told in [
            "** of @ada · Waiting for a decision",
            "Requester: @ada",
            "Discord account since: <t:",
            "Rule: `members`",
            "Groups: `members`",
            "Earlier requests: none",
        ] {
            assert!(card.contains(told), "{told} is not on the card: {card}");
        }
        let code = story.rows("SELECT code FROM request").await;
        let footer = card.lines().find(|line| line.contains(&format!("Request {}", code[0])));
        assert!(footer.is_some_and(|line| line.ends_with('Z')), "no code and time in the footer: {card}");
        let mut embeds = story.sim.requests().into_iter().map(|request| request.body["embeds"][0].clone());
        let picture = embeds.find_map(|embed| Some(embed["author"]["icon_url"].as_str()?.to_owned()));
        assert!(
            picture.is_some_and(|url| url.starts_with("https://cdn.discordapp.com/")),
            "no picture of ada"
        );
        grace.presses("Approve").await;
        let told = ada.waits_for("Your request was approved").await;
        assert!(told.contains("Commands don't work in direct messages: type them in the server `"), "{told}");
        let decided = grace.waits_for("Account created · approved by @grace").await;
        assert!(!decided.contains("Member since"), "a decided card shows the date of joining: {decided}");

        // The entry and the user exist, but nobody can log in, because there is no password.
        for guessed in ["", "ada", "Pw-ada-first-1"] {
            assert!(
                !story.bind_works("ada", guessed).await,
                "{guessed:?} is accepted before the link was used"
            );
        }
        assert!(story.login_is_refused("ada", "Pw-ada-first-1").await);

        let link = story.mailed_link("ada").await;
        let password = story.sets_password("ada", &link).await;
        let told = ada.waits_for("A password was set").await;
        assert!(told.contains("Log in here: <https://login.example.org/account/>"), "{told}");
        let kept = grace.waits_for("Account created").await;
        assert!(!kept.contains("people.example") && !kept.contains("Because"), "{kept}");
        assert!(story.bind_works("ada", &password).await);
        assert_eq!(story.groups_in_token("ada", &password).await, ["members"]);
        story.wait_until_idle().await;
        assert!(ada.roles().contains(&"account-holder".to_owned()), "{:?}", ada.roles());

        assert_eq!(
            story.audit_events().await,
            [
                "chain.started",
                "request.submitted",
                "request.approved",
                "entry.created",
                "group.added",
                "import.seen",
                "mail.sent",
                "account.invited",
                "account.activated",
                "role.granted",
            ]
        );
        let by_rule = "SELECT event FROM audit WHERE reason_code = 'rule:members' AND event <> 'mail.sent' ORDER BY seq";
        assert_eq!(
            story.rows(by_rule).await,
            [
                "request.approved",
                "entry.created",
                "group.added",
                "import.seen",
                "account.invited",
                "account.activated",
            ],
            "the log names the rule"
        );
        let status = story.status("ada").await;
        assert!(status.contains("has been active since") && status.contains("Log in here"), "{status}");
        assert!(status.contains("was used") && !status.contains("still work"), "{status}");
    });
}
