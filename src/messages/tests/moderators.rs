//! The messages for moderators, and those about what waits; each function is called once.

use super::*;

pub(super) fn said_to_moderators_and_pressers(lang: Lang) -> Vec<String> {
    let roles = || vec![RoleId::new(1), RoleId::new(2)];
    let mut said = vec![
        card::needs_operator_notice(lang, "K7M2QX", Some(Step::Mail), ErrorCode::MailRefused),
        requests::refused_notice(lang, ChannelId::new(7), RefusalReason::MissingAccess),
        card::kept_notice(lang, "K7M2QX"),
        card::locked_notice(lang, "K7M2QX", ADA),
        card::enabled_notice(lang, "K7M2QX", ADA),
        card::lock_lost_notice(lang, "K7M2QX", ADA),
        error_code::decided_by(lang, ADA, Verdict::Approve, AT),
        error_code::decided_by(lang, ADA, Verdict::Deny, AT),
        error_code::request_open(lang, "K7M2QX"),
        error_code::why_not(lang, &[]),
        error_code::why_not(
            lang,
            &[
                WhyNot::Pending,
                WhyNot::Bot,
                WhyNot::TimedOut,
                WhyNot::NoRules,
                WhyNot::RolesMissing(roles()),
                WhyNot::RolesMissing(vec![RoleId::new(1)]),
                WhyNot::OneRoleNeeded(roles()),
                WhyNot::RoleForbids(roles()),
                WhyNot::AccountTooYoung(AT),
                WhyNot::MembershipTooYoung(Some(AT)),
                WhyNot::MembershipTooYoung(None),
            ],
        ),
    ];
    let request = RequestFacts {
        code: "K7M2QX",
        requester: Some(ADA),
        state: RequestState::Held,
        reason_code: Some(ErrorCode::AddressInUse),
        waits_for: Some(ErrorCode::DirectoryDown),
        username: "ada",
        created_at: AT,
        lacks_card: true,
    };
    let erased = RequestFacts { requester: None, reason_code: None, waits_for: None, ..request.clone() };
    let details = || requests::RequestDetails {
        rule: Some("members"),
        masked_address: Some("…@example.org"),
        decisions: vec![requests::denial_reason(lang, "no `@everyone`")],
        jobs: vec![requests::job(lang, JobKind::Check, JobState::Done, None, None, None)],
        notes: vec![requests::dated(AT, "`@everyone`")],
        enable_reasons: vec![requests::dated(AT, "no `@everyone`")],
    };
    said.extend([
        requests::request_line(lang, &request),
        requests::request_line(lang, &erased),
        requests::request_summary(lang, &request, details()).plain(),
        requests::request_summary(lang, &erased, requests::RequestDetails::default()).plain(),
        requests::decision(lang, Verdict::Approve, None, "system", Notify::Told, AT),
        requests::decision(lang, Verdict::Deny, Some(ADA), "", Notify::Told, AT),
        requests::decision(lang, Verdict::Deny, Some(ADA), "", Notify::Quiet, AT),
        requests::job(
            lang,
            JobKind::Provision,
            JobState::NeedsOperator,
            Some(Step::Mail),
            Some(ErrorCode::MailRefused),
            None,
        ),
        requests::job(lang, JobKind::Check, JobState::Done, None, None, None),
    ]);
    said.extend(said_of_waits(lang));
    said.extend(card_states().into_iter().map(|state| card_text(lang, &card(state))));
    said
}

/// What is said of jobs that wait, for each code.
fn said_of_waits(lang: Lang) -> Vec<String> {
    let mut said = Vec::new();
    for code in ErrorCode::ALL {
        said.push(error_code::waits_for(lang, *code));
        for is_end in [false, true] {
            let wait = Wait { code: *code, since: AT, is_end };
            let facts = CardFacts { wait: Some(wait), ..card(CardState::Making(Decider::Person(ADA))) };
            said.push(card_text(lang, &facts));
            for count in [1, 2, 100] {
                said.push(card::delayed_notice(lang, &vec!["K7M2QX"; count], &wait));
            }
            let state = JobState::Open;
            said.push(requests::job(lang, JobKind::Lock, state, Some(Step::Lock), Some(*code), Some(wait)));
        }
    }
    said
}

#[test]
fn what_is_waited_for_has_words_of_its_own() {
    for code in ErrorCode::ALL {
        let has_words = text_of_code_if_any(Lang::En, "waits-for", code.code()).is_some();
        assert_eq!(has_words, code.is_waited_for(), "{code}");
    }
}
