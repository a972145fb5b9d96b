//! Every function returns a complete text and quotes user input.

mod admins;
mod cards;
mod catalogue;
mod moderators;
mod operators;

use std::time::Duration;

use super::*;
use crate::domain::approval::{Notify, Verdict};
use crate::domain::card::{CardFacts, CardState, Decider, Joined};
use crate::domain::eligibility::WhyNot;
use crate::domain::error_code::ErrorCode;
use crate::domain::job::{JobKind, JobState, Step};
use crate::domain::listing::RequestFacts;
use crate::domain::mail::{Links, Mail, MailState};
use crate::domain::mail_address::{IllegalMailAddress as Address, MailAddress};
use crate::domain::panel::ChannelRight;
use crate::domain::person_name::{IllegalPersonName as Person, PersonName};
use crate::domain::phase::AccountUnavailable;
use crate::domain::profile_rules::RealmRule;
use crate::domain::reference::Reference;
use crate::domain::refusal::RefusalReason;
use crate::domain::request::{Answer, Faulty, Form, RequestState};
use crate::domain::status::{Asked, Delay, Mails, NextRequest, Stage, StatusFacts};
use crate::domain::summary::Tone;
use crate::domain::username::{IllegalUsername as Name, Username};
use crate::domain::wait::Wait;

const ENGLISH: &str = include_str!("en.ftl");

const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Where people log in.
const LOGIN: &str = "https://login.example.org/account/";
const ADA: DiscordUserId = DiscordUserId::new(175_928_847_299_117_063);

fn reference() -> Reference {
    Reference::of("0123456789abcdef0123456789abcdef")
}

fn form() -> Form {
    Form {
        username: Username::parse("ada", 20).expect("legal"),
        address: MailAddress::parse("ada@example.org").expect("legal"),
        given: PersonName::parse("Ada").expect("legal"),
        family: PersonName::parse("Lovelace").expect("legal"),
        answer: Answer::parse("I run the `wiki`"),
    }
}

fn card(state: CardState) -> CardFacts {
    CardFacts {
        code: "K7M2QX".into(),
        requester: ADA,
        shown: None,
        joined: Joined::At(AT),
        username: "ada".into(),
        rule: Some("members".into()),
        groups: vec!["members".into(), "wiki".into()],
        answer: Some("x".repeat(600)),
        masked_address: Some(["…@", &"d".repeat(300)].concat()),
        earlier: 2,
        is_unreachable: true,
        sent_at: AT,
        state,
        wait: None,
    }
}

fn card_states() -> Vec<CardState> {
    let by = || Decider::Person(ADA);
    let mut states = vec![
        CardState::NotYetChecked,
        CardState::Free,
        CardState::NameTaken,
        CardState::AddressInUse,
        CardState::Making(by()),
        CardState::Making(Decider::Rule("members".into())),
        CardState::Made(by()),
        CardState::Made(Decider::Operator),
        CardState::Denied { by: by(), quiet: false },
        CardState::Denied { by: by(), quiet: true },
        CardState::Cancelled,
        CardState::Expired,
    ];
    for code in ErrorCode::ALL {
        states.push(CardState::Held(*code));
        states.push(CardState::Failed(*code));
        states.push(CardState::FailedAndKept(*code));
    }
    for step in Step::ALL {
        states.push(CardState::NeedsOperator { by: by(), step: Some(*step), code: ErrorCode::MailRefused });
    }
    states.push(CardState::NeedsOperator { by: by(), step: None, code: ErrorCode::Internal });
    states
}

fn stages() -> Vec<Stage> {
    let username = || "ada".to_owned();
    let making = |step| Stage::Making { username: username(), step: Some(step), waits_for: None };
    let mut stages: Vec<Stage> = Step::ALL.iter().copied().map(making).collect();
    stages.extend([
        Stage::Nothing,
        Stage::Draft { expires_at: AT },
        Stage::Waiting { since: AT, expires_at: None, waits_for: None },
        Stage::Waiting { since: AT, expires_at: Some(AT), waits_for: Some(ErrorCode::DirectoryDown) },
        Stage::NameTaken { username: username() },
        Stage::Making { username: username(), step: None, waits_for: Some(ErrorCode::KeycloakDown) },
        Stage::MailPending { username: username() },
        Stage::NeedsOperator { username: username() },
        Stage::Invited { username: username(), at: AT, mails: Mails::default() },
        Stage::Active { username: username(), since: None, mails: Mails::default() },
        Stage::Locking { username: username(), delay: Delay::None },
        Stage::Locking { username: username(), delay: Delay::Waits(ErrorCode::DirectoryDown) },
        Stage::Locking { username: username(), delay: Delay::Operator },
        Stage::Disabled { username: username() },
        Stage::Unlocking { username: username(), delay: Delay::None },
        Stage::Unlocking { username: username(), delay: Delay::Waits(ErrorCode::KeycloakDown) },
        Stage::Unlocking { username: username(), delay: Delay::Operator },
        Stage::Checking { username: username(), delay: Delay::None },
        Stage::Checking { username: username(), delay: Delay::Waits(ErrorCode::KeycloakDown) },
        Stage::Checking { username: username(), delay: Delay::Operator },
        Stage::Conflict { username: username() },
        Stage::Withdrawing { username: username(), delay: Delay::None },
        Stage::Withdrawing { username: username(), delay: Delay::Waits(ErrorCode::DirectoryDown) },
        Stage::Withdrawing { username: username(), delay: Delay::Operator },
        Stage::Denied { at: AT, reason: None },
        Stage::Denied { at: AT, reason: Some("no `@everyone`".into()) },
        Stage::Ended { at: AT },
        Stage::Cancelled { at: AT, why: None },
        Stage::Cancelled { at: AT, why: Some(ErrorCode::MemberGone) },
        Stage::Expired { at: AT },
    ]);
    for asked in [Asked::No, Asked::UnderWay, Asked::Delayed(ErrorCode::MailUnknown), Asked::Stuck] {
        for state in MailState::ALL {
            let mails = || Mails { sent: many_mails(*state), now: AT, asked };
            stages.push(Stage::Invited { username: username(), at: AT, mails: mails() });
            stages.push(Stage::Active { username: username(), since: Some(AT), mails: mails() });
        }
    }
    stages
}

/// The status of a person who may ask for an account.
fn told_status(lang: Lang, stage: &Stage, code: Option<&str>) -> String {
    let facts = StatusFacts { stage, code, next: &NextRequest::Possible, login_url: LOGIN };
    status::sentence(lang, &facts)
}

/// The maximum number of mails that the store returns, the newest in this state.
fn many_mails(newest: MailState) -> Vec<Mail> {
    let link_until = AT.after(Duration::from_hours(1));
    let mail = |state| Mail { at: AT, link_until, state };
    let others = MailState::ALL.iter().cycle().take(15);
    [newest].iter().chain(others).map(|state| mail(*state)).collect()
}

fn said_of_mails(lang: Lang) -> Vec<String> {
    let mut said = vec![
        panel::text(lang, LOGIN),
        panel::rights_missing(lang, ChannelRight::ALL),
        panel::rights_missing(lang, &[ChannelRight::Send]),
        mails::locking(lang, "ada"),
        mails::locking_already(lang, "ada"),
        mails::wait(lang, AT),
        mails::direct_activated(lang, "ada", AT, LOGIN),
        mails::direct_locked(lang, "ada", true),
        mails::direct_locked(lang, "ada", false),
        mails::direct_enabled(lang, "ada"),
    ];
    said.extend(AccountUnavailable::ALL.iter().map(|why| mails::not_now(lang, *why)));
    for sent in [Vec::new(), many_mails(MailState::Accepted), many_mails(MailState::Unknown)] {
        let links = Links { mails: &sent, now: AT, used_at: None };
        said.push(mails::asked(lang, "ada", links));
        said.push(mails::asked_already(lang, "ada", links));
        said.push(mails::direct_mail_sent(lang, "ada", links));
        said.push(mails::direct_mail_unknown(lang, "ada", links));
        said.push(mails::direct_mail_refused(lang, "ada", links));
        said.push(mails::direct_mail_held_back(lang, "ada", links));
    }
    said
}

#[test]
fn each_link_that_may_work_is_told_once_and_no_other() {
    let (hour, day) = (Duration::from_hours(1), Duration::from_hours(24));
    let mail = |state, until: Duration| Mail { at: AT.before(hour), link_until: AT.after(until), state };
    let ended = Mail { link_until: AT, ..mail(MailState::Accepted, hour) };
    let sent = [
        mail(MailState::Accepted, hour),
        mail(MailState::Unknown, hour * 2),
        mail(MailState::Refused, hour * 3),
        mail(MailState::Accepted, day),
        ended,
    ];
    let told = mails::direct_mail_sent(Lang::En, "ada", Links { mails: &sent, now: AT, used_at: None });
    let times = |span| told.matches(&date_and_time(AT.after(span))).count();
    assert_eq!([times(hour), times(hour * 2), times(hour * 3), times(day)], [1, 1, 0, 1], "{told}");
    assert!(told.contains("possibly sent"), "{told}");
    let form = mails::not_me_form(Lang::En);
    assert!(form.title.chars().count() <= 45 && form.note.chars().count() <= 45);
    assert!(form.hint.chars().count() <= 100);
}

fn said_to_members(lang: Lang) -> Vec<String> {
    let mut said = vec![
        form::typed_back(lang, &[("User name".to_owned(), "ada")]),
        form::realm_fault(lang, "User name", RealmRule::TooShort(3)),
        form::realm_fault(lang, "User name", RealmRule::TooLong(1)),
        form::realm_fault(lang, "Given name", RealmRule::Character('\u{200b}')),
        form::realm_fault(lang, "Given name", RealmRule::Pattern),
        account::draft_shown(lang, &form(), AT),
        account::sent_to_moderators(lang, "K7M2QX"),
        account::sent_to_rule(lang, "K7M2QX"),
        account::sent_again(lang, "K7M2QX"),
        account::cancelled(lang, "K7M2QX"),
        account::cancelled_undoing(lang, "K7M2QX"),
        account::cancelled_withdrawing(lang, "K7M2QX"),
        account::direct_approved(lang, "ada", Duration::from_hours(12)),
        account::direct_approved(lang, "ada", Duration::from_hours(1)),
        account::direct_denied(lang, "K7M2QX", "no `@everyone`"),
        account::direct_expired(lang, "K7M2QX"),
        account::direct_name_taken(lang, "K7M2QX", "ada"),
        account::direct_cancelled(lang, "K7M2QX", None),
        account::direct_cancelled(lang, "K7M2QX", Some(ErrorCode::RoleLost)),
        account::direct_withdrawn(lang, "ada"),
    ];
    said.extend(said_of_mails(lang));
    for error_code in ErrorCode::ALL {
        said.push(error_code::sentence(lang, *error_code, &reference()));
        said.push(account::direct_failed(lang, "K7M2QX", *error_code, &reference()));
        said.push(account::direct_failed_and_kept(lang, "K7M2QX", *error_code));
        let failed = Stage::Failed { at: AT, why: *error_code };
        said.push(told_status(lang, &failed, Some("K7M2QX")));
    }
    said.extend(stages().iter().map(|stage| told_status(lang, stage, None)));
    for next in
        [NextRequest::NotEligible(vec![WhyNot::RolesMissing(vec![RoleId::new(1)])]), NextRequest::Denied]
    {
        for stage in stages() {
            let facts = StatusFacts { stage: &stage, code: None, next: &next, login_url: LOGIN };
            let text = status::sentence(lang, &facts);
            assert!(!text.contains("Use `/account request`"), "it refuses: {text}");
            said.push(text);
        }
    }
    said.extend([
        account::where_commands_work(lang, Some("The `harbour`")),
        account::where_commands_work(lang, None),
    ]);
    for state in RequestState::ALL {
        said.push(error_code::ended(lang, *state));
    }
    said
}

fn said_about_forms(lang: Lang) -> Vec<String> {
    let words = form::account_form(lang);
    let mut said = vec![
        words.title,
        words.username,
        words.username_hint,
        words.address,
        words.address_hint,
        words.given,
        words.family,
        words.answer,
        words.answer_hint,
        form::faults(lang, (Faulty::First, None), [tr!(lang, "answer-missing")]),
        form::faults(lang, (Faulty::First, Some(AT)), [tr!(lang, "answer-missing")]),
        form::faults(lang, (Faulty::Change, None), [tr!(lang, "answer-missing")]),
        form::faults(lang, (Faulty::Change, Some(AT)), [tr!(lang, "answer-missing")]),
    ];
    for words in [form::denial_form(lang), form::quiet_denial_form(lang)] {
        said.extend([words.title, words.reason, words.hint]);
    }
    for rule in [
        Name::Empty,
        Name::TooShort,
        Name::TooLong,
        Name::Character(' '),
        Name::Character('`'),
        Name::Beginning,
        Name::End,
        Name::DoubleDot,
    ] {
        said.push(form::username_fault(lang, rule, 20));
    }
    for rule in [
        Address::Empty,
        Address::TooLong,
        Address::NotOneAddress,
        Address::Separator(','),
        Address::LocalEmpty,
        Address::LocalTooLong,
        Address::LocalCharacter('ä'),
        Address::LocalDot,
        Address::DomainEmpty,
        Address::DomainCharacter('\u{200b}'),
        Address::DomainTooLong,
        Address::Domain,
    ] {
        said.push(form::address_fault(lang, rule));
    }
    for rule in [
        Person::Empty,
        Person::TooLong,
        Person::Character('&'),
        Person::Character('\u{200b}'),
        Person::LooksLikeAddress,
    ] {
        said.push(form::given_fault(lang, rule));
        said.push(form::family_fault(lang, rule));
    }
    said
}

#[test]
fn every_function_gives_a_whole_sentence_within_discords_limit() {
    for lang in Lang::ALL {
        let all = [
            said_to_members(*lang),
            said_about_forms(*lang),
            moderators::said_to_moderators_and_pressers(*lang),
            operators::said(*lang),
            operators::of_the_service(*lang),
            operators::by_doctor(*lang),
            admins::said(*lang),
        ]
        .concat();
        for text in &all {
            assert_is_whole(text);
        }
    }
}

fn assert_is_whole(text: &str) {
    assert!(!text.trim().is_empty());
    assert!(!text.contains("Unknown localization key"), "{text}");
    assert!(!text.contains(['{', '}', '\u{2068}', '\u{2069}']), "{text}");
    assert!(text.chars().count() <= 2000, "{} characters: {text}", text.chars().count());
}

/// A summary as one text.
fn card_text(lang: Lang, facts: &CardFacts) -> String {
    card::summary(lang, facts).plain()
}

#[test]
fn what_was_typed_stands_behind_its_label_and_a_question_has_no_colon() {
    let typed =
        form::typed_back(Lang::En, &[("User name".to_owned(), "ada"), ("Why?".to_owned(), "because")]);
    assert!(typed.ends_with("\nUser name: `ada`\nWhy? `because`"), "{typed}");
}

#[test]
fn a_failure_ends_with_its_reference_and_a_rule_of_the_house_does_not() {
    let internal = error_code::sentence(Lang::En, ErrorCode::Internal, &reference());
    assert!(internal.ends_with("(reference 01234567)"), "{internal}");
    let own = error_code::sentence(Lang::En, ErrorCode::OwnRequest, &reference());
    assert!(!own.contains("reference"), "{own}");
}

#[test]
fn nobody_who_asks_learns_whose_name_or_address_is_taken() {
    let name_taken = Stage::NameTaken { username: "ada".into() };
    for text in [told_status(Lang::En, &name_taken, None), tr!(Lang::En, "username-unavailable")] {
        assert!(!text.contains("taken") && !text.contains("somebody") && !text.contains('@'), "{text}");
    }
}

#[test]
fn who_asked_reads_the_same_whatever_stood_in_the_way_of_the_account() {
    let reference = Reference::of("0123456789abcdef0123456789abcdef");
    let at = Timestamp::from_millis(1_800_000_000_000);
    let read = |why| {
        let direct = account::direct_failed(Lang::En, "K7M2QX", why, &reference);
        [direct, told_status(Lang::En, &Stage::Failed { at, why }, None)]
    };
    assert_eq!(read(ErrorCode::AddressInUse), read(ErrorCode::KeycloakUserNotOurs));
    assert_eq!(read(ErrorCode::AddressInUse), read(ErrorCode::DirectoryConflict));
    for text in ErrorCode::ALL.iter().flat_map(|why| read(*why)) {
        for other in ["another account has", "user like this", "This person", "Deny", "deny it"] {
            assert!(!text.contains(other), "{text}");
        }
    }
}

#[test]
fn unknown_languages_read_english() {
    for tag in ["en", "en-GB", "EN_us", "de", "", "x-klingon"] {
        assert_eq!(Lang::parse(tag), Lang::En, "{tag}");
    }
}

/// Texts that users type to ping, format, hide or mislead.
const PAYLOADS: [&str; 25] = [
    "@everyone",
    "@here",
    "<@175928847299117063>",
    "<@!175928847299117063>",
    "<@&175928847299117063>",
    "<#175928847299117063>",
    "</account request:175928847299117063>",
    "<:smile:175928847299117063>",
    "<t:1800000000:R>",
    "<id:customize>",
    "[Approve](https://evil.example)",
    "https://evil.example/login",
    "discord.gg/evil",
    "**bold** __under__ ~~gone~~ ||hidden||",
    "# heading",
    "-# small",
    "> quoted",
    ">>> quoted to the end",
    "- item",
    "```\nblock\n```",
    "``double``",
    "a\u{202e}gnp.exe",
    "a\u{200b}b\u{2060}c\u{feff}",
    "line\n@everyone\rline\u{2028}line",
    "{ $who } { -brand }",
];

/// The text outside of code spans. Only this text can ping or be formatted.
fn outside_of_spans(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    assert!(parts.len() % 2 == 1, "a code span is left open: {text}");
    parts.into_iter().step_by(2).collect()
}

/// Every message that shows user input, with this input.
fn all_that_quote(typed: &str) -> Vec<String> {
    let facts = CardFacts {
        username: typed.to_owned(),
        rule: Some(typed.to_owned()),
        answer: Some(typed.to_owned()),
        masked_address: Some(typed.to_owned()),
        ..card(CardState::Free)
    };
    let by_rule = CardFacts { state: CardState::Made(Decider::Rule(typed.to_owned())), ..facts.clone() };
    vec![
        card_text(Lang::En, &facts),
        card_text(Lang::En, &by_rule),
        form::typed_back(Lang::En, &[("Reason".to_owned(), typed), ("Name".to_owned(), typed)]),
        account::direct_denied(Lang::En, "K7M2QX", typed),
        account::direct_approved(Lang::En, typed, Duration::from_hours(12)),
        account::direct_name_taken(Lang::En, "K7M2QX", typed),
        mails::direct_activated(Lang::En, typed, AT, LOGIN),
        account::direct_withdrawn(Lang::En, typed),
    ]
}

#[test]
fn each_of_a_hundred_payloads_stays_in_its_code_span_wherever_it_is_shown() {
    let plain: Vec<String> = all_that_quote("x").iter().map(|text| outside_of_spans(text)).collect();
    let mut tried = 0;
    for payload in PAYLOADS {
        let longer = "x".repeat(600);
        let disguises = [
            payload.to_owned(),
            format!("`{payload}"),
            format!("{payload}` {payload}"),
            format!("{payload}{longer}`"),
        ];
        for typed in disguises {
            for (text, wanted) in all_that_quote(&typed).iter().zip(&plain) {
                assert_eq!(&outside_of_spans(text), wanted, "{typed:?} escaped its code span: {text}");
                let is_hidden = |c: char| c != '\n' && !crate::domain::person_name::is_shown(c);
                assert!(!text.contains(is_hidden), "{typed:?} hides in {text:?}");
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 100);
}
