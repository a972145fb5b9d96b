//! Cards in all their states, and links that were used.

use super::*;

#[test]
fn a_card_shows_the_domain_only_and_who_approved() {
    let mut facts = card(CardState::Making(Decider::Person(ADA)));
    facts.masked_address = Some("…@example.org".into());
    facts.answer = Some("I run the wiki".into());
    let shown = card::summary(Lang::En, &facts);
    assert_eq!((shown.tone, shown.at), (Tone::Good, Some(AT)));
    insta::assert_snapshot!(shown.plain(), @r"
    **Request `K7M2QX`** of <@175928847299117063> · Approved
    Approved
    Requester: <@175928847299117063>
    User name: `ada`
    Email: `…@example.org`
    Member since: <t:1800000000:R>
    Discord account since: <t:1462015105:R>
    Rule: `members`
    Groups: `members`, `wiki`
    Earlier requests: 2
    Reason: `I run the wiki`
    Approved by <@175928847299117063> · creating the account
    Direct messages to this person are closed: they read the decision in `/account status`
    Request K7M2QX
    ");
}

#[test]
fn every_state_of_a_card_is_told_in_words_and_no_fact_is_cut() {
    let mut titles = std::collections::BTreeSet::new();
    for state in card_states() {
        let shown = card::summary(Lang::En, &card(state));
        assert!(shown.facts.iter().all(|fact| fact.value.chars().count() <= 1024), "{}", shown.plain());
        titles.insert(shown.title);
    }
    assert_eq!(titles.len(), 9, "{titles:?}");
}

#[test]
fn a_link_that_was_used_is_told_as_used_and_no_longer_as_working() {
    let mail = Mail { at: AT, link_until: AT.after(Duration::from_hours(9)), state: MailState::Accepted };
    let mails = Mails { sent: vec![mail], now: AT.after(Duration::from_hours(2)), asked: Asked::No };
    let since = Some(AT.after(Duration::from_hours(1)));
    let text = told_status(Lang::En, &Stage::Active { username: "ada".into(), since, mails }, None);
    assert!(text.contains("so it no longer works") && !text.contains("still work"), "{text}");
    assert!(text.contains(&["Log in here: <", LOGIN, ">"].concat()), "{text}");
}
