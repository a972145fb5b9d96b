//! Names and addresses that are in use: nobody learns who uses them.

use testbed::slapd::PersonByHand;

use harness::{REALM, Rules, Story, shared};

#[test]
fn reserved_taken_and_look_alike_names_read_the_same() {
    let rules = Rules::moderators().with(|options| options.reserved = vec!["wiki.same"]);
    Story::plays("same", rules, async |story| {
        let grace = story.person("grace");
        story.asks("barbara").await;
        let taken = story.username("barbara");
        let alike = taken.replace('m', "rn");
        let mut told = Vec::new();
        for name in [taken.as_str(), alike.as_str(), "wiki.same", "admin"] {
            told.push(story.asks_with("ada", &story.form("ada").with("username", name)).await);
        }
        assert!(told[0].contains("is not available"), "{told:?}");
        assert!(told.iter().all(|text| *text == told[0]), "the answers differ: {told:?}");
        let said = story.asks_with("ada", &story.form("ada")).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        grace.waits_for("of @ada").await;
        story.wait_until_idle().await;
        grace.sees().await;
        story.is_told_nothing("ada");
    });
}

#[test]
fn a_name_that_the_directory_has_is_asked_for_anew() {
    Story::plays("dirname", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        let slapd = &shared().servers.slapd;
        let before = PersonByHand { mail: None, ..PersonByHand::named(&story.username("ada")) };
        let dn = slapd.add_person_by_hand(&before).await.expect("an entry by hand");
        let seen = slapd.entry(&dn).await.expect("the directory answers").expect("the entry").attributes;
        let said = story.asks_with("ada", &story.form("ada")).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        let told = ada.waits_for("is not available").await;
        assert!(told.contains("/account request"), "{told}");
        grace.waits_for("name taken").await;
        let status = story.status("ada").await;
        assert!(status.contains("is not available"), "{status}");

        let other = story.username("lady");
        story.asks_with("ada", &story.form("ada").with("username", &other)).await;
        grace.waits_for("Cancelled").await;
        grace.waits_for("name and address are free").await;
        story.is_approved("ada").await;
        let entry = slapd.entry(&slapd.person_dn(&other)).await.expect("the directory answers");
        assert!(entry.is_some(), "the account of the other name is not there");
        let kept = slapd.entry(&dn).await.expect("the directory answers").expect("the entry").attributes;
        assert_eq!(kept, seen, "somebody else's entry was changed");
    });
}

#[test]
fn an_address_that_somebody_has_in_other_case_is_held_and_told_to_moderators_only() {
    Story::plays("dirmail", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        let owner = PersonByHand {
            mail: Some(story.address("ada").to_uppercase()),
            ..PersonByHand::named(&story.username("owner"))
        };
        shared().servers.slapd.add_person_by_hand(&owner).await.expect("an entry by hand");
        let said = story.asks_with("ada", &story.form("ada")).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        let card = grace.waits_for("another account uses this address").await;
        assert!(!card.contains("owner"), "the card names somebody: {card}");
        let status = story.status("ada").await;
        assert!(status.contains("is waiting for a decision") && !status.contains("use"), "{status}");
        grace.presses("Approve").await;
        grace.waits_for("another account has this email address").await;
        assert_eq!(story.rows("SELECT state FROM request").await, ["held"]);
        grace.presses("Deny").await;
        grace.submits(&[("reason", "Please come and talk to us")]).await;
        ada.waits_for("was denied").await;
        grace.waits_for("Denied by").await;
        story.nothing_is_made_for("ada").await;
    });
}

#[test]
fn of_two_people_with_one_address_the_second_is_held() {
    Story::plays("oneaddr", Rules::moderators(), async |story| {
        let grace = story.person("grace");
        story.asks("ada").await;
        let shared = story.address("ada").replace("ada", "ADA");
        story.asks_with("barbara", &story.form("barbara").with("address", &shared)).await;
        grace.waits_for("of @barbara").await;
        story.wait_until_idle().await;
        grace.sees().await;
        let of_ada = story.guild.history("account-requests").remove(0).0;
        grace.presses("Approve").on(of_ada).await;
        story.person("ada").waits_for("Your request was approved").await;
        grace.waits_for("Account created").await;
        story.reads_mail("ada");
        grace.presses("Approve").await;
        grace.waits_for("another account has this email address").await;
        grace.waits_for("another account uses this address").await;
        story.nothing_is_made_for("barbara").await;
    });
}

#[test]
fn a_user_of_keycloaks_own_with_the_name_or_the_address_is_left_alone() {
    Story::plays("kcuser", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        let keycloak = &shared().servers.keycloak;
        let (ada_name, elsewhere) = (story.username("ada"), story.address("elsewhere"));
        let named =
            testbed::keycloak_admin::LocalUser { username: &ada_name, email: &elsewhere, password: None };
        keycloak.create_local_user(REALM, named).await.expect("a local user");
        let (other, address) = (story.username("other"), story.address("barbara"));
        let mailed = testbed::keycloak_admin::LocalUser { username: &other, email: &address, password: None };
        keycloak.create_local_user(REALM, mailed).await.expect("a local user");

        story.asks_with("ada", &story.form("ada")).await;
        ada.waits_for("is not available").await;
        grace.waits_for("name taken").await;
        story.asks_with("barbara", &story.form("barbara")).await;
        grace.waits_for("another account uses this address").await;
        story.wait_until_idle().await;
        story.is_told_nothing("barbara");
        let kept = keycloak.user_named(REALM, &ada_name).await.expect("Keycloak answers").expect("the user");
        assert_eq!((kept.email.as_deref(), kept.federation_link), (Some(elsewhere.as_str()), None));
        assert!(story.entry("ada").await.is_none() && story.entry("barbara").await.is_none());
    });
}
