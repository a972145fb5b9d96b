//! What people type into the form: no invalid value is stored, and each mistake has a clear message.

use discord_sim::Person;
use reqwest::Method;
use serde_json::{Value, json};
use testbed::wait_until;

use harness::{Form, REALM, Rules, Story, shared};

/// The field, its value, and the message that the person reads.
const FAULTS: [(&str, &str, &str); 44] = [
    ("username", "a", "at least 2 characters"),
    ("username", "1ada", "must begin with a letter"),
    ("username", "ada.", "must end with a letter or digit"),
    ("username", "a..da", "two dots in a row"),
    ("username", "ada lovelace", "only a–z, 0–9, dot, dash and underscore"),
    ("username", "ada@home", "only a–z, 0–9, dot, dash and underscore"),
    ("username", "аda", "only a–z, 0–9, dot, dash and underscore"),
    ("username", "ad\u{202e}a", "only a–z, 0–9, dot, dash and underscore"),
    ("username", "ad\u{0}a", "only a–z, 0–9, dot, dash and underscore"),
    ("username", "ad\u{200b}a", "only a–z, 0–9, dot, dash and underscore"),
    ("username", "ada*)(uid=*", "only a–z, 0–9, dot, dash and underscore"),
    ("username", "ada,ou=admins", "only a–z, 0–9, dot, dash and underscore"),
    ("username", "@everyone", "only a–z, 0–9, dot, dash and underscore"),
    ("username", "ada lovelace", "a space can't be used"),
    ("username", "bär", "`ä` can't be used"),
    ("username", "   ", "please type one"),
    ("address", "ada", "exactly one address"),
    ("address", "ada@x.org, eve@x.org", "exactly one address"),
    ("address", "Ada <ada@x.org>", "exactly one address"),
    ("address", "ada@x.org\r\nBcc: eve@x.org", "exactly one address"),
    ("address", "ada lovelace@x.org", "exactly one address"),
    ("address", "@x.org", "the part before the @"),
    ("address", "ad|a@x.org", "the part before the @"),
    ("address", "ada%x.org@relay.org", "the part before the @"),
    ("address", "ädä@x.org", "the part before the @"),
    ("address", "bär@x.org", "`ä` can't be used in the part before the @"),
    ("address", "ada..l@x.org", "a dot can't come first or last, nor twice in a row"),
    (
        "address",
        "seventy-letters-are-too-many-for-the-part-before-the-at-sign-of-an-address@x.org",
        "at most 64 characters before the @",
    ),
    ("address", "ada@", "the part after the @ is missing"),
    ("address", "ada@ex_ample.org", "`_` can't be used in the part after the @"),
    ("address", "ada@localhost", "the part after the @"),
    ("address", "ada@[127.0.0.1]", "the part after the @"),
    ("address", "ada@-x-.org", "the part after the @"),
    ("given", "<b>Ada</b>", "Given name: `<` can't be used"),
    ("given", "A\u{7}da", "Given name: an invisible character can't be used"),
    ("given", "\u{202e}adA", "Given name: an invisible character can't be used"),
    ("given", "https://evil.example", "Given name: it looks like a web or email address"),
    ("family", "Love\u{200b}lace", "Family name: an invisible character can't be used"),
    ("family", "<script>alert(1)</script>", "Family name: `<` can't be used"),
    ("family", "Lovelace 🎉", "Family name: `🎉` can't be used"),
    ("family", "Lovelace™", "Family name: `™` can't be used"),
    ("given", "Ada€", "Given name: `€` can't be used"),
    ("family", "eve@evil.example", "Family name: it looks like a web or email address"),
    ("answer", "   ", "please say why"),
];

async fn submits(ada: &Person, form: &Form) -> String {
    let opened = ada.runs("/account request").await;
    assert!(opened.modal.is_some(), "{opened}");
    let reply = ada.submits(&form.fields()).await;
    assert!(reply.ephemeral, "others read what ada typed: {reply}");
    reply.text
}

#[test]
fn a_faulty_form_is_told_field_by_field_and_nothing_of_it_is_kept() {
    Story::plays("faulty", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        for (field, value, word) in FAULTS {
            let told = submits(&ada, &story.form("ada").with(field, value)).await;
            assert!(told.contains(word), "the reply to {field} = {value:?} is: {told}");
            assert!(told.contains("Nothing was sent"), "{field} = {value:?}: {told}");
            assert!(!told.contains("[Send]"), "{field} = {value:?} can be sent: {told}");
        }
        assert_eq!(story.rows("SELECT id FROM request").await, Vec::<String>::new());
        let all_at_once =
            story.form("ada").with("username", "1ada").with("address", "ada").with("given", "<i>");
        let told = submits(&ada, &all_at_once).await;
        for word in ["must begin with a letter", "exactly one address", "Given name: `<` can't be used"] {
            assert!(told.contains(word), "{told}");
        }
    });
}

#[test]
fn a_form_that_needs_a_correction_opens_again_as_it_was_typed() {
    Story::plays("correct", Rules::moderators(), async |story| {
        let (ada, grace, barbara) = (story.person("ada"), story.person("grace"), story.person("barbara"));
        let address = "ada.correct@bücher.example";
        story.keeps_secret(address);
        let typed = story.form("ada").with("username", "1ada").with("address", address);
        let told = submits(&ada, &typed).await;
        assert!(told.contains("[Correct it]") && !told.contains("for copying"), "{told}");
        // What is kept is ada's alone.
        let nothing = barbara.presses_raw("ac1:correct:-:0000000000000000").await.text;
        assert!(nothing.contains("no longer here"), "{nothing}");

        let form = ada.presses("Correct it").await.modal.expect("the form opens");
        for (field, value) in typed.fields() {
            assert_eq!(form.value(field), Some(value), "{field}");
        }
        // Another mistake: the message names it, and nothing is lost.
        let again = ada.submits(&[("username", "ada..")]).await.text;
        assert!(again.contains("must end with") || again.contains("two dots"), "{again}");
        let form = ada.presses("Correct it").await.modal.expect("the form opens once more");
        assert_eq!((form.value("username"), form.value("address")), (Some("ada.."), Some(address)));
        let shown = ada.submits(&[("username", &story.username("ada"))]).await.text;
        assert!(shown.contains("[Send]") && !shown.contains("[Correct it]"), "{shown}");
        assert!(shown.contains(address) && !shown.contains("xn--"), "the address is not as typed: {shown}");
        assert_eq!(story.rows("SELECT guild_id FROM typed_form").await, Vec::<String>::new());
        assert!(ada.presses("Send").await.text.contains("A moderator will review it"));
        let card = grace.waits_for("name and address are free").await;
        assert!(card.contains("…@bücher.example (xn--bcher-kva.example)"), "{card}");
    });
}

#[test]
fn a_faulty_change_opens_again_and_what_was_typed_is_erased_after_a_quarter_of_an_hour() {
    Story::plays("recorrect", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        let shown = submits(&ada, &story.form("ada")).await;
        assert!(shown.contains("[Send]"), "{shown}");
        ada.presses("Change").await.modal.expect("the form opens");
        let told = ada.submits(&[("family", "Kingnoel 🎉"), ("given", "Augusta")]).await.text;
        assert!(told.contains("`🎉` can't be used") && told.contains("stays as it was"), "{told}");
        let form = ada.presses("Correct it").await.modal.expect("the form opens again");
        assert_eq!((form.value("family"), form.value("given")), (Some("Kingnoel 🎉"), Some("Augusta")));
        let changed = ada.submits(&[("family", "Kingnoel")]).await.text;
        assert!(changed.contains("`Augusta` `Kingnoel`") && changed.contains("[Send]"), "{changed}");
        assert_eq!(story.rows("SELECT count(*) || '' FROM request").await, ["1"], "it is the same draft");

        let told = submits(&ada, &story.form("ada").with("username", "1ada")).await;
        assert!(told.contains("[Correct it]"), "{told}");
        story.advances(std::time::Duration::from_mins(16));
        story.tidies().await;
        assert_eq!(story.rows("SELECT guild_id FROM typed_form").await, Vec::<String>::new());
        let late = ada.presses("Correct it").await;
        assert!(late.modal.is_none() && late.text.contains("erased after 15 minutes"), "{late}");
    });
}

#[test]
fn overlong_fields_cannot_be_sent_and_a_forged_form_is_refused_like_any_other() {
    Story::plays("overlong", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        for (field, length) in
            [("username", 21), ("address", 255), ("given", 65), ("family", 65), ("answer", 1001)]
        {
            ada.runs("/account request").await;
            let form = story.form("ada").with(field, &"a".repeat(length));
            assert!(ada.tries_to_submit(&form.fields()).await.is_err(), "{field} takes {length} characters");
        }
        // A client that ignores the form's limits.
        for (field, word) in [("username", "at most 20 characters"), ("given", "at most 64 characters")] {
            let form = story.form("ada").with(field, &"a".repeat(3000));
            let told = ada.submits_raw("ac1:form:-:0000000000000000", &form.fields()).await.text;
            assert!(told.contains(word), "{told}");
        }
        let none = ada.submits_raw("ac1:form:-:0000000000000000", &[]).await.text;
        assert!(none.contains("please type"), "{none}");
        assert_eq!(story.rows("SELECT id FROM request").await, Vec::<String>::new());
    });
}

#[test]
fn a_reason_with_mentions_and_markup_pings_nobody_and_stays_one_quotation() {
    Story::plays("pings", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        let role = format!("<@&{}>", story.guild.role("moderator").id);
        let reason =
            format!("`@everyone` {role} <@{}> **bold** [x](https://evil.example)\n# big", grace.id());
        let said = story.asks_with("ada", &story.form("ada").with("answer", &reason)).await;
        assert!(said.contains("A moderator will review it"), "{said}");
        let card = grace.waits_for("name and address are free").await;
        let line = card.lines().find(|line| line.contains("Reason:")).expect("the reason is on the card");
        let quoted = line.trim().strip_prefix("Reason: ").expect("a quotation");
        assert!(quoted.starts_with('`') && quoted.ends_with('`'), "{card}");
        assert!(quoted.contains("big"), "the reason spans several lines: {card}");
        grace.presses("Deny").await;
        grace.submits(&[("reason", "@everyone <@&1> no `code` here")]).await;
        ada.waits_for("was denied").await;
        grace.waits_for("Denied by").await;
        assert_eq!(story.sim.violations(), Vec::<String>::new());
    });
}

#[test]
fn a_faulty_change_keeps_the_draft_as_it_was() {
    Story::plays("change", Rules::moderators(), async |story| {
        let (ada, grace) = (story.person("ada"), story.person("grace"));
        let shown = submits(&ada, &story.form("ada")).await;
        assert!(shown.contains("[Send]") && shown.contains("[Change]"), "{shown}");
        let opened = ada.presses("Change").await.modal.expect("the form opens again");
        assert_eq!(opened.value("address"), Some(story.address("ada").as_str()));
        let told = ada.submits(&[("username", "1ada")]).await.text;
        assert!(told.contains("must begin with a letter") && told.contains("stays as it was"), "{told}");
        ada.presses("Change").await.modal.expect("the form opens once more");
        let changed = ada.submits(&[("family", "Kingnoel")]).await.text;
        assert!(changed.contains("Kingnoel") && changed.contains("[Send]"), "{changed}");
        ada.presses("Send").await;
        grace.waits_for("name and address are free").await;
    });
}

#[test]
fn a_name_that_is_legal_in_any_script_reaches_the_directory_as_typed() {
    Story::plays("scripts", Rules::moderators(), async |story| {
        let form = story.form("ada").with("given", "Ægir Ó").with("family", "de la Niña-李");
        story.asks_with("ada", &form).await;
        story.person("grace").waits_for("name and address are free").await;
        story.is_approved("ada").await;
        let entry = story.entry("ada").await.expect("an entry");
        assert_eq!(entry.value("givenName"), Some("Ægir Ó"));
        assert_eq!(entry.value("sn"), Some("de la Niña-李"));
    });
}

/// Changes the validators of two fields in the realm's user profile.
async fn profile_with(given: Value, family: Option<Value>) {
    let keycloak = &shared().servers.keycloak;
    let path = format!("{REALM}/users/profile");
    let mut profile = keycloak.admin_json(Method::GET, &path, None).await.expect("the profile");
    for attribute in profile["attributes"].as_array_mut().expect("attributes") {
        match attribute["name"].as_str() {
            Some("firstName") => attribute["validations"]["length"] = given.clone(),
            Some("lastName") => {
                if let Some(validations) = attribute["validations"].as_object_mut() {
                    validations.remove("pattern");
                    validations.extend(family.iter().map(|pattern| ("pattern".to_owned(), pattern.clone())));
                }
            }
            _ => {}
        }
    }
    keycloak.admin_json(Method::PUT, &path, Some(&profile)).await.expect("the profile is changed");
}

#[test]
fn what_the_realm_would_refuse_later_is_refused_in_the_form_with_its_limit() {
    Story::plays_alone("realmrule", Rules::moderators(), async |story| {
        let ada = story.person("ada");
        story.stops().await;
        // Neither the names of other stories nor their people break these rules.
        let pattern = json!({"pattern": "[^ß]*", "error-message": "no"});
        profile_with(json!({"max": 30}), Some(pattern)).await;
        story.starts().await;
        let form = story.form("ada").with("given", &"a".repeat(31)).with("family", "Weiß");
        let told = wait_until("the form to know the rules", std::time::Duration::from_secs(30), async || {
            Ok(submits(&ada, &form).await.contains("accepts no more"))
        });
        let told = told.await;
        let said = submits(&ada, &form).await;
        profile_with(json!({"max": 255}), None).await;
        assert!(told.is_ok(), "{said}");
        assert!(said.contains("Given name: at most 30 characters, please."), "{said}");
        assert!(
            said.contains("Family name: the login service of this community doesn't accept `ß`"),
            "{said}"
        );
        assert!(said.contains("Nothing was sent"), "{said}");
    });
}
